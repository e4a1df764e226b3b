// A guest from power-on to its end: what it did, as JSON, so that runs in Node and in browsers can be compared.

import { jitEngine } from '../../src/hypervisor/index.ts';
import { Machine, type MachineOptions } from '../../src/vmm/index.ts';
import { drive, type GuestEnd } from './guest.ts';

export interface RunOrder extends Pick<MachineOptions, 'kernel' | 'append' | 'memory' | 'smp'> {
  readonly jit: Parameters<typeof jitEngine>[0];
}

export interface WholeRun extends GuestEnd {
  readonly console: string;
  readonly regionsCompiled: number;
  readonly evicted: number;
}

/** Nobody types: the guest must come to an end by itself. */
export async function wholeRun({ jit, ...options }: RunOrder): Promise<WholeRun> {
  const machine = await Machine.create({ ...options, engine: jitEngine(jit) });
  try {
    const guest = drive(machine);
    const end = await guest.ended();
    const { regionsCompiled = 0, evicted = 0 } = machine.stats().counters;
    return { ...end, console: guest.console, regionsCompiled, evicted };
  } finally {
    machine.dispose();
  }
}
