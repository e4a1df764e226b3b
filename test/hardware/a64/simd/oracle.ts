// Compares Advanced SIMD and cryptography with the reference CPU in bulk, or records golden results. Needs
// qemu-aarch64 and aarch64-linux-gnu-gcc; run from the project's root:
//
//   npx esbuild test/hardware/a64/simd/oracle.ts --bundle --platform=node --format=esm --outfile=build/simd-oracle.js
//   node build/simd-oracle.js compare [encodings=10] [operands=30] [seed=1] [pattern of row names]
//   node build/simd-oracle.js record          writes test/golden/simd.jsonl.gz and crypto.jsonl.gz

import { mkdirSync } from 'node:fs';
import {
  buildDecoder,
  decodeFields,
  instructionTable,
  type Row,
} from '../../../../src/hardware/a64/index.ts';
import { compareWith, runOracle } from '../../oracle/index.ts';
import { choose, seededCase } from './generate.ts';
import { toLine, writeGolden } from './golden.ts';
import { cryptoRows, simdRows } from './groups.ts';

const decoder = buildDecoder(instructionTable());
/** Rows handled together, to bound memory. */
const CHUNK = 40;

const chunks = (rows: readonly Row[]): Row[][] =>
  Array.from({ length: Math.ceil(rows.length / CHUNK) }, (_, k) => rows.slice(k * CHUNK, (k + 1) * CHUNK));

function compareAll([encodings = '10', operands = '30', seed = '1', pattern = '.']: readonly string[]): void {
  const rows = [...simdRows, ...cryptoRows].filter((r) => new RegExp(pattern).test(r.name));
  let total = 0;
  const failures = new Map<string, number>();
  for (const chunk of chunks(rows)) {
    const chosen = choose(decoder, new Set(chunk), {
      encodings: Number(encodings),
      operands: Number(operands),
      seed: Number(seed) + total,
    });
    const cases = chosen.map(({ word, seed }) => seededCase(word, seed));
    total += cases.length;
    for (const { case: c, text } of compareWith(cases, runOracle(cases), undefined, cases.length)) {
      const name = decodeFields(decoder, c.code[0] as number)?.row.name ?? '';
      if (!failures.has(name)) console.log(`${name}\n${text}`);
      failures.set(name, (failures.get(name) ?? 0) + 1);
    }
  }
  for (const [name, count] of failures) console.log(`${name}: ${count} failures`);
  const bad = [...failures.values()].reduce((a, b) => a + b, 0);
  console.log(`${rows.length} rows, ${total} cases, ${bad} failures`);
  process.exitCode = bad ? 1 : 0;
}

function record(path: string, rows: readonly Row[], encodings: number, operands: number): void {
  const lines = chunks(rows).flatMap((chunk, k) => {
    const chosen = choose(decoder, new Set(chunk), { encodings, operands, seed: k });
    const cases = chosen.map(({ word, seed }) => seededCase(word, seed));
    const results = runOracle(cases);
    return chosen.map(({ row, word, seed }, n) => {
      const [c, r] = [cases[n], results[n]];
      if (!c || !r) throw new Error('fewer results than cases');
      return toLine(row.name, word, seed, c, r);
    });
  });
  writeGolden(path, lines);
  console.log(`${path}: ${lines.length} cases of ${rows.length} rows`);
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'compare') compareAll(rest);
else if (command === 'record') {
  mkdirSync('test/golden', { recursive: true });
  record('test/golden/simd.jsonl.gz', simdRows, 2, 2);
  record('test/golden/crypto.jsonl.gz', cryptoRows, 5, 8);
} else {
  console.error('compare or record');
  process.exitCode = 2;
}
