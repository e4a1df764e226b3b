// SYS instructions: data and instruction cache maintenance, DC ZVA and its tag variants, address translation, TLB
// maintenance (Arm ARM C5.3-C5.5). One row an instruction. Caches themselves do not exist here: maintenance checks
// permissions, and IC tells the engine that code has changed.

import { type HostOffset, hostOffset } from '../../lib/index.ts';
import type { Core } from './core.ts';
import type { CpuFeatures } from './features.ts';
import { TLB_EL0, TLB_EL1, TLB_EL1_PAN } from './layout.ts';
import {
  ATTR_DEVICE,
  ATTR_FLAT,
  ATTR_INDEX_SHIFT,
  ATTR_SHARE_SHIFT,
  FAULTED,
  NOT_MEMORY,
  STOPPED,
} from './mmu/index.ts';
import { DONE, LEAVE } from './services.ts';
import { ACCESS_READ, ACCESS_WRITE, type Access } from './stage2.ts';
import { FSC, ISS_CM, ISS_WNR } from './syndrome.ts';
import { registerKey, slotOf } from './sysregs/index.ts';
import { checkTags, TAGS_MATCH } from './tag-check.ts';

const PAR = slotOf('PAR_EL1');
const MAIR = slotOf('MAIR_EL1');
const PAR_RES1 = 1 << 11;
const PAR_NS = 1 << 9;
/** DCZID_EL0.BS and CTR_EL0 say 64 bytes. */
const BLOCK = 64;

/** Drops what was remembered of translations, on this vCPU or on others. Addresses are bits 55:12 in two halves. */
export interface TranslationCaches {
  dropAll(): void;
  dropAsid(asid: number): void;
  /** `asid` is -1 for every address space. */
  dropAddress(low: number, high: number, asid: number): void;
}

/** Told when the guest says that instructions in memory have changed (IC), by page or all. */
export type CodeChanged = (frame: HostOffset | 'all') => void;

export interface OperationHost {
  readonly core: Core;
  readonly caches: TranslationCaches;
  /** The other vCPUs of the machine. */
  readonly others: TranslationCaches;
  readonly codeChanged: CodeChanged;
}

/** SCTLR_EL1 bit that lets EL0 execute it; 'none' is UNDEFINED at EL0. */
type UserControl = 'none' | 'UCI' | 'DZE';

export interface Operation {
  readonly name: string;
  readonly key: number;
  readonly user: UserControl;
  readonly feature?: keyof CpuFeatures;
  /** Executes with Xt. Returns DONE or LEAVE. */
  readonly run: (host: OperationHost, rt: number) => number;
}

type Encoding = readonly [op1: number, crn: number, crm: number, op2: number];

const operation = (
  name: string,
  [op1, crn, crm, op2]: Encoding,
  run: Operation['run'],
  user: UserControl = 'none',
  feature?: keyof CpuFeatures,
): Operation => ({
  name,
  key: registerKey(1, op1, crn, crm, op2),
  user,
  run,
  ...(feature ? { feature } : {}),
});

const NOWHERE = 2;

/** Translates Xt as maintenance does. DONE with mmu.frame set, LEAVE, or NOWHERE where there is no memory. */
function locate(core: Core, rt: number, access: Access): number {
  const low = core.state.xLow(rt);
  const high = core.state.xHigh(rt);
  const context = core.context(false);
  // Maintenance goes line by line: all but the first of a page are found here.
  if (core.mmu.remembered(low, high, access === ACCESS_WRITE, context)) return DONE;
  const outcome = core.mmu.translate(low, high, access, context);
  if (outcome === STOPPED) return core.leaveToRepeat({ kind: 'stage2' });
  if (outcome === FAULTED) return core.dataAbort(low, high, core.mmu.fault, ISS_CM | ISS_WNR);
  return outcome === NOT_MEMORY ? NOWHERE : DONE;
}

const maintain =
  (access: Access) =>
  (host: OperationHost, rt: number): number =>
    locate(host.core, rt, access) === LEAVE ? LEAVE : DONE;
const clean = maintain(ACCESS_READ);
const invalidate = maintain(ACCESS_WRITE);
const bySet = (): number => DONE;

function invalidateInstructions(host: OperationHost, rt: number): number {
  const found = locate(host.core, rt, ACCESS_READ);
  if (found !== DONE) return found === LEAVE ? LEAVE : DONE;
  const { state, mmu } = host.core;
  host.codeChanged(mmu.frame);
  return (state.hpc & ~0xfff) >>> 0 === mmu.frame ? leaveAfter(host.core) : DONE;
}

function invalidateAllInstructions(host: OperationHost): number {
  host.codeChanged('all');
  return leaveAfter(host.core);
}

function leaveAfter({ state }: Core): number {
  state.pc = BigInt.asUintN(64, state.currentPc + 4n);
  return LEAVE;
}

/** DC ZVA, GVA, GZVA: zeroes a block, sets its tags from the address, or both (Arm ARM C5.3). */
const zero =
  (data: boolean, tags: boolean) =>
  ({ core }: OperationHost, rt: number): number => {
    const { state, mmu, memory } = core;
    const low = state.xLow(rt);
    const high = state.xHigh(rt);
    const context = core.context(false);
    const outcome = mmu.translate(low, high, ACCESS_WRITE, context);
    if (outcome === STOPPED) return core.leaveToRepeat({ kind: 'stage2' });
    if (outcome === FAULTED) return core.dataAbort(low, high, mmu.fault, ISS_WNR);
    if (mmu.attributes & ATTR_DEVICE) return core.dataAbort(low, high, FSC.alignment, ISS_WNR);
    if (outcome === NOT_MEMORY) return core.dataAbort(low, high, FSC.external, ISS_WNR);
    const host = hostOffset(mmu.frame + (low & 0xfff & -BLOCK));
    if (!tags && mmu.checked) {
      const bad = checkTags(core, high, BLOCK, host, false, context);
      if (bad !== TAGS_MATCH)
        return core.dataAbort(((low & -BLOCK) >>> 0) + bad, high, FSC.tagCheck, ISS_WNR);
    }
    if (core.debug.any) {
      const address = (BigInt(high) << 32n) | BigInt((low & -BLOCK) >>> 0);
      if (core.watched(address, BLOCK, true, state.el) === LEAVE) return LEAVE;
    }
    if (data) memory.u8.fill(0, host, host + BLOCK);
    if (tags && mmu.tagsAccessible) {
      mmu.storingTags(low, context);
      const at = memory.tagBias + (host >>> 4);
      memory.u8.fill((high >>> 24) & 15, at, at + BLOCK / 16);
    }
    return DONE;
  };

/** AT S1E0R, S1E0W, S1E1R, S1E1W, S1E1RP, S1E1WP: the result goes to PAR_EL1. */
const translate =
  (access: Access, privileged: boolean, pan: boolean) =>
  ({ core }: OperationHost, rt: number): number => {
    const { state, mmu } = core;
    const low = state.xLow(rt);
    const high = state.xHigh(rt);
    const context = !privileged ? TLB_EL0 : pan && state.pan ? TLB_EL1_PAN : TLB_EL1;
    const outcome = mmu.probe(low, high, access, context);
    if (outcome === STOPPED) return core.leaveToRepeat({ kind: 'stage2' });
    if (outcome === FAULTED) {
      state.setSysreg(PAR, BigInt(PAR_RES1 | (mmu.fault << 1) | 1));
      return DONE;
    }
    const { attributes } = mmu;
    const device = (attributes & ATTR_DEVICE) !== 0;
    const index = (attributes >>> ATTR_INDEX_SHIFT) & 7;
    const memoryType =
      (attributes & ATTR_FLAT) !== 0 ? 0n : (state.sysreg(MAIR) >> BigInt(8 * index)) & 0xffn;
    const share = device ? 2 : (attributes >>> ATTR_SHARE_SHIFT) & 3;
    state.setSysreg(PAR, (memoryType << 56n) | BigInt(mmu.page) | BigInt(PAR_RES1 | PAR_NS | (share << 7)));
    return DONE;
  };

/** After TLB maintenance: whether the code that is running is still mapped as it was. */
function afterInvalidation({ core }: OperationHost): number {
  return core.codeStillMapped ? DONE : leaveAfter(core);
}

type Invalidation = (caches: TranslationCaches, low: number, high: number) => void;

const ASID_SHIFT = 16;
/** Xt of the by-address forms: VA[55:12] in bits 43:0, ASID in 63:48. */
const vaLow = (low: number): number => (low << 12) >>> 0;
const vaHigh = (low: number, high: number): number => (((high & 0xfff) << 12) | (low >>> 20)) >>> 0;

const all: Invalidation = (caches) => caches.dropAll();
const byAsid: Invalidation = (caches, _, high) => caches.dropAsid(high >>> ASID_SHIFT);
const byAddress: Invalidation = (caches, low, high) =>
  caches.dropAddress(vaLow(low), vaHigh(low, high), high >>> ASID_SHIFT);
const byAddressAllAsids: Invalidation = (caches, low, high) =>
  caches.dropAddress(vaLow(low), vaHigh(low, high), -1);

function tlbi(name: string, op2: number, what: Invalidation): Operation[] {
  const local = (host: OperationHost, rt: number): number => {
    what(host.caches, host.core.state.xLow(rt), host.core.state.xHigh(rt));
    return afterInvalidation(host);
  };
  const shared = (host: OperationHost, rt: number): number => {
    what(host.others, host.core.state.xLow(rt), host.core.state.xHigh(rt));
    return local(host, rt);
  };
  return [
    operation(`TLBI ${name}`, [0, 8, 7, op2], local),
    operation(`TLBI ${name}IS`, [0, 8, 3, op2], shared),
  ];
}

export const operations: readonly Operation[] = [
  operation('IC IALLUIS', [0, 7, 1, 0], invalidateAllInstructions),
  operation('IC IALLU', [0, 7, 5, 0], invalidateAllInstructions),
  operation('IC IVAU', [3, 7, 5, 1], invalidateInstructions, 'UCI'),

  operation('DC IVAC', [0, 7, 6, 1], invalidate),
  operation('DC ISW', [0, 7, 6, 2], bySet),
  operation('DC CSW', [0, 7, 10, 2], bySet),
  operation('DC CISW', [0, 7, 14, 2], bySet),
  operation('DC CVAC', [3, 7, 10, 1], clean, 'UCI'),
  operation('DC CVAU', [3, 7, 11, 1], clean, 'UCI'),
  operation('DC CVAP', [3, 7, 12, 1], clean, 'UCI'),
  operation('DC CVADP', [3, 7, 13, 1], clean, 'UCI'),
  operation('DC CIVAC', [3, 7, 14, 1], clean, 'UCI'),
  operation('DC ZVA', [3, 7, 4, 1], zero(true, false), 'DZE'),

  operation('DC IGVAC', [0, 7, 6, 3], invalidate, 'none', 'mte'),
  operation('DC IGDVAC', [0, 7, 6, 5], invalidate, 'none', 'mte'),
  operation('DC IGSW', [0, 7, 6, 4], bySet, 'none', 'mte'),
  operation('DC IGDSW', [0, 7, 6, 6], bySet, 'none', 'mte'),
  operation('DC CGSW', [0, 7, 10, 4], bySet, 'none', 'mte'),
  operation('DC CGDSW', [0, 7, 10, 6], bySet, 'none', 'mte'),
  operation('DC CIGSW', [0, 7, 14, 4], bySet, 'none', 'mte'),
  operation('DC CIGDSW', [0, 7, 14, 6], bySet, 'none', 'mte'),
  operation('DC CGVAC', [3, 7, 10, 3], clean, 'UCI', 'mte'),
  operation('DC CGDVAC', [3, 7, 10, 5], clean, 'UCI', 'mte'),
  operation('DC CGVAP', [3, 7, 12, 3], clean, 'UCI', 'mte'),
  operation('DC CGDVAP', [3, 7, 12, 5], clean, 'UCI', 'mte'),
  operation('DC CGVADP', [3, 7, 13, 3], clean, 'UCI', 'mte'),
  operation('DC CGDVADP', [3, 7, 13, 5], clean, 'UCI', 'mte'),
  operation('DC CIGVAC', [3, 7, 14, 3], clean, 'UCI', 'mte'),
  operation('DC CIGDVAC', [3, 7, 14, 5], clean, 'UCI', 'mte'),
  operation('DC GVA', [3, 7, 4, 3], zero(false, true), 'DZE', 'mte'),
  operation('DC GZVA', [3, 7, 4, 4], zero(true, true), 'DZE', 'mte'),

  operation('AT S1E1R', [0, 7, 8, 0], translate(ACCESS_READ, true, false)),
  operation('AT S1E1W', [0, 7, 8, 1], translate(ACCESS_WRITE, true, false)),
  operation('AT S1E0R', [0, 7, 8, 2], translate(ACCESS_READ, false, false)),
  operation('AT S1E0W', [0, 7, 8, 3], translate(ACCESS_WRITE, false, false)),
  operation('AT S1E1RP', [0, 7, 9, 0], translate(ACCESS_READ, true, true)),
  operation('AT S1E1WP', [0, 7, 9, 1], translate(ACCESS_WRITE, true, true)),

  ...tlbi('VMALLE1', 0, all),
  ...tlbi('VAE1', 1, byAddress),
  ...tlbi('ASIDE1', 2, byAsid),
  ...tlbi('VAAE1', 3, byAddressAllAsids),
  ...tlbi('VALE1', 5, byAddress),
  ...tlbi('VAALE1', 7, byAddressAllAsids),
];
