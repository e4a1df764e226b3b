// A guest that makes code without end, and whose modules come and go: what the engine compiled for code that is gone is
// let go of. How much memory the process holds over minutes is what test/boot/memory.ts measures.

import { afterEach, describe, expect, it } from 'vitest';
import { jitEngine } from '../../src/hypervisor/index.ts';
import type { Machine } from '../../src/vmm/index.ts';
import { onQemu } from './drive.ts';
import type { BootFiles } from './kernels.ts';
import { LiveInstances } from './live-instances.ts';
import { bootMemoryGuest, memoryGuest } from './memory-guest.ts';
import { POOLS } from './memory-load.ts';

const LIMIT = 600_000;
const files = await memoryGuest();
/** Regions that the engine keeps at most (engine/jit/jit.ts). */
const MAX_REGIONS = 8192;

/** What runs some hundred times is compiled, so that seconds are enough. */
const compiles = process.env.RINGFENCE_ENGINE !== 'interpreter';
const engine = compiles ? jitEngine({ hot: 300 }) : 'auto';

let machine: Machine | undefined;
let instances: LiveInstances | undefined;
afterEach(() => {
  machine?.dispose();
  instances?.[Symbol.dispose]();
});

describe.skipIf(!files || onQemu)('code that comes and goes', () => {
  it('is let go of, and the guest computes what it should', { timeout: LIMIT }, async () => {
    instances = new LiveInstances();
    const booted = await bootMemoryGuest(files as BootFiles, { engine });
    machine = booted.machine;
    const { guest } = booted;
    const before = instances.count;
    for (const pool of POOLS) {
      expect(await guest.command(`/jit-user ${pool} 9000 500`)).toBe('9000 functions, 0 wrong\n');
    }
    expect(await guest.command('/load-modules 1')).toBe('done\n');
    // The interpreter only computes.
    if (!compiles) return;
    expect(machine.stats().counters.regionsCompiled).toBeGreaterThan(3 * MAX_REGIONS);
    // At most a third of all regions can still be in use.
    expect(await instances.live()).toBeLessThan((instances.count - before) / 2);
  });
});
