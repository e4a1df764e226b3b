// Taking exceptions to EL1 and returning from them (Arm ARM D1.3, D1.4): the banked stack pointer, PSTATE, and the
// syndrome registers. Who decides that an exception happens is elsewhere.

import { Errno } from '../../lib/index.ts';
import { type CpuState, PSTATE_F, PSTATE_I } from './state.ts';
import { EC, syndrome } from './syndrome.ts';
import { slotOf } from './sysregs/index.ts';

const SCTLR = slotOf('SCTLR_EL1');
const ELR = slotOf('ELR_EL1');
const SPSR = slotOf('SPSR_EL1');
const ESR = slotOf('ESR_EL1');
const FAR = slotOf('FAR_EL1');
const VBAR = slotOf('VBAR_EL1');
const SP_EL0 = slotOf('SP_EL0');
const SP_EL1 = slotOf('SP_EL1');

/** Offsets within a group of vectors. */
export const VECTOR_SYNC = 0x000;
export const VECTOR_IRQ = 0x080;
export const VECTOR_FIQ = 0x100;
export const VECTOR_SERROR = 0x180;

/** Bits of STATE.interrupts. */
export const LINE_IRQ = 1;
export const LINE_FIQ = 2;

const SPSR_SS = 1 << 21;
const SPSR_IL = 1 << 20;
const SPSR_BTYPE = 3 << 10;
/** Classes whose SPSR keeps BTYPE; all others have it zero (AArch64.TakeException). */
const KEEPS_BTYPE: ReadonlySet<number> = new Set([
  EC.branchTarget,
  EC.illegalState,
  EC.instructionAbort,
  EC.instructionAbort + 1,
  EC.pcAlignment,
  EC.breakpoint,
  EC.breakpoint + 1,
  EC.softwareStep,
  EC.softwareStep + 1,
  EC.brk,
]);

export interface ExceptionHooks {
  /** EL is about to change; counters that filter by EL are brought up to date. */
  leavingEl(): void;
  /** EL or what depends on it changed. */
  contextChanged(): void;
  /** PSTATE.SS after a return to `el` with PSTATE.D as `masked` (Arm ARM D2.12.4, DebugExceptionReturnSS). */
  stepAfterReturn(el: number, masked: boolean, ss: number): number;
}

export class Exceptions {
  /** Counts entries to EL1; tells a run loop whether the last instruction completed. */
  taken = 0;
  /** An exception or the return from one has moved control; whoever runs the vCPU clears it. */
  redirected = false;
  private readonly state: CpuState;
  private readonly mte: boolean;
  private readonly hooks: ExceptionHooks;

  constructor(state: CpuState, mte: boolean, hooks: ExceptionHooks) {
    this.state = state;
    this.mte = mte;
    this.hooks = hooks;
  }

  private bank(el: number, spsel: number): number {
    return el === 0 || spsel === 0 ? SP_EL0 : SP_EL1;
  }

  /** Changes EL and stack pointer selection, and with them the current SP. */
  select(el: number, spsel: number): void {
    const { state } = this;
    const before = this.bank(state.el, state.spsel);
    const after = this.bank(el, spsel);
    if (before !== after) {
      state.setSysreg(before, state.sp);
      state.sp = state.sysreg(after);
    }
    state.el = el;
    state.spsel = spsel;
  }

  /** The stack pointers as a debugger or a snapshot sees them. */
  stackPointer(el: 0 | 1): bigint {
    const bank = this.bank(el, 1);
    return bank === this.bank(this.state.el, this.state.spsel) ? this.state.sp : this.state.sysreg(bank);
  }
  setStackPointer(el: 0 | 1, value: bigint): void {
    const bank = this.bank(el, 1);
    if (bank === this.bank(this.state.el, this.state.spsel)) this.state.sp = value;
    else this.state.setSysreg(bank, value);
  }

  /** Common entry: `returnAddress` goes to ELR_EL1. */
  private enter(vector: number, returnAddress: bigint, spsr: number): void {
    const { state } = this;
    this.taken++;
    this.redirected = true;
    this.hooks.leavingEl();
    const group = state.el === 0 ? 0x400 : state.spsel ? 0x200 : 0;
    state.setSysreg(SPSR, BigInt(spsr >>> 0));
    state.setSysreg(ELR, returnAddress);
    this.select(1, 1);
    const sctlr = state.sysregLow(SCTLR);
    state.ss = 0;
    state.daif = 15;
    state.il = 0;
    if ((sctlr & (1 << 23)) === 0) state.pan = 1;
    state.uao = 0;
    state.btype = 0;
    state.ssbs = (state.sysregHigh(SCTLR) >>> 12) & 1;
    if (this.mte) state.tco = 1;
    state.pc = BigInt.asUintN(64, state.sysreg(VBAR) + BigInt(group + vector));
    this.hooks.contextChanged();
  }

  /** A synchronous exception with its class and ISS. Debug classes and aborts from the same EL add one by themselves. */
  take(ec: number, iss: number, returnAddress: bigint): void {
    const { state } = this;
    const spsr = KEEPS_BTYPE.has(ec) ? state.spsr : state.spsr & ~SPSR_BTYPE;
    const paired = PAIRED.has(ec) && state.el === 1;
    state.setSysreg(ESR, BigInt(syndrome(paired ? ec + 1 : ec, iss)));
    this.enter(VECTOR_SYNC, returnAddress, spsr);
  }

  /** The same with a fault address. */
  takeAt(ec: number, iss: number, returnAddress: bigint, far: bigint): void {
    this.state.setSysreg(FAR, far);
    this.take(ec, iss, returnAddress);
  }

  /** A system error with its ISS (bit 24 IDS and the implementation's value). */
  takeSError(iss: number): void {
    this.state.setSysreg(ESR, BigInt(syndrome(EC.serror, iss)));
    this.enter(VECTOR_SERROR, this.state.pc, this.state.spsr);
  }

  /** IRQ or FIQ, where a line is up and PSTATE lets it through. PC must be exact. */
  takeInterrupt(): boolean {
    const { state } = this;
    const { interrupts, daif } = state;
    if (interrupts & LINE_FIQ && !(daif & PSTATE_F)) this.enter(VECTOR_FIQ, state.pc, state.spsr);
    else if (interrupts & LINE_IRQ && !(daif & PSTATE_I)) this.enter(VECTOR_IRQ, state.pc, state.spsr);
    else return false;
    return true;
  }

  /** Whether takeInterrupt() would. */
  pendingInterrupt(): boolean {
    const { interrupts, daif } = this.state;
    return (
      (interrupts !== 0 && (interrupts & LINE_FIQ) !== 0 && !(daif & PSTATE_F)) ||
      ((interrupts & LINE_IRQ) !== 0 && !(daif & PSTATE_I))
    );
  }

  /** Sets all of PSTATE from the shape of SPSR_EL1, at any EL. Throws EINVAL for an EL that does not exist. */
  setPstate(spsr: number): void {
    const { state } = this;
    const mode = spsr & 0x1f;
    if (mode !== 0 && mode !== 4 && mode !== 5) throw new Errno('EINVAL', `PSTATE.M is ${mode}`);
    this.select(mode >>> 2, mode & 1);
    this.setFlags(spsr);
    state.ss = (spsr >>> 21) & 1;
    state.nzcv = spsr >>> 28;
    state.daif = (spsr >>> 6) & 15;
    state.pan = (spsr >>> 22) & 1;
    this.hooks.contextChanged();
  }

  private setFlags(spsr: number): void {
    const { state } = this;
    state.il = spsr & SPSR_IL ? 1 : 0;
    state.btype = (spsr >>> 10) & 3;
    state.ssbs = (spsr >>> 12) & 1;
    state.uao = (spsr >>> 23) & 1;
    state.dit = (spsr >>> 24) & 1;
    if (this.mte) state.tco = (spsr >>> 25) & 1;
  }

  /** ERET at EL1 (Arm ARM C6.2.118, AArch64.ExceptionReturn). */
  return(): void {
    const { state } = this;
    const spsr = state.sysregLow(SPSR);
    const el = (spsr >>> 2) & 3;
    const spsel = spsr & 1;
    const illegal = (spsr & 0x10) !== 0 || el > 1 || (spsr & 2) !== 0 || (el === 0 && spsel === 1);
    const target = illegal ? state.el : el;
    const ss = this.hooks.stepAfterReturn(target, (spsr & 0x200) !== 0, spsr & SPSR_SS ? 1 : 0);
    this.hooks.leavingEl();
    if (illegal) {
      state.il = 1;
    } else {
      this.select(el, spsel);
      this.setFlags(spsr);
    }
    state.nzcv = spsr >>> 28;
    state.daif = (spsr >>> 6) & 15;
    state.pan = (spsr >>> 22) & 1;
    state.ss = ss;
    state.exclusive = 0;
    state.pc = state.sysreg(ELR);
    this.redirected = true;
    this.hooks.contextChanged();
  }
}

/** Classes that are one higher when taken without a change of EL. */
const PAIRED: ReadonlySet<number> = new Set([
  EC.instructionAbort,
  EC.dataAbort,
  EC.breakpoint,
  EC.softwareStep,
  EC.watchpoint,
]);
