// Constant folding and identities for integer instructions, so that semantics written for run-time fields shrink
// when the fields are known. Floating point is never folded: the host must not round differently from the guest.

import type { Type } from './opcodes.ts';

const MASK64 = (1n << 64n) - 1n;
const signed = (bits: number, n: bigint): bigint => BigInt.asIntN(bits, n);
const unsigned = (bits: number, n: bigint): bigint => BigInt.asUintN(bits, n);

function clz(bits: number, n: bigint): bigint {
  return BigInt(n === 0n ? bits : bits - n.toString(2).length);
}

function ctz(bits: number, n: bigint): bigint {
  return n === 0n ? BigInt(bits) : BigInt((n & -n).toString(2).length - 1);
}

type Fold = (bits: number, a: bigint, b: bigint) => bigint | boolean | undefined;

/** By Opcode.operation; operands are unsigned, the result is wrapped by the caller. */
const FOLDS: Record<string, Fold> = {
  add: (_, a, b) => a + b,
  sub: (_, a, b) => a - b,
  mul: (_, a, b) => a * b,
  and: (_, a, b) => a & b,
  or: (_, a, b) => a | b,
  xor: (_, a, b) => a ^ b,
  shl: (bits, a, b) => a << (b % BigInt(bits)),
  shr_u: (bits, a, b) => a >> (b % BigInt(bits)),
  shr_s: (bits, a, b) => signed(bits, a) >> (b % BigInt(bits)),
  rotl: (bits, a, b) => (a << (b % BigInt(bits))) | (a >> (BigInt(bits) - (b % BigInt(bits)))),
  rotr: (bits, a, b) => (a >> (b % BigInt(bits))) | (a << (BigInt(bits) - (b % BigInt(bits)))),
  clz: (bits, a) => clz(bits, a),
  ctz: (bits, a) => ctz(bits, a),
  popcnt: (_, a) => BigInt(a.toString(2).replaceAll('0', '').length),
  eqz: (_, a) => a === 0n,
  eq: (_, a, b) => a === b,
  ne: (_, a, b) => a !== b,
  lt_u: (_, a, b) => a < b,
  gt_u: (_, a, b) => a > b,
  le_u: (_, a, b) => a <= b,
  ge_u: (_, a, b) => a >= b,
  lt_s: (bits, a, b) => signed(bits, a) < signed(bits, b),
  gt_s: (bits, a, b) => signed(bits, a) > signed(bits, b),
  le_s: (bits, a, b) => signed(bits, a) <= signed(bits, b),
  ge_s: (bits, a, b) => signed(bits, a) >= signed(bits, b),
  extend8_s: (_, a) => signed(8, a),
  extend16_s: (_, a) => signed(16, a),
  extend32_s: (_, a) => signed(32, a),
  wrap_i64: (_, a) => a,
  extend_i32_u: (_, a) => a,
  extend_i32_s: (_, a) => signed(32, a),
};

/** The value of an integer instruction whose operands are all known, or undefined. Constants are unsigned. */
export function fold(
  operation: string,
  operandType: Type,
  resultType: Type,
  operands: readonly bigint[],
): bigint | undefined {
  const rule = FOLDS[operation];
  if (!rule || (resultType !== 'i32' && resultType !== 'i64')) return undefined;
  const result = rule(operandType === 'i64' ? 64 : 32, operands[0] as bigint, operands[1] ?? 0n);
  if (result === undefined) return undefined;
  return unsigned(resultType === 'i64' ? 64 : 32, BigInt(result));
}

/** For `x op constant`: 'x' where the operation leaves x, 'zero' where it gives 0, else undefined. */
export function identity(operation: string, bits: number, constant: bigint): 'x' | 'zero' | undefined {
  switch (operation) {
    case 'add':
    case 'sub':
    case 'or':
    case 'xor':
      return constant === 0n ? 'x' : undefined;
    case 'shl':
    case 'shr_u':
    case 'shr_s':
    case 'rotl':
    case 'rotr':
      return constant % BigInt(bits) === 0n ? 'x' : undefined;
    case 'and':
      return constant === 0n ? 'zero' : constant === (bits === 64 ? MASK64 : 0xffff_ffffn) ? 'x' : undefined;
    case 'mul':
      return constant === 0n ? 'zero' : constant === 1n ? 'x' : undefined;
    default:
      return undefined;
  }
}
