// Complex arithmetic (FEAT_FCMA: FCMLA, FCADD) and half-precision products added to single precision (FEAT_FHM:
// FMLAL, FMLSL). Both are rearrangements of lanes around a fused multiply-add.

import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row, rows } from '../../row.ts';
import { operate } from './fast.ts';
import { multiplyAdd } from './multiply-add.ts';
import {
  type Bits,
  everyLane,
  HALF_SIZE,
  negated,
  permute,
  prefix,
  registers,
  SECTION,
  type Shape,
  SINGLE_SIZE,
  SIZES,
  sized,
  splat,
  vectorShape,
} from './sizes.ts';
import { exactly } from './slow.ts';

/** Changes the sign of even lanes (the real parts), odd lanes, or both. */
function negatedParts(i: Insn, bits: Bits, v: Value, even: boolean, odd: boolean): Value {
  const sign = 1n << BigInt(bits - 1);
  const pair = (even ? sign : 0n) | (odd ? sign << BigInt(bits) : 0n);
  if (bits === 64) return v.xor(i.c.v128(even ? sign : 0n, odd ? sign : 0n));
  return v.xor(everyLane(i.c, (bits * 2) as Bits, pair));
}

/** FCMLA: `rot` quarter turns. Factors of the even and of the odd lanes, as the pseudocode pairs them. */
function complexMultiplyAdd(i: Insn, shape: Shape, b: Value): void {
  const { bits } = shape;
  const rot = i.f.rot as number;
  const a = i.v('Rn');
  const odd = rot & 1;
  const first = permute(i.c, bits, a, a, (lane) => (lane & ~1) + odd);
  const swapped = odd ? permute(i.c, bits, b, b, (lane) => lane ^ 1) : b;
  const second = negatedParts(i, bits, swapped, rot === 1 || rot === 2, rot === 2 || rot === 3);
  i.setV('Rd', multiplyAdd(i, shape, i.v('Rd'), first, second));
}

const complex: Row[] = SIZES.flatMap((z) => {
  const size = { 16: '01', 32: '10', 64: '11' }[z.bits];
  const start = prefix(z, 'vector', '1');
  return [
    sized(
      z,
      `FCMLA (vector, ${z.title})`,
      `${start} 1110 ${size} 0 Rm:5 110 rot:2 1 Rn:5 Rd:5`,
      `fcmla ${registers(z, 'vector', 'Rd', 'Rn', 'Rm')}, {rot?#0|#90|#180|#270}`,
      (i) => complexMultiplyAdd(i, vectorShape(i, z.bits), i.v('Rm')),
      { feature: 'FCMA' },
    ),
    sized(
      z,
      `FCADD (${z.title})`,
      `${start} 1110 ${size} 0 Rm:5 111 rot 01 Rn:5 Rd:5`,
      `fcadd ${registers(z, 'vector', 'Rd', 'Rn', 'Rm')}, {rot?#90|#270}`,
      (i) => {
        const shape = vectorShape(i, z.bits);
        const b = i.v('Rm');
        const swapped = permute(i.c, z.bits, b, b, (lane) => lane ^ 1);
        const turned = negatedParts(i, z.bits, swapped, i.f.rot === 0, i.f.rot === 1);
        i.setV('Rd', operate(i, 'add', shape, i.v('Rn'), turned));
      },
      { feature: 'FCMA' },
    ),
  ];
});

/** A complex element of Rm in every pair of lanes. */
const complexElement = (i: Insn, bits: 16 | 32, index: Value): Value =>
  splat(i, 'Rm', (bits * 2) as Bits, index);

const complexByElement: Row[] = [
  sized(
    HALF_SIZE,
    'FCMLA (by element, half)',
    '0 Q 1 01111 01 immL Rm:5 0 rot:2 1 H 0 Rn:5 Rd:5',
    `fcmla ${registers(HALF_SIZE, 'vector', 'Rd', 'Rn')}, {Rm:v}.h{H,immL:index}, {rot?#0|#90|#180|#270}`,
    (i) => {
      const index = i.i32((i.f.H as number) << 1).or(i.field('immL'));
      complexMultiplyAdd(i, vectorShape(i, 16), complexElement(i, 16, index));
    },
    { feature: 'FCMA', where: (f) => f.Q === 1 || f.H === 0 },
  ),
  sized(
    SINGLE_SIZE,
    'FCMLA (by element, single)',
    '01 1 01111 10 0 Rm:5 0 rot:2 1 immH 0 Rn:5 Rd:5',
    'fcmla {Rd:v}.4s, {Rn:v}.4s, {Rm:v}.s{immH:index}, {rot?#0|#90|#180|#270}',
    (i) => complexMultiplyAdd(i, vectorShape(i, 32), complexElement(i, 32, i.field('immH'))),
    { feature: 'FCMA' },
  ),
];

/** The lanes of Rn that a widening product takes: the lower or upper half of what Q says. */
function halfLanes(i: Insn, v: Value, upper: boolean): Value {
  const skip = upper ? (i.f.Q ? 4 : 2) : 0;
  return skip ? permute(i.c, 16, v, v, (lane) => (lane + skip) & 7) : v;
}

function widening(name: string, U: string, S: string, opcode: string, element: string): Row[] {
  const upper = U === '1';
  const accumulate = (i: Insn, b: Value): void => {
    const a = halfLanes(i, i.v('Rn'), upper);
    const factor = S === '1' ? negated(i.c, { bits: 16, lanes: 8, scalar: false }, a) : a;
    const shape: Shape = { bits: 16, lanes: i.f.Q ? 4 : 2, scalar: false };
    i.setV('Rd', exactly(i, 'muladdh', shape, [i.v('Rd'), factor, b]));
  };
  const syntax = `${name.toLowerCase()} {Rd:v}.{Q?2s|4s}, {Rn:v}.{Q?2h|4h}`;
  return [
    row(
      `${name} (vector)`,
      `0 Q ${U} 01110 ${S}0 1 Rm:5 ${opcode} 1 Rn:5 Rd:5`,
      `${syntax}, {Rm:v}.{Q?2h|4h}`,
      SECTION,
      (i) => accumulate(i, halfLanes(i, i.v('Rm'), upper)),
    ),
    row(
      `${name} (by element)`,
      `0 Q ${U} 01111 10 immL immM Rm:4 ${element} immH 0 Rn:5 Rd:5`,
      `${syntax}, {Rm:v}.h{immH,immL,immM:index}`,
      SECTION,
      (i) => {
        const index = i.field('immH').shl(2).or(i.field('immL').shl(1)).or(i.field('immM'));
        accumulate(i, splat(i, 'Rm', 16, index));
      },
    ),
  ];
}

export const complexAndWidening: readonly Row[] = [
  ...complex,
  ...complexByElement,
  ...rows({ simd: true, feature: 'FHM' }, [
    ...widening('FMLAL', '0', '0', '11101', '0000'),
    ...widening('FMLSL', '0', '1', '11101', '0100'),
    ...widening('FMLAL2', '1', '0', '11001', '1000'),
    ...widening('FMLSL2', '1', '1', '11001', '1100'),
  ]),
];
