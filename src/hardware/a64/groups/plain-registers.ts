// MRS and MSR of system registers without side effects, executed in place: rows made from the system register
// table, each refining the general row. Where the exception level or SPSel does not allow it, the table decides.

import {
  type PlainRegister,
  plainRegisters,
  registerOffset,
  ZERO_BLOCK,
  ZERO_PROHIBITED,
} from '../../cpu/index.ts';
import type { Value } from '../../wasm/index.ts';
import type { Insn } from '../insn.ts';
import { type Feature, type Row, type RowOptions, row } from '../row.ts';

/** op0<0>:op1:CRn:CRm:op2 as MRS and MSR encode them: bits 19:5. */
const bits = (key: number): string => (key & 0x7fff).toString(2).padStart(15, '0');

const FEATURES: Partial<Record<NonNullable<PlainRegister['feature']>, Feature>> = {
  mte: 'MTE2',
  pauth: 'PAuth',
  rng: 'RNG',
};

function optionsOf(r: PlainRegister, refines: string): RowOptions {
  const feature = r.feature && FEATURES[r.feature];
  return feature ? { refines, feature } : { refines };
}

/** Runs `direct` where this access is plain at the current exception level, else asks the table. */
function whereAllowed(i: Insn, atEl0: boolean, needsSpsel: boolean, direct: () => void): void {
  if (atEl0 && !needsSpsel) {
    direct();
    return;
  }
  let allowed: Value = atEl0 ? i.i32(1) : i.word('el');
  if (needsSpsel) allowed = allowed.and(i.word('spsel'));
  i.c.if(allowed, direct, () => i.system());
}

const reads: Row[] = plainRegisters
  .filter((r) => r.read)
  .map((r) =>
    row(
      `MRS ${r.name}`,
      `1101010100 1 1 ${bits(r.key)} Rt:5`,
      `mrs {Rt:x}, ${r.name.toLowerCase()}`,
      'C6.2.229',
      (i) =>
        whereAllowed(i, r.el0Read, r.needsSpsel, () =>
          i.setX('Rt', i.c.load('i64.load', i.cpu, r.offset, 'state')),
        ),
      optionsOf(r, 'MRS'),
    ),
  );

const writes: Row[] = plainRegisters
  .filter((r) => r.write)
  .map((r) =>
    row(
      `MSR ${r.name}`,
      `1101010100 0 1 ${bits(r.key)} Rt:5`,
      `msr ${r.name.toLowerCase()}, {Rt:x}`,
      'C6.2.231',
      (i) =>
        whereAllowed(i, r.el0Write, r.needsSpsel, () =>
          i.c.store('i64.store', i.cpu, r.offset, i.x('Rt'), 'state'),
        ),
      optionsOf(r, 'MSR (register)'),
    ),
  );

const MDSCR = registerOffset('MDSCR_EL1');
const MDSCR_SS = 1;

/**
 * DAIF is bits 9:6 of its register and one word of state; kernels save and restore it around every lock. Where software
 * step is on, clearing D can make it active.
 */
const daif: Row[] = [
  row(
    'MRS DAIF',
    '1101010100 1 1 101101000010001 Rt:5',
    'mrs {Rt:x}, daif',
    'C6.2.229',
    (i) => whereAllowed(i, false, false, () => i.setX('Rt', i.word('daif').shl(6).zext())),
    { refines: 'MRS' },
  ),
  row(
    'MSR DAIF',
    '1101010100 0 1 101101000010001 Rt:5',
    'msr daif, {Rt:x}',
    'C6.2.231',
    (i) =>
      whereAllowed(i, false, false, () =>
        i.c.if(
          i.c.load('i32.load', i.cpu, MDSCR, 'state').and(MDSCR_SS),
          () => i.system(),
          () => {
            i.setWord('daif', i.x('Rt').wrap().shrU(6).and(15));
            i.leaveForInterrupt();
          },
        ),
      ),
    { refines: 'MSR (register)' },
  ),
];

const SCTLR = registerOffset('SCTLR_EL1');

/** Whether DC ZVA may be used, which EL0 is told by SCTLR_EL1.DZE; kernels ask before they fill a page. */
const dczid = row(
  'MRS DCZID_EL0',
  '1101010100 1 1 101100000000111 Rt:5',
  'mrs {Rt:x}, dczid_el0',
  'C6.2.229',
  (i) => {
    const dze = i.c.load('i32.load', i.cpu, SCTLR, 'state').shrU(14);
    const allowed = i.word('el').or(dze).and(1);
    i.setX('Rt', i.select(allowed, i.i64(ZERO_BLOCK), i.i64(ZERO_PROHIBITED)));
  },
  { refines: 'MRS' },
);

export const plainRegisterAccess: readonly Row[] = [...reads, ...writes, ...daif, dczid];
