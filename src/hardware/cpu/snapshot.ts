// A vCPU as a plain, versioned object with every register under its architectural name. Soft TLBs are not state.

import { Errno } from '../../lib/index.ts';
import type { CpuFeatures } from './features.ts';
import type { Mmio, MmioState } from './mmio.ts';
import type { CpuState } from './state.ts';
import { type RegisterHost, type RegisterRow, registerTable, slotOf } from './sysregs/index.ts';

const VERSION = 1;
/** Kept apart, as one of them is in the register file. */
const STACK_POINTERS = ['SP_EL0', 'SP_EL1'];

export interface CpuSnapshot {
  readonly version: number;
  readonly features: CpuFeatures;
  /** X0..X30. */
  readonly x: readonly bigint[];
  /** V0..V31. */
  readonly v: readonly bigint[];
  readonly pc: bigint;
  /** In the shape of SPSR_EL1. */
  readonly pstate: bigint;
  readonly fpcr: number;
  readonly fpsr: number;
  readonly spEl0: bigint;
  readonly spEl1: bigint;
  readonly systemRegisters: Readonly<Record<string, bigint>>;
  /** The event register of WFE. */
  readonly event: boolean;
  /** The state of RNDR's generator. */
  readonly random: bigint;
  readonly instructions: number;
  readonly mmio: MmioState;
}

const rowsOf = (features: CpuFeatures): RegisterRow[] =>
  registerTable.filter(
    (row) =>
      (row.stored || row.saved) &&
      (!row.feature || features[row.feature]) &&
      !STACK_POINTERS.includes(row.name),
  );

export interface SaveSource {
  readonly state: CpuState;
  readonly host: RegisterHost;
  readonly features: CpuFeatures;
  readonly mmio: Mmio;
  readonly stackPointer: (el: 0 | 1) => bigint;
  readonly event: boolean;
  readonly random: bigint;
  readonly instructions: number;
}

export function saveCpu(source: SaveSource): CpuSnapshot {
  const { state, host, features } = source;
  const value = (row: RegisterRow): bigint =>
    row.stored ? state.sysreg(slotOf(row.name)) : (row.read?.(host) ?? 0n);
  return {
    version: VERSION,
    features,
    x: Array.from({ length: 31 }, (_, n) => state.x(n)),
    v: Array.from({ length: 32 }, (_, n) => state.v(n)),
    pc: state.pc,
    pstate: BigInt(state.spsr),
    fpcr: state.fpcr,
    fpsr: state.fpsr,
    spEl0: source.stackPointer(0),
    spEl1: source.stackPointer(1),
    systemRegisters: Object.fromEntries(rowsOf(features).map((row) => [row.name, value(row)])),
    event: source.event,
    random: source.random,
    instructions: source.instructions,
    mmio: source.mmio.save(),
  };
}

export interface RestoreTarget {
  readonly state: CpuState;
  readonly host: RegisterHost;
  readonly features: CpuFeatures;
  readonly setPstate: (value: bigint) => void;
  readonly setStackPointer: (el: 0 | 1, value: bigint) => void;
}

/** Throws EINVAL for another version, other features, or registers that are missing or unknown. */
export function restoreCpu(
  snapshot: CpuSnapshot,
  target: RestoreTarget,
): { event: boolean; random: bigint; instructions: number } {
  const { state, host, features } = target;
  if (snapshot.version !== VERSION) throw new Errno('EINVAL', `vCPU state of version ${snapshot.version}`);
  for (const [name, on] of Object.entries(features)) {
    if (snapshot.features[name as keyof CpuFeatures] !== on) {
      throw new Errno('EINVAL', `the saved vCPU differs in feature ${name}`);
    }
  }
  const rows = rowsOf(features);
  const known = new Set(rows.map((row) => row.name));
  for (const name of Object.keys(snapshot.systemRegisters)) {
    if (!known.has(name)) throw new Errno('EINVAL', `unknown register ${name}`);
  }
  for (const row of rows) {
    const value = snapshot.systemRegisters[row.name];
    if (value === undefined) throw new Errno('EINVAL', `register ${row.name} is missing`);
    if (row.stored) state.setSysreg(slotOf(row.name), (value & row.mask) | (row.reset & ~row.mask));
    else if (row.restore) row.restore(host, value);
    else row.write?.(host, value);
  }
  target.setPstate(snapshot.pstate);
  snapshot.x.slice(0, 31).forEach((value, n) => {
    state.setX(n, value);
  });
  snapshot.v.slice(0, 32).forEach((value, n) => {
    state.setV(n, value);
  });
  state.pc = snapshot.pc;
  state.fpcr = snapshot.fpcr;
  state.fpsr = snapshot.fpsr;
  target.setStackPointer(0, snapshot.spEl0);
  target.setStackPointer(1, snapshot.spEl1);
  return { event: snapshot.event, random: snapshot.random, instructions: snapshot.instructions };
}
