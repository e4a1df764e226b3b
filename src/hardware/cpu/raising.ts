// Instructions that raise an exception or leave the vCPU: SVC, HVC, SMC, BRK, ERET, WFI and WFE, and the faults that
// generated code finds by itself (Arm ARM D1.3, D1.6).

import type { Core } from './core.ts';
import { DONE, EXCEPTION, LEAVE } from './services.ts';
import { EC } from './syndrome.ts';
import { slotOf } from './sysregs/index.ts';

const SCTLR = slotOf('SCTLR_EL1');
const SCTLR_NTWI = 1 << 16;
const SCTLR_NTWE = 1 << 18;
/** ISS of FP and WFx traps: CV with condition AL. */
const ISS_ALWAYS = 0x01e0_0000;

export class RaisingInstructions {
  /** The event register that WFE tests. */
  event = false;
  private readonly core: Core;
  private readonly virtualCount: () => bigint;

  constructor(core: Core, virtualCount: () => bigint) {
    this.core = core;
    this.virtualCount = virtualCount;
  }

  /** Services.exception. */
  raise(kind: number, imm: number): number {
    const { core } = this;
    const { state, exceptions, debug } = core;
    const pc = state.currentPc;
    const next = BigInt.asUintN(64, pc + 4n);
    switch (kind) {
      case EXCEPTION.svc:
        if (debug.stepActive) state.ss = 0;
        exceptions.take(EC.svc, imm & 0xffff, next);
        return LEAVE;
      case EXCEPTION.hvc:
        if (state.el === 0) return core.undefinedInstruction();
        return core.leaveAfter({ kind: 'hvc', imm: imm & 0xffff });
      case EXCEPTION.smc:
        if (state.el === 0) return core.undefinedInstruction();
        return core.leaveAfter({ kind: 'smc', imm: imm & 0xffff });
      case EXCEPTION.brk:
        if (debug.guest.softwareBreakpoints) {
          return core.leaveToRepeat({ kind: 'debug', cause: 'breakpoint', address: pc });
        }
        exceptions.take(EC.brk, imm & 0xffff, pc);
        return LEAVE;
      case EXCEPTION.eret:
        if (state.el === 0) return core.undefinedInstruction();
        this.event = true;
        exceptions.return();
        return LEAVE;
      case EXCEPTION.wfi:
        return this.wait(SCTLR_NTWI, 0, false);
      case EXCEPTION.wfit:
        return this.wait(SCTLR_NTWI, 2, false, state.slowData);
      case EXCEPTION.wfe:
        return this.wait(SCTLR_NTWE, 1, true);
      case EXCEPTION.wfet:
        return this.wait(SCTLR_NTWE, 3, true, state.slowData);
      case EXCEPTION.pcAlignment:
        core.cleanPc();
        exceptions.takeAt(EC.pcAlignment, 0, state.pc, state.pc);
        return LEAVE;
      case EXCEPTION.spAlignment:
        exceptions.take(EC.spAlignment, 0, pc);
        return LEAVE;
      case EXCEPTION.fpTrap:
        exceptions.take(EC.fp, ISS_ALWAYS, pc);
        return LEAVE;
      case EXCEPTION.branchTarget:
        state.btype = imm & 3;
        exceptions.take(EC.branchTarget, imm & 3, pc);
        return LEAVE;
      case EXCEPTION.pacFail:
        exceptions.take(EC.pacFail, imm & 3, pc);
        return LEAVE;
      case EXCEPTION.illegalState:
        exceptions.take(EC.illegalState, 0, pc);
        return LEAVE;
      default:
        return core.undefinedInstruction();
    }
  }

  /** WFI, WFE and their timed forms (Arm ARM D1.6). */
  private wait(control: number, kind: number, event: boolean, deadline?: bigint): number {
    const { core } = this;
    const { state } = core;
    if (event && this.event) {
      this.event = false;
      return DONE;
    }
    if (state.interrupts !== 0) return DONE;
    if (deadline !== undefined && this.virtualCount() >= deadline) return DONE;
    if (state.el === 0 && !(state.sysregLow(SCTLR) & control)) {
      core.exceptions.take(EC.wfx, ISS_ALWAYS | kind, state.currentPc);
      return LEAVE;
    }
    return core.leaveAfter({ kind: 'wfi', event, ...(deadline === undefined ? {} : { deadline }) });
  }
}
