// A sparse table from page numbers (up to 2^40) to 32-bit entries, in leaves of 1024: the form of a guest's
// stage 2 and of an address space's page table. A lookup allocates nothing and mostly finds its leaf cached.

const LEAF_BITS = 10;
const LEAF = 1 << LEAF_BITS;
const MASK = LEAF - 1;
/** Leaves below this (256 GiB of addresses) stand in an array, which is faster to look into than a map. */
const NEAR = 65536;

type Leaf = Uint32Array | undefined;

export class PageTable {
  private near: Leaf[] = [];
  private readonly far = new Map<number, Uint32Array>();

  /** The entry of a page; 0 where none was ever set. */
  get(page: number): number {
    const low = page & MASK;
    const leaf = this.leafAt((page - low) / LEAF);
    return leaf === undefined ? 0 : leaf[low];
  }

  set(page: number, entry: number): void {
    const low = page & MASK;
    const key = (page - low) / LEAF;
    const leaf = this.leafAt(key) ?? (entry === 0 ? undefined : this.addLeaf(key));
    if (leaf !== undefined) leaf[low] = entry;
  }

  private leafAt(key: number): Leaf {
    return key < this.near.length ? this.near[key] : key < NEAR ? undefined : this.far.get(key);
  }

  private addLeaf(key: number): Uint32Array {
    const leaf = new Uint32Array(LEAF);
    if (key >= NEAR) {
      this.far.set(key, leaf);
      return leaf;
    }
    if (key >= this.near.length) {
      // Made at its full length: an array that grows by gaps becomes a dictionary.
      const longer = new Array<Leaf>(Math.min(NEAR, Math.max(key + 1, 2 * this.near.length)));
      for (let n = 0; n < this.near.length; n++) longer[n] = this.near[n];
      this.near = longer;
    }
    this.near[key] = leaf;
    return leaf;
  }

  private keysBetween(first: number, last: number): number[] {
    const keys: number[] = [];
    for (let key = first; key <= last && key < this.near.length; key++) {
      if (this.near[key] !== undefined) keys.push(key);
    }
    const far = [...this.far.keys()].filter((key) => key >= first && key <= last);
    return keys.concat(far.sort((a, b) => a - b));
  }

  /** Visits the entries in [from, to) that are not 0, in order; the visitor may change what it visits. */
  forEach(from: number, to: number, visit: (page: number, entry: number) => void): void {
    for (const key of this.keysBetween(Math.floor(from / LEAF), Math.floor((to - 1) / LEAF))) {
      const leaf = this.leafAt(key);
      if (leaf === undefined) continue;
      const base = key * LEAF;
      const end = Math.min(LEAF, to - base);
      for (let low = Math.max(0, from - base); low < end; low++) {
        if (leaf[low] !== 0) visit(base + low, leaf[low]);
      }
    }
  }

  /** All entries that are not 0. */
  each(visit: (page: number, entry: number) => void): void {
    this.forEach(0, Number.MAX_SAFE_INTEGER, visit);
  }
}
