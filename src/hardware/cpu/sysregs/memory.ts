// Memory control registers (Arm ARM D23.2: SCTLR, TCR, TTBR, MAIR ...) and thread and context identifiers.

import { bitOf, type RegisterRow, stored } from './row.ts';

/** LSMAOE, nTLSMD, EIS and EOS are RES1 here; EE and E0E RES0, as nothing is big-endian. */
const SCTLR_RES1 = 0x3040_0800n;
const SCTLR_WRITABLE = 0xffff_ffff_ffff_ffffn & ~SCTLR_RES1 & ~0x0300_0000n;
/** As above, and SPAN, nTWE, nTWI, SA0, SA: nothing traps and PAN does not appear by itself. */
const SCTLR_RESET = SCTLR_RES1 | 0x0085_0018n;

/** Without hardware-use bits (HPDS is 1), LPA2 and non-fault-disable bits. */
const TCR_WRITABLE = 0x0798_07f7_ffff_ffbfn;

export const memoryRegisters: readonly RegisterRow[] = [
  stored('SCTLR_EL1', [3, 0, 1, 0, 0], {
    reset: SCTLR_RESET,
    mask: SCTLR_WRITABLE,
    after: (host) => host.sctlrChanged(),
  }),
  stored('ACTLR_EL1', [3, 0, 1, 0, 1], { mask: 0n }),
  stored('CPACR_EL1', [3, 0, 1, 0, 2], { mask: 3n << 20n, after: (host) => host.controlsChanged() }),
  stored('TTBR0_EL1', [3, 0, 2, 0, 0], { after: (host) => host.tablesChanged() }),
  stored('TTBR1_EL1', [3, 0, 2, 0, 1], { after: (host) => host.tablesChanged() }),
  stored('TCR_EL1', [3, 0, 2, 0, 2], { mask: TCR_WRITABLE, after: (host) => host.translationChanged() }),
  stored('MAIR_EL1', [3, 0, 10, 2, 0], { after: (host) => host.translationChanged() }),
  stored('AMAIR_EL1', [3, 0, 10, 3, 0], { mask: 0n }),
  // LORID_EL1 says that there are no limited ordering regions, so that their registers are RES0.
  stored('LORSA_EL1', [3, 0, 10, 4, 0], { mask: 0n }),
  stored('LOREA_EL1', [3, 0, 10, 4, 1], { mask: 0n }),
  stored('LORN_EL1', [3, 0, 10, 4, 2], { mask: 0n }),
  stored('LORC_EL1', [3, 0, 10, 4, 3], { mask: 0n }),
  stored('LORID_EL1', [3, 0, 10, 4, 7], { el1: 'r' }),
  stored('PAR_EL1', [3, 0, 7, 4, 0]),
  stored('CONTEXTIDR_EL1', [3, 0, 13, 0, 1], { mask: 0xffff_ffffn }),
  stored('TPIDR_EL1', [3, 0, 13, 0, 4]),
  stored('TPIDR_EL0', [3, 3, 13, 0, 2], { el0: 'rw' }),
  stored('TPIDRRO_EL0', [3, 3, 13, 0, 3], { el0: 'r' }),
  stored('SCXTNUM_EL1', [3, 0, 13, 0, 7]),
  stored('SCXTNUM_EL0', [3, 3, 13, 0, 7], {
    el0: 'rw',
    el0Gate: (host) => !bitOf(host, 'SCTLR_EL1', 20),
  }),
];
