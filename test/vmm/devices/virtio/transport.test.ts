import { describe, expect, it } from 'vitest';
import type { MemoryPort } from '../../../../src/hypervisor/index.ts';
import type { DeviceEnv, Session } from '../../../../src/vmm/devices/virtio/device.ts';
import {
  F_ACCESS_PLATFORM,
  F_EVENT_IDX,
  F_INDIRECT_DESC,
  F_RING_PACKED,
  F_VERSION_1,
  STATUS,
} from '../../../../src/vmm/devices/virtio/features.ts';
import { VirtioRng } from '../../../../src/vmm/devices/virtio/rng/device.ts';
import { faces } from './faces.ts';
import { bringUp, GuestMemory, RING_BASE, SplitRing, testEnv } from './guest.ts';

const rng = (env: DeviceEnv) => new VirtioRng({}, env);
const UP_TO_FEATURES = STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK;
const BUFFER = { address: 0x8000, length: 8, write: true };

describe.each(faces)('%s', (_, makeFace) => {
  const face = (options = {}) => makeFace(rng(testEnv(new GuestMemory())), options);

  it('offers a modern device with indirect descriptors and event indices', () => {
    expect(face({ accessPlatform: 'off' }).offered() & ~F_RING_PACKED).toBe(
      F_VERSION_1 | F_INDIRECT_DESC | F_EVENT_IDX,
    );
  });

  it('refuses FEATURES_OK without VERSION_1 (2.2, 6.2)', () => {
    const transport = face();
    transport.accept(F_INDIRECT_DESC);
    transport.setStatus(UP_TO_FEATURES);
    expect(transport.status()).toBe(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
  });

  it('refuses FEATURES_OK for a bit that it did not offer (2.2.2)', () => {
    const transport = face({ accessPlatform: 'off' });
    transport.accept(F_VERSION_1 | F_ACCESS_PLATFORM);
    transport.setStatus(UP_TO_FEATURES);
    expect(transport.status() & STATUS.FEATURES_OK).toBe(0);
  });

  it.each([
    ['offered', STATUS.FEATURES_OK],
    ['required', 0],
  ])(
    'with ACCESS_PLATFORM %s, a driver that leaves it out gets FEATURES_OK %i',
    (accessPlatform, expected) => {
      const transport = face({ accessPlatform });
      expect(transport.offered() & F_ACCESS_PLATFORM).toBe(F_ACCESS_PLATFORM);
      transport.accept(F_VERSION_1);
      transport.setStatus(UP_TO_FEATURES);
      expect(transport.status() & STATUS.FEATURES_OK).toBe(expected);
    },
  );

  it.each([
    ['takes ACCESS_PLATFORM through dma', 0n, 'dma'],
    ['does not through the untranslated port, where there is one', F_ACCESS_PLATFORM, 'untranslated'],
  ])('reaches memory of a driver that %s (6.1)', (_case, without, expected) => {
    const used = new Set<string>();
    const make = (env: DeviceEnv) => {
      const named = (name: string): MemoryPort => ({
        read: (address, into) => {
          used.add(name);
          return env.dma.read(address, into);
        },
        write: (address, from) => env.dma.write(address, from),
      });
      return new VirtioRng({}, { ...env, dma: named('dma'), untranslated: named('untranslated') });
    };
    const rig = bringUp(makeFace, make, { without });
    rig.rings[0].add([BUFFER]);
    rig.face.notify(0);
    expect(rig.rings[0].take().length).toBe(1);
    expect([...used]).toEqual([expected]);
  });

  it('lets nobody reach DRIVER_OK past FEATURES_OK', () => {
    const transport = face();
    transport.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.DRIVER_OK);
    expect(transport.status()).toBe(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
  });

  it('ignores feature writes after FEATURES_OK (3.1.1)', () => {
    const rig = bringUp(makeFace, rng, { without: F_EVENT_IDX });
    rig.face.accept(F_VERSION_1 | F_EVENT_IDX);
    rig.rings[0].setUsedEvent(1000);
    rig.rings[0].add([BUFFER]);
    rig.face.notify(0);
    expect(rig.face.takeInterrupts().used).toBe(true);
  });

  it('goes back to the beginning at reset (2.4)', () => {
    const rig = bringUp(makeFace, rng);
    rig.rings[0].add([BUFFER]);
    rig.face.notify(0);
    rig.face.setStatus(0);
    expect(rig.face.status()).toBe(0);
    expect(rig.face.takeInterrupts()).toEqual({ used: false, config: false });
    const before = rig.memory.bytes.slice();
    rig.rings[0].add([BUFFER]);
    const written = rig.memory.bytes.slice();
    rig.face.notify(0);
    expect(Buffer.compare(rig.memory.bytes, written)).toBe(0);
    expect(Buffer.compare(before, written)).not.toBe(0);
  });

  it('kills the queues of a device that would go on using them after reset', () => {
    let kept: Session | undefined;
    class Keeper extends VirtioRng {
      override activate(session: Session): void {
        kept = session;
        super.activate(session);
      }
    }
    const rig = bringUp(makeFace, (env) => new Keeper({}, env));
    rig.rings[0].add([BUFFER]);
    const queue = kept?.queues[0];
    const chain = queue?.pop();
    rig.face.setStatus(0);
    const before = rig.memory.bytes.slice();
    if (chain) queue?.complete(chain, 8);
    queue?.publish();
    expect(queue?.pop()).toBeUndefined();
    expect(queue?.arm()).toBe(false);
    expect(chain).toBeDefined();
    expect(Buffer.compare(rig.memory.bytes, before)).toBe(0);
    expect(rig.face.takeInterrupts().used).toBe(false);
  });

  it('ignores doorbells of queues that do not exist or are not enabled', () => {
    const rig = bringUp(makeFace, rng);
    for (const queue of [1, 63, 500]) rig.face.notify(queue);
    expect(rig.face.status() & STATUS.NEEDS_RESET).toBe(0);
    const early = face();
    early.notify(0);
    expect(early.status()).toBe(0);
  });

  it.each([
    ['a size that is no power of two', 24, RING_BASE, RING_BASE + 0x400, RING_BASE + 0x800],
    ['a size of 0', 0, RING_BASE, RING_BASE + 0x400, RING_BASE + 0x800],
    ['a size above the maximum', 128, RING_BASE, RING_BASE + 0x1000, RING_BASE + 0x2000],
    ['misaligned descriptors', 16, RING_BASE + 8, RING_BASE + 0x400, RING_BASE + 0x800],
    ['a misaligned available ring', 16, RING_BASE, RING_BASE + 0x401, RING_BASE + 0x800],
    ['a misaligned used ring', 16, RING_BASE, RING_BASE + 0x400, RING_BASE + 0x802],
    ['an address above all memory', 16, 2 ** 60, RING_BASE + 0x400, RING_BASE + 0x800],
  ])('answers %s with NEEDS_RESET and a configuration interrupt (2.1.2, 2.7)', (_case, size, ...areas) => {
    const transport = face();
    transport.setStatus(0);
    transport.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    transport.accept(transport.offered() & ~F_RING_PACKED);
    transport.setStatus(UP_TO_FEATURES);
    const [descriptors, driver, device] = areas;
    transport.setQueue(0, size, descriptors, driver, device);
    transport.setStatus(UP_TO_FEATURES | STATUS.DRIVER_OK);
    expect(transport.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
    expect(transport.takeInterrupts()).toEqual({ used: false, config: true });
    transport.setStatus(0);
    expect(transport.status()).toBe(0);
  });

  it('serves at DRIVER_OK what was made available, and rung, before', () => {
    const memory = new GuestMemory();
    const transport = makeFace(rng(testEnv(memory)));
    transport.setStatus(0);
    transport.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    transport.accept(F_VERSION_1);
    transport.setStatus(UP_TO_FEATURES);
    const ring = new SplitRing(memory, RING_BASE, 16);
    transport.setQueue(0, 16, ring.descriptors, ring.driver, ring.device);
    ring.add([BUFFER]);
    transport.notify(0);
    expect(ring.take()).toEqual([]);
    transport.setStatus(UP_TO_FEATURES | STATUS.DRIVER_OK);
    expect(ring.take()).toEqual([{ head: 0, length: 8 }]);
    expect(transport.takeInterrupts().used).toBe(true);
  });

  it('keeps its position, notifications and features over save and restore', () => {
    const rig = bringUp(makeFace, rng);
    rig.rings[0].add([BUFFER]);
    rig.face.notify(0);
    const state = JSON.parse(JSON.stringify(rig.face.save()));
    const device = rng(testEnv(rig.memory));
    const restored = rig.face.restored(device, state);
    expect(JSON.parse(JSON.stringify(restored.save()))).toEqual(state);
    expect(restored.status()).toBe(UP_TO_FEATURES | STATUS.DRIVER_OK);
    rig.rings[0].take();
    rig.rings[0].setUsedEvent(1);
    const head = rig.rings[0].add([BUFFER]);
    restored.notify(0);
    expect(rig.rings[0].take()).toEqual([{ head, length: 8 }]);
    expect(restored.takeInterrupts().used).toBe(true);
  });

  it('rejects a saved state of another version', () => {
    const transport = face();
    const state = JSON.parse(JSON.stringify(transport.save()));
    const core = state.core ?? state.pci.core;
    core.version = 2;
    expect(() => transport.restored(rng(testEnv(new GuestMemory())), state)).toThrow('EINVAL');
  });
});
