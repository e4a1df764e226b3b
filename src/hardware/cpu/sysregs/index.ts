// The one system register table, its storage slots, and the rows that need no code at all: those the instruction
// table may execute as a plain load or store of a slot.

import type { CpuFeatures } from '../features.ts';
import { STATE } from '../layout.ts';
import { debugRegisters } from './debug.ts';
import { exceptionRegisters } from './exception.ts';
import { identificationRegisters } from './identification.ts';
import { keyRegisters } from './keys.ts';
import { memoryRegisters } from './memory.ts';
import { mteRegisters } from './mte.ts';
import { pmuRegisters } from './pmu.ts';
import { ALL_BITS, type RegisterRow } from './row.ts';
import { timerRegisters } from './timer.ts';

export { BREAKPOINTS, WATCHPOINTS } from './debug.ts';
export { CYCLE_COUNTER, EVENT_COUNTERS } from './pmu.ts';
export {
  type PmuRegisters,
  type RegisterHost,
  type RegisterRow,
  registerKey,
  type TimerRegisters,
} from './row.ts';

export const registerTable: readonly RegisterRow[] = [
  ...identificationRegisters,
  ...memoryRegisters,
  ...exceptionRegisters,
  ...keyRegisters,
  ...mteRegisters,
  ...timerRegisters,
  ...debugRegisters,
  ...pmuRegisters,
];

const SLOTS = 256;

const slots = new Map<string, number>();
for (const row of registerTable) {
  if (!row.stored) continue;
  if (slots.size === SLOTS) throw new Error(`system register slots used up at ${row.name}`);
  slots.set(row.name, slots.size);
}

/** The slot of a stored register, by its architectural name. Throws for any other. */
export function slotOf(name: string): number {
  const slot = slots.get(name);
  if (slot === undefined) throw new Error(`${name} has no slot`);
  return slot;
}

/** Byte offset in STATE of a stored register. */
export const registerOffset = (name: string): number => STATE.sysregs + 8 * slotOf(name);

/** A register that MRS or MSR may load or store in place. */
export interface PlainRegister {
  readonly name: string;
  /** registerKey(): bits 20:5 of the instruction. */
  readonly key: number;
  /** Byte offset of its i64 in STATE. */
  readonly offset: number;
  /** Reading is plain at EL1, writing is plain at EL1. */
  readonly read: boolean;
  readonly write: boolean;
  /** The same at EL0; where false, EL0 goes to Services.system. */
  readonly el0Read: boolean;
  readonly el0Write: boolean;
  /** Plain only while PSTATE.SPSel is 1; else Services.system. */
  readonly needsSpsel: boolean;
  /** Exists only with this CpuFeatures member. */
  readonly feature?: keyof CpuFeatures;
}

function plain(row: RegisterRow): PlainRegister[] {
  if (!row.stored || row.read || row.el1 === 'none') return [];
  const writable = !row.write && !row.after && row.mask === ALL_BITS && row.el1 === 'rw';
  return [
    {
      name: row.name,
      key: row.key,
      offset: registerOffset(row.name),
      read: true,
      write: writable,
      el0Read: row.el0 !== 'none' && !row.el0Gate,
      el0Write: row.el0 === 'rw' && !row.el0Gate && writable,
      needsSpsel: row.name === 'SP_EL0',
      ...(row.feature ? { feature: row.feature } : {}),
    },
  ];
}

/** Rows of the table without side effects. */
export const plainRegisters: readonly PlainRegister[] = registerTable.flatMap(plain);
export { ZERO_BLOCK, ZERO_PROHIBITED } from './identification.ts';
