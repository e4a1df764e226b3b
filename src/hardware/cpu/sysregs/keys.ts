// Pointer authentication keys (Arm ARM D23.2, AP*Key*_EL1).

import { type RegisterRow, stored } from './row.ts';

const KEYS = [
  ['APIA', 1, 0],
  ['APIB', 1, 2],
  ['APDA', 2, 0],
  ['APDB', 2, 2],
  ['APGA', 3, 0],
] as const;

export const keyRegisters: readonly RegisterRow[] = KEYS.flatMap(([name, crm, op2]) => [
  stored(`${name}KeyLo_EL1`, [3, 0, 2, crm, op2], { feature: 'pauth' }),
  stored(`${name}KeyHi_EL1`, [3, 0, 2, crm, op2 + 1], { feature: 'pauth' }),
]);
