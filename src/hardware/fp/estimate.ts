// Reciprocal and reciprocal square root estimates (Arm ARM shared pseudocode FPRecipEstimate, FPRSqrtEstimate,
// FPRecpX and the integer tables behind them).

import { type Environment, type Format, FPSR, infinity, isNan, unpack, zero } from './format.ts';
import { invalid, processNaN } from './nan.ts';
import { bitLength, overflow } from './round.ts';

/** RecipEstimate: 256..511 stands for 0.5..1; the result 256..511 for 1..2. */
export function reciprocalTable(a: number): number {
  const b = Math.floor((1 << 19) / (a * 2 + 1));
  return (b + 1) >> 1;
}

/** RecipSqrtEstimate: 128..511 stands for 0.25..1; the result 256..511 for 1..2. */
export function reciprocalRootTable(a: number): number {
  const x = a < 256 ? a * 2 + 1 : (((a >> 1) << 1) + 1) * 2;
  let b = 512;
  while (x * (b + 1) * (b + 1) < 1 << 28) b++;
  return (b + 1) >> 1;
}

/** Biased exponent (below 1 for denormals) and the eight fraction bits of the normalised number. */
function normalised(f: Format, a: bigint): { readonly exponent: number; readonly fraction: number } {
  const biased = Number((a >> BigInt(f.fractionBits)) & BigInt(f.maxExponent));
  const fraction = a & f.fractionMask;
  if (biased !== 0) return { exponent: biased, fraction: Number(fraction >> BigInt(f.fractionBits - 8)) };
  const shift = f.fractionBits + 1 - bitLength(fraction);
  const moved = (fraction << BigInt(shift)) & f.fractionMask;
  return { exponent: 1 - shift, fraction: Number(moved >> BigInt(f.fractionBits - 8)) };
}

/** FPRecipEstimate. */
export function reciprocalEstimate(f: Format, e: Environment, a: bigint): bigint {
  const x = unpack(f, e, a);
  if (isNan(x)) return processNaN(f, e, x, a);
  if (x.kind === 'infinity') return zero(f, x.sign);
  if (x.kind === 'zero') {
    e.raise(FPSR.DZC);
    return infinity(f, x.sign);
  }
  const { exponent, fraction } = normalised(f, a);
  // Below 2^(-bias - 1) the reciprocal does not fit.
  if (exponent < -1) {
    e.raise(FPSR.OFC | FPSR.IXC);
    return overflow(f, x.sign, e.rounding);
  }
  if (e.flushes(f) && exponent >= 2 * f.bias - 1) {
    e.raise(FPSR.UFC);
    return zero(f, x.sign);
  }
  const top = BigInt(f.fractionBits - 8);
  let result = 2 * f.bias - 1 - exponent;
  let bits = (BigInt(reciprocalTable(256 | fraction)) & 0xffn) << top;
  if (result === 0) bits = (bits >> 1n) | f.quietBit;
  else if (result === -1) {
    bits = (bits >> 2n) | (f.quietBit >> 1n);
    result = 0;
  }
  return zero(f, x.sign) | (BigInt(result) << BigInt(f.fractionBits)) | bits;
}

/** FPRSqrtEstimate. */
export function reciprocalRootEstimate(f: Format, e: Environment, a: bigint): bigint {
  const x = unpack(f, e, a);
  if (isNan(x)) return processNaN(f, e, x, a);
  if (x.kind === 'zero') {
    e.raise(FPSR.DZC);
    return infinity(f, x.sign);
  }
  if (x.sign === 1) return invalid(f, e);
  if (x.kind === 'infinity') return zero(f, 0);
  const { exponent, fraction } = normalised(f, a);
  const scaled = (exponent & 1) === 0 ? 256 | fraction : 128 | (fraction >> 1);
  const result = Math.floor((3 * f.bias - 1 - exponent) / 2);
  const bits = BigInt(reciprocalRootTable(scaled)) & 0xffn;
  return (BigInt(result) << BigInt(f.fractionBits)) | (bits << BigInt(f.fractionBits - 8));
}

/** FPRecpX: the exponent inverted. */
export function reciprocalExponent(f: Format, e: Environment, a: bigint): bigint {
  const x = unpack(f, e, a);
  if (isNan(x)) return processNaN(f, e, x, a);
  const biased = Number((a >> BigInt(f.fractionBits)) & BigInt(f.maxExponent));
  const inverted = biased === 0 ? f.maxExponent - 1 : f.maxExponent ^ biased;
  return zero(f, x.sign) | (BigInt(inverted) << BigInt(f.fractionBits));
}
