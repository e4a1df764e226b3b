// The interpreter on its own: it runs everything once before the JIT takes over, and is the slower of the two engines
// that must stay bearable.

import type { BenchGuest } from './guest.ts';
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

export async function measureInterpreter(
  ringfence: Peer,
  guest: BenchGuest,
  row: WorkRow,
  rounds: number,
  progress: (line: string) => void,
): Promise<InterpreterResult> {
  const rates: number[] = [];
  const boots: number[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1}/${rounds}: the interpreter alone`);
    const session = await Session.start(ringfence, guest, { smp: 1, engine: 'interpreter' });
    try {
      const { seconds, stats } = await session.run(row);
      boots.push(session.boot.init);
      rates.push((stats?.instructions ?? 0) / seconds / 1e6);
    } finally {
      await session.end();
    }
  }
  return { millionsPerSecond: median(rates), bootSeconds: median(boots), target: TARGET };
}
