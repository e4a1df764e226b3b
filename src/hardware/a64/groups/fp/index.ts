// Floating point, scalar and vector. Operand kinds of the syntax beyond the common ones:
//   rshift  '#' and 2^width - n: here the bits after the point of a fixed-point number
//   index   '[n]', of one field or several, the first the highest

import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import type { Row } from '../../row.ts';
import { compareHelpers } from './compare.ts';
import { complexAndWidening } from './complex.ts';
import { exactnessHelpers } from './error-free.ts';
import { operationHelpers } from './fast.ts';
import { multiplyAddHelpers } from './multiply-add.ts';
import { scalarRows } from './scalar.ts';
import { exactlyHelpers, fpExact } from './slow.ts';
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
  ...exactlyHelpers,
  ...compareHelpers,
  ...operationHelpers,
  ...multiplyAddHelpers,
  ...exactnessHelpers,
};
export const fpHostHelpers: Helpers<HostHelper> = { fpExact };
