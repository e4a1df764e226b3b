// The Arm Architecture Calls (DEN0028 chapter 7): the convention's version, and what a guest should do about
// speculation. The emulated CPU does not speculate, so each workaround answers that it is not required, and a
// guest prints no warning.

import { BOTH_CONDUITS, NOT_SUPPORTED, type SmcccFunction } from './call.ts';
import type { FunctionTable } from './dispatcher.ts';

const VERSION_1_1 = 0x10001;
const SUCCESS = 0;
/** WORKAROUND_1 and _3: this PE does not need it. */
const UNAFFECTED = 1;
/** WORKAROUND_2: NOT_REQUIRED. */
const NOT_REQUIRED = -2;

const SMCCC_VERSION = 0x80000000;
const ARCH_FEATURES = 0x80000001;
const ARCH_WORKAROUND_3 = 0x80003fff;
const ARCH_WORKAROUND_2 = 0x80007fff;
const ARCH_WORKAROUND_1 = 0x80008000;

/** ARCH_FEATURES' answers; everything else, ARCH_SOC_ID and stolen time included, is not supported. */
const FEATURES = new Map<number, number>([
  [SMCCC_VERSION, SUCCESS],
  [ARCH_FEATURES, SUCCESS],
  [ARCH_WORKAROUND_1, UNAFFECTED],
  [ARCH_WORKAROUND_2, NOT_REQUIRED],
  [ARCH_WORKAROUND_3, UNAFFECTED],
]);

export const archFunctions: FunctionTable = () => {
  const row = (id: number, name: string, handle: SmcccFunction['handle']): SmcccFunction => ({
    id,
    name,
    conduits: BOTH_CONDUITS,
    handle,
  });
  return [
    row(SMCCC_VERSION, 'SMCCC_VERSION', (call) => call.result(VERSION_1_1)),
    row(ARCH_FEATURES, 'SMCCC_ARCH_FEATURES', (call) =>
      call.result(FEATURES.get(Number(call.arg(1))) ?? NOT_SUPPORTED),
    ),
    // A guest may call them although it need not; there is nothing to do.
    row(ARCH_WORKAROUND_1, 'SMCCC_ARCH_WORKAROUND_1', (call) => call.result(SUCCESS)),
    row(ARCH_WORKAROUND_2, 'SMCCC_ARCH_WORKAROUND_2', (call) => call.result(SUCCESS)),
    row(ARCH_WORKAROUND_3, 'SMCCC_ARCH_WORKAROUND_3', (call) => call.result(SUCCESS)),
  ];
};
