// The engines that the differential tests drive, by name.

import { Jit, type JitOptions } from '../../../src/hardware/engine/index.ts';
import { type DriverOptions, EngineDriver, interpreterDriver } from '../engine/driver.ts';

/** Each case's code is new to it: the driver says so. */
const jitDriver =
  (options: JitOptions) =>
  (driver?: DriverOptions): EngineDriver =>
    new EngineDriver((memory) => new Jit(memory, undefined, options), driver);

/** Compiles everything at its first arrival. */
const EAGER: JitOptions = { hot: 1, batch: 1 };

export const ENGINES: Readonly<Record<string, (driver?: DriverOptions) => EngineDriver>> = {
  interpreter: interpreterDriver,
  jit: jitDriver(EAGER),
  /** Compiles again, with the functions that are called, what is entered a second time. */
  far: jitDriver({ ...EAGER, hotter: 2 }),
};
