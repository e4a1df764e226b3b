// The slow path of data accesses: what generated code calls when the soft TLB does not answer. Alignment, both pages
// of an access that crosses, tags, watchpoints, MMIO; then the access itself, all or nothing (Arm ARM B2.2, D8).

import { hostOffset } from '../../lib/index.ts';
import type { Core } from './core.ts';
import { STATE, TLB_EL0 } from './layout.ts';
import type { Mmio } from './mmio.ts';
import { ATTR_DEVICE, FAULTED, NOT_MEMORY, STOPPED } from './mmu/index.ts';
import {
  DONE,
  LEAVE,
  MEM_ALIGNED,
  MEM_ATOMIC,
  MEM_FOLLOWING_MASK,
  MEM_FOLLOWING_SHIFT,
  MEM_NO_SYNDROME,
  MEM_ORDERED,
  MEM_SIZE_MASK,
  MEM_TAG,
  MEM_TAG_BLOCK,
  MEM_TAG_ZERO,
  MEM_UNCHECKED,
  MEM_UNPRIVILEGED,
} from './services.ts';
import { ACCESS_READ, ACCESS_WRITE, type Access } from './stage2.ts';
import { FSC, ISS_WNR } from './syndrome.ts';
import { checkTags, TAGS_MATCH } from './tag-check.ts';

const PAGE_MASK = 0xfff;
/** GMID_EL1.BS: LDGM and STGM move the tags of 256 bytes. */
const TAG_BLOCK = 256;

export class DataAccess {
  private readonly core: Core;
  private readonly mmio: Mmio;
  private readonly u8: Uint8Array;
  private readonly u32: Uint32Array;
  private readonly u64: BigUint64Array;
  /** Where resolve() found the first and, for an access that crosses a page, the second part. */
  private first = 0;
  private second = 0;
  /** Bytes in the first page. */
  private split = 0;
  /** Of tagAccess(): the first part is on a page with tags; for the last part the MMU says so. */
  private firstHasTags = false;
  /** The IPA where resolve() found no memory, or -1. */
  private device = -1;
  private readonly unemulatedFault: () => number;

  constructor(core: Core, mmio: Mmio, unemulatedFault: () => number = () => FSC.unsupportedAtomic) {
    this.core = core;
    this.mmio = mmio;
    this.unemulatedFault = unemulatedFault;
    this.u8 = core.memory.u8;
    this.u32 = core.memory.u32;
    this.u64 = core.memory.u64;
  }

  load(descriptor: number): number {
    const { state } = this.core;
    const size = 1 << (descriptor & MEM_SIZE_MASK);
    if (descriptor & MEM_TAG) return this.loadTags(size, descriptor);
    if (this.resolve(size, ACCESS_READ, descriptor) === LEAVE) return LEAVE;
    const to = state.base + STATE.slowData;
    if (this.device >= 0) return this.loadDevice(size, descriptor);
    this.u64[to >>> 3] = 0n;
    this.u64[(to >>> 3) + 1] = 0n;
    this.copy(this.first, to, this.split);
    if (this.split < size) this.copy(this.second, to + this.split, size - this.split);
    return DONE;
  }

  store(descriptor: number): number {
    const { state } = this.core;
    const size = 1 << (descriptor & MEM_SIZE_MASK);
    if (descriptor & MEM_TAG) return this.storeTags(size, descriptor);
    if (this.resolve(size, ACCESS_WRITE, descriptor) === LEAVE) return LEAVE;
    if (descriptor >>> MEM_FOLLOWING_SHIFT) {
      if (this.resolveFollowing(size, descriptor) === LEAVE) return LEAVE;
      if (this.resolve(size, ACCESS_WRITE, descriptor) === LEAVE) return LEAVE;
    }
    const from = state.base + STATE.slowData;
    if (this.device >= 0) return this.storeDevice(size, descriptor);
    this.copy(from, this.first, this.split);
    if (this.split < size) this.copy(from + this.split, this.second, size - this.split);
    return DONE;
  }

  /** Host offset of writable memory, or 0 after an exception or exit. */
  probeWrite(descriptor: number): number {
    const size = 1 << (descriptor & MEM_SIZE_MASK);
    if (this.resolve(size, ACCESS_WRITE, descriptor) === LEAVE) return 0;
    if (this.device >= 0) {
      this.unsupported(ISS_WNR);
      return 0;
    }
    const { state } = this.core;
    if (this.split < size) {
      this.core.dataAbort(state.slowVaLow, state.slowVaHigh, FSC.alignment, ISS_WNR);
      return 0;
    }
    return this.first;
  }

  private copy(from: number, to: number, bytes: number): void {
    if (((from | to) & 3) === 0 && (bytes & 3) === 0) {
      for (let n = 0; n < bytes; n += 4) this.u32[(to + n) >>> 2] = this.u32[(from + n) >>> 2];
    } else {
      for (let n = 0; n < bytes; n++) this.u8[to + n] = this.u8[from + n];
    }
  }

  /** Translates and checks the whole access at slowVa, before any byte moves. */
  private resolve(size: number, access: Access, descriptor: number): number {
    const { core } = this;
    const { state } = core;
    const low = state.slowVaLow;
    const high = state.slowVaHigh;
    const context = core.context((descriptor & MEM_UNPRIVILEGED) !== 0);
    const misaligned = (low & (size - 1)) !== 0;
    this.device = -1;
    if (misaligned && !this.mayBeMisaligned(low, size, descriptor)) {
      return this.abort(low, high, FSC.alignment, access, descriptor);
    }
    const room = 4096 - (low & PAGE_MASK);
    this.split = Math.min(size, room);
    if (this.part(low, high, this.split, misaligned, access, context, descriptor) === LEAVE) return LEAVE;
    if (size > room) {
      if (this.device >= 0) return this.abort(low, high, FSC.alignment, access, descriptor);
      const first = this.first;
      const nextLow = (low + room) >>> 0;
      const nextHigh = nextLow === 0 ? (high + 1) >>> 0 : high;
      if (this.part(nextLow, nextHigh, size - room, true, access, context, descriptor) === LEAVE)
        return LEAVE;
      if (this.device >= 0) {
        return this.abort(nextLow, nextHigh, FSC.alignment, access, descriptor);
      }
      this.second = this.first;
      this.first = first;
    }
    if (!core.debug.any) return DONE;
    const address = (BigInt(high) << 32n) | BigInt(low);
    return core.watched(address, size, access === ACCESS_WRITE, context === TLB_EL0 ? 0 : state.el);
  }

  /** Checks the stores of the same instruction that come after this one, of its size or less. */
  private resolveFollowing(size: number, descriptor: number): number {
    const { state } = this.core;
    const va = state.slowVa;
    const end = size + ((descriptor >>> MEM_FOLLOWING_SHIFT) & MEM_FOLLOWING_MASK);
    for (let at = size; at < end; at += size) {
      state.slowVa = BigInt.asUintN(64, va + BigInt(at));
      if (this.resolve(Math.min(size, end - at), ACCESS_WRITE, descriptor) === LEAVE) return LEAVE;
    }
    state.slowVa = va;
    return DONE;
  }

  /** SCTLR.A and nAA, and the rules of exclusives and of ordered accesses (FEAT_LSE2). */
  private mayBeMisaligned(low: number, size: number, descriptor: number): boolean {
    const { regime } = this.core.mmu;
    if (regime.alignmentChecked) return false;
    if ((descriptor & MEM_ALIGNED) === 0) return true;
    return (low & 15) + size <= 16 || (regime.unalignedOrdered && (descriptor & MEM_ORDERED) !== 0);
  }

  /** One page's share of the access: leaves its host offset in `first`. */
  private part(
    low: number,
    high: number,
    bytes: number,
    misaligned: boolean,
    access: Access,
    context: number,
    descriptor: number,
  ): number {
    const { core } = this;
    const { mmu } = core;
    if (mmu.remembered(low, high, access === ACCESS_WRITE, context)) {
      return this.reached(low, high, bytes, access, context, descriptor);
    }
    const outcome = mmu.translate(low, high, access, context);
    if (outcome === STOPPED) return core.leaveToRepeat({ kind: 'stage2' });
    const reached = outcome !== FAULTED || (mmu.fault & ~3) === FSC.permission;
    if (misaligned && reached && (mmu.attributes & ATTR_DEVICE) !== 0) {
      return this.abort(low, high, FSC.alignment, access, descriptor);
    }
    if (outcome === FAULTED) return this.abort(low, high, mmu.fault, access, descriptor, context);
    if (outcome === NOT_MEMORY) {
      this.device = mmu.page + (low & PAGE_MASK);
      return DONE;
    }
    return this.reached(low, high, bytes, access, context, descriptor);
  }

  /** The page is memory; what is left is the tag check. */
  private reached(
    low: number,
    high: number,
    bytes: number,
    access: Access,
    context: number,
    descriptor: number,
  ): number {
    const { core } = this;
    const { mmu } = core;
    this.first = mmu.frame + (low & PAGE_MASK);
    if (mmu.checked && (descriptor & MEM_UNCHECKED) === 0) {
      const reads = access === ACCESS_READ || (descriptor & MEM_ATOMIC) !== 0;
      const bad = checkTags(core, high, bytes, hostOffset(this.first), reads, context);
      if (bad !== TAGS_MATCH) {
        return this.abort((low + bad) >>> 0, high, FSC.tagCheck, access, descriptor);
      }
    }
    return DONE;
  }

  /** A read-modify-write says WnR only where a read would not have faulted in the same way. */
  private abort(
    low: number,
    high: number,
    status: number,
    access: Access,
    descriptor: number,
    context = TLB_EL0,
  ): number {
    const { core } = this;
    let write = access === ACCESS_WRITE;
    if ((descriptor & MEM_ATOMIC) !== 0) {
      write = (status & ~3) === FSC.permission && core.mmu.mayRead(context);
    }
    return core.dataAbort(low, high, status, write ? ISS_WNR : 0);
  }

  private loadDevice(size: number, descriptor: number): number {
    const { state } = this.core;
    if (descriptor & MEM_ATOMIC) return this.unsupported(0);
    const value = this.mmio.access(this.device, size as 1, false, 0n, descriptor, state.slowVa);
    if (value === undefined) return LEAVE;
    const to = (state.base + STATE.slowData) >>> 3;
    this.u64[to] = value;
    this.u64[to + 1] = value >> 64n;
    return DONE;
  }

  private storeDevice(size: number, descriptor: number): number {
    const { state } = this.core;
    if (descriptor & MEM_ATOMIC) return this.unsupported(ISS_WNR);
    const from = (state.base + STATE.slowData) >>> 3;
    const all = this.u64[from] | (size === 16 ? this.u64[from + 1] << 64n : 0n);
    const data = BigInt.asUintN(8 * size, all);
    const done = this.mmio.access(this.device, size as 1, true, data, descriptor, state.slowVa);
    return done === undefined ? LEAVE : DONE;
  }

  /** LDG and LDGM: the tag of a granule, or all tags of a block. Device memory and MMIO have none. */
  private loadTags(size: number, descriptor: number): number {
    const { core, u8 } = this;
    const block = (descriptor & MEM_TAG_BLOCK) !== 0;
    const bytes = block ? TAG_BLOCK : size;
    if (this.tagAccess(bytes, ACCESS_READ) === LEAVE) return LEAVE;
    let tags = 0n;
    if (core.mmu.tagsAccessible && this.device < 0) {
      const at = core.memory.tagBias + (this.first >>> 4);
      for (let n = block ? TAG_BLOCK / 16 - 1 : 0; n >= 0; n--) tags = (tags << 4n) | BigInt(u8[at + n]);
    }
    core.state.slowData = tags;
    return DONE;
  }

  /** STG, ST2G, their zeroing forms, STGM and STZGM. */
  private storeTags(size: number, descriptor: number): number {
    const { core, u8 } = this;
    const { state, memory } = core;
    const block = (descriptor & MEM_TAG_BLOCK) !== 0;
    const bytes = block ? TAG_BLOCK : size;
    const low = state.slowVaLow;
    if (!block && low & 15) return core.dataAbort(low, state.slowVaHigh, FSC.alignment, ISS_WNR);
    let tags = state.slowData;
    // ST2G over a page's end: both granules are translated before either is written.
    if (this.tagAccess(bytes, ACCESS_WRITE) === LEAVE) return LEAVE;
    if (this.device >= 0) return this.unsupported(ISS_WNR);
    for (let done = 0; done < bytes; done += 16) {
      const inFirst = done < this.split;
      const host = inFirst ? this.first + done : this.second + done - this.split;
      const hasTags = inFirst ? this.firstHasTags : core.mmu.tagsAccessible;
      if (hasTags) u8[memory.tagBias + (host >>> 4)] = Number(tags & 15n);
      if (descriptor & MEM_TAG_ZERO) u8.fill(0, host, host + 16);
      if (block) tags >>= 4n;
    }
    return DONE;
  }

  /** Translates the granules of a tag instruction; tags are not checked, and LDG aligns by itself. */
  private tagAccess(bytes: number, access: Access): number {
    const { state } = this.core;
    const high = state.slowVaHigh;
    const align = bytes === TAG_BLOCK ? TAG_BLOCK : 16;
    const low = (state.slowVaLow & -align) >>> 0;
    const context = this.core.context(false);
    const room = 4096 - (low & PAGE_MASK);
    this.device = -1;
    this.split = Math.min(bytes, room);
    if (this.tagPart(low, high, this.split, access, context) === LEAVE) return LEAVE;
    this.firstHasTags = this.core.mmu.tagsAccessible;
    if (bytes <= room || this.device >= 0) return DONE;
    const first = this.first;
    const nextLow = (low + room) >>> 0;
    const nextHigh = nextLow === 0 ? (high + 1) >>> 0 : high;
    if (this.tagPart(nextLow, nextHigh, bytes - room, access, context) === LEAVE) return LEAVE;
    this.second = this.first;
    this.first = first;
    return DONE;
  }

  private tagPart(low: number, high: number, bytes: number, access: Access, context: number): number {
    const { mmu } = this.core;
    const flags = MEM_UNCHECKED | MEM_NO_SYNDROME;
    if (this.part(low, high, bytes, false, access, context, flags) === LEAVE) return LEAVE;
    if (access === ACCESS_WRITE && mmu.tagsAccessible && this.device < 0) mmu.storingTags(low, context);
    return DONE;
  }

  /** Exclusives and atomics to what is not memory. */
  private unsupported(iss: number): number {
    const { state } = this.core;
    return this.core.dataAbort(state.slowVaLow, state.slowVaHigh, this.unemulatedFault(), iss);
  }
}
