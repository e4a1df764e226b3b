// Error-free transformations in double precision: an operation's rounded result and its exact error (Knuth, Dekker).
// From them: whether a result is exact, so that a program that computes with integers in doubles, and never raises
// Inexact, still runs natively.

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import { floatConstant } from './constants.ts';

export const f64 = (a: Value, name: string, ...rest: Value[]): Value => a.op(`f64.${name}`, ...rest);

/** Knuth's TwoSum: a + b as the rounded sum and its exact error. */
export function twoSum(a: Value, b: Value): { readonly sum: Value; readonly error: Value } {
  const sum = f64(a, 'add', b);
  const bRounded = f64(sum, 'sub', a);
  const aRounded = f64(sum, 'sub', bRounded);
  return { sum, error: f64(f64(a, 'sub', aRounded), 'add', f64(b, 'sub', bRounded)) };
}

/** Dekker's splitting into two halves of 26 bits. */
function split(c: Code, a: Value): { readonly high: Value; readonly low: Value } {
  const scaled = f64(a, 'mul', floatConstant(c, 64, 0x41a0_0000_0200_0000n));
  const high = f64(scaled, 'sub', f64(scaled, 'sub', a));
  return { high, low: f64(a, 'sub', high) };
}

/** Dekker's product: a * b as the rounded product and its exact error, for factors that isModerate() holds for. */
export function twoProduct(c: Code, a: Value, b: Value): { readonly product: Value; readonly error: Value } {
  const product = f64(a, 'mul', b);
  const x = split(c, a);
  const y = split(c, b);
  const first = f64(f64(x.high, 'mul', y.high), 'sub', product);
  const second = f64(first, 'add', f64(x.high, 'mul', y.low));
  const third = f64(second, 'add', f64(x.low, 'mul', y.high));
  return { product, error: f64(third, 'add', f64(x.low, 'mul', y.low)) };
}

/**
 * The exact error of a product that is not near the ends of the range, as two numbers that are multiples of what the
 * factors' halves of 26 bits give; the upper half is rounded by its bits. NaN where that overflows.
 */
export function productError(
  a: Value,
  b: Value,
  product: Value,
): { readonly upper: Value; readonly lower: Value } {
  const halves = (v: Value): readonly [Value, Value] => {
    const bits = v.op('i64.reinterpret_f64').add(1 << 26);
    const high = bits.and(-1 << 27).op('f64.reinterpret_i64');
    return [high, f64(v, 'sub', high)];
  };
  const [aHigh, aLow] = halves(a);
  const [bHigh, bLow] = halves(b);
  const across = f64(f64(aHigh, 'mul', bLow), 'add', f64(aLow, 'mul', bHigh));
  const upper = f64(f64(f64(aHigh, 'mul', bHigh), 'sub', product), 'add', across);
  return { upper, lower: f64(aLow, 'mul', bLow) };
}

export const power = (c: Code, exponent: number): Value =>
  floatConstant(c, 64, BigInt(exponent + 1023) << 52n);

/** |a| at most 2^exponent; false for NaN. */
export const isAtMost = (c: Code, a: Value, exponent: number): Value =>
  f64(f64(a, 'abs'), 'le', power(c, exponent));

/** Of a size within two powers of two; false for NaN. */
export const isWithin = (c: Code, a: Value, least: number, most: number): Value =>
  isAtMost(c, a, most).and(f64(f64(a, 'abs'), 'ge', power(c, least)));

/** Within 2^-480..2^480: each partial product of two is a multiple of 2^-1064 and below 2^962, hence exact. */
export const isModerate = (c: Code, a: Value): Value => isWithin(c, a, -480, 480);

export const isZero = (c: Code, a: Value): Value => f64(a, 'eq', floatConstant(c, 64, 0n));

/** Whether a double is a single-precision number. */
const isSingle = (a: Value): Value => f64(a.op('f32.demote_f64').op('f64.promote_f32'), 'eq', a);

/** Whether a * b is exactly `expected`. */
function productIs(c: Code, bits: 32 | 64, a: Value, b: Value, expected: Value): Value {
  // Products of single-precision numbers are exact in double precision.
  if (bits === 32) return f64(f64(a, 'mul', b), 'eq', expected);
  const { product, error } = twoProduct(c, a, b);
  return isModerate(c, a)
    .and(isModerate(c, b))
    .and(f64(product, 'eq', expected))
    .and(isZero(c, error));
}

const EXACTNESS = ['mul', 'div', 'sqrt'] as const;
export type ExactnessOf = (typeof EXACTNESS)[number];

/** Whether an operation on two numbers (for sqrt the first) is exact; may say no although it is. */
function isExact(c: Code, name: ExactnessOf, bits: 32 | 64, a: Value, b: Value): Value {
  switch (name) {
    case 'mul': {
      const product = f64(a, 'mul', b);
      if (bits === 32) return isSingle(product);
      return isZero(c, a)
        .or(isZero(c, b))
        .or(productIs(c, 64, a, b, product));
    }
    case 'div': {
      const quotient = f64(a, 'div', b);
      const exact = productIs(c, bits, quotient, b, a);
      return isZero(c, a).or(bits === 32 ? exact.and(isSingle(quotient)) : exact);
    }
    case 'sqrt': {
      const root = f64(a, 'sqrt');
      const exact = productIs(c, bits, root, root, a);
      return isZero(c, a).or(bits === 32 ? exact.and(isSingle(root)) : exact);
    }
  }
}

const wide = (v: Value): Value => (v.type === 'f32' ? v.op('f64.promote_f32') : v);

/** (a, b) -> i32, on scalars of a format, or on all lanes of vectors of it. */
function exactness(name: ExactnessOf, bits: 32 | 64, vector: boolean): BuiltHelper {
  const type = vector ? 'v128' : bits === 32 ? 'f32' : 'f64';
  return {
    params: [type, type],
    results: ['i32'],
    build: (c) => {
      const [a, b] = [c.param(0), c.param(1)];
      if (!vector) {
        c.return(isExact(c, name, bits, wide(a), wide(b)));
        return;
      }
      const lane = (v: Value, k: number): Value =>
        wide(c.lane(`${bits === 32 ? 'f32x4' : 'f64x2'}.extract_lane`, k, v));
      let all = c.i32(1);
      for (let k = 0; k < 128 / bits; k++) all = all.and(isExact(c, name, bits, lane(a, k), lane(b, k)));
      c.return(all);
    },
  };
}

/** The name of the function that tells. */
export const exactnessHelper = (name: ExactnessOf, bits: 32 | 64, vector: boolean): string =>
  `fpExact_${name}_${vector ? 'lanes' : 'scalar'}${bits}`;

export const exactnessHelpers: Helpers<BuiltHelper> = Object.fromEntries(
  EXACTNESS.flatMap((name) =>
    ([32, 64] as const).flatMap((bits) =>
      [false, true].map((vector) => [exactnessHelper(name, bits, vector), exactness(name, bits, vector)]),
    ),
  ),
);
