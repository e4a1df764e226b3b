// The stage-1 translation table walk (VMSAv8-64, Arm ARM D8.2-D8.5) for granules of 4, 16 and 64 KiB. It runs once
// per TLB miss: addresses come as 32-bit halves, results are left in fields, and nothing is allocated.

import { gpa } from '../../../lib/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import {
  ACCESS_READ,
  ACCESS_WRITE,
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

const HIGH = 2 ** 32;

export class Walker {
  /** Address of the 4 KiB page that was found. */
  page = 0;
  /** ATTR_* of it. */
  attributes = 0;
  /** Whether the leaf has its access flag clear; then settle() must be called before use. */
  accessFlagClear = false;
  /** Where a SIZE_FAULT happened. */
  faultIpa = 0;
  private leaf = 0;
  private leafLevel = 0;
  private readonly u32: Uint32Array;
  private readonly stage2: Stage2;
  private readonly regime: Regime;
  private readonly out: Stage2Page;

  constructor(memory: PhysicalMemory, stage2: Stage2, regime: Regime, scratch: Stage2Page) {
    this.u32 = memory.u32;
    this.stage2 = stage2;
    this.regime = regime;
    this.out = scratch;
  }

  /** Finds the leaf descriptor of an address whose top bits have been checked. */
  walk(low: number, high: number, half: Half): number {
    const { granuleShift, stride } = half;
    const { outputBits } = this.regime;
    const limit = 2 ** outputBits;
    let table = half.table;
    if (table >= limit) return FSC.addressSize;
    let level = half.startLevel;
    let shift = granuleShift + (3 - level) * stride;
    let indexMask = (1 << (half.addressBits - shift)) - 1;
    let hierarchy = 0;
    for (;;) {
      const index =
        (shift >= 32 ? high >>> (shift - 32) : (low >>> shift) | (high << (32 - shift))) & indexMask;
      const at = table + index * 8;
      const outcome = this.stage2.translate(gpa(at - (at % 4096)), ACCESS_READ, true, this.out);
      if (outcome !== STAGE2_MEMORY) return this.refused(outcome, at, level);
      const word = (this.out.frame + (at % 4096)) >>> 2;
      const low0 = this.u32[word];
      const high0 = this.u32[word + 1];
      if ((low0 & 1) === 0) return FSC.translation | level;
      const address =
        (high0 & 0xffff) * HIGH + (low0 & 0xffff_f000) + ((low0 & 0x8000_0000) !== 0 ? HIGH : 0);
      if (level < 3 && (low0 & 2) !== 0) {
        table = address - (address % 2 ** granuleShift);
        if (table >= limit) return FSC.addressSize | level;
        if (!half.flatPermissions) hierarchy |= high0;
        level++;
        shift -= stride;
        indexMask = (1 << stride) - 1;
        continue;
      }
      const isBlock = level < 3;
      if (isBlock ? level < 1 || (level === 1 && granuleShift !== 12) : (low0 & 2) === 0) {
        return FSC.translation | level;
      }
      const bytes = 2 ** shift;
      const base = address - (address % bytes);
      if (base >= limit) return FSC.addressSize | level;
      // A leaf covers at most 1 GiB here, so its offset is in the low half.
      this.page = base + (low & ((1 << shift) - 4096));
      this.leaf = at;
      this.leafLevel = level;
      this.accessFlagClear = (low0 & 0x400) === 0;
      if (this.accessFlagClear && !this.regime.hardwareAccessFlag) return FSC.accessFlag | level;
      this.attributes = this.decode(low0, high0, hierarchy) | (shift << ATTR_SIZE_SHIFT);
      return WALK_DONE;
    }
  }

  /** The level at which the last walk found its leaf. */
  get level(): number {
    return this.leafLevel;
  }

  private decode(low: number, high: number, hierarchy: number): number {
    const attributeIndex = (low >>> 2) & 7;
    let attributes = (attributeIndex << ATTR_INDEX_SHIFT) | (((low >>> 8) & 3) << ATTR_SHARE_SHIFT);
    if ((low & 0x40) !== 0 && (hierarchy & (1 << 29)) === 0) attributes |= ATTR_USER;
    const tableReadOnly = (hierarchy & (1 << 30)) !== 0;
    if ((low & 0x80) !== 0 || tableReadOnly) {
      attributes |= ATTR_READ_ONLY;
      if ((high & (1 << 19)) !== 0 && this.regime.hardwareDirty && !tableReadOnly) attributes |= ATTR_CLEAN;
    }
    if (((high & (1 << 22)) | (hierarchy & (1 << 28))) !== 0) attributes |= ATTR_UXN;
    if (((high & (1 << 21)) | (hierarchy & (1 << 27))) !== 0) attributes |= ATTR_PXN;
    if ((high & (1 << 18)) !== 0) attributes |= ATTR_GUARDED;
    if ((low & 0x800) !== 0) attributes |= ATTR_NOT_GLOBAL;
    if ((this.regime.deviceAttributes >>> attributeIndex) & 1) attributes |= ATTR_DEVICE;
    else if ((this.regime.taggedAttributes >>> attributeIndex) & 1) attributes |= ATTR_TAGGED;
    return attributes;
  }

  /**
   * Hardware update of the leaf that walk() found (Arm ARM D8.4.7): sets the access flag and, for a write to a
   * clean page, clears AP[2]. The write goes through stage 2. Returns as walk().
   */
  settle(dirty: boolean): number {
    const at = this.leaf;
    const outcome = this.stage2.translate(gpa(at - (at % 4096)), ACCESS_WRITE, true, this.out);
    if (outcome !== STAGE2_MEMORY) return this.refused(outcome, at, this.leafLevel);
    const word = (this.out.frame + (at % 4096)) >>> 2;
    let low = this.u32[word] | 0x400;
    if (dirty) {
      low &= ~0x80;
      this.attributes &= ~(ATTR_READ_ONLY | ATTR_CLEAN);
    }
    this.u32[word] = low;
    return WALK_DONE;
  }

  private refused(outcome: number, at: number, level: number): number {
    if (outcome === STAGE2_EXIT) return WALK_EXIT;
    if (outcome === STAGE2_SIZE_FAULT) {
      this.faultIpa = at;
      return WALK_SIZE_FAULT;
    }
    return FSC.externalOnWalk | level;
  }
}
