// Every row that a user program can run, against the reference CPU's recorded results: flags, FPSR, memory and
// signals included. Recorded by `npm run record:isa`.

import { describe, expect, it } from 'vitest';
import { interpreterDriver } from '../engine/driver.ts';
import { comparableRows } from './cases.ts';
import { divergence, report } from './differential.ts';
import { readGolden } from './golden.ts';

describe('instructions against recorded results', () => {
  const covered = new Map<string, number>();
  const failures: string[] = [];
  const driver = interpreterDriver();
  for (const { row, case: c, expected } of readGolden()) {
    covered.set(row, (covered.get(row) ?? 0) + 1);
    const found = divergence(c, driver.run(c), expected);
    if (found.length > 0 && failures.length < 5) failures.push(`${row}\n${report(c, found)}`);
  }

  it('agree', () => {
    expect(failures).toEqual([]);
  });

  it('cover every row with 32 cases', () => {
    const missing = comparableRows.filter((row) => (covered.get(row.name) ?? 0) < 32);
    expect(missing.map((row) => row.name)).toEqual([]);
  });
});
