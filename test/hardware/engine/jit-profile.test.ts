// The profile of compiled code: counts in memory, whole guests with and without it.

import { describe, expect, it } from 'vitest';
import { Profile } from '../../../src/hardware/engine/jit/profile.ts';
import { PhysicalMemory } from '../../../src/hardware/memory/index.ts';
import { Machine } from '../../../src/vmm/index.ts';
import { EMBEDDED } from '../../boot/kernels.ts';

async function run(profile: boolean): Promise<{ machine: Machine; text: string }> {
  const machine = await Machine.create({ kernel: EMBEDDED, append: 'auto', memory: '128M', profile });
  let text = '';
  machine.console.onOutput((bytes) => {
    text += Buffer.from(bytes).toString('latin1');
    return undefined;
  });
  machine.console.endInput();
  await machine.run();
  return { machine, text };
}

describe('the profile of compiled code', () => {
  it('adds up what the regions of a place ran, and what has their slot next starts at zero', () => {
    const memory = new PhysicalMemory({ frames: 1 });
    const profile = new Profile(memory, 4);
    const count = (slot: number, entries: bigint, executed: bigint): void => {
      const at = profile.counterOf(slot) >>> 3;
      memory.u64[at] = (memory.u64[at] as bigint) + entries;
      memory.u64[at + 1] = (memory.u64[at + 1] as bigint) + executed;
    };
    profile.compiled(1, 0x1000n, 10, 100);
    count(1, 5n, 50n);
    profile.compiled(1, 0x1000n, 20, 300);
    count(1, 1n, 2n ** 33n);
    profile.compiled(2, 0x2000n, 7, 70);
    count(2, 3n, 21n);
    profile.compiled(2, 0x3000n, 8, 80);
    count(2, 1n, 8n);
    expect(profile.regions()).toEqual([
      {
        address: 0x1000n,
        guestInstructions: 20,
        wasmBytes: 300,
        compiled: 2,
        entries: 6,
        executed: 2 ** 33 + 50,
      },
      { address: 0x2000n, guestInstructions: 7, wasmBytes: 70, compiled: 1, entries: 3, executed: 21 },
      { address: 0x3000n, guestInstructions: 8, wasmBytes: 80, compiled: 1, entries: 1, executed: 8 },
    ]);
    expect(profile.regions().map(({ entries }) => entries)).toEqual([6, 3, 1]);
  });

  it('says where a guest spent its instructions, and changes nothing', { timeout: 120_000 }, async () => {
    const [plain, counted] = [await run(false), await run(true)];
    expect(counted.text).toBe(plain.text);
    const { instructions } = counted.machine.stats();
    expect(instructions).toBe(plain.machine.stats().instructions);
    expect(plain.machine.profile()).toBeUndefined();
    const regions = counted.machine.profile() ?? [];
    const executed = regions.reduce((sum, region) => sum + region.executed, 0);
    // The guest's checks are loops over memory.
    expect(executed).toBeGreaterThan(instructions / 2);
    expect(executed).toBeLessThanOrEqual(instructions);
    for (const { guestInstructions, wasmBytes, entries } of regions) {
      expect(entries).toBeGreaterThan(0);
      expect(wasmBytes).toBeGreaterThan(guestInstructions);
    }
    for (const { machine } of [plain, counted]) machine.dispose();
  });
});
