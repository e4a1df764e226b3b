// Records golden results of every comparable row from the reference CPU, and sample text of every row:
// `npm run record:isa`. Needs qemu-aarch64 and aarch64-linux-gnu-gcc, and binutils for the text.

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { completeDecoder, Random, type Row } from '../../../src/hardware/a64/index.ts';
import { type Case, oracleAvailable, runOracle } from '../oracle/index.ts';
import { binutilsAvailable, objdump } from './binutils.ts';
import { codeOf, comparableRows, seededCase } from './cases.ts';
import { GOLDEN, seedOf, Writer, writeGolden, writeResult } from './golden.ts';
import { isNamedHint, SYNTAX_GOLDEN, syntaxSamples } from './syntax.ts';

const CODES = 12;
const OPERANDS = 3;
const SEED = 20;

const decoder = completeDecoder();

/** Codes of a row: so many, and more until each of its handlers has one. */
function codesOf(row: Row, random: Random): number[][] {
  const open = new Set(decoder.variants.filter((v) => v.row === row));
  const codes: number[][] = [];
  for (let attempt = 0; attempt < 1000 && (codes.length < CODES || open.size > 0); attempt++) {
    const code = codeOf(row, random);
    const fresh = code?.map((word) => decoder.decode(word)).filter((v) => v && open.delete(v)) ?? [];
    if (code && (codes.length < CODES || fresh.length > 0)) codes.push(code);
  }
  return codes;
}

function record(): void {
  const random = new Random(SEED);
  const chosen = comparableRows.map((row) => {
    const codes = codesOf(row, random);
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
}

/** What objdump calls undefined although it is only CONSTRAINED UNPREDICTABLE stands as an NOP. */
function recordSyntax(): void {
  const samples = syntaxSamples(4, SEED);
  const words = samples.map((s) => s.word);
  const plain = objdump(words);
  const named = objdump(words, true);
  const lines = samples.map(({ row, word }, k) => {
    const text = (isNamedHint(row) ? named[k] : plain[k]) as string;
    return text.startsWith('.inst') ? 'd503201f hint #0x0' : `${word.toString(16).padStart(8, '0')} ${text}`;
  });
  writeFileSync(SYNTAX_GOLDEN, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
  console.log(`${SYNTAX_GOLDEN}: ${lines.length} lines`);
}

if (oracleAvailable() && binutilsAvailable()) {
  record();
  recordSyntax();
} else {
  console.error(
    'record:isa needs qemu-aarch64 (qemu-user), aarch64-linux-gnu-gcc and binutils-aarch64-linux-gnu',
  );
  process.exitCode = 2;
}
