// A protected Linux whose pool for DMA is too small for what it does: requests are put off, nothing is lost, and from
// outside one can see it by name.

import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { Machine, memoryBlock, QMP_COMMANDS } from '../../src/vmm/index.ts';
import { drive, type Guest, onQemu } from './drive.ts';
import { small } from './kernels.ts';

const LIMIT = 300_000;
const MIB = 1 << 20;
const files = onQemu ? undefined : await small();

let machine: Machine | undefined;
afterEach(() => machine?.dispose());

async function boot(bouncePool: string): Promise<{ guest: Guest; made: Machine }> {
  if (!files) throw new Error('no kernel');
  const made = await Machine.create({
    ...files,
    memory: 256 * MIB,
    protect: 'pkvm',
    bouncePool,
    drives: [{ source: memoryBlock(randomBytes(32 * MIB)), readOnly: true }],
  });
  machine = made;
  const guest = drive(made);
  await guest.prompt();
  return { guest, made };
}

const READERS =
  'for i in 1 2 3 4 5 6 7 8; do dd if=/dev/vda of=/dev/null bs=4M iflag=direct 2>/dev/null & done; wait';

describe.skipIf(!files)("a protected guest's bounce pool", () => {
  it('of 2 MiB runs out, and of 32 MiB does not; both are seen by name', { timeout: LIMIT }, async () => {
    const use = async (size: string) => {
      const { guest, made } = await boot(size);
      await guest.command(READERS);
      await made.pause();
      const { protection } = made.stats();
      // A monitor tells the same, and where the guest lets devices be emulated: the serial port and the disk's PCI.
      const ask = (name: string) => QMP_COMMANDS[name].run(made, {});
      expect(await ask('x-ringfence-query-protection')).toEqual(JSON.parse(JSON.stringify(protection)));
      expect(await ask('x-ringfence-query-mmio-guard')).toMatchObject({
        enforced: true,
        enrolled: false,
        pages: expect.arrayContaining([{ address: 0x900_0000 }, { address: 0x40_1000_0000 }]),
      });
      expect(protection?.dma.writtenBytes).toBeGreaterThan(8 * 32 * MIB);
      expect(protection?.dma.refused).toEqual({});
      made.dispose();
      return protection?.bouncePool;
    };
    const tight = await use('2M');
    expect(tight?.pages).toBe(512);
    expect(tight?.fullReports).toBeGreaterThan(0);
    expect(tight?.busiestPages).toBeGreaterThan(400);
    expect(tight?.busiestPages).toBeLessThanOrEqual(512);
    const ample = await use('32M');
    expect(ample).toMatchObject({ pages: 8192, fullReports: 0 });
    expect(ample?.pagesTouched).toBeGreaterThan(512);
  });
});
