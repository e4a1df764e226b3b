// The soft TLBs that generated code looks into (layout.ts): filling entries and dropping them. It knows which
// addresses an entry stands for, and nothing about why.

import { type HostOffset, hostOffset } from '../../../lib/index.ts';
import { type AllocationTags, MIXED, type PhysicalMemory, type UniformTagCache } from '../../memory/index.ts';
import {
  INVALID_TAG,
  TLB,
  TLB_COUNT,
  TLB_INFO_CHECKED,
  TLB_INFO_EXEMPT_SHIFT,
  TLB_INFO_GUARDED,
  TLB_INFO_PLAIN_SHIFT,
  TLB_INFO_TAGS,
  TLB_TAG_CHECKED,
  TLB_TAG_STORED,
  tlbIndex,
} from '../layout.ts';
import {
  ATTR_GUARDED,
  ATTR_NOT_GLOBAL,
  ATTR_SIZE_MASK,
  ATTR_SIZE_SHIFT,
  MAY_EXECUTE,
  MAY_READ,
  MAY_WRITE,
} from './attributes.ts';

const BYTES = TLB.entries * TLB.entryBytes;
const ALL_BYTES = BYTES * TLB_COUNT;
const WORDS = TLB.entryBytes / 4;
const INVALID_HIGH = Number(INVALID_TAG >> 32n);
const READ = TLB.readTag / 4;
const WRITE = TLB.writeTag / 4;
const EXEC = TLB.execTag / 4;
const ADDEND = TLB.addend / 4;
const INFO = TLB.info / 4;
const INDEX_MASK = TLB.entries - 1;
const ENTRIES = TLB.entries * TLB_COUNT;
/** Entries of one address space remembered one by one before all are dropped instead. */
const LOCAL_ENTRIES = 4096;
/** Entries remembered one by one before a look at all of them is as good. */
const FILLED_ENTRIES = 8192;

const REGIONS = 1024;
const regionOf = (low: number, high: number): number =>
  ((low >>> 21) ^ (low >>> 31) ^ (high << 1) ^ (high >>> 8)) & (REGIONS - 1);

/** The high half of addresses with this tag, their other top bits as usual. */
const withTag = (high: number, tag: number): number =>
  (high & 0x00ff_ffff) | (tag << 24) | (high & 0x0080_0000 ? 0xf000_0000 : 0);

const ALL_EXEMPT = 0xffff;

function infoOf(ignoreTop: boolean, { accessible, checked, matchAll }: PageTags): number {
  const shift = ignoreTop ? 8 : 0;
  const exempt = !checked ? ALL_EXEMPT : matchAll === NO_TAG ? 0 : 1 << matchAll;
  return (
    shift |
    (checked ? TLB_INFO_CHECKED : shift << TLB_INFO_PLAIN_SHIFT) |
    (accessible ? TLB_INFO_TAGS : 0) |
    (exempt << TLB_INFO_EXEMPT_SHIFT)
  );
}

/** Low half of entry i's invalid tag: its page bits name an entry that no access to i or i - 1 can mean. */
const invalidLow = (index: number): number => ((index ^ 512) << 12) >>> 0;

function invalidateAt(u32: Uint32Array, at: number, entry: number): void {
  const low = invalidLow(entry & INDEX_MASK);
  u32[at + READ] = low;
  u32[at + READ + 1] = INVALID_HIGH;
  u32[at + WRITE] = low;
  u32[at + WRITE + 1] = INVALID_HIGH;
  u32[at + EXEC] = low;
  u32[at + EXEC + 1] = INVALID_HIGH;
}

let emptyBytes: Uint8Array | undefined;

/** What empty TLBs look like. */
function empty(): Uint8Array {
  if (!emptyBytes) {
    const u32 = new Uint32Array(ALL_BYTES / 4);
    for (let entry = 0; entry < ENTRIES; entry++) invalidateAt(u32, entry * WORDS, entry);
    emptyBytes = new Uint8Array(u32.buffer);
  }
  return emptyBytes;
}

/** What tag checks are to a page, for accesses of one context. */
export interface PageTags {
  /** The page has tags, which instructions may reach. */
  accessible: boolean;
  /** Accesses are checked; only where the top byte is ignored. */
  checked: boolean;
  /** The logical tag that matches all (TCMA), or NO_TAG. */
  matchAll: number;
}
export const NO_TAG = -1;

export class SoftTlb implements UniformTagCache {
  /** Byte offset of each context's TLB, by TLB_EL0, TLB_EL1_PAN, TLB_EL1. */
  readonly bases: readonly number[];
  private readonly u8: Uint8Array;
  private readonly u32: Uint32Array;
  private readonly first: number;
  /** log2 of the bytes that an architectural TLB entry behind each soft entry would cover. */
  private readonly shifts = new Uint8Array(ENTRIES);
  /** The largest of them since everything was dropped, for the lower and the upper half; 12 is usual. */
  private readonly largest = [12, 12];
  /** Regions of 2 MiB (hashed) with entries that come from blocks or larger granules. */
  private readonly blockRegions = new Uint8Array(REGIONS);
  /** Frames that entries lead to, one bit each; a bit may be set without an entry. */
  private readonly frames: Uint8Array;
  private readonly framesBase: number;
  private readonly tags: AllocationTags;
  /** By frame: 1 + the entry that knows it by one tag; an entry may have become another's. */
  private readonly uniform: Uint16Array;
  /** Entries (by number) that a change of address space must drop. */
  private readonly local = new Uint16Array(LOCAL_ENTRIES);
  private locals = 0;
  /** Entries that were filled since everything was dropped, each once, as far as they fit. */
  private readonly filled = new Uint16Array(FILLED_ENTRIES);
  private readonly isFilled = new Uint8Array(ENTRIES);
  private fills = 0;

  constructor(memory: PhysicalMemory) {
    this.u8 = memory.u8;
    this.u32 = memory.u32;
    this.first = memory.reserve(ALL_BYTES, 64);
    this.frames = new Uint8Array((memory.frames >>> 3) + 1);
    this.framesBase = memory.framesBase;
    this.tags = memory.allocationTags;
    this.tags.addCache(this);
    this.uniform = new Uint16Array(memory.frames);
    this.bases = Array.from({ length: TLB_COUNT }, (_, n) => this.first + n * BYTES);
    this.u8.set(empty(), this.first);
  }

  private invalidate(entry: number): void {
    invalidateAt(this.u32, (this.first >>> 2) + entry * WORDS, entry);
  }

  private isValid(at: number): boolean {
    return (
      this.u32[at + READ + 1] !== INVALID_HIGH ||
      this.u32[at + WRITE + 1] !== INVALID_HIGH ||
      this.u32[at + EXEC + 1] !== INVALID_HIGH
    );
  }

  /** How many entries must be looked at to see all that are valid, and which is the nth of these. */
  private get candidates(): number {
    return this.fills > FILLED_ENTRIES ? ENTRIES : this.fills;
  }
  private candidate(n: number): number {
    return this.fills > FILLED_ENTRIES ? n : this.filled[n];
  }

  /** Takes entries that were dropped out of those to be looked at. */
  private forgetInvalid(): void {
    let kept = 0;
    for (let n = 0; n < this.fills; n++) {
      const entry = this.filled[n];
      if (this.isValid((this.first >>> 2) + entry * WORDS)) this.filled[kept++] = entry;
      else this.isFilled[entry] = 0;
    }
    this.fills = kept;
  }

  dropAll(): void {
    if (this.fills === 0) return;
    if (this.fills > FILLED_ENTRIES) {
      this.u8.set(empty(), this.first);
      this.isFilled.fill(0);
    } else {
      for (let n = 0; n < this.fills; n++) {
        this.invalidate(this.filled[n]);
        this.isFilled[this.filled[n]] = 0;
      }
    }
    this.fills = 0;
    this.largest[0] = 12;
    this.largest[1] = 12;
    this.blockRegions.fill(0);
    this.locals = 0;
  }

  /** Drops one context's entries. */
  dropContext(context: number): void {
    const first = context * TLB.entries;
    for (let n = 0; n < this.candidates; n++) {
      const entry = this.candidate(n);
      if (entry >= first && entry < first + TLB.entries) this.invalidate(entry);
    }
  }

  /** Drops what belongs to one address space: the lower half, and pages that are not global. */
  dropLocal(): void {
    if (this.locals > LOCAL_ENTRIES) {
      this.dropAll();
      return;
    }
    for (let n = 0; n < this.locals; n++) this.invalidate(this.local[n]);
    this.locals = 0;
    this.largest[0] = 12;
  }

  /**
   * Fills the entry of a page. `may` are the MAY_* bits that generated code may use without asking again;
   * `ignoreTop` is its shift.
   */
  fill(
    context: number,
    low: number,
    high: number,
    may: number,
    attributes: number,
    frame: HostOffset,
    ignoreTop: boolean,
    tags: PageTags,
  ): void {
    const index = tlbIndex(low);
    const entry = context * TLB.entries + index;
    const at = (this.first >>> 2) + entry * WORDS;
    const page = (low & ~0xfff) >>> 0;
    const invalid = invalidLow(index);
    const number = (frame - this.framesBase) >>> 12;
    const passing = tags.checked ? this.passingTag(high, tags.matchAll, frame, entry) : NO_TAG;
    const data = tags.checked && passing === NO_TAG ? page | TLB_TAG_CHECKED : page;
    const dataHigh = passing === NO_TAG ? high : withTag(high, passing);
    // Bit 55 and 54 of a mapped address are equal, so a valid tag is never mistaken for an invalid one.
    const readable = (may & MAY_READ) !== 0;
    const writable = (may & MAY_WRITE) !== 0;
    const executable = (may & MAY_EXECUTE) !== 0;
    this.u32[at + READ] = readable ? data : invalid;
    this.u32[at + READ + 1] = readable ? dataHigh : INVALID_HIGH;
    this.u32[at + WRITE] = writable ? data : invalid;
    this.u32[at + WRITE + 1] = writable ? dataHigh : INVALID_HIGH;
    this.u32[at + EXEC] = executable ? page : invalid;
    // A PC has no tag byte, whatever the access that filled the entry had.
    const canonical = high & 0x0080_0000 ? high | 0xff00_0000 : high & 0x00ff_ffff;
    this.u32[at + EXEC + 1] = executable ? canonical : INVALID_HIGH;
    this.u32[at + ADDEND] = frame - page;
    this.u32[at + INFO] = infoOf(ignoreTop, tags) | (attributes & ATTR_GUARDED ? TLB_INFO_GUARDED : 0);
    const shift = (attributes >>> ATTR_SIZE_SHIFT) & ATTR_SIZE_MASK;
    this.shifts[entry] = shift;
    if (this.isFilled[entry] === 0) {
      if (this.fills === FILLED_ENTRIES) this.forgetInvalid();
      this.isFilled[entry] = 1;
      if (this.fills < FILLED_ENTRIES) this.filled[this.fills] = entry;
      this.fills++;
    }
    const half = (high >>> 23) & 1;
    if (shift > 12) {
      if (shift > this.largest[half]) this.largest[half] = shift;
      this.blockRegions[regionOf(low, high & 0x00ff_ffff)] = 1;
    }
    this.frames[number >>> 3] |= 1 << (number & 7);
    if (half === 0 || attributes & ATTR_NOT_GLOBAL) {
      if (this.locals < LOCAL_ENTRIES) this.local[this.locals] = entry;
      if (this.locals <= LOCAL_ENTRIES) this.locals++;
    }
  }

  /**
   * The tag with which accesses to a checked page need no look at its tags: the one that matches all, where the access
   * that fills the entry has it, or else the page's only one; NO_TAG where it has several.
   */
  private passingTag(high: number, matchAll: number, frame: HostOffset, entry: number): number {
    if (matchAll === ((high >>> 24) & 15)) return matchAll;
    const tag = this.tags.share(frame);
    if (tag === MIXED) return matchAll;
    const number = (frame - this.framesBase) >>> 12;
    const before = this.uniform[number] - 1;
    // One entry is told when the frame's tags change; the frame's other address goes on by looking at them.
    if (before >= 0 && before !== entry) this.mark(before, frame, TLB_TAG_CHECKED);
    this.uniform[number] = entry + 1;
    return tag;
  }

  /** Marks the data words of an entry, if it still leads to the frame. */
  private mark(entry: number, frame: HostOffset, mark: number): void {
    const at = (this.first >>> 2) + entry * WORDS;
    if (!this.isValid(at) || this.frameOf(at) !== frame) return;
    this.u32[at + READ] |= mark;
    this.u32[at + WRITE] |= mark;
  }

  tagsChanging(frame: HostOffset): void {
    const number = (frame - this.framesBase) >>> 12;
    const entry = this.uniform[number] - 1;
    this.uniform[number] = 0;
    if (entry >= 0) this.mark(entry, frame, TLB_TAG_STORED);
  }

  /** An instruction stored tags by way of an entry: more will follow, and then perhaps all of the page's are one. */
  tagsStored(context: number, low: number, frame: HostOffset): void {
    this.mark(context * TLB.entries + tlbIndex(low), frame, TLB_TAG_STORED);
  }

  /** Drops every entry whose architectural TLB entry translates an address. */
  dropAddress(low: number, high: number): void {
    const largest = this.largest[(high >>> 23) & 1];
    if (largest <= 21 && this.blockRegions[regionOf(low, high & 0x00ff_ffff)] === 0) {
      const index = tlbIndex(low);
      for (let context = 0; context < TLB_COUNT; context++) this.invalidate(context * TLB.entries + index);
      return;
    }
    for (let n = 0; n < this.candidates; n++) {
      const entry = this.candidate(n);
      const at = (this.first >>> 2) + entry * WORDS;
      if (this.covers(at, entry, low, high)) this.invalidate(entry);
    }
  }

  private covers(at: number, entry: number, low: number, high: number): boolean {
    const shift = this.shifts[entry];
    return (
      this.matches(at + READ, shift, low, high) ||
      this.matches(at + WRITE, shift, low, high) ||
      this.matches(at + EXEC, shift, low, high)
    );
  }

  /** Bits 55:shift agree. */
  private matches(tag: number, shift: number, low: number, high: number): boolean {
    const highTag = this.u32[tag + 1];
    if (highTag === INVALID_HIGH || ((highTag ^ high) & 0x00ff_ffff) !== 0) return false;
    return (this.u32[tag] ^ low) >>> shift === 0;
  }

  /** Drops the entries that lead to a frame. */
  dropFrame(frame: HostOffset): void {
    const number = (frame - this.framesBase) >>> 12;
    if (!(this.frames[number >>> 3] & (1 << (number & 7)))) return;
    this.frames[number >>> 3] &= ~(1 << (number & 7));
    for (let n = 0; n < this.candidates; n++) {
      const entry = this.candidate(n);
      const at = (this.first >>> 2) + entry * WORDS;
      if (this.isValid(at) && this.frameOf(at) === frame) this.invalidate(entry);
    }
  }

  /** Lets no write to any page through any more, so that each is seen once (dirty logging). */
  dropWrites(): void {
    for (let n = 0; n < this.candidates; n++) {
      const entry = this.candidate(n);
      const at = (this.first >>> 2) + entry * WORDS;
      this.u32[at + WRITE] = invalidLow(entry & INDEX_MASK);
      this.u32[at + WRITE + 1] = INVALID_HIGH;
    }
  }

  private frameOf(at: number): HostOffset {
    const tag =
      this.u32[at + READ + 1] !== INVALID_HIGH
        ? READ
        : this.u32[at + WRITE + 1] !== INVALID_HIGH
          ? WRITE
          : EXEC;
    return hostOffset((this.u32[at + ADDEND] + (this.u32[at + tag] & ~0xfff)) >>> 0);
  }

  /** TLB.info of the entry that lookup() found. */
  info = 0;

  /** The frame that generated code would reach for a read or write of one page, or -1. */
  lookup(context: number, low: number, high: number, write: boolean): number {
    const at = (this.first >>> 2) + (context * TLB.entries + tlbIndex(low)) * WORDS;
    const tag = at + (write ? WRITE : READ);
    const page = (low & ~0xfff) >>> 0;
    if ((this.u32[tag] & (~0xfff | TLB_TAG_STORED)) >>> 0 !== page) return -1;
    const info = this.u32[at + INFO];
    const difference = this.u32[tag + 1] ^ high;
    if ((info & 63 ? difference & 0x00ff_ffff : difference) !== 0) return -1;
    this.info = info;
    return (page + this.u32[at + ADDEND]) >>> 0;
  }

  /** Whether code at an address may go on without fetch(). */
  mayExecute(context: number, low: number, high: number): boolean {
    const at = (this.first >>> 2) + (context * TLB.entries + tlbIndex(low)) * WORDS;
    return this.u32[at + EXEC] === (low & ~0xfff) >>> 0 && this.u32[at + EXEC + 1] === high;
  }
}
