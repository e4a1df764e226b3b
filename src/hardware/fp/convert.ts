// Conversions: between formats, to and from integers and fixed point, and rounding to an integral value (Arm ARM
// shared pseudocode FPConvert, FPToFixed, FPToFixedJS, FixedToFP, FPRoundInt, FPRoundIntN).

import {
  DOUBLE,
  type Environment,
  type Format,
  FPSR,
  infinity,
  isNan,
  ROUND,
  type Rounding,
  type Unpacked,
  unpack,
  unpackForConversion,
  zero,
} from './format.ts';
import { convertNaN, processNaN } from './nan.ts';
import { round, shiftRight } from './round.ts';

/** FPConvert. */
export function convert(from: Format, to: Format, e: Environment, a: bigint, rounding?: Rounding): bigint {
  const x = unpackForConversion(from, e, a);
  const alternative = to.bits === 16 && e.alternativeHalf;
  if (isNan(x)) {
    if (x.kind === 'signaling' || alternative) e.raise(FPSR.IOC);
    if (alternative) return zero(to, x.sign);
    return e.defaultNaN ? to.defaultNaN : convertNaN(from, to, a);
  }
  if (x.kind === 'infinity') {
    if (!alternative) return infinity(to, x.sign);
    e.raise(FPSR.IOC);
    return zero(to, x.sign) | (to.signBit - 1n);
  }
  if (x.kind === 'zero') return zero(to, x.sign);
  const options = rounding === undefined ? { conversion: true } : { conversion: true, rounding };
  return round(to, e, x.sign, x.mantissa, x.exponent, options);
}

/** A finite number times 2^fractionBits as an integer. */
function toInteger(x: Unpacked, fractionBits: number, rounding: Rounding) {
  const { integer, exact } = shiftRight(x.mantissa, -x.exponent - fractionBits, false, x.sign, rounding);
  return { integer: x.sign ? -integer : integer, exact };
}

/** FPToFixed: to `width` bits, saturating. */
export function toFixed(
  f: Format,
  e: Environment,
  a: bigint,
  width: number,
  fractionBits: number,
  unsigned: boolean,
  rounding: Rounding,
): bigint {
  const x = unpack(f, e, a);
  if (isNan(x)) {
    e.raise(FPSR.IOC);
    return 0n;
  }
  const max = (1n << BigInt(unsigned ? width : width - 1)) - 1n;
  const min = unsigned ? 0n : -max - 1n;
  const saturated = (value: bigint): bigint => {
    e.raise(FPSR.IOC);
    return BigInt.asUintN(width, value);
  };
  if (x.kind === 'infinity') return saturated(x.sign ? min : max);
  const { integer, exact } = toInteger(x, fractionBits, rounding);
  if (integer > max) return saturated(max);
  if (integer < min) return saturated(min);
  if (!exact) e.raise(FPSR.IXC);
  return BigInt.asUintN(width, integer);
}

/** FPToFixedJS: ECMAScript's ToInt32, and whether the conversion was exact (FJCVTZS sets Z by it). */
export function toInt32(e: Environment, a: bigint): { readonly value: bigint; readonly exact: boolean } {
  const x = unpack(DOUBLE, e, a);
  if (isNan(x) || x.kind === 'infinity') {
    e.raise(FPSR.IOC);
    return { value: 0n, exact: false };
  }
  const { integer, exact } = toInteger(x, 0, ROUND.zero);
  const value = BigInt.asUintN(32, integer);
  if (integer !== BigInt.asIntN(32, integer)) {
    e.raise(FPSR.IOC);
    return { value, exact: false };
  }
  if (!exact) e.raise(FPSR.IXC);
  // Minus zero, and a denormal that was flushed, do not come back as they were.
  const same = x.kind !== 'zero' || a === 0n;
  return { value, exact: exact && same };
}

/** FixedToFP of a `width`-bit integer. */
export function fromFixed(
  f: Format,
  e: Environment,
  a: bigint,
  width: number,
  fractionBits: number,
  unsigned: boolean,
): bigint {
  const value = unsigned ? BigInt.asUintN(width, a) : BigInt.asIntN(width, a);
  if (value === 0n) return 0n;
  return round(f, e, value < 0n ? 1 : 0, value < 0n ? -value : value, -fractionBits);
}

/** FPRoundInt; `exact`: raises Inexact. */
export function roundToIntegral(
  f: Format,
  e: Environment,
  a: bigint,
  rounding: Rounding,
  exact: boolean,
): bigint {
  const x = unpack(f, e, a);
  if (isNan(x)) return processNaN(f, e, x, a);
  if (x.kind === 'infinity') return infinity(f, x.sign);
  if (x.kind === 'zero') return zero(f, x.sign);
  const rounded = toInteger(x, 0, rounding);
  if (exact && !rounded.exact) e.raise(FPSR.IXC);
  return integral(f, e, rounded.integer, x.sign);
}

/** An integer, or zero with a sign, in a format that can hold it. */
function integral(f: Format, e: Environment, integer: bigint, sign: number): bigint {
  if (integer === 0n) return zero(f, sign);
  return round(f, e, sign, sign ? -integer : integer, 0, { rounding: ROUND.zero });
}

/** FPRoundIntN: to an integral value that fits in `width` bits (FRINT32Z and relatives). */
export function roundToWidth(
  f: Format,
  e: Environment,
  a: bigint,
  rounding: Rounding,
  width: 32 | 64,
): bigint {
  const x = unpack(f, e, a);
  if (x.kind === 'zero') return zero(f, x.sign);
  if (x.kind === 'finite') {
    const { integer, exact } = toInteger(x, 0, rounding);
    if (BigInt.asIntN(width, integer) === integer) {
      if (!exact) e.raise(FPSR.IXC);
      return integral(f, e, integer, x.sign);
    }
  }
  e.raise(FPSR.IOC);
  return f.signBit | (BigInt(f.bias + width - 1) << BigInt(f.fractionBits));
}
