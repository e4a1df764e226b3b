// Data processing on registers (Arm ARM C4.1.95): logical and arithmetic with shifted and extended registers, carry,
// flags, conditional compare and select, and one, two and three source operations.

import type { Value } from '../../wasm/index.ts';
import { type Insn, overflowOf } from '../insn.ts';
import { type Row, type RowOptions, row } from '../row.ts';

const SHIFTS = ['shl', 'shrU', 'shrS', 'rotr'] as const;

/** Rm shifted by imm6; the kind is static, 32-bit forms take amounts below 32. */
const shiftedRegister = (i: Insn): Value => {
  const amount = i.field('imm6');
  return i.r('Rm')[SHIFTS[i.f.shift as number] as (typeof SHIFTS)[number]](i.f.sf ? amount.zext() : amount);
};
const shiftFits: RowOptions = { where: (f) => f.sf === 1 || (f.imm6 as number) < 32, whereFields: ['imm6'] };
const arithmeticShiftFits: RowOptions = {
  where: (f) => f.shift !== 3 && (f.sf === 1 || (f.imm6 as number) < 32),
  whereFields: ['imm6'],
};

/** ExtendReg: Rm extended by the static option, shifted left by imm3 (0..4). */
const extendedRegister = (i: Insn): Value => {
  const option = i.f.option as number;
  const bits = 8 << (option & 3);
  let n = i.x('Rm');
  if (bits < 64) n = option & 4 ? n.signExtend(bits) : n.and((1n << BigInt(bits)) - 1n);
  const shifted = n.shl(i.field64('imm3'));
  return i.f.sf ? shifted : shifted.wrap();
};
const extendFits: RowOptions = { where: (f) => (f.imm3 as number) <= 4, whereFields: ['imm3'] };

const LOGICAL: [string, string, boolean, (a: Value, b: Value) => Value, string][] = [
  ['00', 'AND', false, (a, b) => a.and(b), 'C6.2.15'],
  ['01', 'ORR', false, (a, b) => a.or(b), 'C6.2.241'],
  ['10', 'EOR', false, (a, b) => a.xor(b), 'C6.2.120'],
  ['11', 'ANDS', true, (a, b) => a.and(b), 'C6.2.17'],
];
const INVERTED = { AND: 'BIC', ORR: 'ORN', EOR: 'EON', ANDS: 'BICS' } as const;

const logicalShifted: Row[] = LOGICAL.flatMap(([opc, base, flags, operate, section]) =>
  ([0, 1] as const).map((n) => {
    const name = n ? INVERTED[base as keyof typeof INVERTED] : base;
    return row(
      `${name} (shifted register)`,
      `sf ${opc} 01010 shift:2 ${n} Rm:5 imm6:6 Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:r}, {Rn:r}, {Rm:r}{shift,imm6:shift}`,
      section,
      (i) => {
        const m = shiftedRegister(i);
        const result = operate(i.r('Rn'), n ? m.not() : m);
        if (flags) i.setFlags(result, 0, 0);
        i.setR('Rd', result);
      },
      shiftFits,
    );
  }),
);

interface Arithmetic {
  readonly op: 0 | 1;
  readonly flags: 0 | 1;
  readonly name: string;
  readonly operate: (i: Insn, a: Value, b: Value) => Value;
}
const ARITHMETIC: Arithmetic[] = [
  { op: 0, flags: 0, name: 'ADD', operate: (_, a, b) => a.add(b) },
  { op: 0, flags: 1, name: 'ADDS', operate: (i, a, b) => i.addFlags(a, b) },
  { op: 1, flags: 0, name: 'SUB', operate: (_, a, b) => a.sub(b) },
  { op: 1, flags: 1, name: 'SUBS', operate: (i, a, b) => i.subFlags(a, b) },
];

const addSubtract: Row[] = ARITHMETIC.flatMap(({ op, flags, name, operate }) => [
  row(
    `${name} (shifted register)`,
    `sf ${op} ${flags} 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5`,
    `${name.toLowerCase()} {Rd:r}, {Rn:r}, {Rm:r}{shift,imm6:shift}`,
    'C6.2.6',
    (i) => i.setR('Rd', operate(i, i.r('Rn'), shiftedRegister(i))),
    arithmeticShiftFits,
  ),
  row(
    `${name} (extended register)`,
    `sf ${op} ${flags} 01011 00 1 Rm:5 option:3 imm3:3 Rn:5 Rd:5`,
    `${name.toLowerCase()} {Rd:${flags ? 'r' : 'rsp'}}, {Rn:rsp}, {Rm,option,imm3:${flags ? 'extended' : 'extendedsp'}}`,
    'C6.2.4',
    (i) => {
      const result = operate(i, i.rsp('Rn'), extendedRegister(i));
      if (flags) i.setR('Rd', result);
      else i.setRsp('Rd', result);
    },
    extendFits,
  ),
]);

/** AddWithCarry(a, b, C): the sum, and NZCV where `flags`. SBC passes NOT(b). */
function addWithCarry(i: Insn, a: Value, b: Value, flags: boolean): Value {
  const carryIn = i.nzcv().shrU(1).and(1);
  const half = a.add(b);
  const sum = half.add(a.type === 'i64' ? carryIn.zext() : carryIn);
  if (flags) i.setFlags(sum, half.ltU(a).or(sum.ltU(half)), overflowOf(a, b, sum));
  return sum;
}

const withCarry: Row[] = (['ADC', 'ADCS', 'SBC', 'SBCS'] as const).map((name, k) =>
  row(
    name,
    `sf ${k >> 1} ${k & 1} 11010000 Rm:5 000000 Rn:5 Rd:5`,
    `${name.toLowerCase()} {Rd:r}, {Rn:r}, {Rm:r}`,
    'C6.2.1',
    (i) => {
      const m = i.r('Rm');
      i.setR('Rd', addWithCarry(i, i.r('Rn'), k >> 1 ? m.not() : m, (k & 1) === 1));
    },
  ),
);

/** C6.2.60: flags of the comparison if the condition holds, else the immediate. */
function conditionalCompare(i: Insn, b: Value): void {
  const { c } = i;
  const holds = i.condition('cond');
  const a = i.r('Rn');
  c.if(
    holds,
    () => (i.f.op ? i.subFlags(a, b) : i.addFlags(a, b)),
    () => i.setNzcv(i.field('nzcv')),
  );
}

const SELECTS: [string, string, string, (v: Value) => Value][] = [
  ['CSEL', '0', '00', (v) => v],
  ['CSINC', '0', '01', (v) => v.add(1)],
  ['CSINV', '1', '00', (v) => v.not()],
  ['CSNEG', '1', '01', (v) => v.neg()],
];

const conditional: Row[] = [
  row(
    'CCMP (register)',
    'sf op 1 11010010 Rm:5 cond:4 00 Rn:5 0 nzcv:4',
    'ccm{op?n|p} {Rn:r}, {Rm:r}, {nzcv:nzcv}, {cond:cond}',
    'C6.2.61',
    (i) => conditionalCompare(i, i.r('Rm')),
  ),
  row(
    'CCMP (immediate)',
    'sf op 1 11010010 imm5:5 cond:4 10 Rn:5 0 nzcv:4',
    'ccm{op?n|p} {Rn:r}, {imm5:uhex}, {nzcv:nzcv}, {cond:cond}',
    'C6.2.60',
    (i) => conditionalCompare(i, i.f.sf ? i.field64('imm5') : i.field('imm5')),
  ),
  ...SELECTS.map(([name, op, op2, change]) =>
    row(
      name,
      `sf ${op} 0 11010100 Rm:5 cond:4 ${op2} Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:r}, {Rn:r}, {Rm:r}, {cond:cond}`,
      'C6.2.103',
      (i) => i.setR('Rd', i.select(i.condition('cond'), i.r('Rn'), change(i.r('Rm')))),
    ),
  ),
];

/** Division rounds towards zero; by zero it gives zero, and the most negative by -1 itself. */
function divide(i: Insn, signed: boolean): void {
  const { c } = i;
  const a = i.r('Rn');
  const b = i.r('Rm');
  const result = c.variable(a.type);
  c.if(
    b.eqz(),
    () => {},
    () => {
      if (!signed) {
        result.set(a.divU(b));
        return;
      }
      c.if(
        b.eq(-1),
        () => result.set(a.neg()),
        () => result.set(a.divS(b)),
      );
    },
  );
  i.setR('Rd', result.get());
}

const shiftVariable =
  (k: number) =>
  (i: Insn): void =>
    i.setR('Rd', i.r('Rn')[SHIFTS[k] as (typeof SHIFTS)[number]](i.r('Rm')));

const twoSource: Row[] = [
  row('UDIV', 'sf 0 0 11010110 Rm:5 000010 Rn:5 Rd:5', 'udiv {Rd:r}, {Rn:r}, {Rm:r}', 'C6.2.400', (i) =>
    divide(i, false),
  ),
  row('SDIV', 'sf 0 0 11010110 Rm:5 000011 Rn:5 Rd:5', 'sdiv {Rd:r}, {Rn:r}, {Rm:r}', 'C6.2.266', (i) =>
    divide(i, true),
  ),
  ...['LSLV', 'LSRV', 'ASRV', 'RORV'].map((name, k) =>
    row(
      name,
      `sf 0 0 11010110 Rm:5 0010${k >> 1}${k & 1} Rn:5 Rd:5`,
      `${name.toLowerCase()} {Rd:r}, {Rn:r}, {Rm:r}`,
      'C6.2.211',
      shiftVariable(k),
    ),
  ),
];

/** Reverses the bytes of each `container` of 2, 4 or 8 bytes. */
function reverseBytes(v: Value, container: number): Value {
  const mask = (n: bigint): bigint => (v.type === 'i64' ? n : n & 0xffff_ffffn);
  const swap = (x: Value, shift: number, m: bigint): Value =>
    x
      .shrU(shift)
      .and(mask(m))
      .or(x.and(mask(m)).shl(shift));
  let result = swap(v, 8, 0x00ff00ff00ff00ffn);
  if (container >= 4) result = swap(result, 16, 0x0000ffff0000ffffn);
  if (container === 8) result = result.rotr(32);
  return result;
}

/** Reverses all bits: within bytes, then the bytes. */
function reverseBits(v: Value): Value {
  const mask = (n: bigint): bigint => (v.type === 'i64' ? n : n & 0xffff_ffffn);
  const swap = (x: Value, shift: number, m: bigint): Value =>
    x
      .shrU(shift)
      .and(mask(m))
      .or(x.and(mask(m)).shl(shift));
  const inBytes = swap(swap(swap(v, 1, 0x5555555555555555n), 2, 0x3333333333333333n), 4, 0x0f0f0f0f0f0f0f0fn);
  return reverseBytes(inBytes, v.type === 'i64' ? 8 : 4);
}

const unary = (
  name: string,
  sf: string,
  opcode: string,
  section: string,
  operate: (v: Value, i: Insn) => Value,
): Row =>
  row(
    name,
    `${sf} 1 0 11010110 00000 ${opcode} Rn:5 Rd:5`,
    `${(name.split(' ')[0] as string).toLowerCase()} {Rd:${sf === 'sf' ? 'r' : sf === '1' ? 'x' : 'w'}}, {Rn:${sf === 'sf' ? 'r' : sf === '1' ? 'x' : 'w'}}`,
    section,
    (i) => {
      const fixed = sf === 'sf' ? (i.f.sf as number) : Number(sf);
      i.setR('Rd', operate(i.r('Rn', fixed), i));
    },
  );

const oneSource: Row[] = [
  unary('RBIT', 'sf', '000000', 'C6.2.250', reverseBits),
  unary('REV16', 'sf', '000001', 'C6.2.253', (v) => reverseBytes(v, 2)),
  unary('REV (32-bit)', '0', '000010', 'C6.2.252', (v) => reverseBytes(v, 4)),
  unary('REV32', '1', '000010', 'C6.2.254', (v) => reverseBytes(v, 4)),
  unary('REV (64-bit)', '1', '000011', 'C6.2.252', (v) => reverseBytes(v, 8)),
  unary('CLZ', 'sf', '000100', 'C6.2.76', (v) => v.clz()),
  // The sign bits that follow the first: leading zeros of the value with its sign folded away.
  unary('CLS', 'sf', '000101', 'C6.2.75', (v) =>
    v
      .xor(v.shrS(1))
      .clz()
      .sub(1)
      .and(v.type === 'i64' ? 127 : 63),
  ),
];

const multiplyAdd = (name: string, o0: 0 | 1, section: string): Row =>
  row(
    name,
    `sf 00 11011 000 Rm:5 ${o0} Ra:5 Rn:5 Rd:5`,
    `${name.toLowerCase()} {Rd:r}, {Rn:r}, {Rm:r}, {Ra:r}`,
    section,
    (i) => {
      const product = i.r('Rn').mul(i.r('Rm'));
      i.setR('Rd', o0 ? i.r('Ra').sub(product) : i.r('Ra').add(product));
    },
  );

const multiplyLong = (name: string, u: 0 | 1, o0: 0 | 1, section: string): Row =>
  row(
    name,
    `1 00 11011 ${u}01 Rm:5 ${o0} Ra:5 Rn:5 Rd:5`,
    `${name.toLowerCase()} {Rd:x}, {Rn:w}, {Rm:w}, {Ra:x}`,
    section,
    (i) => {
      const extend = (r: string): Value => (u ? i.x(r).and(0xffff_ffffn) : i.x(r).signExtend(32));
      const product = extend('Rn').mul(extend('Rm'));
      i.setX('Rd', o0 ? i.x('Ra').sub(product) : i.x('Ra').add(product));
    },
  );

/** The high half of a 64 by 64 bit product, by four 32-bit products. */
function multiplyHigh(a: Value, b: Value): Value {
  const low = (v: Value): Value => v.and(0xffff_ffffn);
  const [a0, a1, b0, b1] = [low(a), a.shrU(32), low(b), b.shrU(32)];
  const middle = a1.mul(b0).add(a0.mul(b0).shrU(32));
  const cross = a0.mul(b1).add(low(middle));
  return a1.mul(b1).add(middle.shrU(32)).add(cross.shrU(32));
}

const threeSource: Row[] = [
  multiplyAdd('MADD', 0, 'C6.2.218'),
  multiplyAdd('MSUB', 1, 'C6.2.230'),
  multiplyLong('SMADDL', 0, 0, 'C6.2.290'),
  multiplyLong('SMSUBL', 0, 1, 'C6.2.294'),
  multiplyLong('UMADDL', 1, 0, 'C6.2.402'),
  multiplyLong('UMSUBL', 1, 1, 'C6.2.404'),
  // Ra is SBO.
  row(
    'SMULH',
    '1 00 11011 010 Rm:5 0 imm_sbo:5 Rn:5 Rd:5',
    'smulh {Rd:x}, {Rn:x}, {Rm:x}',
    'C6.2.296',
    (i) => {
      const [a, b] = [i.x('Rn'), i.x('Rm')];
      i.setX('Rd', multiplyHigh(a, b).sub(a.shrS(63).and(b)).sub(b.shrS(63).and(a)));
    },
  ),
  row('UMULH', '1 00 11011 110 Rm:5 0 imm_sbo:5 Rn:5 Rd:5', 'umulh {Rd:x}, {Rn:x}, {Rm:x}', 'C6.2.406', (i) =>
    i.setX('Rd', multiplyHigh(i.x('Rn'), i.x('Rm'))),
  ),
];

/** C6.2.279 (SETF8/16): N, Z and V from a small value; C stays. */
function setFlagsFromSmall(i: Insn, bits: 8 | 16): void {
  const n = i.r('Rn', 0);
  const top = n.shrU(bits - 1).and(1);
  const next = n.shrU(bits).and(1);
  const zero = n.and((1 << bits) - 1).eqz();
  i.setNzcv(top.shl(3).or(zero.shl(2)).or(i.nzcv().and(2)).or(top.xor(next)));
}

const flagManipulation: Row[] = [
  row(
    'RMIF',
    '1 0 1 11010000 imm6:6 00001 Rn:5 0 imm_mask:4',
    'rmif {Rn:x}, {imm6:u}, {imm_mask:u}',
    'C6.2.258',
    (i) => {
      const rotated = i.x('Rn').rotr(i.field64('imm6')).wrap();
      const mask = i.field('imm_mask');
      i.setNzcv(i.nzcv().and(mask.not()).or(rotated.and(mask)));
    },
    { feature: 'FlagM' },
  ),
  row(
    'SETF8',
    '0 0 1 11010000 000000 00010 Rn:5 0 1101',
    'setf8 {Rn:w}',
    'C6.2.279',
    (i) => setFlagsFromSmall(i, 8),
    { feature: 'FlagM' },
  ),
  row(
    'SETF16',
    '0 0 1 11010000 000000 10010 Rn:5 0 1101',
    'setf16 {Rn:w}',
    'C6.2.279',
    (i) => setFlagsFromSmall(i, 16),
    { feature: 'FlagM' },
  ),
];

export const dataProcessingRegister: readonly Row[] = [
  ...logicalShifted,
  ...addSubtract,
  ...withCarry,
  ...flagManipulation,
  ...conditional,
  ...twoSource,
  ...oneSource,
  ...threeSource,
];
