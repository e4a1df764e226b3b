// What the concerns of one vCPU share: its state, its MMU, its exceptions, and the ways an instruction can end
// without completing. Each concern gets this and nothing wider.

import type { PhysicalMemory } from '../memory/index.ts';
import type { Debug } from './debug.ts';
import type { Exceptions } from './exceptions.ts';
import type { CpuExit } from './exits.ts';
import type { CpuFeatures } from './features.ts';
import { TLB_EL0, TLB_EL1, TLB_EL1_PAN } from './layout.ts';
import type { Mmu } from './mmu/index.ts';
import { DONE, LEAVE } from './services.ts';
import type { CpuState } from './state.ts';
import { EC, FSC, ISS_WNR } from './syndrome.ts';

export class Core {
  readonly memory: PhysicalMemory;
  readonly features: CpuFeatures;
  readonly state: CpuState;
  readonly mmu: Mmu;
  readonly exceptions: Exceptions;
  readonly debug: Debug;
  /** Waits to be taken by the run loop. */
  exit: CpuExit | undefined;
  /** Instructions run before the current entry to generated code. */
  retired = 0;

  constructor(
    memory: PhysicalMemory,
    features: CpuFeatures,
    state: CpuState,
    mmu: Mmu,
    exceptions: Exceptions,
    debug: Debug,
  ) {
    this.memory = memory;
    this.features = features;
    this.state = state;
    this.mmu = mmu;
    this.exceptions = exceptions;
    this.debug = debug;
  }

  /** Instructions run so far, with the one that is executing. */
  get instructions(): number {
    return this.retired + this.state.budgetStart - this.state.budget;
  }

  /** TLB context of an access, as generated code selects its soft TLB. */
  context(unprivileged: boolean): number {
    const { state } = this;
    if (state.el === 0 || (unprivileged && !state.uao)) return TLB_EL0;
    return state.pan ? TLB_EL1_PAN : TLB_EL1;
  }

  /** AArch64.BranchAddr: pc without its top byte, where that of code addresses is ignored. */
  cleanPc(): void {
    const { state, mmu } = this;
    const high = state.pcHigh;
    const half = mmu.half(high);
    if (!half.ignoreTopOfCode) return;
    const top = half === mmu.regime.upper ? 0xff00_0000 : 0;
    state.setPcHalves(state.pcLow, ((high & 0x00ff_ffff) | top) >>> 0);
  }

  /** The instruction will run again after the exit, and counts once. */
  leaveToRepeat(exit: CpuExit): typeof LEAVE {
    const { state } = this;
    state.pc = state.currentPc;
    state.budget++;
    this.exit = exit;
    return LEAVE;
  }

  /** The instruction is done, and the exit follows it. */
  leaveAfter(exit: CpuExit): typeof LEAVE {
    this.state.pc = BigInt.asUintN(64, this.state.currentPc + 4n);
    this.exit = exit;
    return LEAVE;
  }

  /** Whether the page of the code that is running may still be executed without asking again. */
  get codeStillMapped(): boolean {
    const { state, mmu } = this;
    const low = state.hpc + state.pcDeltaLow;
    const carry = low > 0xffff_ffff ? 1 : 0;
    return mmu.tlb.mayExecute(this.context(false), low >>> 0, (state.pcDeltaHigh + carry) >>> 0);
  }

  /** Looks for watchpoints that an access of this vCPU at privilege `el` hits: DONE or LEAVE. */
  watched(address: bigint, bytes: number, write: boolean, el: number): number {
    const { debug, state } = this;
    if (debug.watchpoint(address, bytes, write, el)) {
      this.exceptions.takeAt(EC.watchpoint, FSC.debug | (write ? ISS_WNR : 0), state.currentPc, address);
      return LEAVE;
    }
    const hit = debug.guestWatchpoint(address, bytes, write);
    if (hit === undefined) return DONE;
    return this.leaveToRepeat({ kind: 'debug', cause: 'watchpoint', address: hit });
  }

  undefinedInstruction(): typeof LEAVE {
    this.exceptions.take(EC.unknown, 0, this.state.currentPc);
    return LEAVE;
  }

  /**
   * A data abort at an address for the instruction that is executing. `extra` are ISS bits besides the status
   * code; external aborts and size faults do not say which direction the access had.
   */
  dataAbort(low: number, high: number, status: number, extra: number): typeof LEAVE {
    const { mmu } = this;
    const external = status === FSC.external || (status & ~3) === FSC.externalOnWalk;
    const ofIpa = mmu.faultIpa >= 0 && (status === FSC.addressSize || status === FSC.external);
    const far = ofIpa ? BigInt(mmu.faultIpa) : (BigInt(high) << 32n) | BigInt(low);
    const iss = status | (external || ofIpa ? extra & ~ISS_WNR : extra);
    this.exceptions.takeAt(EC.dataAbort, iss, this.state.currentPc, far);
    return LEAVE;
  }
}
