// Advanced SIMD without floating-point arithmetic (Arm ARM C4.1.94, C4.1.96): integer, permute, move, and loads and
// stores of structures. lanes.ts is the arithmetic, rows.ts the shapes of rows, every other file a group of the
// manual's encoding index.
//
// Operand kinds of the syntax beyond the common ones; fields are separated by commas, and a choice by several
// fields ({size,Q?8b|16b|...}) is indexed by their bits put together, the first field highest:
//   n          the plain number: '{size?b|h|s|d}{Rd:n}' is a scalar register by size, '#{imm4:n}' a plain immediate
//   index      '[n]', n being the bits of all its fields put together, the first field highest
//   rshift     '#' and 2^width - n: a right shift of a lane of 2^width bits
//   hex        '#0x..' of the fields put together
//   bytemask   '#0x...' of 64 bits: each bit of the fields put together repeated eight times
//   fpimm      as elsewhere, of the fields put together
//   list1-4    consecutive registers (modulo 32) from the first field on, in braces: '{v1.8b-v3.8b}', but separated by
//              commas where they are two or wrap past v31. Each has an arrangement: chosen by the remaining fields
//              (size, Q: 8b 16b 4h 8h 2s 4s 1d 2d), fixed after a dot ('{Rn:list2.16b}', '{Rt:list3.b}'), or chosen
//              by Q among those of a letter ('{Rt,Q:list3b}')
//   post<n>    '#n', or x register Rm where that is not 31; with Q among the fields, n is doubled where Q is 1

import type { BuiltHelper, Helpers, HostHelper } from '../../helpers.ts';
import { type Row, rows } from '../../row.ts';
import { byElementRows } from './by-element.ts';
import { estimateHelpers } from './estimate.ts';
import { modifiedImmediateRows } from './modified-immediate.ts';
import { permuteRows } from './permute.ts';
import { shiftImmediateRows } from './shift-immediate.ts';
import { shiftHelpers } from './shift-register.ts';
import { structureRows } from './structures.ts';
import { threeDifferentRows } from './three-different.ts';
import { threeSameRows } from './three-same.ts';
import { twoRegisterRows } from './two-register.ts';

export { bytes, replicated } from './lanes.ts';
export { SECTION } from './rows.ts';

export const advancedSimd: readonly Row[] = rows({ simd: true }, [
  ...structureRows,
  ...threeSameRows,
  ...twoRegisterRows,
  ...threeDifferentRows,
  ...byElementRows,
  ...shiftImmediateRows,
  ...permuteRows,
  ...modifiedImmediateRows,
]);
export const simdBuiltHelpers: Helpers<BuiltHelper> = { ...shiftHelpers, ...estimateHelpers };
export const simdHostHelpers: Helpers<HostHelper> = {};
