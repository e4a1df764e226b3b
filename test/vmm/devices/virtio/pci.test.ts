import { describe, expect, it } from 'vitest';
import { COMMAND, PCI } from '../../../../src/vmm/devices/pci/index.ts';
import { memoryBlock } from '../../../../src/vmm/devices/virtio/blk/backend.ts';
import { VirtioBlk } from '../../../../src/vmm/devices/virtio/blk/device.ts';
import { STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import { VirtioRng } from '../../../../src/vmm/devices/virtio/rng/device.ts';
import { COMMON } from '../../../../src/vmm/devices/virtio/transport/pci.ts';
import { GuestMemory, start, testEnv } from './guest.ts';
import { PciFace, SLOT } from './pci-face.ts';

const BUFFER = { address: 0x8000, length: 8, write: true };

function blk() {
  const memory = new GuestMemory();
  const device = new VirtioBlk({ backend: memoryBlock(new Uint8Array(1 << 20)) }, testEnv(memory));
  return new PciFace(device);
}

function rng(msix = true) {
  const memory = new GuestMemory();
  const device = new VirtioRng({}, testEnv(memory));
  const face = new PciFace(device, {}, msix);
  return { memory, device, face };
}

describe('virtio over PCI (virtio 1.3, 4.1)', () => {
  it('is a modern device: 1af4:1040 + type, revision 1 (4.1.2)', () => {
    const face = blk();
    expect(face.conf(PCI.VENDOR_ID, 4)).toBe(0x1042_1af4);
    expect(face.conf(PCI.REVISION, 4)).toBe(0x0100_0001);
    expect(face.conf(PCI.SUBSYSTEM_VENDOR_ID, 4)).toBe(0x1100_1af4);
  });

  it('describes each structure by a vendor capability inside its BAR (4.1.4)', () => {
    const face = blk();
    const structures = face
      .capabilities()
      .filter(({ id }) => id === 9)
      .map(({ at }) => ({
        length: face.conf(at + 2, 1),
        type: face.conf(at + 3, 1),
        bar: face.conf(at + 4, 1),
        bytes: face.conf(at + 12, 4),
      }));
    expect(structures).toEqual([
      { length: 16, type: 1, bar: 4, bytes: 60 },
      { length: 16, type: 3, bar: 4, bytes: 1 },
      { length: 16, type: 4, bar: 4, bytes: 60 },
      { length: 20, type: 2, bar: 4, bytes: 4 },
      { length: 20, type: 5, bar: 0, bytes: 0 },
    ]);
  });

  it('gives access to its structures through configuration space (4.1.4.9)', () => {
    const face = blk();
    const { at } = face.capabilities()[5];
    const aim = (bar: number, offset: number, length: number) => {
      face.setConf(at + 4, 1, bar);
      face.setConf(at + 8, 4, offset);
      face.setConf(at + 12, 4, length);
    };
    aim(4, 0x2000, 4);
    expect(face.conf(at + 16, 4)).toBe((1 << 20) / 512);
    aim(4, COMMON.device_status, 1);
    face.setConf(at + 16, 1, STATUS.ACKNOWLEDGE);
    expect(face.status()).toBe(STATUS.ACKNOWLEDGE);
    aim(4, 0x3ffe, 4);
    expect(face.conf(at + 16, 4)).toBe(0);
    aim(1, 0, 4);
    expect(face.conf(at + 16, 4)).toBe(0);
  });

  it('does not touch memory before it is a bus master', () => {
    const { memory, device, face } = rng();
    const [ring] = start(face, memory, device);
    face.setConf(PCI.COMMAND, 2, COMMAND.MEMORY);
    ring.add([BUFFER]);
    const before = memory.bytes.slice();
    face.notify(0);
    expect(Buffer.compare(memory.bytes, before)).toBe(0);
    expect(face.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
  });

  it('sends the message of the queue, from the slot of the device', () => {
    const { memory, device, face } = rng();
    const [ring] = start(face, memory, device);
    ring.add([BUFFER]);
    face.notify(0);
    expect(face.messages).toEqual([{ requesterId: SLOT << 3, address: 0x0808_0040, data: 1 }]);
  });

  it('reads NO_VECTOR back for a vector that does not exist, and sends nothing for it (4.1.5.1.2)', () => {
    const { memory, device, face } = rng();
    const [ring] = start(face, memory, device);
    face.setCommon(COMMON.queue_select, 2, 0);
    face.setCommon(COMMON.queue_msix_vector, 2, 2);
    expect(face.common(COMMON.queue_msix_vector, 2)).toBe(0xffff);
    ring.add([BUFFER]);
    face.notify(0);
    expect(ring.take().length).toBe(1);
    expect(face.messages).toEqual([]);
  });

  it('lowers INTA when the ISR is read (4.1.4.5)', () => {
    const { memory, device, face } = rng(false);
    const [ring] = start(face, memory, device);
    ring.add([BUFFER]);
    face.notify(0);
    expect(face.lines[SLOT]).toBe(true);
    expect(face.takeInterrupts()).toEqual({ used: true, config: false });
    expect(face.lines[SLOT]).toBe(false);
  });

  it('ignores accesses of nonsense offsets and widths', () => {
    const face = blk();
    for (let offset = 0; offset < 0x4000; offset += 3)
      for (const size of [1, 2, 4] as const) {
        face.host.mmio64.read(0x1_0000 + offset, size);
        if (offset < 0x3000) face.host.mmio64.write(0x1_0000 + offset, size, 0x5a5a_5a5a);
      }
    face.setStatus(0);
    expect(face.status()).toBe(0);
  });
});
