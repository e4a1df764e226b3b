// One vCPU's address translation: stage 1 by the walker, stage 2 by asking, permissions, and the soft TLB entry
// that lets generated code skip all of it next time (Arm ARM D8). It reports faults as values and raises nothing.

import { gpa, type HostOffset, hostOffset } from '../../../lib/index.ts';
import type { AllocationTags, PhysicalMemory } from '../../memory/index.ts';
import type { CpuFeatures } from '../features.ts';
import { TLB_EL0, TLB_EL1_PAN, TLB_INFO_CHECKED, TLB_INFO_TAGS } from '../layout.ts';
import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  type Access,
  STAGE2_ABORT,
  STAGE2_BEYOND,
  STAGE2_EXIT,
  STAGE2_MEMORY,
  STAGE2_MMIO,
  type Stage2,
  type Stage2Page,
} from '../stage2.ts';
import type { CpuState } from '../state.ts';
import { FSC } from '../syndrome.ts';
import {
  ATTR_CLEAN,
  ATTR_DEVICE,
  ATTR_FLAT,
  ATTR_SIZE_SHIFT,
  ATTR_TAGGED,
  ATTR_USER,
  kernelPermissions,
  MAY_EXECUTE,
  MAY_READ,
  MAY_WRITE,
  userPermissions,
} from './attributes.ts';
import { type Half, PA_BITS, Regime, TCF_NONE } from './regime.ts';
import { NO_TAG, type PageTags, SoftTlb } from './soft-tlb.ts';
import { Stage1Cache } from './stage1-cache.ts';
import { WALK_BEYOND, WALK_DONE, WALK_EXIT, WALK_SIZE_FAULT, Walker } from './walk.ts';

/** Outcomes of translate(). */
export const TRANSLATED = 0;
/** The guest gets an abort: `fault` is its status code, `faultIpa` the FAR of a fault that is about an IPA or -1. */
export const FAULTED = 1;
/** The page is not memory: `page` is its IPA. */
export const NOT_MEMORY = 2;
/** The hypervisor has an exit ready. */
export const STOPPED = 3;
export type Outcome = 0 | 1 | 2 | 3;

/** Pages that a debugger looks at: every data access, or every instruction, comes to the slow path. */
export interface WatchedPages {
  /** Some page has a watchpoint; a breakpoint. */
  readonly any: boolean;
  readonly anyCode: boolean;
  watches(low: number, high: number): boolean;
  watchesCode(low: number, high: number): boolean;
}

const HIGH = 2 ** 32;

export class Mmu {
  readonly regime: Regime;
  readonly tlb: SoftTlb;
  private readonly cache = new Stage1Cache();
  /** Host offset of the 4 KiB frame. */
  frame: HostOffset = hostOffset(0);
  /** IPA of the 4 KiB page. */
  page = 0;
  attributes = 0;
  /** For accesses of the context that asked; matchAll only after translate(). */
  private readonly tags: PageTags = { accessible: false, checked: false, matchAll: NO_TAG };
  /** The soft TLB's entry is new, and not what was remembered. */
  private filled = false;
  fault = 0;
  faultIpa = -1;
  /** Times that generated code found no entry. */
  misses = 0;
  private readonly watched: WatchedPages;
  private readonly allocationTags: AllocationTags;
  private readonly walker: Walker;
  private readonly stage2: Stage2;
  private readonly out: Stage2Page = {
    frame: hostOffset(0),
    writable: false,
    executable: false,
    tagged: false,
  };

  constructor(memory: PhysicalMemory, stage2: Stage2, features: CpuFeatures, watched: WatchedPages) {
    this.watched = watched;
    this.allocationTags = memory.allocationTags;
    this.regime = new Regime(features);
    this.tlb = new SoftTlb(memory);
    this.stage2 = stage2;
    this.walker = new Walker(memory, stage2, this.regime, this.out);
  }

  /** The access is subject to tag checking. */
  get checked(): boolean {
    return this.tags.checked;
  }
  /** Instructions at the access's privilege may reach the page's tags. */
  get tagsAccessible(): boolean {
    return this.tags.accessible;
  }

  /** After TCR or MAIR changed. */
  reconfigure(state: CpuState): void {
    this.regime.decode(state);
    this.dropAll();
  }

  /** After SCTLR changed alone: translations stay, what they permit does not. */
  changeControls(state: CpuState): void {
    const { regime } = this;
    const others = regime.hasOtherControls(state);
    const { checkUser } = regime;
    regime.decode(state);
    // Linux changes how EL0's accesses are checked, and its PAC keys' bits, from task to task.
    if (others) this.dropSoft();
    else if (regime.checkUser !== checkUser) this.tlb.dropContext(TLB_EL0);
  }

  /** After TTBR0 changed, or TTBR1's ASID alone: what is global in the upper half stays. */
  switchAddressSpace(state: CpuState): void {
    const { regime } = this;
    const { asid } = regime;
    const { tableLow: lowerLow, tableHigh: lowerHigh } = regime.lower;
    const { tableLow: upperLow, tableHigh: upperHigh } = regime.upper;
    regime.decodeTables(state);
    const { lower, upper } = regime;
    if (upper.tableLow !== upperLow || upper.tableHigh !== upperHigh) this.tlb.dropAll();
    else if (lower.tableLow !== lowerLow || lower.tableHigh !== lowerHigh || regime.asid !== asid) {
      this.tlb.dropLocal();
    }
  }

  /** TLBI VMALLE1, and whatever else makes every translation stale. */
  dropAll(): void {
    this.tlb.dropAll();
    this.cache.dropAll();
  }

  /** What pages may be used without asking changed, but no stage-1 translation did. */
  dropSoft(): void {
    this.tlb.dropAll();
  }

  /** Stage 2 changed as a whole. */
  dropStage2(): void {
    this.tlb.dropAll();
    this.walker.forgetTables();
  }

  /** Stage 2 changed for what led to one frame. */
  dropFrame(frame: HostOffset): void {
    this.tlb.dropFrame(frame);
    this.walker.forgetTables();
  }

  dropAsid(asid: number): void {
    const own = asid & this.regime.asidMask;
    this.cache.dropAsid(own);
    if (own === this.regime.asid) this.tlb.dropLocal();
  }

  /** Address bits 55:12 in two halves; `asid` -1 means every address space. */
  dropAddress(low: number, high: number, asid: number): void {
    this.cache.dropAddress(low, high, asid < 0 ? -1 : asid & this.regime.asidMask);
    this.tlb.dropAddress(low, high);
  }

  half(high: number): Half {
    return (high >>> 23) & 1 ? this.regime.upper : this.regime.lower;
  }

  /**
   * Stage 1 for one access of a context (TLB_EL0, TLB_EL1_PAN, TLB_EL1): page and attributes are left in fields.
   * `effect` is false for address translation instructions, which set no access flag and nothing dirty.
   */
  private stage1(low: number, high: number, access: Access, context: number, effect: boolean): Outcome {
    const { regime } = this;
    const half = this.half(high);
    const ignoreTop = access === ACCESS_EXECUTE ? half.ignoreTopOfCode : half.ignoreTop;
    if (!regime.on) return this.flat(low, high, access, ignoreTop);
    const topMask = ignoreTop ? half.topHigh & 0x00ff_ffff : half.topHigh;
    const ones = half === regime.upper ? -1 : 0;
    if (((high ^ ones) & topMask) !== 0 || ((low ^ ones) & half.topLow) !== 0 || half.disabled) {
      return this.failed(FSC.translation);
    }
    if (half.kernelOnly && context === TLB_EL0) return this.failed(FSC.translation);
    const wanted = access === ACCESS_READ ? MAY_READ : access === ACCESS_WRITE ? MAY_WRITE : MAY_EXECUTE;
    return effect && this.cached(low, high, wanted, context)
      ? TRANSLATED
      : this.walked(low, high, half, wanted, context, effect);
  }

  /** A remembered translation serves the access. Where it does not permit it, the tables have the last word. */
  private cached(low: number, high: number, wanted: number, context: number): boolean {
    const { cache } = this;
    if (!cache.lookup(low, high, this.regime.asid)) return false;
    const { attributes } = cache;
    if (wanted === MAY_WRITE && (attributes & ATTR_CLEAN) !== 0) return false;
    if ((this.permissions(attributes, context) & wanted) === 0) return false;
    this.page = cache.pageHigh * HIGH + cache.pageLow;
    this.attributes = attributes;
    return true;
  }

  private walked(
    low: number,
    high: number,
    half: Half,
    wanted: number,
    context: number,
    effect: boolean,
  ): Outcome {
    const { walker } = this;
    const walked = walker.walk(low, high, half);
    if (walked !== WALK_DONE) return this.walkFailed(walked);
    this.page = walker.pageHigh * HIGH + walker.pageLow;
    this.attributes = walker.attributes;
    const may = this.permissions(walker.attributes, context);
    if ((may & wanted) === 0) return this.failed(FSC.permission | walker.level);
    if (!effect) return TRANSLATED;
    const dirty = wanted === MAY_WRITE && (walker.attributes & ATTR_CLEAN) !== 0;
    if (walker.accessFlagClear || dirty) {
      const settled = walker.settle(dirty);
      if (settled !== WALK_DONE) return this.walkFailed(settled);
      this.attributes = walker.attributes;
    }
    this.cache.insert(low, high, this.regime.asid, walker.pageLow, walker.pageHigh, walker.attributes);
    return TRANSLATED;
  }

  /** Stage 1 off: VA is IPA, data is Device-nGnRnE (Arm ARM D8.2.10). */
  private flat(low: number, high: number, access: Access, ignoreTop: boolean): Outcome {
    const top = ignoreTop ? high & 0x00ff_ffff : high;
    if (top >>> (PA_BITS - 32) !== 0) return this.failed(FSC.addressSize);
    this.page = top * HIGH + ((low & 0xffff_f000) >>> 0);
    const data = access === ACCESS_EXECUTE ? 0 : ATTR_DEVICE;
    this.attributes = ATTR_FLAT | ATTR_USER | data | (12 << ATTR_SIZE_SHIFT);
    return TRANSLATED;
  }

  private permissions(attributes: number, context: number): number {
    return context === TLB_EL0
      ? userPermissions(attributes, this.regime)
      : kernelPermissions(attributes, context === TLB_EL1_PAN, this.regime);
  }

  private failed(fault: number): Outcome {
    this.fault = fault;
    this.faultIpa = -1;
    return FAULTED;
  }

  private walkFailed(result: number): Outcome {
    if (result === WALK_EXIT) return STOPPED;
    if (result !== WALK_SIZE_FAULT && result !== WALK_BEYOND) return this.failed(result);
    this.fault = result === WALK_BEYOND ? FSC.external : FSC.addressSize;
    this.faultIpa = this.walker.faultIpa;
    return FAULTED;
  }

  /**
   * Where the soft TLB has the page of an access: the same as translate() without asking anybody, since what is
   * there needs no further look but the tag check. False where it has not.
   */
  remembered(low: number, high: number, write: boolean, context: number): boolean {
    const frame = this.tlb.lookup(context, low, high, write);
    if (frame < 0) return false;
    this.filled = false;
    this.frame = hostOffset(frame);
    this.tags.checked = (this.tlb.info & TLB_INFO_CHECKED) !== 0;
    this.tags.accessible = (this.tlb.info & TLB_INFO_TAGS) !== 0;
    return true;
  }

  /**
   * Translates one access that lies within a page, and fills the soft TLB. Alignment to Device memory is the
   * caller's to check by `attributes`, before it looks at a permission fault.
   */
  translate(low: number, high: number, access: Access, context: number): Outcome {
    this.misses++;
    this.faultIpa = -1;
    const stage1 = this.stage1(low, high, access, context, true);
    if (stage1 !== TRANSLATED) return stage1;
    const { out } = this;
    const ipa = gpa(this.page);
    const outcome = this.stage2.translate(ipa, access, false, out);
    if (outcome !== STAGE2_MEMORY) {
      if (outcome === STAGE2_EXIT) return STOPPED;
      if (outcome === STAGE2_MMIO && access !== ACCESS_EXECUTE) return NOT_MEMORY;
      if (outcome === STAGE2_MMIO || outcome === STAGE2_ABORT) return this.failed(FSC.external);
      this.fault = outcome === STAGE2_BEYOND ? FSC.external : FSC.addressSize;
      this.faultIpa = this.page + (low & 0xfff);
      return FAULTED;
    }
    this.frame = out.frame;
    this.fill(low, high, context);
    this.filled = true;
    return TRANSLATED;
  }

  /** To be called before an instruction stores tags into a page that was looked up for it. */
  storingTags(low: number, context: number): void {
    this.allocationTags.changing(this.frame);
    if (this.filled && this.checked) this.tlb.tagsStored(context, low, this.frame);
  }

  private fill(low: number, high: number, context: number): void {
    const { attributes, regime, out } = this;
    const { ignoreTop, matchAll } = this.half(high);
    const checks = context === TLB_EL0 ? regime.checkUser : regime.checkKernel;
    const accessible = context === TLB_EL0 ? regime.tagsUser : regime.tagsKernel;
    const { tags } = this;
    tags.accessible = accessible && out.tagged && (attributes & ATTR_TAGGED) !== 0;
    tags.checked = tags.accessible && checks !== TCF_NONE && ignoreTop;
    tags.matchAll = matchAll ? ((high >>> 23) & 1) * 15 : NO_TAG;
    let may = this.permissions(attributes, context);
    if (attributes & ATTR_CLEAN || !out.writable) may &= ~MAY_WRITE;
    if (!out.executable) may &= ~MAY_EXECUTE;
    const slowData =
      attributes & ATTR_DEVICE ||
      regime.alignmentChecked ||
      (this.watched.any && this.watched.watches(low, high));
    if (slowData) may &= MAY_EXECUTE;
    if (this.watched.anyCode && this.watched.watchesCode(low, high)) may &= ~MAY_EXECUTE;
    // Flat code and data differ in memory type: data always comes back here.
    if (!regime.on) may &= MAY_EXECUTE;
    this.tlb.fill(context, low, high, may, attributes, this.frame, ignoreTop, tags);
  }

  /** After a permission fault: whether a read of the same page would have been permitted. */
  mayRead(context: number): boolean {
    return (this.permissions(this.attributes, context) & MAY_READ) !== 0;
  }

  /** Stage 1 alone, without effects: AT S1E*. The address is page + low bits. */
  probe(low: number, high: number, access: Access, context: number): Outcome {
    return this.stage1(low, high, access, context, false);
  }
}
