// Comparisons (Arm ARM shared pseudocode FPCompare, FPCompareEQ, FPCompareGE, FPCompareGT).

import { less } from './arithmetic.ts';
import { type Environment, type Format, FPSR, isNan, unpack } from './format.ts';

/** NZCV of a comparison: less 1000, equal 0110, greater 0010, unordered 0011. */
export function compare(f: Format, e: Environment, a: bigint, b: bigint, signalQuiet: boolean): number {
  const x = unpack(f, e, a);
  const y = unpack(f, e, b);
  if (isNan(x) || isNan(y)) {
    if (signalQuiet || x.kind === 'signaling' || y.kind === 'signaling') e.raise(FPSR.IOC);
    return 0b0011;
  }
  if (less(x, y)) return 0b1000;
  return less(y, x) ? 0b0010 : 0b0110;
}

export const equal = (f: Format, e: Environment, a: bigint, b: bigint): boolean =>
  compare(f, e, a, b, false) === 0b0110;
export const greater = (f: Format, e: Environment, a: bigint, b: bigint): boolean =>
  compare(f, e, a, b, true) === 0b0010;
export function greaterOrEqual(f: Format, e: Environment, a: bigint, b: bigint): boolean {
  const flags = compare(f, e, a, b, true);
  return flags === 0b0010 || flags === 0b0110;
}
