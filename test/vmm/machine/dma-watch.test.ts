import { describe, expect, it } from 'vitest';
import type { MemoryPort } from '../../../src/hypervisor/index.ts';
import { DmaWatch } from '../../../src/vmm/machine/dma-watch.ts';

const BASE = 0x8000_0000;
const PAGE = 4096;

function watched() {
  const clock = { time: 0, now: () => clock.time };
  const watch = new DmaWatch({ base: BASE, size: 16 * PAGE }, clock);
  const inner: MemoryPort = {
    read: (address) => (address < BASE ? { rule: 'sealed', reason: '', address } : undefined),
    write: (address) => (address < BASE ? { rule: 'unmapped', reason: '', address } : undefined),
  };
  return { clock, watch, port: watch.port(inner) };
}

describe("the watch on devices' DMA", () => {
  it('counts pages once for all, and the most within ten milliseconds of guest time', () => {
    const { clock, watch, port } = watched();
    port.read(BASE + 10, new Uint8Array(PAGE));
    port.write(BASE + 12, new Uint8Array(4));
    expect(watch.pool).toMatchObject({ pagesTouched: 2, busiestPages: 2 });
    clock.time = 11e6;
    port.write(BASE + 5 * PAGE, new Uint8Array(1));
    expect(watch.pool).toMatchObject({ pagesTouched: 3, busiestPages: 2 });
    port.read(BASE, new Uint8Array(4 * PAGE));
    expect(watch.pool).toMatchObject({ pagesTouched: 5, busiestPages: 5 });
    clock.time = 35e6;
    port.read(BASE, new Uint8Array(1));
    expect(watch.pool).toMatchObject({ pagesTouched: 5, busiestPages: 5 });
  });

  it('takes either half of a realm for the same pages, and leaves out what is not the pool', () => {
    const { watch, port } = watched();
    port.read(2 ** 40 + BASE, new Uint8Array(8));
    port.read(BASE, new Uint8Array(8));
    port.read(BASE + 100 * PAGE, new Uint8Array(8));
    port.read(BASE + 15 * PAGE, new Uint8Array(2 * PAGE));
    port.read(BASE + 3 * PAGE, new Uint8Array(0));
    expect(watch.pool.pagesTouched).toBe(2);
  });

  it('counts bytes, and refusals by rule, and passes them on', () => {
    const { watch, port } = watched();
    expect(port.read(BASE, new Uint8Array(8))).toBeUndefined();
    expect(port.write(BASE, new Uint8Array(3))).toBeUndefined();
    expect(port.read(0, new Uint8Array(8))).toMatchObject({ rule: 'sealed' });
    expect(port.read(8, new Uint8Array(8))).toMatchObject({ rule: 'sealed' });
    expect(port.write(0, new Uint8Array(8))).toMatchObject({ rule: 'unmapped' });
    expect(watch.counts).toEqual({ readBytes: 8, writtenBytes: 3, refused: { sealed: 2, unmapped: 1 } });
  });

  it('hears the guest say that its pool is full, in whatever pieces', () => {
    const { watch } = watched();
    const hear = (text: string): void => watch.heard(new TextEncoder().encode(text));
    hear('[ 1.0] virtio-pci: sswiotlb buffer is full (sz: 4096 bytes)\nswiotlb buf');
    hear('fer is fine\nswiotlb buffer ');
    hear('is full\n');
    expect(watch.pool.fullReports).toBe(2);
  });
});
