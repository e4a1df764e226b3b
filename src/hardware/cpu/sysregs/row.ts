// The notation of the system register table (Arm ARM D23): one row a register, from which the dispatcher, the
// inline rows of the instruction table and the snapshot are made. A row sees the CPU only through RegisterHost.

import type { CpuFeatures } from '../features.ts';
import type { CpuState } from '../state.ts';

export type RegisterAccess = 'none' | 'r' | 'w' | 'rw';

/** Bits 15:14 op0, 13:11 op1, 10:7 CRn, 6:3 CRm, 2:0 op2: bits 20:5 of MRS, MSR, SYS and SYSL. */
export const registerKey = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;

/** One comparator of the generic timer as its registers show it. */
export interface TimerRegisters {
  control(): bigint;
  setControl(value: bigint): void;
  compareValue(): bigint;
  setCompareValue(value: bigint): void;
  timerValue(): bigint;
  setTimerValue(value: bigint): void;
}

/** The performance monitors as their registers show them; counter 31 is the cycle counter. */
export interface PmuRegisters {
  control(): bigint;
  setControl(value: bigint): void;
  enabled(): bigint;
  enable(mask: bigint): void;
  disable(mask: bigint): void;
  interrupts(): bigint;
  enableInterrupts(mask: bigint): void;
  disableInterrupts(mask: bigint): void;
  overflow(): bigint;
  setOverflow(mask: bigint): void;
  clearOverflow(mask: bigint): void;
  softwareIncrement(mask: bigint): void;
  count(counter: number): bigint;
  setCount(counter: number, value: bigint): void;
  type(counter: number): bigint;
  setType(counter: number, value: bigint): void;
}

/** What a register's functions may see and do. */
export interface RegisterHost {
  readonly state: CpuState;
  readonly features: CpuFeatures;
  readonly mpidr: bigint;
  readonly physicalTimer: TimerRegisters;
  readonly virtualTimer: TimerRegisters;
  readonly pmu: PmuRegisters;
  /** CNTPCT_EL0 and CNTVCT_EL0. */
  physicalCount(): bigint;
  virtualCount(): bigint;
  /** Stored value of a register that has a slot, by name. */
  stored(name: string): bigint;
  setStored(name: string, value: bigint): void;
  sctlrChanged(): void;
  /** TCR or MAIR was written: what the MMU derived from them is stale. */
  translationChanged(): void;
  /** A TTBR was written. */
  tablesChanged(): void;
  /** CPACR or the exception level changed: flags that generated code tests are stale. */
  controlsChanged(): void;
  /** EL, PAN or UAO changed: another soft TLB applies. */
  contextChanged(): void;
  debugChanged(): void;
  /** Banks the current stack pointer and takes the other. */
  selectStackPointer(spsel: number): void;
  /** 64 random bits, or undefined where there are none now. */
  random(): bigint | undefined;
}

/** Whether an EL0 access is let through; where not, it traps to EL1 with EC 0x18. */
export type El0Gate = (host: RegisterHost, write: boolean) => boolean;

export interface RegisterRow {
  readonly name: string;
  readonly key: number;
  /** 'none' at EL0 is UNDEFINED there. */
  readonly el0: RegisterAccess;
  readonly el1: RegisterAccess;
  /** The row exists only with this feature. */
  readonly feature?: keyof CpuFeatures;
  /** A write must reach the run loop, which bounds the time that generated code runs on. */
  readonly endsSlice: boolean;
  /** Kept in STATE.sysregs. */
  readonly stored: boolean;
  readonly reset: bigint;
  /** Bits that a write changes; the others keep their reset value. */
  readonly mask: bigint;
  /** Needs FP to be enabled. */
  readonly floating: boolean;
  /** A stored row may still read otherwise than it is stored. */
  readonly read?: (host: RegisterHost) => bigint;
  /** What read() gives never changes, so that it need not be asked twice. */
  readonly constant: boolean;
  /** Replaces the store. */
  readonly write?: (host: RegisterHost, value: bigint) => void;
  /** Runs after the store, for the side effects. */
  readonly after?: (host: RegisterHost) => void;
  readonly el0Gate?: El0Gate;
  /** Belongs in a snapshot although it is not stored in a slot: read() and restore() or write() move it. */
  readonly saved: boolean;
  readonly restore?: (host: RegisterHost, value: bigint) => void;
}

type Encoding = readonly [op0: number, op1: number, crn: number, crm: number, op2: number];
type Options = Partial<Omit<RegisterRow, 'name' | 'key' | 'stored'>>;

export const ALL_BITS = 0xffff_ffff_ffff_ffffn;

function base(name: string, encoding: Encoding, stored: boolean, options: Options): RegisterRow {
  return {
    name,
    key: registerKey(...encoding),
    el0: 'none',
    el1: 'rw',
    stored,
    reset: 0n,
    mask: ALL_BITS,
    floating: false,
    saved: false,
    constant: false,
    endsSlice: false,
    ...options,
  };
}

/** A register whose value is kept in a slot. */
export const stored = (name: string, encoding: Encoding, options: Options = {}): RegisterRow =>
  base(name, encoding, true, options);

/** Read-only and derived from the features. */
export const identification = (
  name: string,
  encoding: Encoding,
  value: (f: CpuFeatures, host: RegisterHost) => bigint,
  options: Options = {},
): RegisterRow =>
  base(name, encoding, false, {
    el1: 'r',
    constant: true,
    read: (host) => value(host.features, host),
    ...options,
  });

/** Read and written by functions. */
export const computed = (name: string, encoding: Encoding, options: Options): RegisterRow =>
  base(name, encoding, false, options);

/** Whether bit `n` of a stored register is set. */
export const bitOf = (host: RegisterHost, name: string, n: number): boolean =>
  ((host.stored(name) >> BigInt(n)) & 1n) === 1n;
