// The rows that the tests here are about, as they stand in the table.

import { cryptography } from '../../../../src/hardware/a64/groups/crypto/index.ts';
import { advancedSimd } from '../../../../src/hardware/a64/groups/simd/index.ts';
import { allRows, type Row } from '../../../../src/hardware/a64/index.ts';

const inTable = (rows: readonly Row[]): Row[] => {
  const names = new Set(rows.map((r) => r.name));
  return allRows.filter((r) => names.has(r.name));
};

export const simdRows: readonly Row[] = inTable(advancedSimd);
export const cryptoRows: readonly Row[] = inTable(cryptography);
