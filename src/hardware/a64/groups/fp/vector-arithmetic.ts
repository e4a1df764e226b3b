// Advanced SIMD floating point with two or three sources (Arm ARM C4.1.96: "Advanced SIMD three same", its FP16 and
// scalar kin, "vector x indexed element", "scalar pairwise", "across lanes").

import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import type { Row } from '../../row.ts';
import { compareLanes } from './compare.ts';
import { operate } from './fast.ts';
import { multiplyAdd } from './multiply-add.ts';
import {
  type Bits,
  FORMS,
  type Form,
  HALF_SIZE,
  magnitude,
  negated,
  permute,
  prefix,
  registers,
  type Shape,
  SINGLE_SIZE,
  SIZES,
  scalarShape,
  shapeOf,
  sized,
  splat,
} from './sizes.ts';
import type { OperationName } from './slow.ts';

type Combine = (i: Insn, shape: Shape, a: Value, b: Value) => Value;

const by =
  (name: OperationName): Combine =>
  (i, shape, a, b) =>
    operate(i, name, shape, a, b);

/** FMLA and FMLS: the destination is the addend. */
const accumulate =
  (negate: boolean): Combine =>
  (i, shape, a, b) =>
    multiplyAdd(i, shape, i.v('Rd'), negate ? negated(i.c, shape, a) : a, b);

/** Lanes 0, 2, 4 ... and 1, 3, 5 ... of the vectors of a shape, a followed by b. */
function pairs(i: Insn, shape: Shape, a: Value, b: Value): [Value, Value] {
  const half = shape.lanes / 2;
  const all = 128 / shape.bits;
  const pick = (odd: number): Value =>
    permute(
      i.c,
      shape.bits,
      a,
      b,
      (lane) => ((lane % half) * 2 + odd + (lane % (2 * half) >= half ? all : 0)) % (2 * all),
    );
  return [pick(0), pick(1)];
}
const pairwise =
  (name: OperationName): Combine =>
  (i, shape, a, b) =>
    operate(i, name, shape, ...pairs(i, shape, a, b));

/** The pseudocode's Reduce: halves recursively, so neighbours meet first. The result is a scalar. */
function reduce(i: Insn, name: OperationName, bits: Bits, lanes: number, v: Value): Value {
  let result = v;
  for (let left = lanes; left > 1; left /= 2) {
    const [even, odd] = pairs(i, { bits, lanes: left, scalar: false }, result, result);
    const shape: Shape = left === 2 ? scalarShape(bits) : { bits, lanes: left / 2, scalar: false };
    result = operate(i, name, shape, even, odd);
  }
  return result;
}

/** `opcode` is the low three bits: the FP16 group has no more. */
function threeSame(
  name: string,
  [U, a, opcode]: readonly [string, string, string],
  combine: Combine,
  forms: readonly Form[] = ['vector'],
): Row[] {
  return forms.flatMap((form) =>
    SIZES.map((z) => {
      const sz = z.bits === 64 ? '1' : '0';
      const rest = z.bits === 16 ? `${a} 10 Rm:5 00 ${opcode} 1` : `${a} ${sz} 1 Rm:5 11 ${opcode} 1`;
      return sized(
        z,
        `${name} (${form}, ${z.title})`,
        `${prefix(z, form, U)} 1110 ${rest} Rn:5 Rd:5`,
        `${name.toLowerCase()} ${registers(z, form, 'Rd', 'Rn', 'Rm')}`,
        (i) => i.setV('Rd', combine(i, shapeOf(i, z, form), i.v('Rn'), i.v('Rm'))),
      );
    }),
  );
}

/** Element of Rm: its fields, its index at run time, and how the syntax writes it. */
const ELEMENT: Record<Bits, { fields: string; H: string; index: (i: Insn) => Value; syntax: string }> = {
  16: {
    fields: '00 immL immM Rm:4',
    H: 'immH',
    index: (i) => i.field('immH').shl(2).or(i.field('immL').shl(1)).or(i.field('immM')),
    syntax: '{Rm:v}.h{immH,immL,immM:index}',
  },
  32: {
    fields: '10 immL Rm:5',
    H: 'immH',
    index: (i) => i.field('immH').shl(1).or(i.field('immL')),
    syntax: '{Rm:v}.s{immH,immL:index}',
  },
  64: { fields: '11 0 Rm:5', H: 'immH', index: (i) => i.field('immH'), syntax: '{Rm:v}.d{immH:index}' },
};

function byElement(name: string, U: string, opcode: string, combine: Combine): Row[] {
  return FORMS.flatMap((form) =>
    SIZES.map((z) => {
      const { fields, H, index, syntax } = ELEMENT[z.bits];
      return sized(
        z,
        `${name} (by element, ${form}, ${z.title})`,
        `${prefix(z, form, U)} 1111 ${fields} ${opcode} ${H} 0 Rn:5 Rd:5`,
        `${name.toLowerCase()} ${registers(z, form, 'Rd', 'Rn')}, ${syntax}`,
        (i) => i.setV('Rd', combine(i, shapeOf(i, z, form), i.v('Rn'), splat(i, 'Rm', z.bits, index(i)))),
      );
    }),
  );
}

/** FADDP and others of the two lanes of one register; half precision sits where U is 0. */
const scalarPairwise = (name: string, a: string, opcode: string, operation: OperationName): Row[] =>
  SIZES.map((z) =>
    sized(
      z,
      `${name} (scalar pair, ${z.title})`,
      `01 ${z.bits === 16 ? '0' : '1'} 11110 ${a} ${z.bits === 64 ? '1' : '0'} 11000 ${opcode} 10 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:${z.letter}}, {Rn:v}.2${z.letter}`,
      (i) => i.setV('Rd', reduce(i, operation, z.bits, 2, i.v('Rn'))),
    ),
  );

const acrossLanes = (name: string, a: string, opcode: string, operation: OperationName): Row[] => [
  sized(
    SINGLE_SIZE,
    `${name} (single)`,
    `011 01110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`,
    `${name.toLowerCase()} {Rd:s}, {Rn:v}.4s`,
    (i) => i.setV('Rd', reduce(i, operation, 32, 4, i.v('Rn'))),
  ),
  sized(
    HALF_SIZE,
    `${name} (half)`,
    `0 Q 0 01110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`,
    `${name.toLowerCase()} {Rd:h}, {Rn:v}.{Q?4h|8h}`,
    (i) => i.setV('Rd', reduce(i, operation, 16, i.f.Q ? 8 : 4, i.v('Rn'))),
  ),
];

const comparison =
  (test: 'eq' | 'ge' | 'gt', absolute = false): Combine =>
  (i, shape, a, b) =>
    compareLanes(i, shape, test, a, b, absolute);

export const vectorArithmetic: readonly Row[] = [
  ...threeSame('FMAXNM', ['0', '0', '000'], by('maxnm')),
  ...threeSame('FMLA', ['0', '0', '001'], accumulate(false)),
  ...threeSame('FADD', ['0', '0', '010'], by('add')),
  ...threeSame('FMULX', ['0', '0', '011'], by('mulx'), FORMS),
  ...threeSame('FCMEQ', ['0', '0', '100'], comparison('eq'), FORMS),
  ...threeSame('FMAX', ['0', '0', '110'], by('max')),
  ...threeSame('FRECPS', ['0', '0', '111'], by('recps'), FORMS),
  ...threeSame('FMINNM', ['0', '1', '000'], by('minnm')),
  ...threeSame('FMLS', ['0', '1', '001'], accumulate(true)),
  ...threeSame('FSUB', ['0', '1', '010'], by('sub')),
  ...threeSame('FMIN', ['0', '1', '110'], by('min')),
  ...threeSame('FRSQRTS', ['0', '1', '111'], by('rsqrts'), FORMS),
  ...threeSame('FMAXNMP', ['1', '0', '000'], pairwise('maxnm')),
  ...threeSame('FADDP', ['1', '0', '010'], pairwise('add')),
  ...threeSame('FMUL', ['1', '0', '011'], by('mul')),
  ...threeSame('FCMGE', ['1', '0', '100'], comparison('ge'), FORMS),
  ...threeSame('FACGE', ['1', '0', '101'], comparison('ge', true), FORMS),
  ...threeSame('FMAXP', ['1', '0', '110'], pairwise('max')),
  ...threeSame('FDIV', ['1', '0', '111'], by('div')),
  ...threeSame('FMINNMP', ['1', '1', '000'], pairwise('minnm')),
  ...threeSame(
    'FABD',
    ['1', '1', '010'],
    (i, shape, a, b) => magnitude(i.c, shape, operate(i, 'sub', shape, a, b)),
    FORMS,
  ),
  ...threeSame('FCMGT', ['1', '1', '100'], comparison('gt'), FORMS),
  ...threeSame('FACGT', ['1', '1', '101'], comparison('gt', true), FORMS),
  ...threeSame('FMINP', ['1', '1', '110'], pairwise('min')),

  ...byElement('FMLA', '0', '0001', accumulate(false)),
  ...byElement('FMLS', '0', '0101', accumulate(true)),
  ...byElement('FMUL', '0', '1001', by('mul')),
  ...byElement('FMULX', '1', '1001', by('mulx')),

  ...scalarPairwise('FMAXNMP', '0', '01100', 'maxnm'),
  ...scalarPairwise('FADDP', '0', '01101', 'add'),
  ...scalarPairwise('FMAXP', '0', '01111', 'max'),
  ...scalarPairwise('FMINNMP', '1', '01100', 'minnm'),
  ...scalarPairwise('FMINP', '1', '01111', 'min'),
  ...acrossLanes('FMAXNMV', '0', '01100', 'maxnm'),
  ...acrossLanes('FMAXV', '0', '01111', 'max'),
  ...acrossLanes('FMINNMV', '1', '01100', 'minnm'),
  ...acrossLanes('FMINV', '1', '01111', 'min'),
];
