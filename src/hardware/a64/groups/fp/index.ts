// Floating point, scalar and vector. Operand kinds of the syntax beyond the common ones:
//   rshift  '#' and 2^width - n: here the bits after the point of a fixed-point number
//   index   '[n]', of one field or several, the first the highest

import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import type { Row } from '../../row.ts';
import { complexAndWidening } from './complex.ts';
import { exactnessHelpers } from './error-free.ts';
import { multiplyAddDouble, multiplyAddSingle } from './multiply-add.ts';
import { scalarRows } from './scalar.ts';
import { fpExact } from './slow.ts';
import { vectorArithmetic } from './vector-arithmetic.ts';
import { vectorConversions } from './vector-conversions.ts';

/** All floating point, scalar and Advanced SIMD (C4.1.96, C7). */
export const scalarFloatingPoint: readonly Row[] = [
  ...scalarRows,
  ...vectorArithmetic,
  ...vectorConversions,
  ...complexAndWidening,
];
export const fpBuiltHelpers: Helpers<BuiltHelper> = {
  fpMultiplyAddSingle: multiplyAddSingle,
  fpMultiplyAddDouble: multiplyAddDouble,
  ...exactnessHelpers,
};
export const fpHostHelpers: Helpers<HostHelper> = { fpExact };
