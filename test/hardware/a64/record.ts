// Records golden results of every comparable row from the reference CPU, and sample text of every row:
// `npm run record:isa`. Needs qemu-aarch64 and aarch64-linux-gnu-gcc, and binutils for the text.

import { Random } from '../../../src/hardware/a64/index.ts';
import { type Case, oracleAvailable, runOracle } from '../oracle/index.ts';
import { codeOf, comparableRows, seededCase } from './cases.ts';
import { GOLDEN, seedOf, Writer, writeGolden, writeResult } from './golden.ts';

const CODES = 12;
const OPERANDS = 3;
const SEED = 20;

function record(): number {
  const random = new Random(SEED);
  const chosen = comparableRows.map((row) => {
    const codes = Array.from({ length: CODES }, () => codeOf(row, random)).filter(
      (code) => code !== undefined,
    );
    const cases = codes.map((code) =>
      Array.from({ length: OPERANDS }, (_, k) => seededCase(code, seedOf(code, k))),
    );
    return { row, codes, cases };
  });
  const all: Case[] = chosen.flatMap(({ cases }) => cases.flat());
  const results = runOracle(all);
  const w = new Writer();
  let at = 0;
  for (const { row, codes, cases } of chosen) {
    w.text(row.name);
    w.u8(codes.length);
    for (const [k, code] of codes.entries()) {
      w.u8(code.length);
      for (const word of code) w.u32(word);
      w.u8(OPERANDS);
      for (const c of cases[k] as Case[]) writeResult(w, c, results[at++] as (typeof results)[number]);
    }
  }
  writeGolden(w);
  console.log(`${GOLDEN}: ${all.length} cases of ${chosen.length} rows`);
  return 0;
}

if (oracleAvailable()) process.exitCode = record();
else {
  console.error(
    'record:isa needs qemu-aarch64 (qemu-user) and aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu)',
  );
  process.exitCode = 2;
}
