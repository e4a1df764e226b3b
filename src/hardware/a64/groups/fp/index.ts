import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import type { Row } from '../../row.ts';

/** Scalar floating point (C4.1.96, C7). */
export const scalarFloatingPoint: readonly Row[] = [];
export const fpBuiltHelpers: Helpers<BuiltHelper> = {};
export const fpHostHelpers: Helpers<HostHelper> = {};
