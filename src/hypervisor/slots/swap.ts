// The host's swap file: a page's data and, where it had them, its tags, two to a byte (Linux arch/arm64/mm/mteswap.c
// keeps 128 bytes of tags for each 4 KiB). Numbers of slots count from 1.

import { Errno, PAGE_SIZE } from '../../lib/index.ts';

interface SwappedPage {
  readonly data: Uint8Array;
  readonly tags: Uint8Array | undefined;
}

export const packTags = (tags: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: tags.length / 2 }, (_, n) => (tags[2 * n] & 15) | (tags[2 * n + 1] << 4));

export const unpackTags = (packed: Uint8Array, into: Uint8Array): void => {
  for (let n = 0; n < packed.length; n++) {
    into[2 * n] = packed[n] & 15;
    into[2 * n + 1] = packed[n] >>> 4;
  }
};

export class SwapFile {
  readonly capacity: number;
  private readonly pages = new Map<number, SwappedPage>();
  private next = 1;

  constructor(capacityPages: number) {
    this.capacity = capacityPages;
  }

  get used(): number {
    return this.pages.size;
  }

  /** Stores a page; returns its slot. Throws ENOMEM. */
  store(data: Uint8Array, tags: Uint8Array | undefined): number {
    if (this.pages.size >= this.capacity)
      throw new Errno('ENOMEM', `all ${this.capacity} pages of swap are in use`);
    const slot = this.next++;
    if (data.length !== PAGE_SIZE) throw new RangeError('a swapped page is a whole page');
    this.pages.set(slot, { data: data.slice(), tags: tags && packTags(tags) });
    return slot;
  }

  /** Copies a page back; whether it had tags. The slot is free then. */
  load(slot: number, data: Uint8Array, tags: Uint8Array): boolean {
    const page = this.pages.get(slot);
    if (page === undefined) throw new Error(`swap slot ${slot} holds nothing`);
    data.set(page.data);
    if (page.tags) unpackTags(page.tags, tags);
    this.pages.delete(slot);
    return page.tags !== undefined;
  }

  /** The data of every page that is out, as whoever reads the disk sees it. */
  *disk(): Generator<Uint8Array> {
    for (const { data } of this.pages.values()) yield data.slice();
  }

  free(slot: number): void {
    this.pages.delete(slot);
  }
}
