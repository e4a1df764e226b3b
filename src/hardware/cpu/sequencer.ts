// What comes before each instruction: a pending interrupt, software step, breakpoints, the illegal state, and the
// fetch itself (Arm ARM D1.3.5 for the order). It decides how many instructions generated code may run on its own.

import type { Core } from './core.ts';
import type { Mmio } from './mmio.ts';
import { FAULTED, STOPPED } from './mmu/index.ts';
import type { Pmu } from './pmu.ts';
import { ACCESS_EXECUTE } from './stage2.ts';
import { EC, FSC } from './syndrome.ts';

export class Sequencer {
  private readonly core: Core;
  private readonly mmio: Mmio;
  private readonly pmu: Pmu;
  /** An instruction was let through under software step: exceptions taken before it, or -1. */
  private steppedFrom = -1;
  private stepInstruction = 0;
  /** The last prepare() allowed one instruction only. */
  private slow = false;

  constructor(core: Core, mmio: Mmio, pmu: Pmu) {
    this.core = core;
    this.mmio = mmio;
    this.pmu = pmu;
  }

  reset(): void {
    this.steppedFrom = -1;
    this.slow = false;
  }

  /**
   * To be called before each entry to generated code: takes a pending interrupt or debug exception, and returns how
   * many instructions may run before it must be called again (Infinity, or 1 under single step); 0 where an exit
   * waits already.
   */
  prepare(): number {
    const { core } = this;
    const { state, debug, exceptions } = core;
    // Not between single steps, or no exclusive sequence would ever succeed.
    if (!this.slow) state.exclusive = 0;
    if (this.pmu.active) this.pmu.update();
    this.finishStep();
    if (core.exit) return 0;
    this.slow = false;
    // An answered MMIO instruction completes before anything else happens.
    if (this.mmio.armed) {
      return debug.guest.step || (state.ss && debug.stepActive) ? this.allowStep() : this.allowOne();
    }
    exceptions.takeInterrupt();
    if (state.il) {
      this.raiseIllegalState();
      if (core.exit) return 0;
    }
    if (debug.stepActive) {
      if (!state.ss) this.takeStep(false);
      else return this.allowStep();
    }
    if (debug.guest.step) return this.allowStep();
    if (debug.anyCode && debug.watchesCode(state.pcLow, state.pcHigh)) {
      if (this.atBreakpoint()) return 0;
      return this.allowOne();
    }
    return this.pmu.active ? this.pmu.instructionsToOverflow() : Infinity;
  }

  /**
   * Whether generated code left for nothing but an exception or the return from one, so that it may be entered again for
   * the rest of its budget: prepare() would have nothing to do.
   */
  goesOn(): boolean {
    const { exit, exceptions, state, debug } = this.core;
    if (!exceptions.redirected || exit) return false;
    exceptions.redirected = false;
    const isWatched = this.slow || debug.isActive || this.pmu.active;
    return !isWatched && state.budget > 0 && state.il === 0 && !exceptions.pendingInterrupt();
  }

  /** PSTATE.IL: the next instruction faults, after anything that its fetch does wrong. */
  private raiseIllegalState(): void {
    this.slow = true;
    const { state } = this.core;
    const { budget } = state;
    this.fetch();
    state.budget = budget;
    this.slow = false;
  }

  private allowOne(): number {
    this.slow = true;
    return 1;
  }

  private allowStep(): number {
    this.steppedFrom = this.core.exceptions.taken;
    this.stepInstruction = this.core.instructions;
    return this.allowOne();
  }

  /** After a stepped instruction: active-not-pending becomes active-pending, unless an exception took over. */
  private finishStep(): void {
    if (this.steppedFrom < 0) return;
    const { core } = this;
    const { state, debug } = core;
    const tookException = core.exceptions.taken !== this.steppedFrom;
    const completed = core.instructions !== this.stepInstruction;
    this.steppedFrom = -1;
    if (!completed && !tookException) return;
    if (!tookException && state.ss && debug.stepActive) this.takeStep(true);
    if (debug.guest.step && !core.exit) core.exit = { kind: 'debug', cause: 'step', address: state.pc };
  }

  /** Software step exception; `stepped` says that its syndrome is valid (Arm ARM D2.12). */
  private takeStep(stepped: boolean): void {
    const { state, exceptions } = this.core;
    state.ss = 0;
    exceptions.take(EC.softwareStep, (stepped ? 1 << 24 : 0) | FSC.debug, state.pc);
  }

  /** An outside debugger's breakpoint at pc; resuming past it is the debugger's business. */
  private atBreakpoint(): boolean {
    const { core } = this;
    const { debug, state } = core;
    if (!debug.guestBreakpoint(state.pc)) return false;
    core.exit = { kind: 'debug', cause: 'breakpoint', address: state.pc };
    return true;
  }

  /** Services.fetch. */
  fetch(): number {
    const { core } = this;
    const { state, mmu, exceptions, debug } = core;
    core.cleanPc();
    const { pcLow: low, pcHigh: high } = state;
    // From here on currentPc is the address, also where nothing is mapped.
    state.setPcDeltaHalves(low, high);
    state.hpc = 0;
    if (low & 3) return this.leaveWithoutCode(EC.pcAlignment, 0);
    const outcome = mmu.translate(low, high, ACCESS_EXECUTE, core.context(false));
    if (outcome === STOPPED) {
      core.leaveToRepeat({ kind: 'stage2' });
      return 0;
    }
    if (outcome === FAULTED) {
      const far = mmu.faultIpa >= 0 ? BigInt(mmu.faultIpa) : state.pc;
      exceptions.takeAt(EC.instructionAbort, mmu.fault, state.pc, far);
      return 0;
    }
    if (debug.anyCode && debug.watchesCode(low, high)) {
      if (!this.slow) {
        // The run loop goes on one instruction at a time here.
        state.budget++;
        return 0;
      }
      if (debug.breakpoint(state.pc)) {
        exceptions.take(EC.breakpoint, FSC.debug, state.pc);
        return 0;
      }
    }
    if (state.il) {
      exceptions.take(EC.illegalState, 0, state.pc);
      return 0;
    }
    const host = mmu.frame + (low & 0xfff);
    state.setPcDeltaHalves((low - host) >>> 0, (high - (low < host ? 1 : 0)) >>> 0);
    state.hpc = host;
    return host;
  }

  private leaveWithoutCode(ec: number, iss: number): 0 {
    const { state, exceptions } = this.core;
    exceptions.takeAt(ec, iss, state.pc, state.pc);
    return 0;
  }
}
