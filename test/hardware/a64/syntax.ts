// Sample encodings of every row, for tests of the assembly syntax.

import { allRows, Random, type Row, randomInstruction } from '../../../src/hardware/a64/index.ts';

export interface Sample {
  readonly row: Row;
  readonly word: number;
}

/** Encodings as an assembler would write them, so many of each row that a machine with all features has. */
export function syntaxSamples(perRow: number, seed: number): Sample[] {
  const random = new Random(seed);
  return allRows.flatMap((row) => {
    if (row.without) return [];
    return Array.from({ length: perRow }, () => randomInstruction(row, random, { canonical: true })).flatMap(
      (word) => (word === undefined ? [] : [{ row, word }]),
    );
  });
}

const HINT_SPACE = 0xd503201f;
export const isNamedHint = (row: Row): boolean =>
  (row.pattern.value & 0xfffff01f) >>> 0 === HINT_SPACE && row.name !== 'HINT';

/** objdump calls CONSTRAINED UNPREDICTABLE register combinations of these undefined, and as refuses some. */
export const UNPREDICTABLE_FOR_OBJDUMP = /^LDPSW /;
