// Every floating-point row against the reference CPU's recorded results: zeros, denormals, extremes, infinities and
// NaNs under all modes of FPCR (Arm ARM C7.2, shared pseudocode functions/float).
//
//   RINGFENCE_RECORD=1 npx vitest run test/hardware/fp      records test/golden/fp.jsonl.gz anew (needs QEMU)

import { beforeAll, describe, expect, it } from 'vitest';
import { allRows } from '../../../src/hardware/a64/index.ts';
import { compareWithGolden, record, recording } from '../oracle/index.ts';
import { casesOf, referenceIsWrong, trimmed } from './cases.ts';

const GOLDEN = 'test/golden/fp.jsonl.gz';
const PER_ROW = 9;

const rows = allRows.filter(
  (r) => r.simd && r.section === 'C7.2' && /^(F(?!MOV \(vector)|SCVTF|UCVTF)/.test(r.name),
);

/** Building the interpreter and the recording may take a while on a busy machine. */
const PATIENCE = 120_000;

beforeAll(() => {
  if (!recording()) return;
  const cases = rows.flatMap((row, k) =>
    casesOf(row, PER_ROW * 2, 4, 1000 + k)
      .filter((c) => !referenceIsWrong(row, c))
      .slice(0, PER_ROW)
      .map(trimmed),
  );
  record(GOLDEN, cases);
}, PATIENCE);

describe('floating-point instructions', () => {
  it(
    'do what the reference CPU did',
    () => expect(compareWithGolden(GOLDEN, 3).map((f) => f.text)).toEqual([]),
    PATIENCE,
  );
});
