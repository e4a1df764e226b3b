// The part of the fuzzer that runs random programs (program.ts): engines against the interpreter at every budget's end,
// and the interpreter against the reference CPU for programs of which that has all instructions and that end.

import { type Case, type Result, runOracle, SIGNAL } from '../oracle/index.ts';
import { PROGRAM_LIMIT, ProgramComparison, type ProgramFailure } from './compare-programs.ts';
import { divergence, report } from './differential.ts';
import { programSeed, type RandomProgram, randomProgram } from './program.ts';
import { progress } from './progress.ts';
import { shrink } from './shrink.ts';

export const PROGRAM_ENGINES = ['jit', 'far', 'reference'] as const;
export type ProgramEngine = (typeof PROGRAM_ENGINES)[number];

export interface ProgramSettings {
  readonly count: number;
  readonly seed: number;
  readonly engines: readonly ProgramEngine[];
  /** Goes on after a failure. */
  readonly all: boolean;
}

/** Programs to the reference CPU at a time. */
const BATCH = 500;
/** Failures that are shrunk and printed; the others are counted. */
const SHOWN = 10;

const hex = (seed: number): string => `0x${seed.toString(16)}`;

class ProgramFuzz {
  readonly failed = new Map<string, number>();
  /** How programs ended on the interpreter. */
  readonly ends = new Map<string, number>();
  private readonly comparison = new ProgramComparison();
  private readonly engines: readonly ProgramEngine[];

  private readonly all: boolean;

  constructor(engines: readonly ProgramEngine[], all: boolean) {
    this.engines = engines;
    this.all = all;
  }

  /** Whether there is no more to do. */
  get isOver(): boolean {
    return !this.all && this.failures > 0;
  }

  get failures(): number {
    return [...this.failed.values()].reduce((sum, n) => sum + n, 0);
  }

  run(programs: readonly RandomProgram[]): void {
    const comparable: { program: RandomProgram; actual: Result }[] = [];
    for (const program of programs) {
      for (const engine of this.engines) {
        if (this.isOver) return;
        const failure = engine === 'reference' ? undefined : this.comparison.compare(program, engine);
        if (failure) this.report(failure, (c) => this.comparison.compare({ ...program, case: c }, engine));
      }
      const actual = this.end(program);
      this.count(actual);
      if (actual && program.scope === 'user') comparable.push({ program, actual });
    }
    if (this.engines.includes('reference')) this.compareWithReference(comparable);
  }

  /** A program's end on the interpreter; undefined where it has none. */
  private end(program: RandomProgram): Result | undefined {
    const driver = this.comparison.driver('interpreter', program);
    driver.start(program.case);
    const ended = driver.advance(PROGRAM_LIMIT);
    return ended ? driver.result() : undefined;
  }

  private count(actual: Result | undefined): void {
    const name = Object.entries(SIGNAL).find(([, signal]) => signal === actual?.signal)?.[0] ?? 'limit';
    this.ends.set(name, (this.ends.get(name) ?? 0) + 1);
  }

  private compareWithReference(programs: readonly { program: RandomProgram; actual: Result }[]): void {
    const expected = runOracle(programs.map(({ program }) => program.case));
    for (const [k, { program, actual }] of programs.entries()) {
      if (this.isOver) return;
      const found = divergence(program.case, actual, expected[k] as Result);
      if (found.length > 0) {
        this.report({ engine: 'reference', program, schedule: 'at the end', differences: found }, (c) =>
          this.unlikeReference({ ...program, case: c }),
        );
      }
    }
  }

  private unlikeReference(program: RandomProgram): Pick<ProgramFailure, 'differences'> | undefined {
    const actual = this.end(program);
    const [expected] = actual ? runOracle([program.case]) : [];
    const found = actual && expected ? divergence(program.case, actual, expected) : [];
    return found.length > 0 ? { differences: found } : undefined;
  }

  private report(
    { engine, program, schedule, differences }: ProgramFailure,
    again: (c: Case) => Pick<ProgramFailure, 'differences'> | undefined,
  ): void {
    const before = this.failures;
    this.failed.set(engine, (this.failed.get(engine) ?? 0) + 1);
    if (before >= SHOWN) return;
    const small = shrink(program.case, (c) => again(c) !== undefined);
    const found = again(small)?.differences ?? differences;
    const lengths = `${small.code.length} of ${program.case.code.length} instructions`;
    console.log(`\n${engine}, ${schedule}: program ${hex(program.seed)}, ${lengths}`);
    console.log(report(small, found.slice(0, 20)));
    console.log(`  again: npm run fuzz:isa -- --programs --engine ${engine} --replay ${hex(program.seed)}`);
  }
}

/** Runs so many programs; the number of failures. */
export function fuzzPrograms({ count, seed, engines, all }: ProgramSettings): number {
  console.log(`${count} programs, seed ${seed}, interpreter and ${engines.join(', ')}`);
  const fuzz = new ProgramFuzz(engines, all);
  const started = Date.now();
  for (let done = 0; done < count && !fuzz.isOver; ) {
    const size = Math.min(BATCH, count - done);
    fuzz.run(Array.from({ length: size }, (_, k) => randomProgram(programSeed(seed, done + k))));
    done += size;
    progress('programs', done, count, fuzz.failures, started);
  }
  summarize(fuzz);
  return fuzz.failures;
}

/** Runs the program of a seed once more. */
export function replayProgram(seed: number, engines: readonly ProgramEngine[]): number {
  const fuzz = new ProgramFuzz(engines, true);
  const program = randomProgram(seed);
  console.log(`program ${hex(seed)} of ${program.case.code.length} instructions (${program.scope})`);
  console.log(report(program.case, []));
  fuzz.run([program]);
  summarize(fuzz);
  return fuzz.failures;
}

function summarize({ ends, failed }: ProgramFuzz): void {
  const list = [...ends].map(([name, n]) => `${n} ${name === 'none' ? 'to the end' : name}`).join(', ');
  console.log(`ended: ${list}`);
  for (const [engine, n] of failed) console.log(`${engine}: ${n} failures`);
}
