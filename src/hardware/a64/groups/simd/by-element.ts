// Advanced SIMD vector x indexed element and its scalar form (Arm ARM C4.1.96), integer part: one element of Rm
// takes the place of every lane of the second operand.

import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row, rows } from '../../row.ts';
import type { Lanes, Sign } from './lanes.ts';
import { SECTION, scalarLane, setResult, vectorLanes } from './rows.ts';
import { doublingLong, doublingLongAdd, doublingLongSub } from './three-different.ts';
import { dotProduct, doublingAccumulate, doublingHigh, type Ternary } from './three-same.ts';

/** How the element is named: 16-bit ones index with H:L:M and have only V0-V15, 32-bit ones with H:L. */
const WIDTHS = [
  {
    size: 1,
    head: '01 immL immM Rm:4',
    index: ['immH', 'immL', 'immM'],
    t: 'h',
    pair: '4h|8h',
    wide: '4s',
    wideT: 's',
  },
  { size: 2, head: '10 immL Rm:5', index: ['immH', 'immL'], t: 's', pair: '2s|4s', wide: '2d', wideT: 'd' },
] as const;
type Width = (typeof WIDTHS)[number];

/** The element, in every lane. */
function element(i: Insn, l: Lanes, index: readonly string[]): Value {
  const k = index.map((name) => i.field(name)).reduce((n, bit) => n.shl(1).or(bit));
  return l.splat(i.element('Rm', l.bits as 16 | 32, k));
}

interface Shape {
  /** Result lanes are twice as wide. */
  readonly long: boolean;
  /** Also as a scalar instruction. */
  readonly scalar: boolean;
}

function byElement(title: string, u: number, opcode: string, { long, scalar }: Shape, f: Ternary): Row[] {
  const mnemonic = title.toLowerCase();
  const apply = (l: Lanes, w: Width): void => {
    const result = f(l, l.i.v('Rn'), element(l.i, l, w.index), l.i.v('Rd'));
    setResult(long ? l.wider() : l, result);
  };
  const operand = (w: Width): string => `{Rm:v}.${w.t}{${w.index.join()}:index}`;
  return WIDTHS.flatMap((w) => {
    const result = [
      row(
        `${title}${long ? `, ${title}2` : ''} (by element, ${w.t})`,
        `0 Q ${u} 01111 ${w.head} ${opcode} immH 0 Rn:5 Rd:5`,
        long
          ? `${mnemonic}{Q?|2} {Rd:v}.${w.wide}, {Rn:v}.{Q?${w.pair}}, ${operand(w)}`
          : `${mnemonic} {Rd:v}.{Q?${w.pair}}, {Rn:v}.{Q?${w.pair}}, ${operand(w)}`,
        SECTION,
        (i) => apply(vectorLanes(i, w.size), w),
      ),
    ];
    if (scalar) {
      result.push(
        row(
          `${title} (scalar, by element, ${w.t})`,
          `01 ${u} 11111 ${w.head} ${opcode} immH 0 Rn:5 Rd:5`,
          `${mnemonic} {Rd:${long ? w.wideT : w.t}}, {Rn:${w.t}}, ${operand(w)}`,
          SECTION,
          (i) => apply(scalarLane(i, w.size), w),
        ),
      );
    }
    return result;
  });
}

const VECTOR: Shape = { long: false, scalar: false };
const BOTH: Shape = { long: false, scalar: true };
const LONG: Shape = { long: true, scalar: false };
const LONG_BOTH: Shape = { long: true, scalar: true };

const longSisters = (
  name: string,
  opcode: string,
  f: (l: Lanes, sign: Sign, a: Value, b: Value, d: Value) => Value,
): Row[] =>
  (['s', 'u'] as const).flatMap((sign, u) =>
    byElement(`${sign.toUpperCase()}${name}`, u, opcode, LONG, (l, a, b, d) => f(l, sign, a, b, d)),
  );

/** The element is four bytes. */
const dots = (['s', 'u'] as const).map((sign, u) =>
  row(
    `${sign.toUpperCase()}DOT (by element)`,
    `0 Q ${u} 01111 10 immL Rm:5 1110 immH 0 Rn:5 Rd:5`,
    `${sign}dot {Rd:v}.{Q?2s|4s}, {Rn:v}.{Q?8b|16b}, {Rm:v}.4b{immH,immL:index}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i, 2);
      setResult(l, dotProduct(sign, i.v('Rn'), element(i, l, ['immH', 'immL']), i.v('Rd')));
    },
  ),
);

export const byElementRows: readonly Row[] = [
  ...byElement('MLA', 1, '0000', VECTOR, (l, a, b, d) => l.add(d, l.mul(a, b))),
  ...byElement('MLS', 1, '0100', VECTOR, (l, a, b, d) => l.sub(d, l.mul(a, b))),
  ...byElement('MUL', 0, '1000', VECTOR, (l, a, b) => l.mul(a, b)),
  ...longSisters('MLAL', '0010', (l, s, a, b, d) => l.wider().add(d, l.mulLong(s, a, b))),
  ...longSisters('MLSL', '0110', (l, s, a, b, d) => l.wider().sub(d, l.mulLong(s, a, b))),
  ...longSisters('MULL', '1010', (l, s, a, b) => l.mulLong(s, a, b)),
  ...byElement('SQDMLAL', 0, '0011', LONG_BOTH, doublingLongAdd),
  ...byElement('SQDMLSL', 0, '0111', LONG_BOTH, doublingLongSub),
  ...byElement('SQDMULL', 0, '1011', LONG_BOTH, (l, a, b) => doublingLong(l, a, b)),
  ...byElement('SQDMULH', 0, '1100', BOTH, (l, a, b) => doublingHigh(l, a, b, false)),
  ...byElement('SQRDMULH', 0, '1101', BOTH, (l, a, b) => doublingHigh(l, a, b, true)),
  ...rows({ feature: 'RDM' }, [
    ...byElement('SQRDMLAH', 1, '1101', BOTH, (l, a, b, d) => doublingAccumulate(l, a, b, d, false)),
    ...byElement('SQRDMLSH', 1, '1111', BOTH, (l, a, b, d) => doublingAccumulate(l, a, b, d, true)),
  ]),
  ...rows({ feature: 'DotProd' }, dots),
];
