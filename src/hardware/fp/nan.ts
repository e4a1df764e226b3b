// NaN propagation (Arm ARM A1.5.9; FPProcessNaN, FPProcessNaNs, FPProcessNaNs3, FPConvertNaN).

import { type Environment, type Format, FPSR, type Unpacked } from './format.ts';

/** FPProcessNaN: quieted, or the default NaN where FPCR.DN says so. */
export function processNaN(f: Format, e: Environment, u: Unpacked, a: bigint): bigint {
  if (u.kind === 'signaling') e.raise(FPSR.IOC);
  return e.defaultNaN ? f.defaultNaN : a | f.quietBit;
}

/** An operand beside its unpacked form; a half-precision one may stand among single-precision ones (FMLAL). */
export interface NaNCandidate {
  readonly format: Format;
  readonly unpacked: Unpacked;
  readonly bits: bigint;
}

/** The result where an operand is a NaN: the first signaling one, else the first quiet one; undefined where none is. */
export function processNaNs(
  f: Format,
  e: Environment,
  operands: readonly NaNCandidate[],
): bigint | undefined {
  const found =
    operands.find((o) => o.unpacked.kind === 'signaling') ??
    operands.find((o) => o.unpacked.kind === 'quiet');
  if (!found) return undefined;
  const result = processNaN(found.format, e, found.unpacked, found.bits);
  if (found.format === f) return result;
  return e.defaultNaN ? f.defaultNaN : convertNaN(found.format, f, result);
}

/** FPConvertNaN: sign and the payload's top bits stay; the result is quiet. */
export function convertNaN(from: Format, to: Format, a: bigint): bigint {
  const sign = (a & from.signBit) === 0n ? 0n : to.signBit;
  const fraction = a & from.fractionMask;
  const shift = BigInt(to.fractionBits - from.fractionBits);
  const payload = shift >= 0n ? fraction << shift : fraction >> -shift;
  return sign | to.defaultNaN | payload;
}

export function invalid(f: Format, e: Environment): bigint {
  e.raise(FPSR.IOC);
  return f.defaultNaN;
}
