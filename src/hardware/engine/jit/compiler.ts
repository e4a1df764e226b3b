// Who turns batches of regions into modules: this thread, at once, or another one, for a JIT that goes on meanwhile.

import { type Batch, type Compiled, compileBatch } from './compile.ts';

export interface RegionCompiler {
  /** Whether compile() returns before the work is done. */
  readonly background: boolean;
  /** Calls `done` with the result: at once, in poll(), or in a turn of the host's event loop. */
  compile(batch: Batch, done: (compiled: Compiled) => void): void;
  /** Delivers what is ready. It is asked often, and costs next to nothing where nothing is. */
  poll(): void;
}

/** `now` is a clock in milliseconds. */
export function inlineCompiler(now: () => number): RegionCompiler {
  return { background: false, compile: (batch, done) => done(compileBatch(batch, now)), poll() {} };
}
