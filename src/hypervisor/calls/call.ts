// The SMC Calling Convention (DEN0028) as values: what a call is, what it can come to, and how a function is
// described. A table of functions is a list of rows; families (PSCI, TRNG, pKVM, RSI) are one file each and
// know nothing of one another.

import type { VcpuExit } from '../exits.ts';

export type Conduit = 'hvc' | 'smc';

/** The caller's X0 to X17. Values are unsigned 64-bit. */
export interface CallRegisters {
  get(index: number): bigint;
  set(index: number, value: bigint): void;
}

/** A call as the vCPU made it. Its PC already stands after the HVC or SMC. */
export interface Call {
  readonly conduit: Conduit;
  readonly vcpu: number;
  readonly regs: CallRegisters;
}

export type CallOutcome =
  /** Results are in the registers; the vCPU goes on. */
  | { readonly kind: 'handled' }
  /** The vCPU goes on only after the PC stepped back by 4: what the call needs is being arranged. */
  | { readonly kind: 'repeat' }
  /** The same, but the host could not arrange it: the vCPU leaves first. */
  | { readonly kind: 'repeat'; readonly exit: VcpuExit }
  /** The instruction itself takes a synchronous external abort, with FAR 0 and the PC stepped back by 4. */
  | { readonly kind: 'abort' }
  | {
      readonly kind: 'exit';
      readonly reason: 'system-event';
      readonly event: 'shutdown' | 'reset';
      readonly flags: bigint;
    }
  /** The vCPU is off until some other one starts it. */
  | { readonly kind: 'exit'; readonly reason: 'cpu-off' }
  /** Suspended until an interrupt is pending, as by WFI. */
  | { readonly kind: 'exit'; readonly reason: 'wfi' }
  /** Results are in the registers, and it took so long that others get their turn. */
  | { readonly kind: 'exit'; readonly reason: 'slow' }
  /** A realm's call of its VMM, which may answer before the vCPU runs again. */
  | {
      readonly kind: 'exit';
      readonly reason: 'host-call';
      readonly immediate: number;
      readonly values: readonly bigint[];
      answer(values: readonly bigint[]): void;
    }
  /** User space answers: it fills the registers before the vCPU runs again. */
  | {
      readonly kind: 'exit';
      readonly reason: 'hypercall';
      readonly function: number;
      readonly args: readonly bigint[];
    };

export const HANDLED: CallOutcome = { kind: 'handled' };
export const SLOW: CallOutcome = { kind: 'exit', reason: 'slow' };

/** A call as its function sees it. */
export interface FunctionCall extends Call {
  readonly id: number;
  /** Argument 1 to 17, cut to 32 bits where the caller used the 32-bit convention. */
  arg(n: number): bigint;
  /**
   * Stores X0 to X3 and reports the call as handled; what is not given becomes 0, as KVM does. A negative
   * result is sign-extended to 64 bits, which a 32-bit caller sees as the same number in W0.
   */
  result(x0: bigint | number, x1?: bigint | number, x2?: bigint | number, x3?: bigint | number): CallOutcome;
}

/** One function: a row of a family's table. */
export interface SmcccFunction {
  /** The 32-bit function identifier; the 32-bit and 64-bit variants of a function are two rows. */
  readonly id: number;
  /** The specification's name, with its width where there are two. */
  readonly name: string;
  /** A call by another conduit does not find the function. */
  readonly conduits: readonly Conduit[];
  handle(call: FunctionCall): CallOutcome;
}

/** Which functions a VM has; features functions answer from it. */
export interface FunctionSet {
  has(id: number, conduit: Conduit): boolean;
}

export const BOTH_CONDUITS: readonly Conduit[] = ['hvc', 'smc'];

/** DEN0028 7.1, and what PSCI and TRNG also use for an unknown function. */
export const NOT_SUPPORTED = -1;

/** Bit 30 of an identifier: arguments and results are 64 bits wide. */
export const is64Bit = (id: number): boolean => (id & 0x40000000) !== 0;

/** The 64-bit variant of a 32-bit identifier. */
export const in64Bit = (id: number): number => (id | 0x40000000) >>> 0;
