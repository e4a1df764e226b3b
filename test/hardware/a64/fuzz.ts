// Random instructions in bulk against the reference CPU, and random programs on all engines. Run by
// `npm run fuzz:isa -- [options]`:
//
//   --count N       cases (default 200000), or programs (default 20000)
//   --seed S        where the random numbers start (default: the time; printed, so that a run can be repeated)
//   --row REGEX     only rows whose name matches
//   --engine E      interpreter (default), jit, which compiles everything at once, or far, which also follows calls
//   --all           goes on after a divergence and prints the first of each row, or the first programs
//   --programs      programs of 1 to 64 instructions with branches; --engine is then one of jit, far and reference, by
//                   default all of them: each is compared with the interpreter
//   --replay SEED   one program, by the seed that its failure printed
//
// Exit status: 0 all agree, 1 a divergence (printed), 2 unusable options, or without
// qemu-aarch64 and aarch64-linux-gnu-gcc where they are needed.

import { parseArgs } from 'node:util';
import { completeDecoder, decodeFields, Random, type Row } from '../../../src/hardware/a64/index.ts';
import { type Case, oracleAvailable, runOracle } from '../oracle/index.ts';
import { codeOf, comparableRows, randomLoop, randomSequence, seededCase } from './cases.ts';
import { divergence, report } from './differential.ts';
import { ENGINES } from './engines.ts';
import { fuzzPrograms, PROGRAM_ENGINES, type ProgramEngine, replayProgram } from './fuzz-programs.ts';
import { progress } from './progress.ts';

const BATCH = 4000;
/** Operands for each code: neighbours that share code are cheap for the reference CPU. */
const OPERANDS = 4;

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

const parse = () =>
  parseArgs({
    options: {
      count: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      row: { type: 'string', default: '' },
      engine: { type: 'string' },
      all: { type: 'boolean', default: false },
      programs: { type: 'boolean', default: false },
      replay: { type: 'string' },
    },
  }).values;
type Options = ReturnType<typeof parse>;

class UnusableOption extends Error {}

function countOf(options: Options, otherwise: number): number {
  const count = Number(options.count ?? otherwise);
  if (!(count > 0)) throw new UnusableOption('--count is a positive number');
  return count;
}

function needReference(): void {
  if (oracleAvailable()) return;
  throw new UnusableOption(
    'fuzz:isa needs qemu-aarch64 (qemu-user) and aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu)',
  );
}

function programs(options: Options): number {
  const { engine, seed, all, replay } = options;
  const engines: readonly ProgramEngine[] = PROGRAM_ENGINES.filter((name) => (engine ?? name) === name);
  if (engines.length === 0) throw new UnusableOption(`--engine is one of ${PROGRAM_ENGINES.join(', ')}`);
  if (engines.includes('reference')) needReference();
  if (replay !== undefined) return replayProgram(Number(replay), engines);
  return fuzzPrograms({ count: countOf(options, 20_000), seed: Number(seed), engines, all });
}

function cases(options: Options): number {
  const { seed, all, engine = 'interpreter', row } = options;
  needReference();
  const createDriver = ENGINES[engine];
  if (!createDriver) throw new UnusableOption(`--engine is one of ${Object.keys(ENGINES).join(', ')}`);
  const pattern = new RegExp(row);
  const rows = comparableRows.filter(({ name }) => pattern.test(name));
  if (rows.length === 0) throw new UnusableOption(`no row matches ${row}`);
  const total = countOf(options, 200_000);
  console.log(`${rows.length} rows, ${total} cases, seed ${seed}, ${engine}`);
  const random = new Random(Number(seed));
  const driver = createDriver();
  const started = Date.now();
  const failures = new Map<string, number>();
  let count = 0;
  for (let done = 0; done < total && (all || count === 0); ) {
    const batch = batchOf(rows, random, Math.min(BATCH, total - done));
    const expected = runOracle(batch);
    for (const [k, c] of batch.entries()) {
      const found = divergence(c, driver.run(c), expected[k] as (typeof expected)[number]);
      if (found.length === 0) continue;
      count++;
      const word = c.code.length === 1 ? (c.code[0] as number) : undefined;
      const name = (word !== undefined && decodeFields(completeDecoder(), word)?.row.name) || 'sequences';
      if (!failures.has(name)) console.log(`\n${name}\n${report(c, found)}`);
      failures.set(name, (failures.get(name) ?? 0) + 1);
      if (!all) break;
    }
    done += batch.length;
    progress('cases', done, total, count, started);
  }
  for (const [name, n] of failures) console.log(`${name}: ${n} failures`);
  return count;
}

function main(): number {
  try {
    const options = parse();
    const failures = options.programs || options.replay !== undefined ? programs(options) : cases(options);
    return failures > 0 ? 1 : 0;
  } catch (error) {
    // parseArgs throws TypeErrors with a code, and RegExp a SyntaxError.
    const isUsage = error instanceof UnusableOption || error instanceof SyntaxError;
    if (!isUsage && !(error instanceof TypeError && 'code' in error)) throw error;
    console.error(error.message);
    return 2;
  }
}

process.exitCode = main();
