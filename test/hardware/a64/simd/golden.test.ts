import { describe, expect, it } from 'vitest';
import { interpreterDriver } from '../../engine/driver.ts';
import { compareWith } from '../../oracle/index.ts';
import { readGolden } from './golden.ts';
import { cryptoRows, simdRows } from './groups.ts';

describe.each([
  ['Advanced SIMD (C4.1.94, C4.1.96)', 'test/golden/simd.jsonl.gz', simdRows],
  ['Cryptographic Extension and CRC32 (C7.2, C6.2)', 'test/golden/crypto.jsonl.gz', cryptoRows],
])('%s', (_, path, rows) => {
  const recorded = readGolden(path);

  it('has recordings for every row', () => {
    const covered = new Set(recorded.map((r) => r.row));
    expect(rows.filter((r) => !covered.has(r.name)).map((r) => r.name)).toEqual([]);
  });

  it('gives the results that the reference CPU gave', () => {
    const failures = compareWith(
      recorded.map((r) => r.case),
      recorded.map((r) => r.expected),
      interpreterDriver(),
    );
    expect(failures.map((f) => f.text)).toEqual([]);
  });
});
