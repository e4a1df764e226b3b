// A sparse table from page numbers (up to 2^40) to 32-bit entries, in leaves of 256: the form of a guest's
// stage 2 and of an address space's page table. A lookup allocates nothing and mostly finds its leaf cached.

const LEAF_BITS = 8;
const LEAF = 1 << LEAF_BITS;
const MASK = LEAF - 1;
/** Leaves within so many of the others (256 GiB of addresses) stand in an array, faster to look into than a map. */
const NEAR = 262144;
/** Leaves that the array has from the start. */
const FEW = 16;

type Leaf = Uint32Array | undefined;

export class PageTable {
  /** Leaves from `base` on; it starts where the first entry does. */
  private near: Leaf[] = [];
  private base = 0;
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
    const at = key - this.base;
    if (at >= 0 && at < this.near.length) return this.near[at];
    return this.far.size === 0 ? undefined : this.far.get(key);
  }

  private addLeaf(key: number): Uint32Array {
    const leaf = new Uint32Array(LEAF);
    if (this.widen(key)) this.near[key - this.base] = leaf;
    else this.far.set(key, leaf);
    return leaf;
  }

  /** Makes the array cover a leaf, where that keeps it short; whether it does. */
  private widen(key: number): boolean {
    const { near, base } = this;
    const end = base + near.length;
    if (key >= base && key < end) return true;
    // Room in the direction in which it grows, so that a table filled in either order is not copied for each leaf.
    let first = base;
    if (near.length === 0) first = key;
    else if (key < base) first = Math.max(0, Math.min(key, end - 2 * near.length));
    const needed = (near.length === 0 ? key + 1 : Math.max(end, key + 1)) - first;
    if (needed > NEAR) return false;
    // Made at its full length: an array that grows by gaps becomes a dictionary.
    const length = key < end ? needed : Math.max(needed, 2 * near.length);
    const wider = new Array<Leaf>(Math.min(NEAR, Math.max(length, FEW))).fill(undefined);
    for (let n = 0; n < near.length; n++) wider[base - first + n] = near[n];
    this.near = wider;
    this.base = first;
    this.takeIn();
    return true;
  }

  /** Leaves that the wider array now covers move into it. */
  private takeIn(): void {
    for (const [key, leaf] of this.far) {
      const at = key - this.base;
      if (at < 0 || at >= this.near.length) continue;
      this.near[at] = leaf;
      this.far.delete(key);
    }
  }

  private keysBetween(first: number, last: number): number[] {
    const { near, base } = this;
    const keys: number[] = [];
    for (let key = Math.max(first, base); key <= last && key < base + near.length; key++) {
      if (near[key - base] !== undefined) keys.push(key);
    }
    if (this.far.size === 0) return keys;
    const far = [...this.far.keys()].filter((key) => key >= first && key <= last);
    return keys.concat(far).sort((a, b) => a - b);
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
