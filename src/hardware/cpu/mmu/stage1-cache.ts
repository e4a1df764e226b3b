// A larger cache of stage-1 results behind the soft TLBs, tagged by address space, so that a context switch or a
// conflict costs no walk (Arm ARM D8.13 allows it: everything here is dropped by the TLBI that names it). It holds
// IPAs and attributes before permissions, so neither PAN nor stage 2 has a say in it.

import { ATTR_NOT_GLOBAL, ATTR_SIZE_MASK, ATTR_SIZE_SHIFT } from './attributes.ts';

const WAYS = 4;
const SETS = 2048;
const BIG = 512;
const BIG_SHIFT = 21;
/** Bits of the second key word: 11:0 VA[55:44], 29:12 address space, 30 global, 31 valid. */
const GLOBAL = 1 << 30;
const VALID = 1 << 31;
const SPACES = 1 << 18;

/** One array of entries. */
class Entries {
  readonly address: Uint32Array;
  readonly space: Uint32Array;
  readonly pageLow: Uint32Array;
  readonly pageHigh: Uint32Array;
  readonly attributes: Uint32Array;

  constructor(count: number) {
    this.address = new Uint32Array(count);
    this.space = new Uint32Array(count);
    this.pageLow = new Uint32Array(count);
    this.pageHigh = new Uint32Array(count);
    this.attributes = new Uint32Array(count);
  }
}

export class Stage1Cache {
  /** The result of lookup(). */
  pageLow = 0;
  pageHigh = 0;
  attributes = 0;
  private readonly small = new Entries(WAYS * SETS);
  private readonly big = new Entries(BIG);
  private readonly victims = new Uint8Array(SETS);
  /** The number that stands for each ASID's address space now; dropping one just gives it another. */
  private readonly spaceOf = new Uint32Array(65536);
  private nextSpace = 1;
  /** Some entry of `big` covers more than 2 MiB; some of `small` less than its architectural entry did. */
  private gigabytes = false;
  private pieces = false;
  private clean = true;

  /** Finds a page; true with the fields set. */
  lookup(low: number, high: number, asid: number): boolean {
    const top = (high >>> 12) & 0xfff;
    const own = (VALID | (this.spaceOf[asid] << 12) | top) >>> 0;
    const global = (VALID | GLOBAL | top) >>> 0;
    const page = ((low >>> 12) | (high << 20)) >>> 0;
    const set = this.setOf(page);
    const { address, space } = this.small;
    for (let at = set * WAYS, end = at + WAYS; at < end; at++) {
      if (address[at] === page && (space[at] === own || space[at] === global))
        return this.found(this.small, at);
    }
    const region = (page >>> 9) << 9;
    const at = this.bigOf(page);
    if (this.big.address[at] !== region >>> 0) return false;
    if (this.big.space[at] !== own && this.big.space[at] !== global) return false;
    this.found(this.big, at);
    this.pageLow = (this.pageLow | (low & 0x001f_f000)) >>> 0;
    return true;
  }

  private found(entries: Entries, at: number): true {
    this.pageLow = entries.pageLow[at];
    this.pageHigh = entries.pageHigh[at];
    this.attributes = entries.attributes[at];
    return true;
  }

  private setOf(page: number): number {
    return (page ^ (page >>> 11)) & (SETS - 1);
  }
  private bigOf(page: number): number {
    return ((page >>> 9) ^ (page >>> 18)) & (BIG - 1);
  }

  insert(
    low: number,
    high: number,
    asid: number,
    pageLow: number,
    pageHigh: number,
    attributes: number,
  ): void {
    const local = (attributes & ATTR_NOT_GLOBAL) !== 0;
    const top = (high >>> 12) & 0xfff;
    const space = (VALID | (local ? this.takeSpace(asid) << 12 : GLOBAL) | top) >>> 0;
    this.clean = false;
    const page = ((low >>> 12) | (high << 20)) >>> 0;
    const shift = (attributes >>> ATTR_SIZE_SHIFT) & ATTR_SIZE_MASK;
    if (shift >= BIG_SHIFT) {
      if (shift > BIG_SHIFT) this.gigabytes = true;
      const region = ((page >>> 9) << 9) >>> 0;
      this.put(
        this.big,
        this.bigOf(page),
        region,
        space,
        (pageLow & 0xffe0_0000) >>> 0,
        pageHigh,
        attributes,
      );
      return;
    }
    if (shift > 12) this.pieces = true;
    const set = this.setOf(page);
    let at = set * WAYS;
    for (let way = 0; way < WAYS; way++) {
      if (this.small.address[at + way] === page && this.small.space[at + way] === space) {
        this.put(this.small, at + way, page, space, pageLow, pageHigh, attributes);
        return;
      }
    }
    at += this.victims[set];
    this.victims[set] = (this.victims[set] + 1) & (WAYS - 1);
    this.put(this.small, at, page, space, pageLow, pageHigh, attributes);
  }

  private put(
    entries: Entries,
    at: number,
    address: number,
    space: number,
    pageLow: number,
    pageHigh: number,
    attributes: number,
  ): void {
    entries.address[at] = address;
    entries.space[at] = space;
    entries.pageLow[at] = pageLow;
    entries.pageHigh[at] = pageHigh;
    entries.attributes[at] = attributes;
  }

  /** The number of an ASID's address space; 0 is nobody's. */
  private takeSpace(asid: number): number {
    if (this.spaceOf[asid] === 0) {
      if (this.nextSpace === SPACES) {
        this.dropAll();
        this.spaceOf.fill(0);
        this.nextSpace = 1;
      }
      this.spaceOf[asid] = this.nextSpace++;
    }
    return this.spaceOf[asid];
  }

  dropAll(): void {
    if (this.clean) return;
    this.small.space.fill(0);
    this.big.space.fill(0);
    this.gigabytes = false;
    this.pieces = false;
    this.clean = true;
  }

  dropAsid(asid: number): void {
    this.spaceOf[asid] = 0;
  }

  /** Drops what translates an address, in one address space (and global entries) or in all (`asid` -1). */
  dropAddress(low: number, high: number, asid: number): void {
    const page = ((low >>> 12) | (high << 20)) >>> 0;
    const top = (high >>> 12) & 0xfff;
    if (this.pieces) {
      this.dropWhere(this.small, page, top);
    } else {
      const own = (VALID | (this.spaceOf[Math.max(asid, 0)] << 12) | top) >>> 0;
      for (let at = this.setOf(page) * WAYS, end = at + WAYS; at < end; at++) {
        if (this.small.address[at] !== page) continue;
        const space = this.small.space[at];
        if (asid < 0 || space === own || space & GLOBAL) this.small.space[at] = 0;
      }
    }
    if (this.gigabytes) this.dropWhere(this.big, page, top);
    else if (this.big.address[this.bigOf(page)] === ((page >>> 9) << 9) >>> 0)
      this.big.space[this.bigOf(page)] = 0;
  }

  /** Drops all entries whose architectural entry covers the page, in every address space. */
  private dropWhere(entries: Entries, page: number, top: number): void {
    const { address, space, attributes } = entries;
    for (let at = 0; at < address.length; at++) {
      if (space[at] === 0 || (space[at] & 0xfff) !== top) continue;
      const shift = ((attributes[at] >>> ATTR_SIZE_SHIFT) & ATTR_SIZE_MASK) - 12;
      if ((address[at] ^ page) >>> shift === 0) space[at] = 0;
    }
  }
}
