// Advanced SIMD three same, its scalar forms, and the "extra" ones (Arm ARM C4.1.96), integer part: two registers
// of equal lanes in, one out.

import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row, rows } from '../../row.ts';
import type { Lanes, Sign } from './lanes.ts';
import { carrylessProduct } from './polynomial.ts';
import {
  SECTION,
  scalarLane,
  scalarSizes,
  scalars,
  setResult,
  vectorLanes,
  vectorSizes,
  vectors,
} from './rows.ts';
import { shiftByRegister } from './shift-register.ts';

/** A lane operation: Rn, Rm and the old Rd. */
export type Ternary = (l: Lanes, a: Value, b: Value, d: Value) => Value;
type SignedTernary = (l: Lanes, sign: Sign, a: Value, b: Value, d: Value) => Value;

/** `vector` and `scalar` are the lane sizes that exist, as letters of 'bhsd'. */
function same(title: string, u: number, opcode: string, vector: string, scalar: string, f: Ternary): Row[] {
  const mnemonic = title.toLowerCase();
  const apply = (l: Lanes): void => setResult(l, f(l, l.i.v('Rn'), l.i.v('Rm'), l.i.v('Rd')));
  const result: Row[] = [];
  if (vector) {
    result.push(
      row(
        `${title} (vector)`,
        `0 Q ${u} 01110 size:2 1 Rm:5 ${opcode} 1 Rn:5 Rd:5`,
        `${mnemonic} ${vectors('Rd', 'Rn', 'Rm')}`,
        SECTION,
        (i) => apply(vectorLanes(i)),
        { where: vectorSizes(vector) },
      ),
    );
  }
  if (scalar) {
    result.push(
      row(
        `${title} (scalar)`,
        `01 ${u} 11110 size:2 1 Rm:5 ${opcode} 1 Rn:5 Rd:5`,
        `${mnemonic} ${scalars('Rd', 'Rn', 'Rm')}`,
        SECTION,
        (i) => apply(scalarLane(i)),
        { where: scalarSizes(scalar) },
      ),
    );
  }
  return result;
}

/** A signed instruction (U = 0) and its unsigned sister. */
const sisters = (
  titles: readonly [string, string],
  opcode: string,
  vector: string,
  scalar: string,
  f: SignedTernary,
): Row[] => [
  ...same(titles[0], 0, opcode, vector, scalar, (l, a, b, d) => f(l, 's', a, b, d)),
  ...same(titles[1], 1, opcode, vector, scalar, (l, a, b, d) => f(l, 'u', a, b, d)),
];

const pairwise = (titles: readonly [string, string], opcode: string, f: SignedTernary): Row[] =>
  sisters(titles, opcode, 'bhs', '', (l, sign, a, b, d) => f(l, sign, ...l.pairs(a, b), d));

const logical = (title: string, u: number, size: string, f: (i: Insn, a: Value, b: Value) => Value): Row =>
  row(
    `${title} (vector)`,
    `0 Q ${u} 01110 ${size} 1 Rm:5 00011 1 Rn:5 Rd:5`,
    `${title.toLowerCase()} {Rd:v}.{Q?8b|16b}, {Rn:v}.{Q?8b|16b}, {Rm:v}.{Q?8b|16b}`,
    SECTION,
    (i) => setResult(vectorLanes(i, 0), f(i, i.v('Rn'), i.v('Rm'))),
  );

/** SQDMULH and SQRDMULH: the upper half of 2ab, optionally rounded. Only min * min saturates. */
export function doublingHigh(l: Lanes, a: Value, b: Value, round: boolean): Value {
  const both = l.eq(a, l.min).and(l.eq(b, l.min));
  l.saturated(both);
  if (round && l.size === 1) return l.op('q15mulr_sat_s', a, b);
  const w = l.wider();
  const doubled = (half: 'low' | 'high'): Value => {
    const product = w.shl(a.op(wideProduct(l, half), b), 1);
    return round ? w.add(product, w.all(1n << BigInt(l.bits - 1))) : product;
  };
  return l.pack(doubled('low'), doubled('high'), true).xor(both);
}

const wideProduct = (l: Lanes, half: 'low' | 'high'): string =>
  l.size === 1 ? `i32x4.extmul_${half}_i16x8_s` : `i64x2.extmul_${half}_i32x4_s`;

/** SQRDMLAH and SQRDMLSH: d + or - 2ab rounded, upper half; the sum fits in twice the width less the doubling. */
export function doublingAccumulate(l: Lanes, a: Value, b: Value, d: Value, subtract: boolean): Value {
  const w = l.wider();
  const shift = l.bits - 1;
  const narrow = l.size === 1 ? 'i16x8' : 'i32x4';
  const wide = l.size === 1 ? 'i32x4' : 'i64x2';
  const part = (half: 'low' | 'high'): Value => {
    const product = a.op(wideProduct(l, half), b);
    const up = w.shl(d.op(`${wide}.extend_${half}_${narrow}_s`), shift);
    const sum = subtract ? w.sub(up, product) : w.add(up, product);
    return w.shr('s', w.add(sum, w.all(1n << BigInt(shift - 1))), shift);
  };
  const [low, high] = [part('low'), part('high')];
  const clamped = (v: Value): Value =>
    w.lesser('s', w.greater('s', v, w.all(-(1n << BigInt(shift)))), w.all((1n << BigInt(shift)) - 1n));
  const [lowClamped, highClamped] = [clamped(low), clamped(high)];
  // One bit per lane would do; a lane that differs anywhere does as well.
  l.saturated(differing(l, w, low.xor(lowClamped), high.xor(highClamped)));
  return l.pack(lowClamped, highClamped);
}

/** Ones in the lanes of `l` whose wide lane is not zero. */
function differing(l: Lanes, w: Lanes, low: Value, high: Value): Value {
  return l.pack(w.eq(low, w.zero()), w.eq(high, w.zero())).op('v128.not');
}

const threeSame: Row[] = [
  ...sisters(['SHADD', 'UHADD'], '00000', 'bhs', '', (l, s, a, b) => l.halvingAdd(s, a, b)),
  ...sisters(['SQADD', 'UQADD'], '00001', 'bhsd', 'bhsd', (l, s, a, b) => l.addSaturating(s, a, b)),
  ...sisters(['SRHADD', 'URHADD'], '00010', 'bhs', '', (l, s, a, b) => l.roundingHalvingAdd(s, a, b)),
  logical('AND', 0, '00', (_, a, b) => a.and(b)),
  logical('BIC', 0, '01', (_, a, b) => a.op('v128.andnot', b)),
  logical('ORR', 0, '10', (_, a, b) => a.or(b)),
  logical('ORN', 0, '11', (_, a, b) => a.or(b.op('v128.not'))),
  logical('EOR', 1, '00', (_, a, b) => a.xor(b)),
  logical('BSL', 1, '01', (i, a, b) => a.op('v128.bitselect', b, i.v('Rd'))),
  logical('BIT', 1, '10', (i, a, b) => a.op('v128.bitselect', i.v('Rd'), b)),
  logical('BIF', 1, '11', (i, a, b) => i.v('Rd').op('v128.bitselect', a, b)),
  ...sisters(['SHSUB', 'UHSUB'], '00100', 'bhs', '', (l, s, a, b) => l.halvingSub(s, a, b)),
  ...sisters(['SQSUB', 'UQSUB'], '00101', 'bhsd', 'bhsd', (l, s, a, b) => l.subSaturating(s, a, b)),
  ...sisters(['CMGT', 'CMHI'], '00110', 'bhsd', 'd', (l, s, a, b) => l.gt(s, a, b)),
  ...sisters(['CMGE', 'CMHS'], '00111', 'bhsd', 'd', (l, s, a, b) => l.ge(s, a, b)),
  ...sisters(['SSHL', 'USHL'], '01000', 'bhsd', 'd', (l, s, a, b) => shiftByRegister(l, s, a, b, '')),
  ...sisters(['SQSHL', 'UQSHL'], '01001', 'bhsd', 'bhsd', (l, s, a, b) => shiftByRegister(l, s, a, b, 'q')),
  ...sisters(['SRSHL', 'URSHL'], '01010', 'bhsd', 'd', (l, s, a, b) => shiftByRegister(l, s, a, b, 'r')),
  ...sisters(['SQRSHL', 'UQRSHL'], '01011', 'bhsd', 'bhsd', (l, s, a, b) =>
    shiftByRegister(l, s, a, b, 'qr'),
  ),
  ...sisters(['SMAX', 'UMAX'], '01100', 'bhs', '', (l, s, a, b) => l.greater(s, a, b)),
  ...sisters(['SMIN', 'UMIN'], '01101', 'bhs', '', (l, s, a, b) => l.lesser(s, a, b)),
  ...sisters(['SABD', 'UABD'], '01110', 'bhs', '', (l, s, a, b) => l.absoluteDifference(s, a, b)),
  ...sisters(['SABA', 'UABA'], '01111', 'bhs', '', (l, s, a, b, d) =>
    l.add(d, l.absoluteDifference(s, a, b)),
  ),
  ...same('ADD', 0, '10000', 'bhsd', 'd', (l, a, b) => l.add(a, b)),
  ...same('SUB', 1, '10000', 'bhsd', 'd', (l, a, b) => l.sub(a, b)),
  ...same('CMTST', 0, '10001', 'bhsd', 'd', (l, a, b) => l.eq(a.and(b), l.zero()).op('v128.not')),
  ...same('CMEQ', 1, '10001', 'bhsd', 'd', (l, a, b) => l.eq(a, b)),
  ...same('MLA', 0, '10010', 'bhs', '', (l, a, b, d) => l.add(d, l.mul(a, b))),
  ...same('MLS', 1, '10010', 'bhs', '', (l, a, b, d) => l.sub(d, l.mul(a, b))),
  ...same('MUL', 0, '10011', 'bhs', '', (l, a, b) => l.mul(a, b)),
  ...same('PMUL', 1, '10011', 'b', '', carrylessProduct),
  ...pairwise(['SMAXP', 'UMAXP'], '10100', (l, s, a, b) => l.greater(s, a, b)),
  ...pairwise(['SMINP', 'UMINP'], '10101', (l, s, a, b) => l.lesser(s, a, b)),
  ...same('SQDMULH', 0, '10110', 'hs', 'hs', (l, a, b) => doublingHigh(l, a, b, false)),
  ...same('SQRDMULH', 1, '10110', 'hs', 'hs', (l, a, b) => doublingHigh(l, a, b, true)),
  ...same('ADDP', 0, '10111', 'bhsd', '', (l, a, b) => l.add(...l.pairs(a, b))),
];

/** SQRDMLAH and SQRDMLSH have bits 21 and 15 the other way round. */
const rounding = (title: string, opcode: string, subtract: boolean): Row[] =>
  [
    { form: 'vector', head: '0 Q 1 01110', lanes: vectorLanes, operands: vectors, where: vectorSizes('hs') },
    { form: 'scalar', head: '01 1 11110', lanes: scalarLane, operands: scalars, where: scalarSizes('hs') },
  ].map(({ form, head, lanes, operands, where }) =>
    row(
      `${title} (${form})`,
      `${head} size:2 0 Rm:5 ${opcode} 1 Rn:5 Rd:5`,
      `${title.toLowerCase()} ${operands('Rd', 'Rn', 'Rm')}`,
      SECTION,
      (i) => {
        const l = lanes(i);
        setResult(l, doublingAccumulate(l, i.v('Rn'), i.v('Rm'), i.v('Rd'), subtract));
      },
      { where },
    ),
  );

/** Four byte products added to each 32-bit lane. */
export function dotProduct(sign: Sign, a: Value, b: Value, d: Value): Value {
  const pairs = (half: 'low' | 'high'): Value =>
    a.op(`i16x8.extmul_${half}_i8x16_${sign}`, b).op(`i32x4.extadd_pairwise_i16x8_${sign}`);
  const [low, high] = [pairs('low'), pairs('high')];
  const pick = (odd: number): Value =>
    low.code.shuffle(
      low,
      high,
      Array.from({ length: 16 }, (_, k) => (k >> 2) * 8 + odd * 4 + (k & 3)),
    );
  return d.op('i32x4.add', pick(0).op('i32x4.add', pick(1)));
}

const dots = (['s', 'u'] as const).map((sign, u) =>
  row(
    `${sign.toUpperCase()}DOT (vector)`,
    `0 Q ${u} 01110 10 0 Rm:5 1 0010 1 Rn:5 Rd:5`,
    `${sign}dot {Rd:v}.{Q?2s|4s}, {Rn:v}.{Q?8b|16b}, {Rm:v}.{Q?8b|16b}`,
    SECTION,
    (i) => setResult(vectorLanes(i, 2), dotProduct(sign, i.v('Rn'), i.v('Rm'), i.v('Rd'))),
  ),
);

export const threeSameRows: readonly Row[] = [
  ...threeSame,
  ...rows({ feature: 'RDM' }, [
    ...rounding('SQRDMLAH', '10000', false),
    ...rounding('SQRDMLSH', '10001', true),
  ]),
  ...rows({ feature: 'DotProd' }, dots),
];
