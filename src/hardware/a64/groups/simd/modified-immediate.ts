// Advanced SIMD modified immediate (Arm ARM C4.1.96): constants made from 8 bits (AdvSIMDExpandImm), moved, or
// combined with the register.

import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row, rows } from '../../row.ts';
import { keepLow } from './lanes.ts';
import { SECTION } from './rows.ts';

const IMMEDIATE = 'immabc,immdefgh';

/** abcdefgh, i32. */
const imm8 = (i: Insn): Value => i.field('immabc').shl(5).or(i.field('immdefgh'));

/** Writes a whole register's worth of lanes, or the low half of it. */
const set = (i: Insn, v: Value): void => i.setV('Rd', keepLow(i.c, v, i.f.Q === 0 ? 64 : 128));

/** One cmode family: how the immediate becomes lanes. */
interface Family {
  readonly t: string;
  /** cmode, perhaps with a static field `shift`; its lowest bit is what the instruction adds. */
  readonly cmode: string;
  readonly pair: string;
  readonly amount: string;
  readonly expand: (i: Insn) => Value;
}

const shifted = (i: Insn): Value => imm8(i).shl(8 * (i.f.shift as number));
/** The immediate shifted left with ones following it. */
const shiftedOnes = (i: Insn): Value => {
  const n = 8 * ((i.f.shift as number) + 1);
  return imm8(i)
    .shl(n)
    .or((1 << n) - 1);
};

const WORD: Family = {
  t: 'words',
  cmode: '0 shift:2',
  pair: '2s|4s',
  amount: '{shift?|, lsl #8|, lsl #16|, lsl #24}',
  expand: (i) => shifted(i).op('i32x4.splat'),
};
const HALFWORD: Family = {
  t: 'halfwords',
  cmode: '10 shift',
  pair: '4h|8h',
  amount: '{shift?|, lsl #8}',
  expand: (i) => shifted(i).op('i16x8.splat'),
};
const ONES: Family = {
  t: 'words, shifting ones',
  cmode: '110 shift',
  pair: '2s|4s',
  amount: '{shift?, msl #8|, msl #16}',
  expand: (i) => shiftedOnes(i).op('i32x4.splat'),
};

const immediate = (
  title: string,
  op: number,
  family: Family,
  last: string,
  f: (i: Insn, n: Value) => Value,
): Row =>
  row(
    `${title} (${family.t})`,
    `0 Q ${op} 0111100000 immabc:3 ${family.cmode} ${last} 01 immdefgh:5 Rd:5`.replace(/ +/g, ' '),
    `${(title.split(' ')[0] as string).toLowerCase()} {Rd:v}.{Q?${family.pair}}, {${IMMEDIATE}:hex}${family.amount}`,
    SECTION,
    (i) => set(i, f(i, family.expand(i))),
  );

/** Each bit of the immediate, a byte of ones or zeros. */
function byteMask(i: Insn): Value {
  const bits = i.c.v128(0x8040_2010_0804_0201n);
  return imm8(i).op('i8x16.splat').and(bits).op('i8x16.eq', bits);
}

/**
 * VFPExpandImm: sign, exponent and fraction of a number of `bits` from abcdefgh. NOT(b) followed by copies of b is
 * the exponent's top bit less one unit of b at the copies' end.
 */
function expandFloat(i: Insn, bits: 16 | 32 | 64): Value {
  const n = bits === 64 ? imm8(i).zext() : imm8(i);
  const { top, b, fraction } = {
    16: { top: 0x4000n, b: 12, fraction: 6 },
    32: { top: 0x4000_0000n, b: 25, fraction: 19 },
    64: { top: 0x4000_0000_0000_0000n, b: 54, fraction: 48 },
  }[bits];
  const constant = bits === 64 ? i.i64(top) : i.i32(top);
  return n
    .shrU(7)
    .shl(bits - 1)
    .or(constant.sub(n.shrU(6).and(1).shl(b)))
    .or(n.and(63).shl(fraction));
}

const float = (name: string, pattern: string, arrangement: string, bits: 16 | 32 | 64, shape: string): Row =>
  row(
    `FMOV (vector, immediate, ${name})`,
    pattern,
    `fmov {Rd:v}.${arrangement}, {${IMMEDIATE}:fpimm}`,
    SECTION,
    (i) => set(i, expandFloat(i, bits).op(`${shape}.splat`)),
  );

export const modifiedImmediateRows: readonly Row[] = [
  ...[WORD, HALFWORD].flatMap((family) => [
    immediate('MOVI', 0, family, '0', (_, n) => n),
    immediate('MVNI', 1, family, '0', (_, n) => n.op('v128.not')),
    immediate('ORR (vector, immediate)', 0, family, '1', (i, n) => i.v('Rd').or(n)),
    immediate('BIC (vector, immediate)', 1, family, '1', (i, n) => i.v('Rd').op('v128.andnot', n)),
  ]),
  immediate('MOVI', 0, ONES, '', (_, n) => n),
  immediate('MVNI', 1, ONES, '', (_, n) => n.op('v128.not')),
  row(
    'MOVI (bytes)',
    '0 Q 0 0111100000 immabc:3 1110 01 immdefgh:5 Rd:5',
    `movi {Rd:v}.{Q?8b|16b}, {${IMMEDIATE}:hex}`,
    SECTION,
    (i) => set(i, imm8(i).op('i8x16.splat')),
  ),
  row(
    'MOVI (scalar, byte mask)',
    '0 0 1 0111100000 immabc:3 1110 01 immdefgh:5 Rd:5',
    `movi {Rd:d}, {${IMMEDIATE}:bytemask}`,
    SECTION,
    (i) => i.setV('Rd', keepLow(i.c, byteMask(i), 64)),
  ),
  row(
    'MOVI (2d, byte mask)',
    '0 1 1 0111100000 immabc:3 1110 01 immdefgh:5 Rd:5',
    `movi {Rd:v}.2d, {${IMMEDIATE}:bytemask}`,
    SECTION,
    (i) => i.setV('Rd', byteMask(i)),
  ),
  float('single', '0 Q 0 0111100000 immabc:3 1111 01 immdefgh:5 Rd:5', '{Q?2s|4s}', 32, 'i32x4'),
  float('double', '0 1 1 0111100000 immabc:3 1111 01 immdefgh:5 Rd:5', '2d', 64, 'i64x2'),
  ...rows({ feature: 'FP16' }, [
    float('half', '0 Q 0 0111100000 immabc:3 1111 11 immdefgh:5 Rd:5', '{Q?4h|8h}', 16, 'i16x8'),
  ]),
];
