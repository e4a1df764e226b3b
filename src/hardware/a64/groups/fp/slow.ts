// The exact path: operands and result travel through STATE.args, one call to TypeScript does all lanes of an
// operation with hardware/fp and accumulates FPSR. Each operation of the group has an entry here.

import { STATE } from '../../../cpu/index.ts';
import {
  absolute,
  add,
  compare,
  convert,
  divide,
  Environment,
  equal,
  extreme,
  type Format,
  formatOf,
  fromFixed,
  greater,
  greaterOrEqual,
  multiply,
  multiplyAdd,
  multiplyAddHalf,
  ROUND,
  type Rounding,
  reciprocalEstimate,
  reciprocalExponent,
  reciprocalRootEstimate,
  reciprocalRootStep,
  reciprocalStep,
  roundToIntegral,
  roundToWidth,
  squareRoot,
  subtract,
  toFixed,
  toInt32,
} from '../../../fp/index.ts';
import type { Operand, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import type { FloatContext } from './mode.ts';
import type { Bits, Shape } from './sizes.ts';

type Lane = (f: Format, e: Environment, a: bigint, b: bigint, c: bigint, immediate: number) => bigint;

interface Operation {
  readonly lane: Lane;
  /** Bits of a lane of each operand, and of the result, where they are not the format's. */
  readonly operandBits?: (k: number, bits: number, immediate: number) => number;
  readonly resultBits?: (bits: number, immediate: number) => number;
}

/** Parameters of conversions to and from integers, packed into the immediate. */
export interface FixedPoint {
  readonly width: 16 | 32 | 64;
  readonly unsigned: boolean;
  /** 'fpcr': as FPCR.RMode says. */
  readonly rounding: Rounding | 'fpcr';
}
const BY_FPCR = 7;
const packFixed = ({ width, unsigned, rounding }: FixedPoint): number =>
  (unsigned ? 1 << 7 : 0) | (width << 8) | ((rounding === 'fpcr' ? BY_FPCR : rounding) << 16);
const fixedWidth = (immediate: number): number => (immediate >> 8) & 0xff;
const fixedUnsigned = (immediate: number): boolean => (immediate & (1 << 7)) !== 0;
const fixedFraction = (immediate: number): number => immediate & 0x7f;

/** The rounding in bits 18:16 of an immediate. */
const roundingOf = (e: Environment, immediate: number): Rounding => {
  const rounding = (immediate >> 16) & 7;
  return rounding === BY_FPCR ? e.rounding : (rounding as Rounding);
};
/** The immediate of the rounding operations. */
export const packRounding = (rounding: Rounding | 'fpcr'): number =>
  (rounding === 'fpcr' ? BY_FPCR : rounding) << 16;

const mask = (f: Format, holds: boolean): bigint => (holds ? (1n << BigInt(f.bits)) - 1n : 0n);

const OPERATIONS = {
  add: { lane: add },
  sub: { lane: subtract },
  mul: { lane: (f, e, a, b) => multiply(f, e, a, b) },
  mulx: { lane: (f, e, a, b) => multiply(f, e, a, b, true) },
  div: { lane: divide },
  sqrt: { lane: squareRoot },
  max: { lane: (f, e, a, b) => extreme(f, e, a, b, true, false) },
  min: { lane: (f, e, a, b) => extreme(f, e, a, b, false, false) },
  maxnm: { lane: (f, e, a, b) => extreme(f, e, a, b, true, true) },
  minnm: { lane: (f, e, a, b) => extreme(f, e, a, b, false, true) },
  /** Addend first, as in the pseudocode. */
  muladd: { lane: multiplyAdd },
  /** Single-precision addend and result, half-precision factors. */
  muladdh: {
    lane: (_f, e, addend, a, b) => multiplyAddHalf(e, addend, a, b),
    operandBits: (k) => (k === 0 ? 32 : 16),
    resultBits: () => 32,
  },
  recps: { lane: reciprocalStep },
  rsqrts: { lane: reciprocalRootStep },
  recpe: { lane: reciprocalEstimate },
  rsqrte: { lane: reciprocalRootEstimate },
  recpx: { lane: reciprocalExponent },
  cmeq: { lane: (f, e, a, b) => mask(f, equal(f, e, a, b)) },
  cmge: { lane: (f, e, a, b) => mask(f, greaterOrEqual(f, e, a, b)) },
  cmgt: { lane: (f, e, a, b) => mask(f, greater(f, e, a, b)) },
  acge: { lane: (f, e, a, b) => mask(f, greaterOrEqual(f, e, absolute(f, a), absolute(f, b))) },
  acgt: { lane: (f, e, a, b) => mask(f, greater(f, e, absolute(f, a), absolute(f, b))) },
  /** NZCV; the immediate says whether quiet NaNs signal. */
  compare: { lane: (f, e, a, b, _c, signal) => BigInt(compare(f, e, a, b, signal === 1)) },
  round: { lane: (f, e, a, _b, _c, imm) => roundToIntegral(f, e, a, roundingOf(e, imm), false) },
  roundExact: { lane: (f, e, a, _b, _c, imm) => roundToIntegral(f, e, a, roundingOf(e, imm), true) },
  round32: { lane: (f, e, a, _b, _c, imm) => roundToWidth(f, e, a, roundingOf(e, imm), 32) },
  round64: { lane: (f, e, a, _b, _c, imm) => roundToWidth(f, e, a, roundingOf(e, imm), 64) },
  /** To the format of as many bits as the immediate says. */
  convert: {
    lane: (f, e, a, _b, _c, bits) => convert(f, formatOf(bits), e, a),
    resultBits: (_bits, immediate) => immediate,
  },
  /** FCVTXN. */
  convertOdd: {
    lane: (f, e, a) => convert(f, formatOf(32), e, a, ROUND.odd),
    resultBits: () => 32,
  },
  toFixed: {
    lane: (f, e, a, _b, _c, imm) =>
      toFixed(f, e, a, fixedWidth(imm), fixedFraction(imm), fixedUnsigned(imm), roundingOf(e, imm)),
    resultBits: (_bits, immediate) => fixedWidth(immediate),
  },
  fromFixed: {
    lane: (f, e, a, _b, _c, imm) =>
      fromFixed(f, e, a, fixedWidth(imm), fixedFraction(imm), fixedUnsigned(imm)),
    operandBits: (_k, _bits, immediate) => fixedWidth(immediate),
  },
  /** FJCVTZS: the integer, and in bit 32 whether it was exact. */
  toInt32: {
    lane: (_f, e, a) => {
      const { value, exact } = toInt32(e, a);
      return value | (exact ? 1n << 32n : 0n);
    },
  },
} satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
const NAMES = Object.keys(OPERATIONS) as OperationName[];

/**
 * An operation on up to three vectors, lane by lane, exactly. The result's other lanes are zero. `immediate` may be
 * known only at run time.
 */
export function exactly(
  i: FloatContext,
  name: OperationName,
  shape: Shape,
  operands: readonly Value[],
  immediate: Operand = 0,
): Value {
  const helper = i.helper(exactlyHelper(operands.length));
  const described = [NAMES.indexOf(name), shape.bits | (shape.lanes << 8), immediate] as const;
  return i.c.call(helper, i.cpu, ...described, ...operands) as Value;
}

const exactlyHelper = (operands: number): string => `fpExactly${operands}`;

/** (cpu, operation, shape, immediate, operands) -> result; by way of STATE.args, as fpExact wants it. */
export const exactlyHelpers: Helpers<BuiltHelper> = Object.fromEntries(
  [1, 2, 3].map((operands): [string, BuiltHelper] => [
    exactlyHelper(operands),
    {
      params: ['i32', 'i32', 'i32', 'i32', ...Array.from({ length: operands }, () => 'v128' as const)],
      results: ['v128'],
      build: (c, helper) => {
        const cpu = c.param(0);
        for (let k = 0; k < operands; k++)
          c.store('v128.store', cpu, STATE.args + 16 * k, c.param(4 + k), 'state');
        c.call(helper('fpExact'), cpu, c.param(1), c.param(2), c.param(3));
        c.return(c.load('v128.load', cpu, STATE.args, 'state'));
      },
    },
  ]),
);

/** exactly() for conversions; `fractionBits` (i32) default 0. */
export function exactlyFixed(
  i: FloatContext,
  name: 'toFixed' | 'fromFixed',
  shape: Shape,
  operand: Value,
  fixed: FixedPoint,
  fractionBits: Value = i.c.i32(0),
): Value {
  return exactly(i, name, shape, [operand], fractionBits.or(packFixed(fixed)));
}

function readLane(u64: BigUint64Array, base: number, lane: number, bits: number): bigint {
  const at = lane * bits;
  const word = u64[base + (at >> 6)] as bigint;
  return bits === 64 ? word : BigInt.asUintN(bits, word >> BigInt(at & 63));
}

export const fpExact: HostHelper = {
  params: ['i32', 'i32', 'i32', 'i32'],
  results: [],
  create:
    ({ u32, u64 }) =>
    (cpu: number, index: number, shape: number, immediate: number): undefined => {
      const state = cpu >>> 0;
      const args = (state + STATE.args) / 8;
      const operation: Operation = OPERATIONS[NAMES[index] as OperationName];
      const bits = (shape & 0xff) as Bits;
      const lanes = shape >> 8;
      const environment = new Environment(u32[(state + STATE.fpcr) / 4] as number);
      const format = formatOf(bits);
      const operand = (k: number, lane: number): bigint =>
        readLane(u64, args + 2 * k, lane, operation.operandBits?.(k, bits, immediate) ?? bits);
      const resultBits = operation.resultBits?.(bits, immediate) ?? bits;
      const result = [0n, 0n] as [bigint, bigint];
      for (let lane = 0; lane < lanes; lane++) {
        const value = operation.lane(
          format,
          environment,
          operand(0, lane),
          operand(1, lane),
          operand(2, lane),
          immediate,
        );
        const at = lane * resultBits;
        result[(at >> 6) as 0 | 1] |= value << BigInt(at & 63);
      }
      u64[args] = result[0];
      u64[args + 1] = result[1];
      const flags = (state + STATE.fpsr) / 4;
      u32[flags] = (u32[flags] as number) | environment.flags;
      return undefined;
    },
};
