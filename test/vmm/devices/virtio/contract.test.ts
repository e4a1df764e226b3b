// What every virtio device owes, over every transport. A new device joins by one line in `devices`.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtioBalloon } from '../../../../src/vmm/devices/virtio/balloon/device.ts';
import { memoryBlock } from '../../../../src/vmm/devices/virtio/blk/backend.ts';
import { VirtioBlk } from '../../../../src/vmm/devices/virtio/blk/device.ts';
import { VirtioConsole } from '../../../../src/vmm/devices/virtio/console/device.ts';
import type { DeviceEnv, VirtioDevice } from '../../../../src/vmm/devices/virtio/device.ts';
import { F_EVENT_IDX, STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import { VirtioIommu } from '../../../../src/vmm/devices/virtio/iommu/device.ts';
import { VirtioNet } from '../../../../src/vmm/devices/virtio/net/device.ts';
import { sharedFolder } from '../../../../src/vmm/devices/virtio/node.ts';
import { Virtio9p } from '../../../../src/vmm/devices/virtio/p9/device.ts';
import { VirtioRng } from '../../../../src/vmm/devices/virtio/rng/device.ts';
import { VirtioVsock } from '../../../../src/vmm/devices/virtio/vsock/device.ts';
import { faces } from './faces.ts';
import {
  bringUp,
  type DriverRing,
  type GuestMemory,
  type MakeFace,
  MEMORY_BYTES,
  SplitRing,
  type TransportFace,
  testEnv,
} from './guest.ts';

/** A wire on which each frame that is sent comes back: the receive queue works too. */
function echo() {
  let receive: (frame: Uint8Array) => void = () => {};
  return {
    attach: (receiver: { frame(frame: Uint8Array): void; link(up: boolean): void }) => {
      receive = (frame) => receiver.frame(frame);
      receiver.link(true);
    },
    send: (frame: Uint8Array) => receive(frame.slice()),
  };
}

const pages = { inflate: () => {}, deflate: () => {}, report: () => {} };

function typedAt(device: VirtioConsole): VirtioConsole {
  device.input(new Uint8Array(100).fill(65));
  return device;
}

const devices: [string, (env: DeviceEnv) => VirtioDevice][] = [
  ['rng', (env) => new VirtioRng({}, env)],
  ['blk', (env) => new VirtioBlk({ backend: memoryBlock(new Uint8Array(65536)) }, env)],
  ['net', (env) => new VirtioNet({ backend: echo() }, env)],
  ['console', (env) => typedAt(new VirtioConsole({ write: () => {} }, env))],
  ['iommu', (env) => new VirtioIommu({}, env)],
  ['vsock', (env) => new VirtioVsock({ backend: { accept: () => undefined } }, env)],
  [
    '9p',
    (env) => new Virtio9p({ tag: 'share', tree: sharedFolder(import.meta.dirname, { readOnly: true }) }, env),
  ],
  ['balloon', (env) => new VirtioBalloon({ backend: pages }, env)],
];

const matrix = devices.flatMap(([name, make]) =>
  faces.map(([over, makeFace]) => [name, over, make, makeFace] as const),
);

const ALL_UP = STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK | STATUS.DRIVER_OK;
const READABLE = { address: 0x8000, length: 64 };
const WRITABLE = { address: 0x9000, length: 64, write: true };

/** One request on each queue that any device here can digest, well-formed or not. */
function poke(rings: readonly DriverRing[], face: TransportFace): void {
  rings.forEach((ring, queue) => {
    ring.add([READABLE, WRITABLE]);
    face.notify(queue);
  });
}

const jsonOf = (value: unknown) => JSON.parse(JSON.stringify(value));

describe.each(matrix)('%s over %s', (_name, _over, make, makeFace: MakeFace) => {
  it('comes up with what it offers', () => {
    const { face, device } = bringUp(makeFace, make);
    expect(face.status()).toBe(ALL_UP);
    expect(face.offered() & device.features).toBe(device.features);
    device.queueSizes.forEach((size, queue) => {
      expect(face.queueSizeMax(queue) > 0 && size > 0 && (size & (size - 1)) === 0).toBe(true);
    });
  });

  it('answers a request on each queue', () => {
    const { face, rings } = bringUp(makeFace, make);
    poke(rings, face);
    expect(face.status()).toBe(ALL_UP);
  });

  it('saves, restores and saves the same (2 and 4)', () => {
    const rig = bringUp(makeFace, make);
    poke(rig.rings, rig.face);
    rig.face.takeInterrupts();
    const saved = jsonOf(rig.face.save());
    const restored = rig.face.restored(make(testEnv(rig.memory)), saved);
    expect(jsonOf(restored.save())).toEqual(saved);
    expect(restored.takeInterrupts()).toEqual({ used: false, config: false });
    poke(rig.rings, restored);
    expect(restored.status()).toBe(ALL_UP);
  });

  it('saves and restores before a driver came', () => {
    const rig = bringUp(makeFace, make);
    rig.face.setStatus(0);
    const saved = jsonOf(rig.face.save());
    const restored = rig.face.restored(make(testEnv(rig.memory)), saved);
    expect(jsonOf(restored.save())).toEqual(saved);
    expect(restored.status()).toBe(0);
  });

  it('touches nothing after reset (2.4.1)', () => {
    const { face, rings, memory } = bringUp(makeFace, make);
    poke(rings, face);
    face.setStatus(0);
    for (const ring of rings) ring.add([READABLE, WRITABLE]);
    const before = memory.bytes.slice();
    rings.forEach((_, queue) => void face.notify(queue));
    expect(Buffer.compare(memory.bytes, before)).toBe(0);
  });

  it('survives refused buffers, and needs a reset after refused rings (2.1.2)', () => {
    const { face, rings, memory } = bringUp(makeFace, make);
    memory.sealed.push({ start: 0x8000, end: 0xa000 });
    poke(rings, face);
    expect(face.status()).toBe(ALL_UP);
    memory.sealed.push({ start: 0, end: MEMORY_BYTES });
    poke(rings, face);
    expect(face.status()).toBe(ALL_UP | STATUS.NEEDS_RESET);
    expect(face.takeInterrupts().config).toBe(true);
  });

  it('reads and writes any configuration offset without harm', () => {
    const { face } = bringUp(makeFace, make);
    for (let offset = 0; offset < 0x100; offset += 4)
      for (const size of [1, 2, 4] as const) {
        face.config(offset, size);
        face.setConfig(offset, size, 0xffff_ffff);
      }
    expect(face.status()).toBe(ALL_UP);
  });
});

// Everything that the driver controls is random: descriptors, both rings, flags, and the buffers they point at.
const addresses = [0x1000, 0x8000, 0x8001, 0xa000, MEMORY_BYTES - 8, MEMORY_BYTES];
const words = fc.array(fc.oneof(fc.nat(0xffff_ffff), fc.nat(64), fc.constantFrom(...addresses)), {
  minLength: 128,
  maxLength: 160,
});

function scribble(
  memory: GuestMemory,
  ring: DriverRing,
  content: readonly number[],
  available: number,
): void {
  content.forEach((word, i) => {
    memory.view.setUint32(ring.descriptors + 4 * (i % 64), word, true);
    memory.view.setUint32(0x8000 + 4 * i, word, true);
    memory.view.setUint32(0xa000 + 4 * i, word, true);
  });
  // Mostly plausible links and flags, so that chains get past the first check.
  for (let i = 0; i < ring.size; i++) {
    const descriptor = ring.descriptors + 16 * i;
    memory.view.setUint32(descriptor + 4, 0, true);
    if (ring instanceof SplitRing) {
      memory.view.setUint16(descriptor + 12, content[i] & 7, true);
      memory.view.setUint16(descriptor + 14, content[i + 16] % 18, true);
      memory.view.setUint16(ring.available + 4 + 2 * i, content[i + 32] % 17, true);
    } else memory.view.setUint16(descriptor + 14, (content[i] & 7) | (i < available ? 0x80 : 0x8000), true);
  }
  if (ring instanceof SplitRing) memory.view.setUint16(ring.available + 2, available, true);
  else memory.view.setUint32(ring.driver, content[0], true);
}

const formats = devices.flatMap(([name, make]) =>
  [false, true].map((packed) => [name, packed ? 'packed' : 'split', make, packed] as const),
);

describe.each(formats)('%s with random contents of %s rings', (_name, _format, make, packed) => {
  it('never throws nor runs away', () => {
    const [, makeFace] = faces[0];
    fc.assert(
      fc.property(words, fc.boolean(), fc.nat(20), (content, eventIdx, available) => {
        const quiet = (env: DeviceEnv) => make({ ...env, defer: () => {} });
        const without = eventIdx ? 0n : F_EVENT_IDX;
        const rig = bringUp(makeFace, quiet, { without, transport: { packed } });
        for (const ring of rig.rings) scribble(rig.memory, ring, content, available);
        rig.memory.accesses = 0;
        for (let turn = 0; turn < 2; turn++) rig.rings.forEach((_ring, queue) => void rig.face.notify(queue));
        expect(rig.memory.accesses).toBeLessThan(100_000);
      }),
      { numRuns: 100, seed: 7 },
    );
  });
});
