// Every row that a user program can run, against the reference CPU's recorded results: flags, FPSR, memory and
// signals included. And every row's text against
// binutils' recorded text. Recorded by `npm run record:isa`.

import { beforeAll, describe, expect, it } from 'vitest';
import {
  allRows,
  assemble,
  completeDecoder,
  disassemble,
  type Variant,
} from '../../../src/hardware/a64/index.ts';
import { interpreterDriver } from '../engine/driver.ts';
import { comparableRows } from './cases.ts';
import { divergence, report } from './differential.ts';
import { EXCLUSIONS } from './exclusions.ts';
import { readGolden } from './golden.ts';
import { readSyntax } from './syntax.ts';

describe('instructions against recorded results', () => {
  const covered = new Map<string, number>();
  const handlers = new Set<Variant | undefined>();
  const failures: string[] = [];

  beforeAll(() => {
    const driver = interpreterDriver();
    const decoder = completeDecoder();
    for (const { row, case: c, expected } of readGolden()) {
      covered.set(row, (covered.get(row) ?? 0) + 1);
      for (const word of c.code) handlers.add(decoder.decode(word));
      const found = divergence(c, driver.run(c), expected);
      if (found.length > 0 && failures.length < 5) failures.push(`${row}\n${report(c, found)}`);
    }
  }, 120_000);

  it('agree', () => {
    expect(failures).toEqual([]);
  });

  it('cover every row with 32 cases and every handler: else npm run record:isa', () => {
    const missing = comparableRows.filter((row) => (covered.get(row.name) ?? 0) < 32);
    expect(missing.map((row) => row.name)).toEqual([]);
    const comparable = new Set(comparableRows);
    const unused = completeDecoder().variants.filter((v) => comparable.has(v.row) && !handlers.has(v));
    expect(unused.map((v) => `${v.row.name} ${JSON.stringify(v.fields)}`)).toEqual([]);
  });

  it('leave rows out only for a reason that still applies', () => {
    const unused = EXCLUSIONS.filter((e) => !allRows.some((row) => e.rows.test(row.name)));
    expect(unused.map((e) => e.reason)).toEqual([]);
  });
});

describe('assembly text against recorded text of binutils', () => {
  const lines = readSyntax();

  it('disassembles to it', () => {
    const wrong = lines.filter(({ word, text }, k) => disassemble(word, 4 * k) !== text);
    expect(wrong).toEqual([]);
  });

  it('assembles from it', () => {
    const wrong = lines.flatMap(({ word, text }, k) => {
      const [mine] = assemble(text, 4 * k);
      // A logical immediate's mask has encodings that differ in bits without a meaning.
      return mine === word || disassemble(mine as number, 4 * k) === text ? [] : [text];
    });
    expect(wrong).toEqual([]);
  });

  it('has text of every row: else npm run record:isa', () => {
    const covered = new Set(lines.map(({ word }) => completeDecoder().decode(word)?.row));
    // Rows that refine another have its syntax.
    const missing = allRows.filter((row) => !row.without && !row.refines && !covered.has(row));
    expect(missing.map((row) => row.name)).toEqual([]);
  });
});
