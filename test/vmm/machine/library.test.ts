// The library face on the real hypervisor, with the embedded guest.

import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Machine, type MachineOptions, memoryBlock, VirtioBlk, VirtioRng } from '../../../src/index.ts';

const KERNEL = resolve(import.meta.dirname, '../../../guests/embedded.Image');
const LIMIT = 60_000;

const make = (options: Partial<MachineOptions> = {}): Promise<Machine> =>
  Machine.create({ kernel: KERNEL, memory: '64M', engine: 'interpreter', ...options });

describe('Machine', () => {
  it('runs a guest with devices on PCI and MMIO to its end', { timeout: LIMIT }, async () => {
    const machine = await make({
      append: 'auto',
      smp: 2,
      drives: [{ source: memoryBlock(new Uint8Array(1 << 20)) }],
      virtio: [
        { create: (env) => new VirtioRng({}, env), transport: 'mmio' },
        {
          create: (env) => new VirtioBlk({ backend: memoryBlock(new Uint8Array(4096)) }, env),
          transport: 'mmio',
        },
      ],
    });
    const reader = machine.console.reader();
    const end = machine.run();
    const output = await reader.until('checks passed, 0 failed');
    expect(output).toMatch(/virtio-blk +pci/);
    expect(output).toMatch(/virtio-blk +mmio/);
    expect(output).toMatch(/virtio-rng +mmio/);
    expect(await end).toMatchObject({ reason: 'poweroff', status: 0 });
    machine.dispose();
  });

  it('repeats a dialogue instruction for instruction with the virtual clock', {
    timeout: LIMIT,
  }, async () => {
    const runs = [];
    for (let i = 0; i < 2; i++) {
      const machine = await make({ smp: 2 });
      const reader = machine.console.reader();
      const end = machine.run();
      await reader.until('ringfence> ');
      machine.console.write('echo once\r');
      const answer = await reader.until('\nonce');
      machine.console.write('off\r');
      await end;
      runs.push([answer, machine.stats().instructions, machine.stats().exits]);
      machine.dispose();
    }
    expect(runs[0]).toEqual(runs[1]);
  });

  it('starts anew when the guest resets itself, and when asked to', { timeout: LIMIT }, async () => {
    const machine = await make();
    const causes: string[] = [];
    machine.on('reset', ({ cause }) => causes.push(cause));
    const reader = machine.console.reader();
    const end = machine.run();
    await reader.until('ringfence> ');
    machine.console.write('reset\r');
    await reader.until('ringfence> ');
    machine.reset();
    await reader.until('ringfence> ');
    machine.console.write('panic\r');
    expect(await end).toMatchObject({ reason: 'crash', status: 3 });
    expect(causes).toEqual(['guest', 'host']);
    machine.dispose();
  });
});
