// Performance monitor registers (Arm ARM D13, D23.5) with PMUSERENR_EL0's EL0 enables.

import { bitOf, computed, type El0Gate, type RegisterHost, type RegisterRow, stored } from './row.ts';

const EN = 0;
const SW = 1;
const CR = 2;
const ER = 3;

/** EL0 may read where EN or `read` is set, and write where EN or `write` is. */
const gate =
  (read: number, write: number): El0Gate =>
  (host, writing) =>
    bitOf(host, 'PMUSERENR_EL0', EN) || bitOf(host, 'PMUSERENR_EL0', writing ? write : read);

const usual = { feature: 'pmu', el0: 'rw', el0Gate: gate(EN, EN), endsSlice: true } as const;

/** Counters that exist besides the cycle counter. */
export const EVENT_COUNTERS = 6;
export const CYCLE_COUNTER = 31;

const selected = (host: RegisterHost): number => Number(host.stored('PMSELR_EL0') & 31n);

const eventCounters = Array.from({ length: EVENT_COUNTERS }, (_, n) => [
  computed(`PMEVCNTR${n}_EL0`, [3, 3, 14, 8 + (n >> 3), n & 7], {
    ...usual,
    el0Gate: gate(ER, EN),
    saved: true,
    read: (host) => host.pmu.count(n),
    write: (host, value) => host.pmu.setCount(n, value),
  }),
  computed(`PMEVTYPER${n}_EL0`, [3, 3, 14, 12 + (n >> 3), n & 7], {
    ...usual,
    saved: true,
    read: (host) => host.pmu.type(n),
    write: (host, value) => host.pmu.setType(n, value),
  }),
]).flat();

/** SW_INCR, INST_RETIRED, CPU_CYCLES; bits of PMCEID0. */
const COMMON_EVENTS = (1n << 0x00n) | (1n << 0x08n) | (1n << 0x11n);

export const pmuRegisters: readonly RegisterRow[] = [
  computed('PMCR_EL0', [3, 3, 9, 12, 0], {
    ...usual,
    saved: true,
    read: (host) => host.pmu.control(),
    write: (host, value) => host.pmu.setControl(value),
    // P and C act once; a restore brings E, D, DP, LC only.
    restore: (host, value) => host.pmu.setControl(value & ~6n),
  }),
  computed('PMCNTENSET_EL0', [3, 3, 9, 12, 1], {
    ...usual,
    saved: true,
    read: (host) => host.pmu.enabled(),
    write: (host, value) => host.pmu.enable(value),
    restore: (host, value) => {
      host.pmu.disable(~value);
      host.pmu.enable(value);
    },
  }),
  computed('PMCNTENCLR_EL0', [3, 3, 9, 12, 2], {
    ...usual,
    read: (host) => host.pmu.enabled(),
    write: (host, value) => host.pmu.disable(value),
  }),
  computed('PMOVSCLR_EL0', [3, 3, 9, 12, 3], {
    ...usual,
    read: (host) => host.pmu.overflow(),
    write: (host, value) => host.pmu.clearOverflow(value),
  }),
  computed('PMSWINC_EL0', [3, 3, 9, 12, 4], {
    ...usual,
    el0: 'w',
    el1: 'w',
    el0Gate: gate(EN, SW),
    write: (host, value) => host.pmu.softwareIncrement(value),
  }),
  stored('PMSELR_EL0', [3, 3, 9, 12, 5], { ...usual, el0Gate: gate(ER, ER), mask: 31n }),
  computed('PMCEID0_EL0', [3, 3, 9, 12, 6], { ...usual, el0: 'r', el1: 'r', read: () => COMMON_EVENTS }),
  computed('PMCEID1_EL0', [3, 3, 9, 12, 7], { ...usual, el0: 'r', el1: 'r', read: () => 0n }),
  computed('PMCCNTR_EL0', [3, 3, 9, 13, 0], {
    ...usual,
    el0Gate: gate(CR, EN),
    saved: true,
    read: (host) => host.pmu.count(CYCLE_COUNTER),
    write: (host, value) => host.pmu.setCount(CYCLE_COUNTER, value),
  }),
  computed('PMXEVTYPER_EL0', [3, 3, 9, 13, 1], {
    ...usual,
    read: (host) => host.pmu.type(selected(host)),
    write: (host, value) => host.pmu.setType(selected(host), value),
  }),
  computed('PMXEVCNTR_EL0', [3, 3, 9, 13, 2], {
    ...usual,
    el0Gate: gate(ER, EN),
    read: (host) => (selected(host) === CYCLE_COUNTER ? 0n : host.pmu.count(selected(host))),
    write: (host, value) => {
      if (selected(host) !== CYCLE_COUNTER) host.pmu.setCount(selected(host), value);
    },
  }),
  stored('PMUSERENR_EL0', [3, 3, 9, 14, 0], { feature: 'pmu', el0: 'r', mask: 15n }),
  computed('PMINTENSET_EL1', [3, 0, 9, 14, 1], {
    feature: 'pmu',
    endsSlice: true,
    saved: true,
    read: (host) => host.pmu.interrupts(),
    write: (host, value) => host.pmu.enableInterrupts(value),
    restore: (host, value) => {
      host.pmu.disableInterrupts(~value);
      host.pmu.enableInterrupts(value);
    },
  }),
  computed('PMINTENCLR_EL1', [3, 0, 9, 14, 2], {
    feature: 'pmu',
    read: (host) => host.pmu.interrupts(),
    write: (host, value) => host.pmu.disableInterrupts(value),
  }),
  computed('PMOVSSET_EL0', [3, 3, 9, 14, 3], {
    ...usual,
    saved: true,
    read: (host) => host.pmu.overflow(),
    write: (host, value) => host.pmu.setOverflow(value),
    restore: (host, value) => {
      host.pmu.clearOverflow(~value);
      host.pmu.setOverflow(value);
    },
  }),
  computed('PMCCFILTR_EL0', [3, 3, 14, 15, 7], {
    ...usual,
    saved: true,
    read: (host) => host.pmu.type(CYCLE_COUNTER),
    write: (host, value) => host.pmu.setType(CYCLE_COUNTER, value),
  }),
  ...eventCounters,
];
