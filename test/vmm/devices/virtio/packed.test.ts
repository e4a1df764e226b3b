import { describe, expect, it } from 'vitest';
import type { DeviceEnv } from '../../../../src/vmm/devices/virtio/device.ts';
import { F_EVENT_IDX, STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import { VirtioRng } from '../../../../src/vmm/devices/virtio/rng/device.ts';
import { bringUp, MmioFace, PackedRing, start } from './guest.ts';

const makeFace = (...args: ConstructorParameters<typeof MmioFace>) => new MmioFace(...args);
const buffer = (index = 0, length = 8) => ({ address: 0x8000 + 64 * index, length, write: true });

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

function up(options = {}) {
  const make = (env: DeviceEnv) => new VirtioRng({}, env);
  const rig = bringUp(makeFace, make, { ...options, transport: { packed: true } });
  const [ring] = rig.rings.filter((each) => each instanceof PackedRing);
  return { ...rig, ring };
}

describe('packed virtqueue (virtio 1.3, 2.8)', () => {
  it('wraps around with both counters, also in rings whose size is no power of two', () => {
    for (const ringSize of [1, 3, 16]) {
      const { face, ring } = up({ ringSize });
      for (let turn = 0; turn < 100; turn++) {
        const head = ring.add([buffer()]);
        face.notify(0);
        expect(ring.take()).toEqual([{ head, length: 8 }]);
      }
    }
  });

  it('counts the slots of chains that cross the end of the ring (2.8.6)', () => {
    const { face, ring } = up({ ringSize: 5 });
    for (let turn = 0; turn < 20; turn++) {
      const first = ring.add([buffer(0), buffer(1), buffer(2)]);
      const second = ring.add([buffer(3), buffer(4)], 0xa000);
      face.notify(0);
      expect(ring.take()).toEqual([
        { head: first, length: 24 },
        { head: second, length: 16 },
      ]);
    }
  });

  it('interrupts only when the asked slot is used, on either side of the wrap (2.8.10)', () => {
    const { face, ring } = up({ ringSize: 4 });
    let asked = 2;
    ring.setUsedEvent(asked);
    for (let slot = 0; slot < 40; slot++) {
      ring.add([buffer()]);
      face.notify(0);
      ring.take();
      expect(face.takeInterrupts().used).toBe(slot === asked);
      if (slot === asked) {
        asked += 3;
        ring.setUsedEvent(asked);
      }
    }
  });

  it('finds the event inside a batch', () => {
    const { face, ring } = up({ ringSize: 8 });
    ring.setUsedEvent(5);
    for (let i = 0; i < 5; i++) ring.add([buffer()]);
    face.notify(0);
    expect(face.takeInterrupts().used).toBe(false);
    ring.take();
    for (let i = 0; i < 5; i++) ring.add([buffer()]);
    face.notify(0);
    expect(face.takeInterrupts().used).toBe(true);
  });

  it('obeys the driver’s switch when event indices were not negotiated (2.8.10)', () => {
    const { face, ring, memory } = up({ without: F_EVENT_IDX });
    memory.view.setUint16(ring.driver + 2, 1, true);
    ring.add([buffer()]);
    face.notify(0);
    expect(face.takeInterrupts().used).toBe(false);
    memory.view.setUint16(ring.driver + 2, 0, true);
    ring.add([buffer()]);
    face.notify(0);
    expect(face.takeInterrupts().used).toBe(true);
  });

  it('tells where it waits in the device area', () => {
    const { face, ring, memory } = up({ ringSize: 4 });
    for (let i = 0; i < 3; i++) ring.add([buffer()]);
    face.notify(0);
    expect([memory.view.getUint16(ring.device, true), memory.view.getUint16(ring.device + 2, true)]).toEqual([
      0x8003, 2,
    ]);
    ring.take();
    ring.add([buffer()]);
    face.notify(0);
    expect(memory.view.getUint16(ring.device, true)).toBe(0);
  });

  it.each<[string, (ring: PackedRing) => void]>([
    [
      'a chain longer than the ring',
      (ring) => {
        for (let i = 0; i < ring.size; i++) ring.slot(0x8000, 8, 0, WRITE | NEXT);
      },
    ],
    ['an indirect table of an odd length', (ring) => ring.slot(0xa000, 24, 0, INDIRECT)],
    ['an indirect table of 4 GiB', (ring) => ring.slot(0xa000, 0xffff_fff0, 0, INDIRECT)],
    ['an indirect table above all memory', (ring) => ring.slot(2 ** 60, 16, 0, INDIRECT)],
    ['an indirect descriptor with a next one', (ring) => ring.slot(0xa000, 16, 0, INDIRECT | NEXT)],
    [
      'a readable buffer after a writable one',
      (ring) => void ring.add([buffer(), { address: 0x8000, length: 8 }]),
    ],
    ['a chain of more than 4 GiB', (ring) => void ring.add([buffer(0, 0xffff_ffff), buffer(0, 0xffff_ffff)])],
  ])('%s puts the device in NEEDS_RESET until it is reset', (_, attack) => {
    const { face, ring, memory, device } = up();
    attack(ring);
    face.notify(0);
    expect(face.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
    expect(face.takeInterrupts().config).toBe(true);
    const [fresh] = start(face, memory, device);
    fresh.add([buffer()]);
    face.notify(0);
    expect(fresh.take()).toEqual([{ head: 0, length: 8 }]);
  });
});
