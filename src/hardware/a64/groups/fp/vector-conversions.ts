// Advanced SIMD floating point with one source (Arm ARM C4.1.96: "Advanced SIMD two-register miscellaneous", its FP16
// and scalar kin, "shift by immediate" for fixed point).

import { ROUND, type Rounding } from '../../../fp/index.ts';
import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row } from '../../row.ts';
import { compareLanes } from './compare.ts';
import { fromFixedLanes, roundIntegral, roundWidth, toFixedLanes } from './conversions.ts';
import { firstOf, operate } from './fast.ts';
import { halfToSingle, singleToHalf } from './half.ts';
import { inexactIsKnown } from './mode.ts';
import { Native, untouched } from './native.ts';
import {
  DOUBLE_SIZE,
  FORMS,
  type Form,
  HALF_SIZE,
  keep,
  magnitude,
  negated,
  permute,
  prefix,
  registers,
  SECTION,
  type Shape,
  SINGLE_SIZE,
  SIZES,
  type Size,
  scalarShape,
  shapeOf,
  sized,
} from './sizes.ts';
import { exactly, type OperationName } from './slow.ts';

type Convert = (i: Insn, shape: Shape, a: Value) => Value;

interface MiscOptions {
  readonly forms?: readonly Form[];
  /** After the registers in the syntax. */
  readonly syntax?: string;
  readonly title?: string;
  readonly sizes?: readonly Size[];
}

function oneSource(
  name: string,
  [U, a, opcode]: readonly [string, string, string],
  convert: Convert,
  { forms = ['vector'], syntax = '', title = '', sizes = SIZES }: MiscOptions = {},
): Row[] {
  return forms.flatMap((form) =>
    sizes.map((z) => {
      const group = z.bits === 16 ? '111100' : `${z.bits === 64 ? '1' : '0'} 10000`;
      return sized(
        z,
        `${name} (${title}${form === 'scalar' ? 'SIMD scalar' : 'vector'}, ${z.title})`,
        `${prefix(z, form, U)} 1110 ${a} ${group} ${opcode} 10 Rn:5 Rd:5`,
        `${name.toLowerCase()} ${registers(z, form, 'Rd', 'Rn')}${syntax}`,
        (i) => {
          const shape = shapeOf(i, z, form);
          i.setV('Rd', convert(i, shape, i.v('Rn')));
        },
      );
    }),
  );
}

const by =
  (name: OperationName): Convert =>
  (i, shape, a) =>
    operate(i, name, shape, a);

/** A comparison with zero; `swapped`: zero comes first (FCMLE, FCMLT). */
const withZero = (
  name: string,
  encoding: readonly [string, string, string],
  test: 'eq' | 'ge' | 'gt',
  swapped = false,
): Row[] =>
  oneSource(
    name,
    encoding,
    (i, shape, a) => {
      const zero = i.c.v128(0n);
      return swapped ? compareLanes(i, shape, test, zero, a) : compareLanes(i, shape, test, a, zero);
    },
    { forms: FORMS, syntax: ', #0.0', title: 'zero, ' },
  );

const rounding = (
  name: string,
  encoding: readonly [string, string, string],
  mode: Rounding | 'fpcr',
  exact = false,
): Row[] => oneSource(name, encoding, (i, shape, a) => roundIntegral(i, shape, a, mode, exact));

const roundingToWidth = (
  name: string,
  U: string,
  opcode: string,
  width: 32 | 64,
  mode: Rounding | 'fpcr',
): Row[] =>
  oneSource(name, [U, '0', opcode], (i, shape, a) => roundWidth(i, shape, a, width, mode), {
    sizes: [SINGLE_SIZE, DOUBLE_SIZE],
  }).map((r) => ({ ...r, feature: 'FRINTTS' }));

/** FCVT<r>S and FCVT<r>U. */
const toIntegers = (name: string, a: string, opcode: string, mode: Rounding): Row[] =>
  [false, true].flatMap((unsigned) =>
    oneSource(
      `${name}${unsigned ? 'U' : 'S'}`,
      [unsigned ? '1' : '0', a, opcode],
      (i, shape, v) => toFixedLanes(i, shape, v, { width: shape.bits, unsigned, rounding: mode }),
      { forms: FORMS, title: /Z$/.test(name) ? 'integer, ' : '' },
    ),
  );

/** Fixed point: #fbits is the lane's bits minus the immediate below the size's leading one. */
function fixedPoint(
  name: string,
  U: string,
  opcode: string,
  convert: (i: Insn, shape: Shape, a: Value, fraction: Value) => Value,
): Row[] {
  return FORMS.flatMap((form) =>
    SIZES.map((z) => {
      const bits = Math.log2(z.bits);
      const immediate = `${'1'.padStart(7 - bits, '0')} imm${bits}:${bits}`;
      return sized(
        z,
        `${name} (fixed-point, ${form === 'scalar' ? 'SIMD scalar' : 'vector'}, ${z.title})`,
        `${prefix(z, form, U)} 11110 ${immediate} ${opcode} 1 Rn:5 Rd:5`,
        `${name.toLowerCase()} ${registers(z, form, 'Rd', 'Rn')}, {imm${bits}:rshift}`,
        (i) => {
          const fraction = i.i32(z.bits).sub(i.field(`imm${bits}`));
          i.setV('Rd', convert(i, shapeOf(i, z, form), i.v('Rn'), fraction));
        },
      );
    }),
  );
}

/** The low or high half of Rn (by Q) as the low half. */
const sourceHalf = (i: Insn): Value => {
  const v = i.v('Rn');
  return i.f.Q ? permute(i.c, 64, v, v, () => 1) : v;
};
/** Writes 64 bits into the low half of Rd with zeros above, or into the high half, by Q. */
const setHalf = (i: Insn, v: Value): void => {
  i.setV(
    'Rd',
    i.f.Q
      ? permute(i.c, 64, i.v('Rd'), v, (lane) => (lane === 0 ? 0 : 2))
      : keep(i.c, { bits: 64, lanes: 1, scalar: true }, v),
  );
};

const lengthen = (from: Size, to: Size, sz: string, convert: (i: Insn, half: Value) => Value): Row =>
  row(
    `FCVTL (${from.title} to ${to.title})`,
    `0 Q 0 01110 0 ${sz} 10000 10111 10 Rn:5 Rd:5`,
    `fcvtl{Q?|2} {Rd:v}.${to.bits === 64 ? '2d' : '4s'}, {Rn:v}.${from.arrangement}`,
    SECTION,
    (i) => i.setV('Rd', convert(i, sourceHalf(i))),
    { simd: true },
  );

const narrow = (
  name: string,
  U: string,
  from: Size,
  to: Size,
  sz: string,
  convert: (i: Insn, v: Value) => Value,
): Row =>
  row(
    `${name} (vector, ${from.title} to ${to.title})`,
    `0 Q ${U} 01110 0 ${sz} 10000 10110 10 Rn:5 Rd:5`,
    `${name.toLowerCase()}{Q?|2} {Rd:v}.${to.arrangement}, {Rn:v}.${from.bits === 64 ? '2d' : '4s'}`,
    SECTION,
    (i) => setHalf(i, convert(i, i.v('Rn'))),
    { simd: true },
  );

const shape = (bits: 16 | 32 | 64, lanes: number): Shape => ({ bits, lanes, scalar: false });

const singleToDouble = (i: Insn, v: Value): Value => {
  const n = new Native(i.c, shape(32, 2));
  return firstOf(
    i,
    (accept) => accept(untouched(i, n, v).and(n.all(n.isNumber(v))), v.op('f64x2.promote_low_f32x4')),
    () => exactly(i, 'convert', shape(32, 2), [v], 64),
  );
};
const doubleToSingle = (i: Insn, v: Value): Value =>
  firstOf(
    i,
    (accept) => {
      const r = v.op('f32x4.demote_f64x2_zero');
      const n = new Native(i.c, shape(32, 2));
      accept(
        inexactIsKnown(i).and(n.all(n.either(n.isOrdinary(r), n.both(n.isZero(r), isZeroPair(i, v))))),
        r,
      );
    },
    () => exactly(i, 'convert', shape(64, 2), [v], 32),
  );
/** Which of two doubles are zero, as a mask of the two low 32-bit lanes. */
const isZeroPair = (i: Insn, v: Value): Value => {
  const mask = v.op('f64x2.eq', i.c.v128(0n));
  return permute(i.c, 32, mask, mask, (lane) => (lane * 2) % 4);
};

export const vectorConversions: readonly Row[] = [
  ...oneSource('FABS', ['0', '1', '01111'], (i, s, a) => keep(i.c, s, magnitude(i.c, s, a))),
  ...oneSource('FNEG', ['1', '1', '01111'], (i, s, a) => keep(i.c, s, negated(i.c, s, a))),
  ...oneSource('FSQRT', ['1', '1', '11111'], by('sqrt')),
  ...oneSource('FRECPE', ['0', '1', '11101'], by('recpe'), { forms: FORMS }),
  ...oneSource('FRSQRTE', ['1', '1', '11101'], by('rsqrte'), { forms: FORMS }),
  ...oneSource('FRECPX', ['0', '1', '11111'], by('recpx'), { forms: ['scalar'] }),

  ...withZero('FCMGT', ['0', '1', '01100'], 'gt'),
  ...withZero('FCMEQ', ['0', '1', '01101'], 'eq'),
  ...withZero('FCMLT', ['0', '1', '01110'], 'gt', true),
  ...withZero('FCMGE', ['1', '1', '01100'], 'ge'),
  ...withZero('FCMLE', ['1', '1', '01101'], 'ge', true),

  ...rounding('FRINTN', ['0', '0', '11000'], ROUND.tieEven),
  ...rounding('FRINTM', ['0', '0', '11001'], ROUND.down),
  ...rounding('FRINTP', ['0', '1', '11000'], ROUND.up),
  ...rounding('FRINTZ', ['0', '1', '11001'], ROUND.zero),
  ...rounding('FRINTA', ['1', '0', '11000'], ROUND.tieAway),
  ...rounding('FRINTX', ['1', '0', '11001'], 'fpcr', true),
  ...rounding('FRINTI', ['1', '1', '11001'], 'fpcr'),
  ...roundingToWidth('FRINT32Z', '0', '11110', 32, ROUND.zero),
  ...roundingToWidth('FRINT64Z', '0', '11111', 64, ROUND.zero),
  ...roundingToWidth('FRINT32X', '1', '11110', 32, 'fpcr'),
  ...roundingToWidth('FRINT64X', '1', '11111', 64, 'fpcr'),

  ...toIntegers('FCVTN', '0', '11010', ROUND.tieEven),
  ...toIntegers('FCVTM', '0', '11011', ROUND.down),
  ...toIntegers('FCVTA', '0', '11100', ROUND.tieAway),
  ...toIntegers('FCVTP', '1', '11010', ROUND.up),
  ...toIntegers('FCVTZ', '1', '11011', ROUND.zero),
  ...[false, true].flatMap((unsigned) => {
    const U = unsigned ? '1' : '0';
    const name = unsigned ? 'UCVTF' : 'SCVTF';
    return [
      ...oneSource(name, [U, '0', '11101'], (i, s, a) => fromFixedLanes(i, s, a, unsigned), {
        forms: FORMS,
        title: 'integer, ',
      }),
      ...fixedPoint(name, U, '11100', (i, s, a, fraction) => fromFixedLanes(i, s, a, unsigned, fraction)),
      ...fixedPoint(unsigned ? 'FCVTZU' : 'FCVTZS', U, '11111', (i, s, a, fraction) =>
        toFixedLanes(i, s, a, { width: s.bits, unsigned, rounding: ROUND.zero }, fraction),
      ),
    ];
  }),

  lengthen(HALF_SIZE, SINGLE_SIZE, '0', (i, v) => halfToSingle(i, shape(16, 4), v)),
  lengthen(SINGLE_SIZE, DOUBLE_SIZE, '1', singleToDouble),
  narrow('FCVTN', '0', SINGLE_SIZE, HALF_SIZE, '0', (i, v) => singleToHalf(i, shape(32, 4), v)),
  narrow('FCVTN', '0', DOUBLE_SIZE, SINGLE_SIZE, '1', doubleToSingle),
  narrow('FCVTXN', '1', DOUBLE_SIZE, SINGLE_SIZE, '1', (i, v) => exactly(i, 'convertOdd', shape(64, 2), [v])),
  row(
    'FCVTXN (scalar)',
    '01 1 11110 0 1 10000 10110 10 Rn:5 Rd:5',
    'fcvtxn {Rd:s}, {Rn:d}',
    SECTION,
    (i) => i.setV('Rd', exactly(i, 'convertOdd', scalarShape(64), [i.v('Rn')])),
    { simd: true },
  ),
];
