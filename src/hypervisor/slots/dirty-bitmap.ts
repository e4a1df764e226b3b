// The dirty bitmap of one slot: a bit for each page, and the count of its longs as the kernel copies it out.

export class DirtyBitmap {
  readonly pages: number;
  readonly words: Uint32Array;

  constructor(pages: number, initiallySet: boolean) {
    this.pages = pages;
    // ALIGN(pages, 64) / 8 bytes.
    this.words = new Uint32Array(Math.ceil(pages / 64) * 2);
    if (initiallySet) for (let page = 0; page < pages; page++) this.mark(page);
  }

  get bytes(): number {
    return this.words.byteLength;
  }

  mark(page: number): void {
    this.words[page >>> 5] |= 1 << (page & 31);
  }

  has(page: number): boolean {
    return ((this.words[page >>> 5] >>> (page & 31)) & 1) !== 0;
  }

  /** Clears one bit; whether it was set. */
  clear(page: number): boolean {
    const was = this.has(page);
    this.words[page >>> 5] &= ~(1 << (page & 31));
    return was;
  }

  copy(): Uint8Array {
    return new Uint8Array(this.words.slice().buffer);
  }

  /** Visits the set bits below `pages`. */
  each(visit: (page: number) => void): void {
    for (let word = 0; word < this.words.length; word++) {
      for (let bits = this.words[word]; bits !== 0; bits &= bits - 1) {
        const page = word * 32 + (31 - Math.clz32(bits & -bits));
        if (page < this.pages) visit(page);
      }
    }
  }

  clearAll(): void {
    this.words.fill(0);
  }
}
