import { describe, expect, it } from 'vitest';
import type { AccessSize } from '../../../../src/vmm/devices/device.ts';
import { COMMAND, PCI, PciEndpoint } from '../../../../src/vmm/devices/pci/index.ts';
import { MMIO32, MMIO64, testHost } from '../virtio/pci-face.ts';

function card(name = 'card') {
  const writes: [number, number, number][] = [];
  const registers = {
    read: (offset: number, size: AccessSize) => 0x100 * size + offset,
    write: (offset: number, size: AccessSize, value: number) => void writes.push([offset, size, value]),
  };
  const endpoint = new PciEndpoint({
    name,
    vendor: 0x1234,
    device: 0x5678,
    revision: 2,
    classCode: 0x020000,
    subsystemVendor: 1,
    subsystem: 2,
    bars: [
      { index: 0, size: 0x100, kind: 'io', registers },
      { index: 2, size: 0x4000, kind: 'mem64', prefetchable: true, registers },
    ],
    msix: { vectors: 4, bar: 1 },
  });
  return { endpoint, writes };
}

function plugged(slot = 3) {
  const bus = testHost();
  const { endpoint, writes } = card();
  const requesterId = bus.host.add(endpoint, slot);
  const conf = (offset: number, size: AccessSize) => bus.host.ecam.read((slot << 15) + offset, size);
  const setConf = (offset: number, size: AccessSize, value: number) =>
    bus.host.ecam.write((slot << 15) + offset, size, value);
  return { ...bus, endpoint, writes, requesterId, conf, setConf };
}

describe('PCI host bridge (PCI 3.0, 6)', () => {
  it('shows the bridge at slot 0, functions in their slots, and all ones elsewhere', () => {
    const { host, conf } = plugged();
    expect(host.ecam.read(0, 4)).toBe(0x0008_1b36);
    expect(conf(0, 4)).toBe(0x5678_1234);
    expect(conf(8, 4)).toBe(0x0200_0002);
    expect(host.ecam.read(4 << 15, 4)).toBe(0xffff_ffff);
    expect(host.ecam.read((3 << 15) | (1 << 12), 2)).toBe(0xffff);
    expect(host.ecam.read((1 << 20) | (3 << 15), 4)).toBe(0xffff_ffff);
    expect(conf(0x100, 4)).toBe(0);
  });

  it('tells BAR sizes to software that writes all ones (6.2.5.1)', () => {
    const { conf, setConf } = plugged();
    for (let bar = 0; bar < 6; bar++) setConf(PCI.BAR0 + 4 * bar, 4, 0xffff_ffff);
    expect(conf(PCI.BAR0, 4)).toBe(0xffff_ff01);
    expect(conf(PCI.BAR0 + 4, 4)).toBe(0xffff_f000);
    expect(conf(PCI.BAR0 + 8, 4)).toBe(0xffff_c00c);
    expect(conf(PCI.BAR0 + 12, 4)).toBe(0xffff_ffff);
    expect(conf(PCI.BAR0 + 16, 4)).toBe(0);
  });

  it('finds a BAR wherever software puts it, while decoding is on', () => {
    const { host, writes, setConf } = plugged();
    setConf(PCI.BAR0 + 8, 4, 0x0002_0000);
    setConf(PCI.BAR0 + 12, 4, MMIO64 / 2 ** 32);
    expect(host.mmio64.read(0x2_0010, 4)).toBe(0xffff_ffff);
    setConf(PCI.COMMAND, 2, COMMAND.MEMORY);
    expect(host.mmio64.read(0x2_0010, 4)).toBe(0x410);
    host.mmio64.write(0x2_0020, 2, 7);
    expect(writes).toEqual([[0x20, 2, 7]]);
    setConf(PCI.BAR0 + 8, 4, 0x0004_0000);
    expect(host.mmio64.read(0x2_0010, 4)).toBe(0xffff_ffff);
    expect(host.mmio64.read(0x4_0010, 2)).toBe(0x210);
    setConf(PCI.COMMAND, 2, 0);
    expect(host.mmio64.read(0x4_0010, 1)).toBe(0xff);
  });

  it('decodes I/O BARs in the port window', () => {
    const { host, setConf } = plugged();
    setConf(PCI.BAR0, 4, 0x1000);
    expect(host.pio.read(0x1004, 1)).toBe(0xff);
    setConf(PCI.COMMAND, 2, COMMAND.IO);
    expect(host.pio.read(0x1004, 1)).toBe(0x104);
    expect(host.resolve(0x1004, true)?.offset).toBe(4);
    expect(host.resolve(0x1004, false)).toBeUndefined();
  });

  it('swizzles INTA over four wires, shared ones staying up until all let go', () => {
    const { host, endpoint, lines, setConf, conf } = plugged(3);
    const other = card('other').endpoint;
    host.add(other, 7);
    endpoint.setInterrupt(true);
    other.setInterrupt(true);
    expect(lines).toEqual([false, false, false, true]);
    expect(conf(PCI.STATUS, 2) & 8).toBe(8);
    setConf(PCI.COMMAND, 2, COMMAND.INTX_DISABLE);
    expect(lines[3]).toBe(true);
    other.setInterrupt(false);
    expect(lines[3]).toBe(false);
    setConf(PCI.COMMAND, 2, 0);
    expect(lines[3]).toBe(true);
  });

  it('has room for 31 functions beside the bridge', () => {
    const { host } = testHost();
    for (let i = 1; i < 32; i++) expect(host.add(card(`card${i}`).endpoint)).toBe(i << 3);
    expect(() => host.add(card('last').endpoint)).toThrow('ENOSPC');
    expect(() => testHost().host.add(card().endpoint, 0)).toThrow('EBUSY');
  });

  it('lets a function reach memory only as a bus master', () => {
    const { endpoint, setConf } = plugged();
    const port = endpoint.gated({ read: () => undefined, write: () => undefined });
    expect(port.read(0x1000, new Uint8Array(4))?.rule).toBe('bus-master');
    expect(port.write(0x1000, new Uint8Array(4))?.address).toBe(0x1000);
    setConf(PCI.COMMAND, 2, COMMAND.BUS_MASTER);
    expect(port.read(0x1000, new Uint8Array(4))).toBeUndefined();
  });

  it('returns to power-on at reset, and to a saved state at restore', () => {
    const { host, conf, setConf, endpoint } = plugged();
    setConf(PCI.BAR0 + 8, 4, 0x2_0000);
    setConf(PCI.COMMAND, 2, COMMAND.MEMORY | COMMAND.BUS_MASTER);
    endpoint.setInterrupt(true);
    const saved = JSON.parse(JSON.stringify(host.save()));
    host.reset();
    expect(conf(PCI.COMMAND, 2)).toBe(0);
    expect(conf(PCI.BAR0 + 8, 4)).toBe(0xc);
    const copy = plugged();
    copy.host.restore(saved);
    expect(JSON.parse(JSON.stringify(copy.host.save()))).toEqual(saved);
    expect(copy.conf(PCI.BAR0 + 8, 4)).toBe(0x2_000c);
    expect(copy.lines[3]).toBe(true);
    expect(() => plugged(4).host.restore(saved)).toThrow('EINVAL');
  });
});

describe('MSI-X (PCI 3.0, 6.8.2)', () => {
  const TABLE = MMIO32 + 0x8000;

  function withMsix() {
    const bus = plugged();
    const { host, setConf, conf } = bus;
    setConf(PCI.BAR0 + 4, 4, TABLE);
    setConf(PCI.COMMAND, 2, COMMAND.MEMORY | COMMAND.BUS_MASTER);
    const at = conf(PCI.CAPABILITIES, 1);
    const word = (index: number, value?: number) => {
      const offset = TABLE - MMIO32 + 4 * index;
      if (value !== undefined) host.mmio32.write(offset, 4, value);
      return host.mmio32.read(offset, 4);
    };
    const program = (vector: number, mask: number) =>
      [0x0808_0040, 0, 100 + vector, mask].forEach((value, i) => void word(4 * vector + i, value));
    const pending = () => host.mmio32.read(TABLE - MMIO32 + 2048, 4);
    return { ...bus, at, word, program, pending, control: (value: number) => setConf(at + 2, 2, value) };
  }

  it('describes its table and starts disabled with all vectors masked', () => {
    const { conf, at, word } = withMsix();
    expect(conf(at, 1)).toBe(0x11);
    expect(conf(at + 2, 2)).toBe(3);
    expect(conf(at + 4, 4)).toBe(1);
    expect(conf(at + 8, 4)).toBe(2049);
    expect([3, 7, 11, 15].map((index) => word(index))).toEqual([1, 1, 1, 1]);
  });

  it('sends address and data with the requester id', () => {
    const { endpoint, control, program, messages, requesterId } = withMsix();
    control(0x8000);
    program(2, 0);
    endpoint.msix?.raise(2);
    expect(messages).toEqual([{ requesterId, address: 0x0808_0040, data: 102 }]);
    expect(requesterId).toBe(3 << 3);
  });

  it('keeps a masked vector pending and sends it once when unmasked', () => {
    const { endpoint, control, program, messages, pending } = withMsix();
    control(0x8000);
    program(1, 1);
    endpoint.msix?.raise(1);
    endpoint.msix?.raise(1);
    expect(messages).toEqual([]);
    expect(pending()).toBe(2);
    program(1, 0);
    expect(messages.map((message) => message.data)).toEqual([101]);
    expect(pending()).toBe(0);
  });

  it('keeps everything pending under the function mask', () => {
    const { endpoint, control, program, messages } = withMsix();
    program(0, 0);
    program(3, 0);
    control(0xc000);
    endpoint.msix?.raise(3);
    endpoint.msix?.raise(0);
    expect(messages).toEqual([]);
    control(0x8000);
    expect(messages.map((message) => message.data)).toEqual([100, 103]);
  });

  it('sends nothing while disabled or without bus mastering', () => {
    const { endpoint, control, program, messages, setConf } = withMsix();
    program(0, 0);
    endpoint.msix?.raise(0);
    control(0x8000);
    setConf(PCI.COMMAND, 2, COMMAND.MEMORY);
    endpoint.msix?.raise(0);
    endpoint.msix?.raise(9);
    expect(messages).toEqual([]);
  });

  it('replaces INTx while enabled', () => {
    const { endpoint, control, lines } = withMsix();
    endpoint.setInterrupt(true);
    expect(lines[3]).toBe(true);
    control(0x8000);
    expect(lines[3]).toBe(false);
  });
});
