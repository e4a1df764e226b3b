// Runs the suite on this project's CPU with one of its engines.

import { Interpreter, Jit } from '../../../src/hardware/engine/index.ts';
import type { EngineClient } from '../../../src/hardware/engine/interpreter/interpreter.ts';
import type { PhysicalMemory } from '../../../src/hardware/memory/index.ts';
import { RAM, TestMachine } from '../cpu/machine.ts';
import { LAYOUT, RESULT_BYTES } from './harness.ts';
import { cases, suiteImage } from './image.ts';

export type Engine = 'interpreter' | 'jit';

const BUDGET = 1_000_000;

const ENGINES: Record<Engine, (memory: PhysicalMemory) => { run(client: EngineClient): number }> = {
  interpreter: (memory) => new Interpreter(memory),
  // Every form is compiled when it is first reached.
  jit: (memory) => new Jit(memory, undefined, { hot: 1, batch: 1 }),
};

/** The results, RESULT_BYTES for each case. Warm: the soft TLB knows the pages before each access. */
export function runSuite(engine: Engine, warm: boolean): Uint8Array {
  const { cpu, memory } = new TestMachine();
  const host = (ipa: number): number => memory.framesBase + ipa - RAM;
  memory.u8.set(suiteImage(warm), host(LAYOUT.base));
  const running = ENGINES[engine](memory);
  cpu.reset(BigInt(LAYOUT.code));
  for (;;) {
    const allowed = cpu.prepare();
    if (allowed > 0) {
      cpu.begin(Math.min(allowed, BUDGET));
      running.run(cpu);
    }
    const exit = cpu.takeExit();
    if (exit?.kind === 'hvc') break;
    if (exit) throw new Error(`the suite ended with ${exit.kind}`);
  }
  return memory.u8.slice(host(LAYOUT.results), host(LAYOUT.results) + cases.length * RESULT_BYTES);
}
