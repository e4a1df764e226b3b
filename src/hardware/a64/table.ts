// The instruction table: every group's rows, in the manual's order, and the helpers they call.

import { baseBuiltHelpers } from './base-helpers.ts';
import { atomics } from './groups/atomics.ts';
import { branchesAndSystem } from './groups/branches-system.ts';
import { cryptoBuiltHelpers, cryptography, cryptoHostHelpers } from './groups/crypto/index.ts';
import { dataProcessingImmediate } from './groups/data-processing-immediate.ts';
import { dataProcessingRegister } from './groups/data-processing-register.ts';
import { fpBuiltHelpers, fpHostHelpers, scalarFloatingPoint } from './groups/fp/index.ts';
import { loadsAndStores } from './groups/loads-stores.ts';
import { advancedSimd, simdBuiltHelpers, simdHostHelpers } from './groups/simd/index.ts';
import type { BuiltHelper, Helpers, HostHelper } from './helpers.ts';
import type { Feature, Row } from './row.ts';

/** Every row there is. */
export const allRows: readonly Row[] = [
  ...dataProcessingImmediate,
  ...branchesAndSystem,
  ...loadsAndStores,
  ...atomics,
  ...dataProcessingRegister,
  ...scalarFloatingPoint,
  ...advancedSimd,
  ...cryptography,
];

/** The rows of a machine with these features (all, where none are named). */
export function instructionTable(features?: ReadonlySet<Feature>): readonly Row[] {
  return features ? allRows.filter((r) => !r.feature || features.has(r.feature)) : allRows;
}

export const builtHelpers: Helpers<BuiltHelper> = {
  ...baseBuiltHelpers,
  ...fpBuiltHelpers,
  ...simdBuiltHelpers,
  ...cryptoBuiltHelpers,
};

export const hostHelpers: Helpers<HostHelper> = {
  ...fpHostHelpers,
  ...simdHostHelpers,
  ...cryptoHostHelpers,
};
