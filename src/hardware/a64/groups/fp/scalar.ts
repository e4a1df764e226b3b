// Scalar floating point (Arm ARM C4.1.96, "Scalar floating-point"): arithmetic, comparison, selection, moves, and
// conversions to and from general registers.

import { ROUND, type Rounding } from '../../../fp/index.ts';
import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row } from '../../row.ts';
import { comparedScalars, compareScalars } from './compare.ts';
import { convertFormat, fromIntegerValue, roundIntegral, roundWidth, toInteger } from './conversions.ts';
import { operate } from './fast.ts';
import { expandedImmediate } from './immediate.ts';
import { multiplyAdd } from './multiply-add.ts';
import {
  DOUBLE_SIZE,
  fromInteger,
  HALF_SIZE,
  keep,
  lowInteger,
  magnitude,
  negated,
  SECTION,
  SINGLE_SIZE,
  SIZES,
  type Size,
  scalarShape,
  sized,
} from './sizes.ts';
import { exactly, type OperationName } from './slow.ts';

const each = (make: (z: Size) => Row | readonly Row[]): Row[] => SIZES.flatMap(make);

/** FABS and others that work on bits, on a single source. */
const oneSource = (name: string, opcode: string, operate1: (i: Insn, z: Size, a: Value) => Value): Row[] =>
  each((z) =>
    sized(
      z,
      `${name} (scalar, ${z.title})`,
      `00011110 ${z.ftype} 1 ${opcode} 10000 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:${z.letter}}, {Rn:${z.letter}}`,
      (i) => i.setV('Rd', operate1(i, z, i.v('Rn'))),
    ),
  );

const roundingRows = (name: string, opcode: string, rounding: Rounding | 'fpcr', exact = false): Row[] =>
  oneSource(name, opcode, (i, z, a) => roundIntegral(i, scalarShape(z.bits), a, rounding, exact));

const roundingToWidth = (name: string, opcode: string, width: 32 | 64, rounding: Rounding | 'fpcr'): Row[] =>
  oneSource(name, opcode, (i, z, a) => roundWidth(i, scalarShape(z.bits), a, width, rounding))
    .filter((r) => !r.feature)
    .map((r) => ({ ...r, feature: 'FRINTTS' }));

const twoSource = (name: string, opcode: string, operation: OperationName, negate = false): Row[] =>
  each((z) =>
    sized(
      z,
      `${name} (scalar, ${z.title})`,
      `00011110 ${z.ftype} 1 Rm:5 ${opcode} 10 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:${z.letter}}, {Rn:${z.letter}}, {Rm:${z.letter}}`,
      (i) => {
        const shape = scalarShape(z.bits);
        const result = operate(i, operation, shape, i.v('Rn'), i.v('Rm'));
        i.setV('Rd', negate ? negated(i.c, shape, result) : result);
      },
    ),
  );

const threeSource = (name: string, o1: string, o0: string, negateA: boolean, negateN: boolean): Row[] =>
  each((z) =>
    sized(
      z,
      `${name} (${z.title})`,
      `00011111 ${z.ftype} ${o1} Rm:5 ${o0} Ra:5 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:${z.letter}}, {Rn:${z.letter}}, {Rm:${z.letter}}, {Ra:${z.letter}}`,
      (i) => {
        const shape = scalarShape(z.bits);
        const flip = (v: Value, yes: boolean): Value => (yes ? negated(i.c, shape, v) : v);
        i.setV('Rd', multiplyAdd(i, shape, flip(i.v('Ra'), negateA), flip(i.v('Rn'), negateN), i.v('Rm')));
      },
    ),
  );

const compareRows = (name: string, e: string, signaling: boolean): Row[] =>
  each((z) => [
    sized(
      z,
      `${name} (${z.title})`,
      `00011110 ${z.ftype} 1 Rm:5 00 1000 Rn:5 ${e} 0 000`,
      `${name.toLowerCase()} {Rn:${z.letter}}, {Rm:${z.letter}}`,
      (i) => compareScalars(i, z.bits, i.v('Rn'), i.v('Rm'), signaling),
    ),
    sized(
      z,
      `${name} (zero, ${z.title})`,
      // Rm should be zero and is ignored.
      `00011110 ${z.ftype} 1 immrm:5 00 1000 Rn:5 ${e} 1 000`,
      `${name.toLowerCase()} {Rn:${z.letter}}, #0.0`,
      (i) => compareScalars(i, z.bits, i.v('Rn'), 'zero', signaling),
    ),
  ]);

const conditionalCompare = (name: string, e: string, signaling: boolean): Row[] =>
  each((z) =>
    sized(
      z,
      `${name} (${z.title})`,
      `00011110 ${z.ftype} 1 Rm:5 cond:4 01 Rn:5 ${e} nzcv:4`,
      `${name.toLowerCase()} {Rn:${z.letter}}, {Rm:${z.letter}}, {nzcv:nzcv}, {cond:cond}`,
      (i) => {
        const flags = i.c.variable('i32', i.field('nzcv'));
        i.c.if(i.condition('cond'), () =>
          flags.set(comparedScalars(i, z.bits, i.v('Rn'), i.v('Rm'), signaling)),
        );
        i.setNzcv(flags.get());
      },
    ),
  );

/** By the static field sf. */
const generalWidth = (i: Insn): 32 | 64 => (i.f.sf ? 64 : 32);

const toIntegerRows = (
  name: string,
  rmode: string,
  opcode: string,
  rounding: Rounding,
  unsigned: boolean,
): Row[] =>
  each((z) =>
    sized(
      z,
      `${name} (scalar, ${z.title}${/^FCVTZ/.test(name) ? ', integer' : ''})`,
      `sf 0011110 ${z.ftype} 1 ${rmode} ${opcode} 000000 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:r}, {Rn:${z.letter}}`,
      (i) => i.setR('Rd', toInteger(i, z.bits, i.v('Rn'), { width: generalWidth(i), unsigned, rounding })),
    ),
  );

/** Fixed point: #fbits is 64 - immscale; 32-bit registers have no more than 32 of them. */
const scaleFits = {
  where: (f: { sf?: number; immscale?: number }) => f.sf === 1 || (f.immscale ?? 0) >= 32,
  whereFields: ['immscale'],
};
const fractionBits = (i: Insn): Value => i.i32(64).sub(i.field('immscale'));

const toFixedRows = (name: string, opcode: string, unsigned: boolean): Row[] =>
  each((z) =>
    sized(
      z,
      `${name} (scalar, ${z.title}, fixed-point)`,
      `sf 0011110 ${z.ftype} 0 11 ${opcode} immscale:6 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:r}, {Rn:${z.letter}}, {immscale:rshift}`,
      (i) => {
        const fixed = { width: generalWidth(i), unsigned, rounding: ROUND.zero };
        i.setR('Rd', toInteger(i, z.bits, i.v('Rn'), fixed, fractionBits(i)));
      },
      scaleFits,
    ),
  );

const fromIntegerRows = (name: string, opcode: string, unsigned: boolean): Row[] =>
  each((z) => [
    sized(
      z,
      `${name} (scalar, ${z.title}, integer)`,
      `sf 0011110 ${z.ftype} 1 00 ${opcode} 000000 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:${z.letter}}, {Rn:r}`,
      (i) => i.setV('Rd', fromIntegerValue(i, z.bits, i.r('Rn'), unsigned)),
    ),
    sized(
      z,
      `${name} (scalar, ${z.title}, fixed-point)`,
      `sf 0011110 ${z.ftype} 0 00 ${opcode} immscale:6 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:${z.letter}}, {Rn:r}, {immscale:rshift}`,
      (i) => i.setV('Rd', fromIntegerValue(i, z.bits, i.r('Rn'), unsigned, fractionBits(i))),
      scaleFits,
    ),
  ]);

const convertRows: Row[] = SIZES.flatMap((from) =>
  SIZES.filter((to) => to !== from).map((to) => {
    const opc = { 16: '11', 32: '00', 64: '01' }[to.bits];
    return row(
      `FCVT (${from.title} to ${to.title})`,
      `00011110 ${from.ftype} 1 0001 ${opc} 10000 Rn:5 Rd:5`,
      `fcvt {Rd:${to.letter}}, {Rn:${from.letter}}`,
      SECTION,
      (i) => i.setV('Rd', convertFormat(i, from.bits, to.bits, i.v('Rn'))),
      { simd: true },
    );
  }),
);

/** FMOV between a scalar and a general register: name of the latter, and which half of a 128-bit register. */
const generalMove = (z: Size, sf: number): Row[] => {
  const general = sf ? 'x' : 'w';
  const title = (to: string): string => `FMOV (general, ${z.title} ${to} ${general})`;
  const pattern = (opcode: string): string => `${sf} 0011110 ${z.ftype} 1 00 ${opcode} 000000 Rn:5 Rd:5`;
  return [
    sized(z, title('to'), pattern('110'), `fmov {Rd:${general}}, {Rn:${z.letter}}`, (i) =>
      i.setR('Rd', lowInteger(i.c, i.v('Rn'), z.bits)),
    ),
    sized(z, title('from'), pattern('111'), `fmov {Rd:${z.letter}}, {Rn:${general}}`, (i) => {
      const n = i.x('Rn');
      i.setV('Rd', fromInteger(i.c, z.bits === 64 ? n : n.wrap(), z.bits));
    }),
  ];
};

const moves: Row[] = [
  ...oneSource('FMOV', '000000', (i, z, a) => keep(i.c, scalarShape(z.bits), a)).map((r) => ({
    ...r,
    name: r.name.replace('(scalar', '(register'),
  })),
  ...each((z) =>
    sized(
      z,
      `FMOV (scalar, immediate, ${z.title})`,
      `00011110 ${z.ftype} 1 imm8:8 100 00000 Rd:5`,
      `fmov {Rd:${z.letter}}, {imm8:fpimm}`,
      (i) => i.setV('Rd', fromInteger(i.c, expandedImmediate(i.field('imm8'), z.bits), z.bits)),
    ),
  ),
  ...generalMove(HALF_SIZE, 0),
  ...generalMove(HALF_SIZE, 1),
  ...generalMove(SINGLE_SIZE, 0),
  ...generalMove(DOUBLE_SIZE, 1),
  sized(
    DOUBLE_SIZE,
    'FMOV (general, top half to x)',
    '1 0011110 10 1 01 110 000000 Rn:5 Rd:5',
    'fmov {Rd:x}, {Rn:v}.d[1]',
    (i) => i.setX('Rd', i.c.lane('i64x2.extract_lane', 1, i.v('Rn'))),
  ),
  sized(
    DOUBLE_SIZE,
    'FMOV (general, top half from x)',
    '1 0011110 10 1 01 111 000000 Rn:5 Rd:5',
    'fmov {Rd:v}.d[1], {Rn:x}',
    (i) => i.setV('Rd', i.c.lane('i64x2.replace_lane', 1, i.v('Rd'), i.x('Rn'))),
  ),
];

const select = each((z) =>
  sized(
    z,
    `FCSEL (${z.title})`,
    `00011110 ${z.ftype} 1 Rm:5 cond:4 11 Rn:5 Rd:5`,
    `fcsel {Rd:${z.letter}}, {Rn:${z.letter}}, {Rm:${z.letter}}, {cond:cond}`,
    (i) => {
      const chosen = i.select(i.condition('cond'), i.v('Rn'), i.v('Rm'));
      i.setV('Rd', keep(i.c, scalarShape(z.bits), chosen));
    },
  ),
);

const javascript = sized(
  DOUBLE_SIZE,
  'FJCVTZS',
  '0 0011110 01 1 11 110 000000 Rn:5 Rd:5',
  'fjcvtzs {Rd:w}, {Rn:d}',
  (i) => {
    const both = lowInteger(i.c, exactly(i, 'toInt32', scalarShape(64), [i.v('Rn')]), 64);
    i.setNzcv(both.shrU(32).wrap().shl(2));
    i.setX('Rd', both.and(0xffff_ffff));
  },
  { feature: 'JSCVT' },
);

export const scalarRows: readonly Row[] = [
  ...moves,
  ...oneSource('FABS', '000001', (i, z, a) => {
    const shape = scalarShape(z.bits);
    return keep(i.c, shape, magnitude(i.c, shape, a));
  }),
  ...oneSource('FNEG', '000010', (i, z, a) => {
    const shape = scalarShape(z.bits);
    return keep(i.c, shape, negated(i.c, shape, a));
  }),
  ...oneSource('FSQRT', '000011', (i, z, a) => operate(i, 'sqrt', scalarShape(z.bits), a)),
  ...convertRows,
  ...roundingRows('FRINTN', '001000', ROUND.tieEven),
  ...roundingRows('FRINTP', '001001', ROUND.up),
  ...roundingRows('FRINTM', '001010', ROUND.down),
  ...roundingRows('FRINTZ', '001011', ROUND.zero),
  ...roundingRows('FRINTA', '001100', ROUND.tieAway),
  ...roundingRows('FRINTX', '001110', 'fpcr', true),
  ...roundingRows('FRINTI', '001111', 'fpcr'),
  ...roundingToWidth('FRINT32Z', '010000', 32, ROUND.zero),
  ...roundingToWidth('FRINT32X', '010001', 32, 'fpcr'),
  ...roundingToWidth('FRINT64Z', '010010', 64, ROUND.zero),
  ...roundingToWidth('FRINT64X', '010011', 64, 'fpcr'),

  ...twoSource('FMUL', '0000', 'mul'),
  ...twoSource('FDIV', '0001', 'div'),
  ...twoSource('FADD', '0010', 'add'),
  ...twoSource('FSUB', '0011', 'sub'),
  ...twoSource('FMAX', '0100', 'max'),
  ...twoSource('FMIN', '0101', 'min'),
  ...twoSource('FMAXNM', '0110', 'maxnm'),
  ...twoSource('FMINNM', '0111', 'minnm'),
  ...twoSource('FNMUL', '1000', 'mul', true),

  ...threeSource('FMADD', '0', '0', false, false),
  ...threeSource('FMSUB', '0', '1', false, true),
  ...threeSource('FNMADD', '1', '0', true, true),
  ...threeSource('FNMSUB', '1', '1', true, false),

  ...compareRows('FCMP', '0', false),
  ...compareRows('FCMPE', '1', true),
  ...conditionalCompare('FCCMP', '0', false),
  ...conditionalCompare('FCCMPE', '1', true),
  ...select,

  ...toIntegerRows('FCVTNS', '00', '000', ROUND.tieEven, false),
  ...toIntegerRows('FCVTNU', '00', '001', ROUND.tieEven, true),
  ...toIntegerRows('FCVTAS', '00', '100', ROUND.tieAway, false),
  ...toIntegerRows('FCVTAU', '00', '101', ROUND.tieAway, true),
  ...toIntegerRows('FCVTPS', '01', '000', ROUND.up, false),
  ...toIntegerRows('FCVTPU', '01', '001', ROUND.up, true),
  ...toIntegerRows('FCVTMS', '10', '000', ROUND.down, false),
  ...toIntegerRows('FCVTMU', '10', '001', ROUND.down, true),
  ...toIntegerRows('FCVTZS', '11', '000', ROUND.zero, false),
  ...toIntegerRows('FCVTZU', '11', '001', ROUND.zero, true),
  ...toFixedRows('FCVTZS', '000', false),
  ...toFixedRows('FCVTZU', '001', true),
  ...fromIntegerRows('SCVTF', '010', false),
  ...fromIntegerRows('UCVTF', '011', true),
  javascript,
];
