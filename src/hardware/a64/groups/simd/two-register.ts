// Advanced SIMD two-register miscellaneous, its scalar forms, scalar pairwise, and across lanes (Arm ARM C4.1.96),
// integer part.

import type { Value } from '../../../wasm/index.ts';
import { type Row, row } from '../../row.ts';
import { reciprocalEstimate } from './estimate.ts';
import { bytes, Lanes, type Sign } from './lanes.ts';
import {
  ARRANGEMENT,
  SECTION,
  scalar,
  scalarLane,
  scalarSizes,
  scalars,
  setNarrowed,
  setResult,
  vectorLanes,
  vectorSizes,
  vectors,
  WIDE_ARRANGEMENT,
  wideScalar,
} from './rows.ts';

/** A lane operation on Rn and the old Rd. */
type Unary = (l: Lanes, a: Value, d: Value) => Value;

const ZERO = ', #0';

/** `vector` and `scalars` are the lane sizes that exist; `operand` ends the syntax of compares with zero. */
function misc(
  title: string,
  u: number,
  opcode: string,
  sizes: [string, string?],
  f: Unary,
  operand = '',
): Row[] {
  const mnemonic = title.toLowerCase();
  const [vector, single] = sizes;
  const suffix = operand ? ', zero' : '';
  const apply = (l: Lanes): void => setResult(l, f(l, l.i.v('Rn'), l.i.v('Rd')));
  const result = [
    row(
      `${title} (vector${suffix})`,
      `0 Q ${u} 01110 size:2 10000 ${opcode} 10 Rn:5 Rd:5`,
      `${mnemonic} ${vectors('Rd', 'Rn')}${operand}`,
      SECTION,
      (i) => apply(vectorLanes(i)),
      { where: vectorSizes(vector) },
    ),
  ];
  if (single) {
    result.push(
      row(
        `${title} (scalar${suffix})`,
        `01 ${u} 11110 size:2 10000 ${opcode} 10 Rn:5 Rd:5`,
        `${mnemonic} ${scalars('Rd', 'Rn')}${operand}`,
        SECTION,
        (i) => apply(scalarLane(i)),
        { where: scalarSizes(single) },
      ),
    );
  }
  return result;
}

/** SADDLP and its family: pairs of lanes added into twice the width. */
const pairsLong = (title: string, sign: Sign, opcode: string, accumulate: boolean): Row =>
  row(
    title,
    `0 Q ${sign === 's' ? 0 : 1} 01110 size:2 10000 ${opcode} 10 Rn:5 Rd:5`,
    `${title.toLowerCase()} {Rd:v}.{size,Q?4h|8h|2s|4s|1d|2d}, {Rn:v}.${ARRANGEMENT}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i);
      const sums = l.addPairsLong(sign, i.v('Rn'));
      setResult(l, accumulate ? l.wider().add(i.v('Rd'), sums) : sums);
    },
    { where: vectorSizes('bhs') },
  );

/** Narrowing with saturation from one signedness to another; without `from` plain truncation. */
function narrowing(title: string, u: number, opcode: string, from?: Sign, to?: Sign): Row[] {
  const mnemonic = title.toLowerCase();
  const apply = (l: Lanes): void => {
    const wide = l.i.v('Rn');
    setNarrowed(l, from && to ? l.wider().clamp(from, to, wide, l.bits) : wide);
  };
  const result = [
    row(
      `${title}, ${title}2`,
      `0 Q ${u} 01110 size:2 10000 ${opcode} 10 Rn:5 Rd:5`,
      `${mnemonic}{Q?|2} {Rd:v}.${ARRANGEMENT}, {Rn:v}.${WIDE_ARRANGEMENT}`,
      SECTION,
      (i) => apply(narrowLanes(vectorLanes(i))),
      { where: vectorSizes('bhs') },
    ),
  ];
  if (from) {
    result.push(
      row(
        `${title} (scalar)`,
        `01 ${u} 11110 size:2 10000 ${opcode} 10 Rn:5 Rd:5`,
        `${mnemonic} ${scalar('Rd')}, ${wideScalar('Rn')}`,
        SECTION,
        (i) => apply(scalarLane(i)),
        { where: scalarSizes('bhs') },
      ),
    );
  }
  return result;
}

/** Narrow results fill 64 bits whichever half they go to; all wide lanes are active. */
export const narrowLanes = (l: Lanes): Lanes => new Lanes(l.i, l.size, 64, l.half);

/** Reverses the lanes of `size` within containers of 1 << `container` bytes. */
const reversal = (title: string, u: number, opcode: string, sizes: string, container: number): Row[] =>
  misc(title, u, opcode, [sizes], (l, a) =>
    l.c.shuffle(
      a,
      a,
      bytes((k) => k ^ ((1 << container) - (1 << l.size))),
    ),
  );

/** Leading zeros: all bits below the highest one are set, then the rest counted. */
function leadingZeros(l: Lanes, a: Value): Value {
  let below = a;
  for (let n = 1; n < l.bits; n *= 2) below = below.or(l.shr('u', below, n));
  let count = below.op('v128.not').op('i8x16.popcnt');
  if (l.size > 0) count = count.op('i16x8.extadd_pairwise_i8x16_u');
  if (l.size > 1) count = count.op('i32x4.extadd_pairwise_i16x8_u');
  return count;
}

/** Bits that repeat the sign, not counting it. */
const leadingSigns = (l: Lanes, a: Value): Value => l.sub(leadingZeros(l, a.xor(l.negative(a))), l.all(1));

/** The bits of each byte backwards, a nibble at a time. */
function reverseBits(l: Lanes, a: Value): Value {
  const nibble = (n: number): number => ((n & 1) << 3) | ((n & 2) << 1) | ((n & 4) >> 1) | ((n & 8) >> 3);
  const table = (shift: number): Value => {
    const word = (from: number): bigint => {
      let result = 0n;
      for (let k = 0; k < 8; k++) result |= BigInt(nibble(from + k) << shift) << BigInt(8 * k);
      return result;
    };
    return l.c.v128(word(0), word(8));
  };
  const low = table(4).op('i8x16.swizzle', a.and(l.all(15)));
  return low.or(table(0).op('i8x16.swizzle', l.shr('u', a, 4)));
}

/** A byte operation in the place where the size tells instructions apart. */
const byBytes = (
  title: string,
  u: number,
  size: string,
  opcode: string,
  f: (l: Lanes, a: Value) => Value,
): Row =>
  row(
    `${title} (vector)`,
    `0 Q ${u} 01110 ${size} 10000 ${opcode} 10 Rn:5 Rd:5`,
    `${title.toLowerCase()} {Rd:v}.{Q?8b|16b}, {Rn:v}.{Q?8b|16b}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i, 0);
      setResult(l, f(l, i.v('Rn')));
    },
  );

const absoluteSaturating: Unary = (l, a) => {
  const over = l.eq(a, l.min);
  l.saturated(over);
  return l.abs(a).xor(over);
};
const negateSaturating: Unary = (l, a) => {
  const over = l.eq(a, l.min);
  l.saturated(over);
  return l.neg(a).xor(over);
};

/** Signed d plus unsigned a: too much where the sum, modulo the width, is below d. */
const addUnsignedToSigned: Unary = (l, a, d) => {
  const sum = l.add(d, a);
  const over = l.gt('s', d, sum);
  l.saturated(over);
  return l.choose(over, l.max, sum);
};
const addSignedToUnsigned: Unary = (l, a, d) => {
  const sum = l.add(d, a);
  const down = l.negative(a);
  const over = l.gt('u', d, sum).op('v128.andnot', down);
  const under = l.gt('u', sum, d).and(down);
  l.saturated(over.or(under));
  return sum.or(over).op('v128.andnot', under);
};

const everySize: [string, string] = ['bhsd', 'bhsd'];
const compared: [string, string] = ['bhsd', 'd'];

const twoRegister: readonly Row[] = [
  ...reversal('REV64', 0, '00000', 'bhs', 3),
  ...reversal('REV16', 0, '00001', 'b', 1),
  ...reversal('REV32', 1, '00000', 'bh', 2),
  pairsLong('SADDLP', 's', '00010', false),
  pairsLong('UADDLP', 'u', '00010', false),
  pairsLong('SADALP', 's', '00110', true),
  pairsLong('UADALP', 'u', '00110', true),
  ...misc('SUQADD', 0, '00011', everySize, addUnsignedToSigned),
  ...misc('USQADD', 1, '00011', everySize, addSignedToUnsigned),
  ...misc('CLS', 0, '00100', ['bhs'], leadingSigns),
  ...misc('CLZ', 1, '00100', ['bhs'], leadingZeros),
  byBytes('CNT', 0, '00', '00101', (_, a) => a.op('i8x16.popcnt')),
  byBytes('NOT', 1, '00', '00101', (_, a) => a.op('v128.not')),
  byBytes('RBIT', 1, '01', '00101', reverseBits),
  ...misc('SQABS', 0, '00111', everySize, absoluteSaturating),
  ...misc('SQNEG', 1, '00111', everySize, negateSaturating),
  ...misc('CMGT', 0, '01000', compared, (l, a) => l.gt('s', a, l.zero()), ZERO),
  ...misc('CMGE', 1, '01000', compared, (l, a) => l.ge('s', a, l.zero()), ZERO),
  ...misc('CMEQ', 0, '01001', compared, (l, a) => l.eq(a, l.zero()), ZERO),
  ...misc('CMLE', 1, '01001', compared, (l, a) => l.ge('s', l.zero(), a), ZERO),
  ...misc('CMLT', 0, '01010', compared, (l, a) => l.negative(a), ZERO),
  ...misc('ABS', 0, '01011', compared, (l, a) => l.abs(a)),
  ...misc('NEG', 1, '01011', compared, (l, a) => l.neg(a)),
  ...narrowing('XTN', 0, '10010'),
  ...narrowing('SQXTUN', 1, '10010', 's', 'u'),
  ...narrowing('SQXTN', 0, '10100', 's', 's'),
  ...narrowing('UQXTN', 1, '10100', 'u', 'u'),
  row(
    'SHLL, SHLL2',
    '0 Q 1 01110 size:2 10000 10011 10 Rn:5 Rd:5',
    `shll{Q?|2} {Rd:v}.${WIDE_ARRANGEMENT}, {Rn:v}.${ARRANGEMENT}, {size?#8|#16|#32}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i);
      i.setV('Rd', l.wider().shl(l.extend('u', i.v('Rn')), l.bits));
    },
    { where: vectorSizes('bhs') },
  ),
  ...misc('URECPE', 0, '11100', ['s'], (l, a) => reciprocalEstimate(l, a, 'urecpe')),
  ...misc('URSQRTE', 1, '11100', ['s'], (l, a) => reciprocalEstimate(l, a, 'ursqrte')),
  row('ADDP (scalar)', '01 0 11110 11 11000 11011 10 Rn:5 Rd:5', 'addp {Rd:d}, {Rn:v}.2d', SECTION, (i) => {
    const l = vectorLanes(i, 3);
    const high = l.c.shuffle(
      i.v('Rn'),
      l.zero(),
      bytes((k) => k + 8),
    );
    setResult(scalarLane(i, 3), l.add(i.v('Rn'), high));
  }),
];

/** Vectors that a reduction takes: two lanes of 32 bits are too few. */
const reducible = (f: Readonly<Record<string, number>>): boolean =>
  (f.size as number) < 2 || (f.size === 2 && f.Q === 1);

const across = (title: string, u: number, opcode: string, f: (l: Lanes, a: Value, b: Value) => Value): Row =>
  row(
    title,
    `0 Q ${u} 01110 size:2 11000 ${opcode} 10 Rn:5 Rd:5`,
    `${title.toLowerCase()} ${scalar('Rd')}, {Rn:v}.${ARRANGEMENT}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i);
      setResult(
        scalarLane(i),
        l.reduce(i.v('Rn'), (a, b) => f(l, a, b)),
      );
    },
    { where: reducible },
  );

const acrossLong = (sign: Sign, u: number): Row =>
  row(
    `${sign.toUpperCase()}ADDLV`,
    `0 Q ${u} 01110 size:2 11000 00011 10 Rn:5 Rd:5`,
    `${sign}addlv ${wideScalar('Rd')}, {Rn:v}.${ARRANGEMENT}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i);
      const w = new Lanes(i, l.size + 1, l.active);
      setResult(scalarLane(i, w.size), w.reduce(l.addPairsLong(sign, i.v('Rn')), w.add));
    },
    { where: reducible },
  );

const acrossLanes: readonly Row[] = [
  acrossLong('s', 0),
  acrossLong('u', 1),
  across('SMAXV', 0, '01010', (l, a, b) => l.greater('s', a, b)),
  across('UMAXV', 1, '01010', (l, a, b) => l.greater('u', a, b)),
  across('SMINV', 0, '11010', (l, a, b) => l.lesser('s', a, b)),
  across('UMINV', 1, '11010', (l, a, b) => l.lesser('u', a, b)),
  across('ADDV', 0, '11011', (l, a, b) => l.add(a, b)),
];

export const twoRegisterRows: readonly Row[] = [...twoRegister, ...acrossLanes];
