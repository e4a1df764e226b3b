// Advanced SIMD three different and its scalar forms (Arm ARM C4.1.96): long, wide and narrowing operations, whose
// operands and results differ in lane width. The forms with 2 take or fill the upper half.

import type { Value } from '../../../wasm/index.ts';
import { type Row, row } from '../../row.ts';
import type { Lanes, Sign } from './lanes.ts';
import { carrylessProductLong } from './polynomial.ts';
import {
  ARRANGEMENT,
  SECTION,
  scalar,
  scalarLane,
  scalarSizes,
  setNarrowed,
  setResult,
  vectorLanes,
  vectorSizes,
  WIDE_ARRANGEMENT,
  wideScalar,
} from './rows.ts';
import type { Ternary } from './three-same.ts';

/** `l` has the narrow lanes; the result is wide. */
type SignedTernary = (l: Lanes, sign: Sign, a: Value, b: Value, d: Value) => Value;

const NARROW = ARRANGEMENT;
const WIDE = WIDE_ARRANGEMENT;

function long(title: string, u: number, opcode: string, sizes: string, f: Ternary, second = NARROW): Row {
  const first = second === WIDE ? NARROW : second;
  return row(
    `${title}, ${title}2`,
    `0 Q ${u} 01110 size:2 1 Rm:5 ${opcode} 00 Rn:5 Rd:5`,
    `${title.toLowerCase()}{Q?|2} {Rd:v}.${WIDE}, {Rn:v}.${second}, {Rm:v}.${first}`,
    SECTION,
    (i) => setResult(vectorLanes(i).wider(), f(vectorLanes(i), i.v('Rn'), i.v('Rm'), i.v('Rd'))),
    { where: vectorSizes(sizes) },
  );
}

const longSisters = (name: string, opcode: string, f: SignedTernary, second = NARROW): Row[] =>
  (['s', 'u'] as const).map((sign, u) =>
    long(`${sign.toUpperCase()}${name}`, u, opcode, 'bhs', (l, a, b, d) => f(l, sign, a, b, d), second),
  );

/** The upper halves of wide sums or differences. */
const narrowHigh = (
  title: string,
  u: number,
  opcode: string,
  f: (l: Lanes, a: Value, b: Value) => Value,
): Row =>
  row(
    `${title}, ${title}2`,
    `0 Q ${u} 01110 size:2 1 Rm:5 ${opcode} 00 Rn:5 Rd:5`,
    `${title.toLowerCase()}{Q?|2} {Rd:v}.${NARROW}, {Rn:v}.${WIDE}, {Rm:v}.${WIDE}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i);
      setNarrowed(l, f(l.wider(), i.v('Rn'), i.v('Rm')), true);
    },
    { where: vectorSizes('bhs') },
  );

/** Half of what the upper half of a wide lane counts. */
const rounding = (w: Lanes): Value => w.all(1n << BigInt(w.bits / 2 - 1));

/** 2ab; only min * min saturates. */
export function doublingLong(l: Lanes, a: Value, b: Value): Value {
  const w = l.wider();
  const product = l.mulLong('s', a, b);
  const over = w.eq(product, w.all(1n << BigInt(w.bits - 2)));
  w.saturated(over);
  return w.shl(product, 1).xor(over);
}
/** d + 2ab and d - 2ab, each step saturated. */
export const doublingLongAdd: Ternary = (l, a, b, d) =>
  l.wider().addSaturating('s', d, doublingLong(l, a, b));
export const doublingLongSub: Ternary = (l, a, b, d) =>
  l.wider().subSaturating('s', d, doublingLong(l, a, b));

const absoluteDifferenceLong: SignedTernary = (l, sign, a, b) =>
  l.extend('u', l.absoluteDifference(sign, a, b));

function doubling(title: string, opcode: string, f: Ternary): Row[] {
  return [
    long(title, 0, opcode, 'hs', f),
    row(
      `${title} (scalar)`,
      `01 0 11110 size:2 1 Rm:5 ${opcode} 00 Rn:5 Rd:5`,
      `${title.toLowerCase()} ${wideScalar('Rd')}, ${scalar('Rn')}, ${scalar('Rm')}`,
      SECTION,
      (i) => {
        const l = scalarLane(i);
        setResult(l.wider(), f(l, i.v('Rn'), i.v('Rm'), i.v('Rd')));
      },
      { where: scalarSizes('hs') },
    ),
  ];
}

export const threeDifferentRows: readonly Row[] = [
  ...longSisters('ADDL', '0000', (l, s, a, b) => l.wider().add(l.extend(s, a), l.extend(s, b))),
  ...longSisters('ADDW', '0001', (l, s, a, b) => l.wider().add(a, l.extend(s, b)), WIDE),
  ...longSisters('SUBL', '0010', (l, s, a, b) => l.wider().sub(l.extend(s, a), l.extend(s, b))),
  ...longSisters('SUBW', '0011', (l, s, a, b) => l.wider().sub(a, l.extend(s, b)), WIDE),
  narrowHigh('ADDHN', 0, '0100', (w, a, b) => w.add(a, b)),
  narrowHigh('RADDHN', 1, '0100', (w, a, b) => w.add(w.add(a, b), rounding(w))),
  ...longSisters('ABAL', '0101', (l, s, a, b, d) => l.wider().add(d, absoluteDifferenceLong(l, s, a, b, d))),
  narrowHigh('SUBHN', 0, '0110', (w, a, b) => w.sub(a, b)),
  narrowHigh('RSUBHN', 1, '0110', (w, a, b) => w.add(w.sub(a, b), rounding(w))),
  ...longSisters('ABDL', '0111', absoluteDifferenceLong),
  ...longSisters('MLAL', '1000', (l, s, a, b, d) => l.wider().add(d, l.mulLong(s, a, b))),
  ...doubling('SQDMLAL', '1001', doublingLongAdd),
  ...longSisters('MLSL', '1010', (l, s, a, b, d) => l.wider().sub(d, l.mulLong(s, a, b))),
  ...doubling('SQDMLSL', '1011', doublingLongSub),
  ...longSisters('MULL', '1100', (l, s, a, b) => l.mulLong(s, a, b)),
  ...doubling('SQDMULL', '1101', (l, a, b) => doublingLong(l, a, b)),
  long('PMULL', 0, '1110', 'b', carrylessProductLong),
];
