// Debug registers (Arm ARM D23.3): self-hosted breakpoints and watchpoints, the OS lock, and the debug
// communication channel, which nobody listens to.

import { bitOf, computed, type El0Gate, type RegisterRow, stored } from './row.ts';

export const BREAKPOINTS = 6;
export const WATCHPOINTS = 4;

/** The communication channel at EL0, unless MDSCR_EL1.TDCC. */
const channelGate: El0Gate = (host) => !bitOf(host, 'MDSCR_EL1', 12);

/** SS, ERR, TDCC, KDE, HDE, MDE and the save-restore bits of the channel. */
const MDSCR_WRITABLE = 0x6c48_f041n;
/** E, PMC, BAS, HMC, SSC, LBN, BT. */
const DBGBCR_WRITABLE = 0x00ff_e1e7n;
/** E, PAC, LSC, BAS, HMC, SSC, LBN, WT, MASK. */
const DBGWCR_WRITABLE = 0x1f1f_ffffn;

const comparators = Array.from({ length: BREAKPOINTS }, (_, n) => [
  stored(`DBGBVR${n}_EL1`, [2, 0, 0, n, 4], { endsSlice: true, after: (host) => host.debugChanged() }),
  stored(`DBGBCR${n}_EL1`, [2, 0, 0, n, 5], {
    mask: DBGBCR_WRITABLE,
    endsSlice: true,
    after: (host) => host.debugChanged(),
  }),
]).flat();

const watchers = Array.from({ length: WATCHPOINTS }, (_, n) => [
  stored(`DBGWVR${n}_EL1`, [2, 0, 0, n, 6], {
    mask: 0xffff_ffff_ffff_fffcn,
    endsSlice: true,
    after: (host) => host.debugChanged(),
  }),
  stored(`DBGWCR${n}_EL1`, [2, 0, 0, n, 7], {
    mask: DBGWCR_WRITABLE,
    endsSlice: true,
    after: (host) => host.debugChanged(),
  }),
]).flat();

export const debugRegisters: readonly RegisterRow[] = [
  stored('MDSCR_EL1', [2, 0, 0, 2, 2], {
    mask: MDSCR_WRITABLE,
    endsSlice: true,
    after: (host) => host.debugChanged(),
  }),
  stored('MDCCINT_EL1', [2, 0, 0, 2, 0], { mask: 0x6000_0000n }),
  stored('OSDTRRX_EL1', [2, 0, 0, 0, 2], { mask: 0xffff_ffffn }),
  stored('OSDTRTX_EL1', [2, 0, 0, 3, 2], { mask: 0xffff_ffffn }),
  stored('OSECCR_EL1', [2, 0, 0, 6, 2], { mask: 0n }),
  computed('MDRAR_EL1', [2, 0, 1, 0, 0], { el1: 'r', read: () => 0n }),
  computed('OSLAR_EL1', [2, 0, 1, 0, 4], {
    el1: 'w',
    endsSlice: true,
    write: (host, value) => {
      host.setStored('OSLSR_EL1', (host.stored('OSLSR_EL1') & ~2n) | ((value & 1n) << 1n));
      host.debugChanged();
    },
  }),
  // OSLM = 0b10: the lock is implemented; it is locked out of reset.
  stored('OSLSR_EL1', [2, 0, 1, 1, 4], { el1: 'r', reset: 0xan }),
  stored('OSDLR_EL1', [2, 0, 1, 3, 4], { mask: 0n }),
  stored('DBGPRCR_EL1', [2, 0, 1, 4, 4], { mask: 1n }),
  computed('DBGCLAIMSET_EL1', [2, 0, 7, 8, 6], {
    read: () => 0xffn,
    write: (host, value) =>
      host.setStored('DBGCLAIMCLR_EL1', host.stored('DBGCLAIMCLR_EL1') | (value & 0xffn)),
  }),
  stored('DBGCLAIMCLR_EL1', [2, 0, 7, 9, 6], {
    write: (host, value) =>
      host.setStored('DBGCLAIMCLR_EL1', host.stored('DBGCLAIMCLR_EL1') & ~value & 0xffn),
  }),
  computed('DBGAUTHSTATUS_EL1', [2, 0, 7, 14, 6], { el1: 'r', read: () => 0n }),
  computed('MDCCSR_EL0', [2, 3, 0, 1, 0], { el0: 'r', el1: 'r', el0Gate: channelGate, read: () => 0n }),
  computed('DBGDTR_EL0', [2, 3, 0, 4, 0], {
    el0: 'rw',
    el0Gate: channelGate,
    read: () => 0n,
    write: () => {},
  }),
  computed('DBGDTRRX_EL0', [2, 3, 0, 5, 0], {
    el0: 'rw',
    el0Gate: channelGate,
    read: () => 0n,
    write: () => {},
  }),
  ...comparators,
  ...watchers,
];
