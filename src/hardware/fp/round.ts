// Rounding an exact value into a format (Arm ARM shared pseudocode FPRoundBase): overflow, underflow (tininess is
// detected before rounding), flush-to-zero, the alternative half-precision format.

import {
  type Environment,
  type Format,
  FPSR,
  infinity,
  maxNormal,
  ROUND,
  type Rounding,
  zero,
} from './format.ts';

/** Position of the highest set bit, plus one. */
export function bitLength(n: bigint): number {
  const text = n.toString(16);
  return text.length * 4 - Math.clz32(Number.parseInt(text[0] as string, 16)) + 28;
}

/** Whether a magnitude with this remainder moves away from zero. `remainder` is compared with half of 2^shift. */
function roundsUp(rounding: Rounding, sign: number, odd: boolean, halfway: number, exact: boolean): boolean {
  switch (rounding) {
    case ROUND.tieEven:
      return halfway > 0 || (halfway === 0 && odd);
    case ROUND.up:
      return !exact && sign === 0;
    case ROUND.down:
      return !exact && sign === 1;
    case ROUND.tieAway:
      return halfway >= 0;
    case ROUND.odd:
      return !exact && !odd;
    default:
      return false;
  }
}

/** magnitude / 2^shift as an integer, rounded; `sticky` says that the true value is a little more. */
export function shiftRight(
  magnitude: bigint,
  shift: number,
  sticky: boolean,
  sign: number,
  rounding: Rounding,
): { readonly integer: bigint; readonly exact: boolean } {
  if (shift <= 0) {
    if (sticky) throw new Error('too few bits were computed to round');
    return { integer: magnitude << BigInt(-shift), exact: true };
  }
  const floor = magnitude >> BigInt(shift);
  const remainder = magnitude - (floor << BigInt(shift));
  const half = 1n << BigInt(shift - 1);
  const halfway = remainder > half ? 1 : remainder < half ? -1 : sticky ? 1 : 0;
  const exact = remainder === 0n && !sticky;
  const up = roundsUp(rounding, sign, (floor & 1n) === 1n, halfway, exact);
  return { integer: up ? floor + 1n : floor, exact };
}

export interface RoundOptions {
  /** Default FPCR.RMode. */
  readonly rounding?: Rounding;
  /** The true magnitude is between mantissa and mantissa + 1; at least two more bits than the format's are there. */
  readonly sticky?: boolean;
  /** FPRoundCV: a conversion between formats; FPCR.AHP applies and FZ16 does not. */
  readonly conversion?: boolean;
}

/** The nonzero value (-1)^sign * mantissa * 2^exponent as a bit pattern. */
export function round(
  f: Format,
  e: Environment,
  sign: number,
  mantissa: bigint,
  exponent: number,
  options: RoundOptions = {},
): bigint {
  const { rounding = e.rounding, sticky = false, conversion = false } = options;
  const half = f.bits === 16;
  const alternative = half && conversion && e.alternativeHalf;
  const minimum = 1 - f.bias;
  const top = bitLength(mantissa) - 1 + exponent;
  if (top < minimum && e.flushes(f) && !(half && conversion)) {
    e.raise(FPSR.UFC);
    return zero(f, sign);
  }
  let biased = Math.max(top - minimum + 1, 0);
  const quantum = Math.max(top, minimum) - f.fractionBits;
  const rounded = shiftRight(mantissa, quantum - exponent, sticky, sign, rounding);
  let { integer } = rounded;
  if (biased === 0 && !rounded.exact) e.raise(FPSR.UFC);
  if (biased === 0 && integer > f.fractionMask) biased = 1;
  if (integer > 2n * f.fractionMask + 1n) {
    biased++;
    integer >>= 1n;
  }
  if (alternative && biased > f.maxExponent) {
    e.raise(FPSR.IOC);
    return zero(f, sign) | (f.signBit - 1n);
  }
  if (!alternative && biased >= f.maxExponent) {
    e.raise(FPSR.OFC | FPSR.IXC);
    return overflow(f, sign, rounding);
  }
  if (!rounded.exact) e.raise(FPSR.IXC);
  return zero(f, sign) | (BigInt(biased) << BigInt(f.fractionBits)) | (integer & f.fractionMask);
}

/** What too large a magnitude becomes: infinity, or the largest number where rounding goes toward zero. */
export function overflow(f: Format, sign: number, rounding: Rounding): bigint {
  const toInfinity =
    rounding === ROUND.tieEven ||
    rounding === ROUND.tieAway ||
    (rounding === ROUND.up && sign === 0) ||
    (rounding === ROUND.down && sign === 1);
  return toInfinity ? infinity(f, sign) : maxNormal(f, sign);
}
