// The stage-1 translation table walk (VMSAv8-64, Arm ARM D8.2-D8.5) for granules of 4, 16 and 64 KiB. It runs once
// per TLB miss: addresses are 32-bit halves throughout, results are left in fields, and nothing is allocated.

import { gpa } from '../../../lib/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import {
  ACCESS_READ,
  ACCESS_WRITE,
  STAGE2_BEYOND,
  STAGE2_EXIT,
  STAGE2_MEMORY,
  STAGE2_SIZE_FAULT,
  type Stage2,
  type Stage2Page,
} from '../stage2.ts';
import { FSC } from '../syndrome.ts';
import {
  ATTR_CLEAN,
  ATTR_DEVICE,
  ATTR_GUARDED,
  ATTR_INDEX_SHIFT,
  ATTR_NOT_GLOBAL,
  ATTR_PXN,
  ATTR_READ_ONLY,
  ATTR_SHARE_SHIFT,
  ATTR_SIZE_SHIFT,
  ATTR_TAGGED,
  ATTR_USER,
  ATTR_UXN,
} from './attributes.ts';
import type { Half, Regime } from './regime.ts';

/** Results of a walk that are no fault status code. */
export const WALK_DONE = -1;
/** The hypervisor has an exit ready. */
export const WALK_EXIT = -2;
/** A table is beyond the VM's address space: address size fault, level 0, FAR = faultIpa. */
export const WALK_SIZE_FAULT = -3;
/** A table is beyond the VM's address space alone: external abort, FAR = faultIpa. */
export const WALK_BEYOND = -4;

const HIGH = 2 ** 32;
/** Pages of tables whose frames are remembered. */
const REMEMBERED = 256;
const VALID_KEY = 0x8000_0000;

export class Walker {
  /** IPA of the 4 KiB page that was found, in halves. */
  pageLow = 0;
  pageHigh = 0;
  /** ATTR_* of it. */
  attributes = 0;
  /** The level of the leaf. */
  level = 0;
  /** Whether the leaf has its access flag clear; then settle() must be called before use. */
  accessFlagClear = false;
  /** Where a SIZE_FAULT happened. */
  faultIpa = 0;
  private leafLow = 0;
  private leafHigh = 0;
  private readonly u32: Uint32Array;
  private readonly stage2: Stage2;
  private readonly regime: Regime;
  private readonly out: Stage2Page;
  /** Bits 31:12 of a table page's IPA; its high half with VALID_KEY; its frame. */
  private readonly keyLow = new Uint32Array(REMEMBERED);
  private readonly keyHigh = new Uint32Array(REMEMBERED);
  private readonly frames = new Uint32Array(REMEMBERED);

  constructor(memory: PhysicalMemory, stage2: Stage2, regime: Regime, scratch: Stage2Page) {
    this.u32 = memory.u32;
    this.stage2 = stage2;
    this.regime = regime;
    this.out = scratch;
  }

  /** Stage 2 changed: where tables are is asked anew. */
  forgetTables(): void {
    this.keyHigh.fill(0);
  }

  /** Host offset of the table page at an IPA, or -1 with the outcome in `refusal`. */
  private tableFrame(low: number, high: number, level: number): number {
    const slot = ((low >>> 12) ^ (low >>> 20)) & (REMEMBERED - 1);
    const key = (high | VALID_KEY) >>> 0;
    if (this.keyLow[slot] === low && this.keyHigh[slot] === key) return this.frames[slot];
    const outcome = this.stage2.translate(gpa(high * HIGH + low), ACCESS_READ, true, this.out);
    if (outcome !== STAGE2_MEMORY) {
      this.refusal = this.refused(outcome, low, high, level);
      return -1;
    }
    this.keyLow[slot] = low;
    this.keyHigh[slot] = key;
    this.frames[slot] = this.out.frame;
    return this.out.frame;
  }
  private refusal = 0;

  /** Finds the leaf descriptor of an address whose top bits have been checked. */
  walk(low: number, high: number, half: Half): number {
    const { granuleShift, stride } = half;
    const { u32 } = this;
    const outputShift = this.regime.outputBits - 32;
    const granuleMask = -1 << granuleShift;
    let tableLow = half.tableLow;
    let tableHigh = half.tableHigh;
    if (tableHigh >>> outputShift !== 0) return FSC.addressSize;
    let level = half.startLevel;
    let shift = granuleShift + (3 - level) * stride;
    let indexMask = half.indexMask;
    let hierarchy = 0;
    for (;;) {
      const index =
        (shift >= 32 ? high >>> (shift - 32) : (low >>> shift) | (high << (32 - shift))) & indexMask;
      const at = tableLow + index * 8;
      const pageLow = (at & 0xffff_f000) >>> 0;
      const frame = this.tableFrame(pageLow, tableHigh, level);
      if (frame < 0) return this.refusal;
      const word = (frame + (at & 0xfff)) >>> 2;
      const low0 = u32[word];
      const high0 = u32[word + 1];
      if ((low0 & 1) === 0) return FSC.translation | level;
      const addressHigh = high0 & 0xffff;
      if (level < 3 && (low0 & 2) !== 0) {
        tableLow = (low0 & granuleMask) >>> 0;
        tableHigh = addressHigh;
        if (tableHigh >>> outputShift !== 0) return FSC.addressSize | level;
        hierarchy |= high0;
        level++;
        shift -= stride;
        indexMask = half.fullMask;
        continue;
      }
      const block = level < 3;
      if (block ? level < 1 || (level === 1 && granuleShift !== 12) : (low0 & 2) === 0) {
        return FSC.translation | level;
      }
      if (addressHigh >>> outputShift !== 0) return FSC.addressSize | level;
      // A leaf covers at most 1 GiB here, so its offset is in the low half.
      const offsetMask = (1 << shift) - 1;
      this.pageLow = ((low0 & ~offsetMask) | (low & offsetMask & ~0xfff)) >>> 0;
      this.pageHigh = addressHigh;
      this.leafLow = at;
      this.leafHigh = tableHigh;
      this.level = level;
      this.accessFlagClear = (low0 & 0x400) === 0;
      if (this.accessFlagClear && !this.regime.hardwareAccessFlag) return FSC.accessFlag | level;
      if (half.flatPermissions) hierarchy = 0;
      this.attributes = this.decode(low0, high0, hierarchy) | (shift << ATTR_SIZE_SHIFT);
      return WALK_DONE;
    }
  }

  private decode(low: number, high: number, hierarchy: number): number {
    const { regime } = this;
    const attributeIndex = (low >>> 2) & 7;
    let attributes = (attributeIndex << ATTR_INDEX_SHIFT) | (((low >>> 8) & 3) << ATTR_SHARE_SHIFT);
    if ((low & 0x40) !== 0 && (hierarchy & (1 << 29)) === 0) attributes |= ATTR_USER;
    const tableReadOnly = (hierarchy & (1 << 30)) !== 0;
    if ((low & 0x80) !== 0 || tableReadOnly) {
      attributes |= ATTR_READ_ONLY;
      if ((high & (1 << 19)) !== 0 && regime.hardwareDirty && !tableReadOnly) attributes |= ATTR_CLEAN;
    }
    if (((high & (1 << 22)) | (hierarchy & (1 << 28))) !== 0) attributes |= ATTR_UXN;
    if (((high & (1 << 21)) | (hierarchy & (1 << 27))) !== 0) attributes |= ATTR_PXN;
    if ((high & (1 << 18)) !== 0) attributes |= ATTR_GUARDED;
    if ((low & 0x800) !== 0) attributes |= ATTR_NOT_GLOBAL;
    if ((regime.deviceAttributes >>> attributeIndex) & 1) attributes |= ATTR_DEVICE;
    else if ((regime.taggedAttributes >>> attributeIndex) & 1) attributes |= ATTR_TAGGED;
    return attributes;
  }

  /**
   * Hardware update of the leaf that walk() found (Arm ARM D8.4.6): sets the access flag and, for a write to a
   * clean page, clears AP[2]. The write goes through stage 2. Returns as walk().
   */
  settle(dirty: boolean): number {
    const pageLow = (this.leafLow & 0xffff_f000) >>> 0;
    const outcome = this.stage2.translate(gpa(this.leafHigh * HIGH + pageLow), ACCESS_WRITE, true, this.out);
    if (outcome !== STAGE2_MEMORY) return this.refused(outcome, pageLow, this.leafHigh, this.level);
    const word = (this.out.frame + (this.leafLow & 0xfff)) >>> 2;
    let low = this.u32[word] | 0x400;
    if (dirty) {
      low &= ~0x80;
      this.attributes &= ~(ATTR_READ_ONLY | ATTR_CLEAN);
    }
    this.u32[word] = low;
    return WALK_DONE;
  }

  private refused(outcome: number, low: number, high: number, level: number): number {
    if (outcome === STAGE2_EXIT) return WALK_EXIT;
    if (outcome === STAGE2_SIZE_FAULT || outcome === STAGE2_BEYOND) {
      this.faultIpa = high * HIGH + low;
      return outcome === STAGE2_BEYOND ? WALK_BEYOND : WALK_SIZE_FAULT;
    }
    return FSC.externalOnWalk | level;
  }
}
