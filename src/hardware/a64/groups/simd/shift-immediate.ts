// Advanced SIMD shift by immediate and its scalar form (Arm ARM C4.1.96), integer part. immh says the lane size by
// its highest one bit, so that each instruction has a row for each size and the amount is what follows that bit.

import type { Value } from '../../../wasm/index.ts';
import { type Row, row } from '../../row.ts';
import type { Lanes, Sign } from './lanes.ts';
import { SECTION, scalarLane, setNarrowed, setResult, vectorLanes } from './rows.ts';
import { narrowLanes } from './two-register.ts';

/** A shift of Rn by an amount (i32) with the old Rd. */
type Shift = (l: Lanes, a: Value, n: Value, d: Value) => Value;

const SIZES = [
  { t: 'b', immediate: '0001 imm3:3', name: 'imm3', pair: '8b|16b', wide: '8h', wideT: 'h' },
  { t: 'h', immediate: '001 imm4:4', name: 'imm4', pair: '4h|8h', wide: '4s', wideT: 's' },
  { t: 's', immediate: '01 imm5:5', name: 'imm5', pair: '2s|4s', wide: '2d', wideT: 'd' },
  { t: 'd', immediate: '1 imm6:6', name: 'imm6', pair: '1d|2d', wide: '', wideT: '' },
] as const;

/** Left shifts are written as they are, right shifts as what is missing to the lane's bits. */
type Direction = 'left' | 'right';
const amount = (l: Lanes, name: string, direction: Direction): Value => {
  const n = l.i.field(name);
  return direction === 'left' ? n : l.c.i32(l.bits).sub(n);
};
const written = (name: string, direction: Direction): string =>
  direction === 'left' ? `#{${name}:n}` : `{${name}:rshift}`;

function shift(
  title: string,
  u: number,
  opcode: string,
  direction: Direction,
  scalar: string,
  f: Shift,
): Row[] {
  const mnemonic = title.toLowerCase();
  return SIZES.flatMap(({ t, immediate, name, pair }, size) => {
    const apply = (l: Lanes): void =>
      setResult(l, f(l, l.i.v('Rn'), amount(l, name, direction), l.i.v('Rd')));
    const result = [
      row(
        `${title} (vector, ${t})`,
        `0 Q ${u} 011110 ${immediate} ${opcode} 1 Rn:5 Rd:5`,
        `${mnemonic} {Rd:v}.{Q?${pair}}, {Rn:v}.{Q?${pair}}, ${written(name, direction)}`,
        SECTION,
        (i) => apply(vectorLanes(i, size)),
        t === 'd' ? { where: (fields) => fields.Q === 1 } : {},
      ),
    ];
    if (scalar.includes(t)) {
      result.push(
        row(
          `${title} (scalar, ${t})`,
          `01 ${u} 111110 ${immediate} ${opcode} 1 Rn:5 Rd:5`,
          `${mnemonic} {Rd:${t}}, {Rn:${t}}, ${written(name, direction)}`,
          SECTION,
          (i) => apply(scalarLane(i, size)),
        ),
      );
    }
    return result;
  });
}

const sisters = (
  names: readonly [string, string],
  opcode: string,
  direction: Direction,
  scalar: string,
  f: (l: Lanes, sign: Sign, a: Value, n: Value, d: Value) => Value,
): Row[] => [
  ...shift(names[0], 0, opcode, direction, scalar, (l, a, n, d) => f(l, 's', a, n, d)),
  ...shift(names[1], 1, opcode, direction, scalar, (l, a, n, d) => f(l, 'u', a, n, d)),
];

/** Right shift of wide lanes, perhaps rounding, then truncation, or saturation `from` one signedness `to` another. */
function narrowing(
  title: string,
  u: number,
  opcode: string,
  rounding: boolean,
  from?: Sign,
  to?: Sign,
): Row[] {
  const mnemonic = title.toLowerCase();
  return SIZES.slice(0, 3).flatMap(({ t, immediate, name, pair, wide, wideT }, size) => {
    const apply = (l: Lanes): void => {
      const w = l.wider();
      const n = amount(l, name, 'right');
      const a = l.i.v('Rn');
      const sign = from ?? 'u';
      const shifted = rounding ? w.shiftRightRounding(sign, a, n) : w.shr(sign, a, n);
      setNarrowed(l, from && to ? w.clamp(from, to, shifted, l.bits) : shifted);
    };
    const result = [
      row(
        `${title}, ${title}2 (${t})`,
        `0 Q ${u} 011110 ${immediate} ${opcode} 1 Rn:5 Rd:5`,
        `${mnemonic}{Q?|2} {Rd:v}.{Q?${pair}}, {Rn:v}.${wide}, ${written(name, 'right')}`,
        SECTION,
        (i) => apply(narrowLanes(vectorLanes(i, size))),
      ),
    ];
    if (from) {
      result.push(
        row(
          `${title} (scalar, ${t})`,
          `01 ${u} 111110 ${immediate} ${opcode} 1 Rn:5 Rd:5`,
          `${mnemonic} {Rd:${t}}, {Rn:${wideT}}, ${written(name, 'right')}`,
          SECTION,
          (i) => apply(scalarLane(i, size)),
        ),
      );
    }
    return result;
  });
}

const lengthening = (['s', 'u'] as const).flatMap((sign, u) =>
  SIZES.slice(0, 3).map(({ t, immediate, name, pair, wide }, size) =>
    row(
      `${sign.toUpperCase()}SHLL, ${sign.toUpperCase()}SHLL2 (${t})`,
      `0 Q ${u} 011110 ${immediate} 10100 1 Rn:5 Rd:5`,
      `${sign}shll{Q?|2} {Rd:v}.${wide}, {Rn:v}.{Q?${pair}}, ${written(name, 'left')}`,
      SECTION,
      (i) => {
        const l = vectorLanes(i, size);
        i.setV('Rd', l.wider().shl(l.extend(sign, i.v('Rn')), i.field(name)));
      },
    ),
  ),
);

/** What cannot be shifted back has been lost. */
const saturatingLeft = (l: Lanes, sign: Sign, a: Value, n: Value): Value => {
  const shifted = l.shl(a, n);
  const lost = l.eq(l.shr(sign, shifted, n), a).op('v128.not');
  l.saturated(lost);
  return l.choose(lost, sign === 's' ? l.limit(a) : l.ones, shifted);
};

/** Signed in, unsigned out: negative lanes become zero. */
const saturatingLeftUnsigned: Shift = (l, a, n) => {
  const shifted = l.shl(a, n);
  const lost = l.eq(l.shr('u', shifted, n), a).op('v128.not');
  const negative = l.negative(a);
  l.saturated(lost.or(negative));
  return shifted.or(lost).op('v128.andnot', negative);
};

export const shiftImmediateRows: readonly Row[] = [
  ...sisters(['SSHR', 'USHR'], '00000', 'right', 'd', (l, s, a, n) => l.shiftRight(s, a, n)),
  ...sisters(['SSRA', 'USRA'], '00010', 'right', 'd', (l, s, a, n, d) => l.add(d, l.shiftRight(s, a, n))),
  ...sisters(['SRSHR', 'URSHR'], '00100', 'right', 'd', (l, s, a, n) => l.shiftRightRounding(s, a, n)),
  ...sisters(['SRSRA', 'URSRA'], '00110', 'right', 'd', (l, s, a, n, d) =>
    l.add(d, l.shiftRightRounding(s, a, n)),
  ),
  ...shift('SRI', 1, '01000', 'right', 'd', (l, a, n, d) =>
    l.choose(l.shiftRight('u', l.ones, n), l.shiftRight('u', a, n), d),
  ),
  ...shift('SHL', 0, '01010', 'left', 'd', (l, a, n) => l.shl(a, n)),
  ...shift('SLI', 1, '01010', 'left', 'd', (l, a, n, d) => l.choose(l.shl(l.ones, n), l.shl(a, n), d)),
  ...shift('SQSHLU', 1, '01100', 'left', 'bhsd', saturatingLeftUnsigned),
  ...sisters(['SQSHL', 'UQSHL'], '01110', 'left', 'bhsd', saturatingLeft).map((r) => ({
    ...r,
    name: r.name.replace('(', '(immediate, '),
  })),
  ...narrowing('SHRN', 0, '10000', false),
  ...narrowing('RSHRN', 0, '10001', true),
  ...narrowing('SQSHRUN', 1, '10000', false, 's', 'u'),
  ...narrowing('SQRSHRUN', 1, '10001', true, 's', 'u'),
  ...narrowing('SQSHRN', 0, '10010', false, 's', 's'),
  ...narrowing('SQRSHRN', 0, '10011', true, 's', 's'),
  ...narrowing('UQSHRN', 1, '10010', false, 'u', 'u'),
  ...narrowing('UQRSHRN', 1, '10011', true, 'u', 'u'),
  ...lengthening,
];
