// Random instructions in bulk against the reference CPU. Run by `npm run fuzz:isa -- [options]`:
//
//   --count N     cases (default 200000)
//   --seed S      where the random numbers start (default: the time; printed, so that a run can be repeated)
//   --row REGEX   only rows whose name matches
//   --engine E    interpreter (default) or jit, which compiles everything at once
//   --all         goes on after a divergence and prints the first of each row
//
// Exit status: 0 all agree, 1 a divergence (printed), 2 unusable options, or without
// qemu-aarch64 and aarch64-linux-gnu-gcc.

import { parseArgs } from 'node:util';
import { completeDecoder, decodeFields, Random, type Row } from '../../../src/hardware/a64/index.ts';
import { type Case, oracleAvailable, runOracle } from '../oracle/index.ts';
import { codeOf, comparableRows, randomLoop, randomSequence, seededCase } from './cases.ts';
import { divergence, report } from './differential.ts';
import { ENGINES } from './engines.ts';

const BATCH = 4000;
/** Operands for each code: neighbours that share code are cheap for the reference CPU. */
const OPERANDS = 4;

function progress(done: number, total: number, failures: number, started: number): void {
  const width = 30;
  const filled = Math.round((width * done) / total);
  const rate = Math.round(done / ((Date.now() - started) / 1000));
  const bar = `${'#'.repeat(filled)}${'.'.repeat(width - filled)}`;
  const ending = done === total ? '\n' : '';
  process.stderr.write(`\r[${bar}] ${done}/${total} cases, ${failures} failures, ${rate}/s ${ending}`);
}

/** One in three is a sequence, one in eight of them a loop. */
function batchOf(rows: readonly Row[], r: Random, size: number): Case[] {
  const cases: Case[] = [];
  while (cases.length < size) {
    const row = r.pick(rows);
    const sequence = (): number[] => (r.once(8) ? randomLoop(r) : randomSequence(r, row));
    const code = r.below(3) ? codeOf(row, r) : sequence();
    if (!code) continue;
    for (let k = 0; k < OPERANDS && cases.length < size; k++) cases.push(seededCase(code, r.u32()));
  }
  return cases;
}

const settings = () => {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '200000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      row: { type: 'string', default: '' },
      engine: { type: 'string', default: 'interpreter' },
      all: { type: 'boolean', default: false },
    },
  });
  return { ...values, row: new RegExp(values.row) };
};

function main(): number {
  let values: ReturnType<typeof settings>;
  try {
    values = settings();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  if (!oracleAvailable()) {
    console.error(
      'fuzz:isa needs qemu-aarch64 (qemu-user) and aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu)',
    );
    return 2;
  }
  const createDriver = ENGINES[values.engine];
  if (!createDriver) {
    console.error(`--engine is one of ${Object.keys(ENGINES).join(', ')}`);
    return 2;
  }
  const rows = comparableRows.filter((row) => values.row.test(row.name));
  const total = Number(values.count);
  if (rows.length === 0 || !(total > 0)) {
    console.error(rows.length === 0 ? `no row matches ${values.row}` : '--count is a positive number');
    return 2;
  }
  console.log(`${rows.length} rows, ${total} cases, seed ${values.seed}, ${values.engine}`);
  const random = new Random(Number(values.seed));
  const driver = createDriver();
  const started = Date.now();
  const failures = new Map<string, number>();
  let count = 0;
  for (let done = 0; done < total; ) {
    const cases = batchOf(rows, random, Math.min(BATCH, total - done));
    const expected = runOracle(cases);
    for (const [k, c] of cases.entries()) {
      const found = divergence(c, driver.run(c), expected[k] as (typeof expected)[number]);
      if (found.length === 0) continue;
      count++;
      const word = c.code.length === 1 ? (c.code[0] as number) : undefined;
      const name = (word !== undefined && decodeFields(completeDecoder(), word)?.row.name) || 'sequences';
      if (!failures.has(name)) console.log(`\n${name}\n${report(c, found)}`);
      failures.set(name, (failures.get(name) ?? 0) + 1);
      if (!values.all) return 1;
    }
    done += cases.length;
    progress(done, total, count, started);
  }
  for (const [name, n] of failures) console.log(`${name}: ${n} failures`);
  return failures.size > 0 ? 1 : 0;
}

process.exitCode = main();
