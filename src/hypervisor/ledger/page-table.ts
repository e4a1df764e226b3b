// A sparse table from page numbers (up to 2^40) to 32-bit entries, in leaves of 1024: the form of a guest's
// stage 2 and of an address space's page table. A lookup allocates nothing and mostly finds its leaf cached.

const LEAF_BITS = 10;
const LEAF = 1 << LEAF_BITS;
const MASK = LEAF - 1;

export class PageTable {
  private readonly leaves = new Map<number, Uint32Array>();
  private lastKey = -1;
  private last: Uint32Array | undefined;

  /** The entry of a page; 0 where none was ever set. */
  get(page: number): number {
    const low = page & MASK;
    const key = (page - low) / LEAF;
    if (key !== this.lastKey) {
      this.last = this.leaves.get(key);
      this.lastKey = key;
    }
    return this.last === undefined ? 0 : this.last[low];
  }

  set(page: number, entry: number): void {
    const low = page & MASK;
    const key = (page - low) / LEAF;
    let leaf = this.leaves.get(key);
    if (leaf === undefined) {
      if (entry === 0) return;
      leaf = new Uint32Array(LEAF);
      this.leaves.set(key, leaf);
      this.lastKey = -1;
    }
    leaf[low] = entry;
  }

  /** Visits the entries in [from, to) that are not 0, in order; the visitor may change what it visits. */
  forEach(from: number, to: number, visit: (page: number, entry: number) => void): void {
    const firstKey = Math.floor(from / LEAF);
    const lastKey = Math.floor((to - 1) / LEAF);
    const keys =
      lastKey - firstKey < this.leaves.size
        ? Array.from({ length: lastKey - firstKey + 1 }, (_, n) => firstKey + n)
        : [...this.leaves.keys()].filter((key) => key >= firstKey && key <= lastKey).sort((a, b) => a - b);
    for (const key of keys) {
      const leaf = this.leaves.get(key);
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

  clear(): void {
    this.leaves.clear();
    this.last = undefined;
    this.lastKey = -1;
  }
}
