// Exception handling registers, PSTATE fields as registers, and the floating-point control registers
// (Arm ARM C5.2 special-purpose registers, D23.2).

import { bitOf, computed, type RegisterHost, type RegisterRow, stored } from './row.ts';

/** AHP, DN, FZ, RMode, FZ16; the trap enables are RAZ/WI. */
const FPCR_WRITABLE = 0x07c8_0000n;
const FPSR_WRITABLE = 0x0800_009fn;

type PstateWord = 'pan' | 'uao' | 'dit' | 'ssbs' | 'tco';

/** One bit of PSTATE as a register. */
const pstateBit = (field: PstateWord, at: number, after?: (host: RegisterHost) => void) => ({
  read: (host: RegisterHost): bigint => BigInt(host.state[field]) << BigInt(at),
  write: (host: RegisterHost, value: bigint): void => {
    host.state[field] = Number((value >> BigInt(at)) & 1n);
    after?.(host);
  },
});

const contextChanged = (host: RegisterHost): void => host.contextChanged();

/** ISR_EL1: what is pending, masked or not. */
const interruptStatus = (host: RegisterHost): bigint => {
  const { interrupts } = host.state;
  return BigInt(((interrupts & 1) << 7) | ((interrupts & 2) << 5));
};

export const exceptionRegisters: readonly RegisterRow[] = [
  stored('SPSR_EL1', [3, 0, 4, 0, 0]),
  stored('ELR_EL1', [3, 0, 4, 0, 1]),
  stored('SP_EL0', [3, 0, 4, 1, 0]),
  // Written only by EL2 and EL3, which are absent: no encoding at EL1 reaches it.
  stored('SP_EL1', [3, 4, 4, 1, 0], { el1: 'none' }),
  stored('AFSR0_EL1', [3, 0, 5, 1, 0], { mask: 0n }),
  stored('AFSR1_EL1', [3, 0, 5, 1, 1], { mask: 0n }),
  stored('ESR_EL1', [3, 0, 5, 2, 0]),
  stored('FAR_EL1', [3, 0, 6, 0, 0]),
  stored('VBAR_EL1', [3, 0, 12, 0, 0], { mask: 0xffff_ffff_ffff_f800n }),
  computed('ISR_EL1', [3, 0, 12, 1, 0], { el1: 'r', read: interruptStatus }),

  computed('SPSel', [3, 0, 4, 2, 0], {
    read: (host) => BigInt(host.state.spsel),
    write: (host, value) => host.selectStackPointer(Number(value & 1n)),
  }),
  computed('CurrentEL', [3, 0, 4, 2, 2], { el1: 'r', read: (host) => BigInt(host.state.el << 2) }),
  computed('PAN', [3, 0, 4, 2, 3], pstateBit('pan', 22, contextChanged)),
  computed('UAO', [3, 0, 4, 2, 4], pstateBit('uao', 23, contextChanged)),
  computed('NZCV', [3, 3, 4, 2, 0], {
    el0: 'rw',
    read: (host) => BigInt(host.state.nzcv) << 28n,
    write: (host, value) => {
      host.state.nzcv = Number((value >> 28n) & 15n);
    },
  }),
  computed('DAIF', [3, 3, 4, 2, 1], {
    el0: 'rw',
    // Software step may have become active.
    endsSlice: true,
    el0Gate: (host) => bitOf(host, 'SCTLR_EL1', 9),
    read: (host) => BigInt(host.state.daif << 6),
    write: (host, value) => {
      host.state.daif = Number((value >> 6n) & 15n);
    },
  }),
  computed('DIT', [3, 3, 4, 2, 5], { el0: 'rw', ...pstateBit('dit', 24) }),
  computed('SSBS', [3, 3, 4, 2, 6], { el0: 'rw', ...pstateBit('ssbs', 12) }),
  computed('TCO', [3, 3, 4, 2, 7], { el0: 'rw', feature: 'mte', ...pstateBit('tco', 25) }),
  computed('FPCR', [3, 3, 4, 4, 0], {
    el0: 'rw',
    floating: true,
    read: (host) => BigInt(host.state.fpcr),
    write: (host, value) => {
      host.state.fpcr = Number(value & FPCR_WRITABLE);
    },
  }),
  computed('FPSR', [3, 3, 4, 4, 1], {
    el0: 'rw',
    floating: true,
    read: (host) => BigInt(host.state.fpsr),
    write: (host, value) => {
      host.state.fpsr = Number(value & FPSR_WRITABLE);
    },
  }),
  computed('RNDR', [3, 3, 2, 4, 0], { el0: 'r', el1: 'r', feature: 'rng', read: random }),
  computed('RNDRRS', [3, 3, 2, 4, 1], { el0: 'r', el1: 'r', feature: 'rng', read: random }),
];

/** NZCV is 0 on success, and Z with a result of 0 where there is no entropy. */
function random(host: RegisterHost): bigint {
  const value = host.random();
  host.state.nzcv = value === undefined ? 4 : 0;
  return BigInt.asUintN(64, value ?? 0n);
}
