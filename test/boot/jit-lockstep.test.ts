// Whole guests on both engines at once: the embedded one to its end, Linux for a part of its boot.

import { describe, expect, it } from 'vitest';
import { copyOnWrite, lockstep } from '../../src/lab/lockstep/index.ts';
import { type MachineOptions, memoryBlock } from '../../src/vmm/index.ts';
import { EMBEDDED, pulled, small } from './kernels.ts';

const LIMIT = 600_000;

describe('the embedded guest in lockstep', () => {
  it.each([
    { smp: 1, gic: 3, cpu: {} },
    { smp: 2, gic: 2, cpu: { mte: true } },
  ] as const)('does the same on both engines: %o', { timeout: LIMIT }, async (more) => {
    const disk = memoryBlock(new Uint8Array(1 << 20));
    const result = await lockstep({
      machine: (): MachineOptions => ({
        kernel: EMBEDDED,
        append: 'auto',
        memory: '128M',
        drives: [{ source: copyOnWrite(disk) }],
        ...more,
      }),
      memoryEvery: 2_000_000,
    });
    expect(result).toMatchObject({ divergence: undefined, end: { reason: 'poweroff' } });
    expect(result.instructions).toBeGreaterThan(1_000_000);
  });
});

for (const [name, files, smp] of [
  ['small 7.2', await small(), 1],
  ['debian-13', await pulled('debian-13'), 2],
] as const) {
  describe.skipIf(!files)(`${name} in lockstep`, () => {
    it('does the same on both engines for 30 million instructions', { timeout: LIMIT }, async () => {
      if (!files) return;
      const result = await lockstep({
        machine: () => ({ ...files, memory: '256M', smp }),
        instructions: 30e6,
        memoryEvery: 15e6,
      });
      expect(result).toMatchObject({ divergence: undefined, end: undefined });
      expect(result.instructions).toBeGreaterThanOrEqual(30e6);
    });
  });
}
