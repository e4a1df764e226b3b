// Runs random programs on two engines with the same budgets and compares all there is wherever a budget ends: registers,
// memory, tags, signals, and how many instructions have run.

import { Random } from '../../../src/hardware/a64/index.ts';
import type { EngineDriver } from '../engine/driver.ts';
import { type Case, differences } from '../oracle/index.ts';
import { same } from './differential.ts';
import { ENGINES } from './engines.ts';
import type { RandomProgram } from './program.ts';

/** Instructions after which a program that has not ended is let go. */
export const PROGRAM_LIMIT = 3000;

/** Budgets: how they are drawn, and for how many instructions of a program. */
const SCHEDULES = [
  { name: 'all at once', limit: PROGRAM_LIMIT, budget: () => PROGRAM_LIMIT },
  { name: 'long budgets', limit: PROGRAM_LIMIT, budget: (r: Random) => 1 + r.below(200) },
  { name: 'short budgets', limit: 400, budget: (r: Random) => 1 + r.below(12) },
] as const;
type Schedule = (typeof SCHEDULES)[number];

export interface ProgramFailure {
  readonly engine: string;
  readonly program: RandomProgram;
  readonly schedule: string;
  readonly differences: readonly string[];
}

/** What differs first, on the same budgets; nothing where all is the same. */
function compareOnce(c: Case, one: EngineDriver, other: EngineDriver, schedule: Schedule): string[] {
  const r = new Random(c.code.length);
  one.start(c);
  other.start(c);
  while (one.executed < schedule.limit) {
    const budget = schedule.budget(r);
    const ended = one.advance(budget);
    const otherEnded = other.advance(budget);
    const [expected, actual] = [one.result(), other.result()];
    if (ended === otherEnded && one.executed === other.executed && same(actual, expected)) {
      if (ended) break;
      continue;
    }
    const found = differences(actual, expected);
    if (one.executed !== other.executed)
      found.push(`instructions: ${other.executed} instead of ${one.executed}`);
    return found.map((text) => `after ${one.executed} instructions, ${text}`);
  }
  return [];
}

/** Engines against the interpreter, each with data of both kinds. */
export class ProgramComparison {
  private readonly drivers = new Map<string, EngineDriver>();

  /** The driver on which programs of this kind run. */
  driver(engine: string, { scope }: Pick<RandomProgram, 'scope'>): EngineDriver {
    const key = `${engine} ${scope}`;
    let driver = this.drivers.get(key);
    if (!driver) {
      const create = ENGINES[engine];
      if (!create) throw new Error(`no engine is called ${engine}`);
      driver = create({ tagged: scope === 'all' });
      this.drivers.set(key, driver);
    }
    return driver;
  }

  /** The first schedule on which an engine does not do as the interpreter. */
  compare(program: RandomProgram, engine: string): ProgramFailure | undefined {
    const reference = this.driver('interpreter', program);
    const subject = this.driver(engine, program);
    for (const schedule of SCHEDULES) {
      const found = compareOnce(program.case, reference, subject, schedule);
      if (found.length > 0) return { engine, program, schedule: schedule.name, differences: found };
    }
    return undefined;
  }
}
