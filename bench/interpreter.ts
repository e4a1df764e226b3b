// The interpreter on its own: it runs everything once before the JIT takes over, and is the slower of the two engines
// that must stay bearable.

import type { BenchGuest } from './guest.ts';
import type { Moment } from './guest-process.ts';
import type { Peer } from './peers.ts';
import type { WorkRow } from './rows.ts';
import { Session } from './session.ts';
import { median } from './text.ts';

export interface InterpreterResult {
  readonly millionsPerSecond: number;
  readonly bootSeconds: number;
  /** Millions a second that are promised. */
  readonly target: number;
}

const TARGET = 80;

export interface InterpreterOptions {
  readonly ringfence: Peer;
  readonly guest: BenchGuest;
  readonly row: WorkRow;
  readonly rounds: number;
  readonly time: keyof Moment;
  readonly progress: (line: string) => void;
}

export async function measureInterpreter(options: InterpreterOptions): Promise<InterpreterResult> {
  const { ringfence, guest, row, rounds, time, progress } = options;
  const rates: number[] = [];
  const boots: number[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1}/${rounds}: the interpreter alone`);
    const session = await Session.start(ringfence, guest, { smp: 1, engine: 'interpreter' });
    try {
      const { seconds, stats } = await session.run(row);
      boots.push(session.boot.init[time]);
      rates.push((stats?.instructions ?? 0) / seconds[time] / 1e6);
    } finally {
      await session.end();
    }
  }
  return { millionsPerSecond: median(rates), bootSeconds: median(boots), target: TARGET };
}
