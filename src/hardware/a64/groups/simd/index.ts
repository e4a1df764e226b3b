import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import type { Row } from '../../row.ts';

/** Advanced SIMD: integer, permute, move, loads and stores of structures (C4.1.96, C7). */
export const advancedSimd: readonly Row[] = [];
export const simdBuiltHelpers: Helpers<BuiltHelper> = {};
export const simdHostHelpers: Helpers<HostHelper> = {};
