// Floating point, scalar and vector. Operand kinds of the syntax beyond the common ones:
//   fbits   '#n', n = 64 - the field (fixed-point conversions with a general register)

import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import type { Row } from '../../row.ts';
import { multiplyAddDouble, multiplyAddSingle } from './multiply-add.ts';
import { scalarRows } from './scalar.ts';
import { fpExact } from './slow.ts';

/** Scalar floating point (C4.1.96, C7). */
export const scalarFloatingPoint: readonly Row[] = [...scalarRows];
export const fpBuiltHelpers: Helpers<BuiltHelper> = {
  fpMultiplyAddSingle: multiplyAddSingle,
  fpMultiplyAddDouble: multiplyAddDouble,
};
export const fpHostHelpers: Helpers<HostHelper> = { fpExact };
