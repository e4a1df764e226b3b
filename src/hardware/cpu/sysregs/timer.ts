// Generic timer registers (Arm ARM D12, D23.9) with CNTKCTL_EL1's EL0 enables.

import { COUNTER_FREQUENCY } from '../timer.ts';
import {
  bitOf,
  computed,
  type El0Gate,
  type RegisterHost,
  type RegisterRow,
  stored,
  type TimerRegisters,
} from './row.ts';

/** Allowed at EL0 where one of these CNTKCTL_EL1 bits is set. */
const gate =
  (...bits: number[]): El0Gate =>
  (host) =>
    bits.some((bit) => bitOf(host, 'CNTKCTL_EL1', bit));

function comparator(
  prefix: string,
  crm: number,
  enable: number,
  timer: (host: RegisterHost) => TimerRegisters,
): RegisterRow[] {
  const el0Gate = gate(enable);
  return [
    computed(`${prefix}_TVAL_EL0`, [3, 3, 14, crm, 0], {
      el0: 'rw',
      el0Gate,
      endsSlice: true,
      read: (host) => timer(host).timerValue(),
      write: (host, value) => timer(host).setTimerValue(value),
    }),
    computed(`${prefix}_CTL_EL0`, [3, 3, 14, crm, 1], {
      el0: 'rw',
      el0Gate,
      endsSlice: true,
      saved: true,
      read: (host) => timer(host).control(),
      write: (host, value) => timer(host).setControl(value),
    }),
    computed(`${prefix}_CVAL_EL0`, [3, 3, 14, crm, 2], {
      el0: 'rw',
      el0Gate,
      endsSlice: true,
      saved: true,
      read: (host) => timer(host).compareValue(),
      write: (host, value) => timer(host).setCompareValue(value),
    }),
  ];
}

export const timerRegisters: readonly RegisterRow[] = [
  stored('CNTKCTL_EL1', [3, 0, 14, 1, 0], { mask: 0x3ffn }),
  stored('CNTFRQ_EL0', [3, 3, 14, 0, 0], {
    el0: 'r',
    el1: 'r',
    reset: BigInt(COUNTER_FREQUENCY),
    el0Gate: gate(0, 1),
  }),
  computed('CNTPCT_EL0', [3, 3, 14, 0, 1], {
    el0: 'r',
    el1: 'r',
    el0Gate: gate(0),
    read: (host) => host.physicalCount(),
  }),
  computed('CNTVCT_EL0', [3, 3, 14, 0, 2], {
    el0: 'r',
    el1: 'r',
    el0Gate: gate(1),
    read: (host) => host.virtualCount(),
  }),
  ...comparator('CNTP', 2, 9, (host) => host.physicalTimer),
  ...comparator('CNTV', 3, 8, (host) => host.virtualTimer),
];
