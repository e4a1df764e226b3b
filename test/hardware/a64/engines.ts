// The engines that the differential tests drive, by name.

import { Jit } from '../../../src/hardware/engine/index.ts';
import type { EngineClient } from '../../../src/hardware/engine/interpreter/interpreter.ts';
import type { PhysicalMemory } from '../../../src/hardware/memory/index.ts';
import { EngineDriver, interpreterDriver } from '../engine/driver.ts';

/** Compiles everything at its first arrival, and looks at the code again for every case. */
class EagerJit {
  private readonly jit: Jit;
  constructor(memory: PhysicalMemory) {
    this.jit = new Jit(memory, undefined, { hot: 1, batch: 1 });
  }
  run(client: EngineClient): number {
    this.jit.codeChanged('all');
    return this.jit.run(client);
  }
}

export const ENGINES: Readonly<Record<string, () => EngineDriver>> = {
  interpreter: interpreterDriver,
  jit: () => new EngineDriver((memory) => new EagerJit(memory)),
};
