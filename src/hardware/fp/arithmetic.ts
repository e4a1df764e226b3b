// Addition, multiplication, division, square root, fused multiply-add and their relatives (Arm ARM shared
// pseudocode FPAdd ... FPRSqrtStepFused). Results are computed exactly and rounded once.

import {
  type Environment,
  type Format,
  FPSR,
  HALF,
  infinity,
  isNan,
  negate,
  ROUND,
  SINGLE,
  type Unpacked,
  unpack,
  zero,
} from './format.ts';
import { invalid, processNaN, processNaNs } from './nan.ts';
import { bitLength, round } from './round.ts';

const signed = (u: Unpacked): bigint => (u.sign ? -u.mantissa : u.mantissa);

/** A signed value times 2^exponent, where zero has the sign that an exact cancellation gets. */
function roundSigned(f: Format, e: Environment, value: bigint, exponent: number): bigint {
  if (value === 0n) return zero(f, e.rounding === ROUND.down ? 1 : 0);
  return value < 0n ? round(f, e, 1, -value, exponent) : round(f, e, 0, value, exponent);
}

/** x * 2^p + y * 2^q */
function sum(
  x: bigint,
  p: number,
  y: bigint,
  q: number,
): { readonly value: bigint; readonly exponent: number } {
  const exponent = Math.min(p, q);
  return { value: (x << BigInt(p - exponent)) + (y << BigInt(q - exponent)), exponent };
}

/** Both operands, and the result that they have where one is a NaN. */
function operands(f: Format, e: Environment, a: bigint, b: bigint) {
  const x = unpack(f, e, a);
  const y = unpack(f, e, b);
  const nan =
    isNan(x) || isNan(y)
      ? processNaNs(f, e, [
          { format: f, unpacked: x, bits: a },
          { format: f, unpacked: y, bits: b },
        ])
      : undefined;
  return { x, y, nan, sign: x.sign ^ y.sign };
}

/** FPAdd of unpacked numbers that are no NaNs. */
function addUnpacked(f: Format, e: Environment, x: Unpacked, y: Unpacked): bigint {
  if (x.kind === 'infinity' || y.kind === 'infinity') {
    if (x.kind === y.kind && x.sign !== y.sign) return invalid(f, e);
    return infinity(f, x.kind === 'infinity' ? x.sign : y.sign);
  }
  if (x.kind === 'zero' && y.kind === 'zero' && x.sign === y.sign) return zero(f, x.sign);
  const { value, exponent } = sum(signed(x), x.exponent, signed(y), y.exponent);
  return roundSigned(f, e, value, exponent);
}

export function add(f: Format, e: Environment, a: bigint, b: bigint): bigint {
  const { x, y, nan } = operands(f, e, a, b);
  return nan ?? addUnpacked(f, e, x, y);
}

export function subtract(f: Format, e: Environment, a: bigint, b: bigint): bigint {
  const { x, y, nan } = operands(f, e, a, b);
  return nan ?? addUnpacked(f, e, x, { ...y, sign: y.sign ? 0 : 1 });
}

/** FPMul, and FPMulX: where `extended`, zero times infinity is 2. */
export function multiply(f: Format, e: Environment, a: bigint, b: bigint, extended = false): bigint {
  const { x, y, nan, sign } = operands(f, e, a, b);
  if (nan !== undefined) return nan;
  const anyZero = x.kind === 'zero' || y.kind === 'zero';
  if (x.kind === 'infinity' || y.kind === 'infinity') {
    if (!anyZero) return infinity(f, sign);
    return extended ? zero(f, sign) | two(f) : invalid(f, e);
  }
  if (anyZero) return zero(f, sign);
  return round(f, e, sign, x.mantissa * y.mantissa, x.exponent + y.exponent);
}

const two = (f: Format): bigint => BigInt(f.bias + 1) << BigInt(f.fractionBits);
const onePointFive = (f: Format): bigint => (BigInt(f.bias) << BigInt(f.fractionBits)) | f.quietBit;

export function divide(f: Format, e: Environment, a: bigint, b: bigint): bigint {
  const { x, y, nan, sign } = operands(f, e, a, b);
  if (nan !== undefined) return nan;
  if (x.kind === y.kind && x.kind !== 'finite') return invalid(f, e);
  if (x.kind === 'infinity') return infinity(f, sign);
  if (y.kind === 'zero') {
    e.raise(FPSR.DZC);
    return infinity(f, sign);
  }
  if (x.kind === 'zero' || y.kind === 'infinity') return zero(f, sign);
  // Enough bits that the quotient has two more than the format even where it is denormal.
  const shift = f.fractionBits * 2 + 4;
  const numerator = x.mantissa << BigInt(shift);
  const quotient = numerator / y.mantissa;
  const sticky = quotient * y.mantissa !== numerator;
  return round(f, e, sign, quotient, x.exponent - y.exponent - shift, { sticky });
}

/** The integer square root, rounded down. */
function squareRootOf(n: bigint): bigint {
  let x = 1n << BigInt((bitLength(n) + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

export function squareRoot(f: Format, e: Environment, a: bigint): bigint {
  const x = unpack(f, e, a);
  if (isNan(x)) return processNaN(f, e, x, a);
  if (x.kind === 'zero') return zero(f, x.sign);
  if (x.sign === 1) return invalid(f, e);
  if (x.kind === 'infinity') return infinity(f, 0);
  // An even exponent, and twice the bits that the root needs.
  const shift = f.fractionBits * 2 + 8 + (x.exponent & 1);
  const n = x.mantissa << BigInt(shift);
  const root = squareRootOf(n);
  return round(f, e, 0, root, (x.exponent - shift) / 2, { sticky: root * root !== n });
}

/** FPMulAdd and FPMulAddH after unpacking: addend (in `f`) + a * b (in `g`). */
function fused(f: Format, g: Format, e: Environment, addend: bigint, a: bigint, b: bigint): bigint {
  const z = unpack(f, e, addend);
  const x = unpack(g, e, a);
  const y = unpack(g, e, b);
  const anyZero = x.kind === 'zero' || y.kind === 'zero';
  const infinite = x.kind === 'infinity' || y.kind === 'infinity';
  if (isNan(z) || isNan(x) || isNan(y)) {
    const nan = processNaNs(f, e, [
      { format: f, unpacked: z, bits: addend },
      { format: g, unpacked: x, bits: a },
      { format: g, unpacked: y, bits: b },
    ]);
    const zeroTimesInfinity = anyZero && infinite;
    return z.kind === 'quiet' && zeroTimesInfinity ? invalid(f, e) : (nan as bigint);
  }
  const sign = x.sign ^ y.sign;
  if (infinite && anyZero) return invalid(f, e);
  if (infinite) return z.kind === 'infinity' && z.sign !== sign ? invalid(f, e) : infinity(f, sign);
  if (z.kind === 'infinity') return infinity(f, z.sign);
  if (z.kind === 'zero' && anyZero && z.sign === sign) return zero(f, sign);
  const product = signed(x) * signed(y);
  const { value, exponent } = sum(signed(z), z.exponent, product, x.exponent + y.exponent);
  return roundSigned(f, e, value, exponent);
}

/** FPMulAdd: addend + a * b, rounded once. */
export function multiplyAdd(f: Format, e: Environment, addend: bigint, a: bigint, b: bigint): bigint {
  return fused(f, f, e, addend, a, b);
}

/** FPMulAddH: single-precision addend, half-precision factors (FMLAL). */
export function multiplyAddHalf(e: Environment, addend: bigint, a: bigint, b: bigint): bigint {
  return fused(SINGLE, HALF, e, addend, a, b);
}

/** (constant / 2^halvings) - a * b / 2^halvings with its own value for infinity times zero. */
function step(
  f: Format,
  e: Environment,
  a: bigint,
  b: bigint,
  constant: bigint,
  halvings: number,
  special: bigint,
): bigint {
  const { x, y, nan, sign } = operands(f, e, negate(f, a), b);
  if (nan !== undefined) return nan;
  const anyZero = x.kind === 'zero' || y.kind === 'zero';
  if (x.kind === 'infinity' || y.kind === 'infinity') return anyZero ? special : infinity(f, sign);
  const { value, exponent } = sum(constant, 0, signed(x) * signed(y), x.exponent + y.exponent);
  return roundSigned(f, e, value, exponent - halvings);
}

/** FPRecipStepFused: 2 - a * b. */
export const reciprocalStep = (f: Format, e: Environment, a: bigint, b: bigint): bigint =>
  step(f, e, a, b, 2n, 0, two(f));

/** FPRSqrtStepFused: (3 - a * b) / 2. */
export const reciprocalRootStep = (f: Format, e: Environment, a: bigint, b: bigint): bigint =>
  step(f, e, a, b, 3n, 1, onePointFive(f));

/** Whether a < b, for numbers that are no NaNs. */
export function less(x: Unpacked, y: Unpacked): boolean {
  if (x.kind === 'infinity') return x.sign === 1 && !(y.kind === 'infinity' && y.sign === 1);
  if (y.kind === 'infinity') return y.sign === 0;
  const { value } = sum(signed(x), x.exponent, -signed(y), y.exponent);
  return value < 0n;
}

/** FPMax (greater 1) and FPMin (greater 0) of numbers; `numeric` is FPMaxNum and FPMinNum: a quiet NaN loses. */
export function extreme(
  f: Format,
  e: Environment,
  a: bigint,
  b: bigint,
  greater: boolean,
  numeric: boolean,
): bigint {
  const { x, y } = { x: unpack(f, e, a), y: unpack(f, e, b) };
  if (numeric && (x.kind === 'quiet') !== (y.kind === 'quiet')) {
    // The loser is replaced by the infinity that never wins; the other may still be a signaling NaN.
    const loser = infinity(f, greater ? 1 : 0);
    return x.kind === 'quiet'
      ? extreme(f, e, loser, b, greater, false)
      : extreme(f, e, a, loser, greater, false);
  }
  if (isNan(x) || isNan(y)) {
    return processNaNs(f, e, [
      { format: f, unpacked: x, bits: a },
      { format: f, unpacked: y, bits: b },
    ]) as bigint;
  }
  if (x.kind === 'zero' && y.kind === 'zero') return zero(f, greater ? x.sign & y.sign : x.sign | y.sign);
  const first = greater ? less(y, x) : less(x, y);
  const [winner, bits] = first ? [x, a] : [y, b];
  return winner.kind === 'zero' ? zero(f, winner.sign) : bits;
}
