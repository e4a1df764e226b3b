// The instruction table: every group's rows, in the manual's order, and the helpers they call.

import { baseBuiltHelpers } from './base-helpers.ts';
import { atomics } from './groups/atomics.ts';
import { branchesAndSystem } from './groups/branches-system.ts';
import { cryptoBuiltHelpers, cryptography, cryptoHostHelpers } from './groups/crypto/index.ts';
import { dataProcessingImmediate } from './groups/data-processing-immediate.ts';
import { dataProcessingRegister } from './groups/data-processing-register.ts';
import { fpBuiltHelpers, fpHostHelpers, scalarFloatingPoint } from './groups/fp/index.ts';
import { loadsAndStores } from './groups/loads-stores.ts';
import { memoryTagging, tagHelpers } from './groups/memory-tagging.ts';
import { plainRegisterAccess } from './groups/plain-registers.ts';
import { pointerAuthentication } from './groups/pointer-authentication.ts';
import { advancedSimd, simdBuiltHelpers, simdHostHelpers } from './groups/simd/index.ts';
import type { BuiltHelper, Helpers, HostHelper } from './helpers.ts';
import type { Feature, Row } from './row.ts';

/** Every row there is, those of absent features included. */
export const allRows: readonly Row[] = [
  ...dataProcessingImmediate,
  ...branchesAndSystem,
  ...plainRegisterAccess,
  ...loadsAndStores,
  ...atomics,
  ...dataProcessingRegister,
  ...pointerAuthentication,
  ...memoryTagging,
  ...scalarFloatingPoint,
  ...advancedSimd,
  ...cryptography,
];

/** The rows of a machine that lacks these features. */
export function instructionTable(absent: ReadonlySet<Feature> = new Set()): readonly Row[] {
  return allRows.filter(
    (r) => !(r.feature && absent.has(r.feature)) && !(r.without && !absent.has(r.without)),
  );
}

export const builtHelpers: Helpers<BuiltHelper> = {
  ...baseBuiltHelpers,
  ...tagHelpers,
  ...fpBuiltHelpers,
  ...simdBuiltHelpers,
  ...cryptoBuiltHelpers,
};

export const hostHelpers: Helpers<HostHelper> = {
  ...fpHostHelpers,
  ...simdHostHelpers,
  ...cryptoHostHelpers,
};
