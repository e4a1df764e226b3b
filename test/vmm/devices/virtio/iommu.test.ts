import { describe, expect, it } from 'vitest';
import type { DeviceEnv } from '../../../../src/vmm/devices/virtio/device.ts';
import { STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import { type IommuOptions, VirtioIommu } from '../../../../src/vmm/devices/virtio/iommu/device.ts';
import { IOMMU_S, MAP_F } from '../../../../src/vmm/devices/virtio/iommu/domains.ts';
import { IOMMU_T, PROBE_BYTES } from '../../../../src/vmm/devices/virtio/iommu/requests.ts';
import { faces } from './faces.ts';
import { bringUp, type MakeFace, testEnv } from './guest.ts';

const REQUEST = 0x8000;
const TAIL = 0x9000;
const ENDPOINT = 8;
const OTHER = 16;

function up(makeFace: MakeFace, options: IommuOptions = { bootBypass: false }) {
  const rig = bringUp(makeFace, (env: DeviceEnv) => new VirtioIommu(options, env));
  const { memory, rings, face, device } = rig;
  const port = device.port(ENDPOINT, memory);
  const other = device.port(OTHER, memory);

  /** Sends a request of `fields` [offset, value, 64 bits?] and returns its status, or undefined when it got none. */
  function request(
    type: number,
    bytes: number,
    fields: [number, number, boolean?][],
    room = 0,
  ): number | undefined {
    memory.bytes.fill(0, REQUEST, REQUEST + 128);
    memory.bytes.fill(0xee, TAIL, TAIL + room + 4);
    memory.bytes[REQUEST] = type;
    for (const [at, value, wide] of fields) {
      if (wide) memory.view.setBigUint64(REQUEST + at, BigInt(value), true);
      else memory.view.setUint32(REQUEST + at, value, true);
    }
    rings[0].add([
      { address: REQUEST, length: bytes },
      { address: TAIL, length: room + 4, write: true },
    ]);
    face.notify(0);
    const [used] = rings[0].take();
    return used?.length === room + 4 ? memory.bytes[TAIL + room] : undefined;
  }

  const attach = (domain: number, endpoint = ENDPOINT, flags = 0) =>
    request(IOMMU_T.ATTACH, 20, [
      [4, domain],
      [8, endpoint],
      [12, flags],
    ]);
  const detach = (domain: number, endpoint = ENDPOINT) =>
    request(IOMMU_T.DETACH, 20, [
      [4, domain],
      [8, endpoint],
    ]);
  const map = (
    domain: number,
    start: number,
    end: number,
    physical: number,
    flags = MAP_F.READ | MAP_F.WRITE,
  ) =>
    request(IOMMU_T.MAP, 36, [
      [4, domain],
      [8, start, true],
      [16, end, true],
      [24, physical, true],
      [32, flags],
    ]);
  const unmap = (domain: number, start: number, end: number) =>
    request(IOMMU_T.UNMAP, 28, [
      [4, domain],
      [8, start, true],
      [16, end, true],
    ]);
  const probe = (endpoint: number) => request(IOMMU_T.PROBE, 72, [[4, endpoint]], PROBE_BYTES);
  return { ...rig, port, other, request, attach, detach, map, unmap, probe };
}

const byte = () => new Uint8Array(1);

describe.each(faces)('IOMMU device over %s (virtio 1.3, 5.13)', (_, makeFace) => {
  it('describes pages, ranges and the probe size (5.13.4)', () => {
    const { face } = up(makeFace);
    expect([face.config(0, 4), face.config(4, 4)]).toEqual([0xffff_f000, 0xffff_ffff]);
    expect([face.config(0x10, 4), face.config(0x14, 4)]).toEqual([0xffff_ffff, 0xffff]);
    expect([face.config(0x1c, 4), face.config(0x20, 4), face.config(0x24, 1)]).toEqual([
      0xffff,
      PROBE_BYTES,
      0,
    ]);
  });

  it('translates what a domain maps, for its endpoints only', () => {
    const { memory, port, other, attach, map } = up(makeFace);
    expect(attach(1)).toBe(IOMMU_S.OK);
    expect(map(1, 0x10_0000, 0x10_1fff, 0x2_0000)).toBe(IOMMU_S.OK);
    memory.bytes[0x2_0010] = 77;
    const into = byte();
    expect(port.read(0x10_0010, into)).toBeUndefined();
    expect(into[0]).toBe(77);
    expect(port.write(0x10_1fff, new Uint8Array([5]))).toBeUndefined();
    expect(memory.bytes[0x2_1fff]).toBe(5);
    expect(other.read(0x10_0010, into)).toMatchObject({ rule: 'contained', address: 0x10_0010 });
  });

  it('decides a whole range before it moves the first byte', () => {
    const { memory, port, attach, map } = up(makeFace);
    attach(1);
    map(1, 0x1000, 0x1fff, 0x3_0000);
    map(1, 0x2000, 0x2fff, 0x2_0000);
    const data = new Uint8Array(0x1800).fill(9);
    expect(port.write(0x1000, data)).toBeUndefined();
    expect([memory.bytes[0x3_0fff], memory.bytes[0x2_07ff], memory.bytes[0x2_0800]]).toEqual([9, 9, 0]);
    expect(port.write(0x2800, new Uint8Array(0x1000).fill(1))).toMatchObject({
      rule: 'contained',
      address: 0x3000,
    });
    expect(memory.bytes[0x2_0800]).toBe(0);
    memory.sealed.push({ start: 0x2_0000, end: 0x2_1000 });
    expect(port.write(0x1800, new Uint8Array(0x1000).fill(1))).toMatchObject({
      rule: 'sealed',
      address: 0x2000,
    });
    expect(memory.bytes[0x3_0800]).toBe(9);
  });

  it('refuses an access that the mapping does not allow', () => {
    const { port, attach, map } = up(makeFace);
    attach(1);
    map(1, 0x1000, 0x1fff, 0x2_0000, MAP_F.READ);
    expect(port.read(0x1000, byte())).toBeUndefined();
    expect(port.write(0x1000, byte())).toMatchObject({ rule: 'contained' });
  });

  it('forgets unmapped ranges, but splits no mapping (5.13.6.6)', () => {
    const { port, attach, map, unmap } = up(makeFace);
    attach(1);
    map(1, 0x1000, 0x2fff, 0x2_0000);
    map(1, 0x4000, 0x4fff, 0x3_0000);
    expect(unmap(1, 0x1000, 0x1fff)).toBe(IOMMU_S.RANGE);
    expect(unmap(1, 0x2000, 0x4fff)).toBe(IOMMU_S.RANGE);
    expect(port.read(0x4000, byte())).toBeUndefined();
    expect(unmap(1, 0x1000, 0x4fff)).toBe(IOMMU_S.OK);
    expect(port.read(0x1000, byte())?.rule).toBe('contained');
    expect(unmap(1, 0x1000, 0x4fff)).toBe(IOMMU_S.OK);
  });

  it.each([
    ['an overlap', 1, 0x1000, 0x1fff, 0, 3, IOMMU_S.INVAL],
    ['a domain that does not exist', 2, 0x5000, 0x5fff, 0, 3, IOMMU_S.NOENT],
    ['an unaligned start', 1, 0x5800, 0x5fff, 0, 3, IOMMU_S.RANGE],
    ['an exclusive end', 1, 0x5000, 0x6000, 0, 3, IOMMU_S.RANGE],
    ['an unaligned target', 1, 0x5000, 0x5fff, 0x10, 3, IOMMU_S.RANGE],
    ['an end before the start', 1, 0x5000, 0x4fff, 0, 3, IOMMU_S.INVAL],
    ['an unknown flag', 1, 0x5000, 0x5fff, 0, 8, IOMMU_S.INVAL],
    ['an address above the input range', 1, 2 ** 48, 2 ** 48 + 0xfff, 0, 3, IOMMU_S.RANGE],
    ['a target above all memory', 1, 0x5000, 0x5fff, 2 ** 52, 3, IOMMU_S.RANGE],
  ])(
    'answers MAP with %s by its status (5.13.6.5)',
    (_case, domain, start, end, physical, flags, expected) => {
      const { attach, map } = up(makeFace);
      attach(1);
      map(1, 0x1000, 0x1fff, 0x2_0000);
      expect(map(domain, start, end, physical, flags)).toBe(expected);
    },
  );

  it('attaches, moves and detaches; the last detach drops the mappings (5.13.6.3, 5.13.6.4)', () => {
    const { port, attach, detach, map } = up(makeFace);
    expect(attach(1, 99)).toBe(IOMMU_S.NOENT);
    expect(attach(0x1_0000)).toBe(IOMMU_S.RANGE);
    expect(attach(1, ENDPOINT, 2)).toBe(IOMMU_S.INVAL);
    attach(1);
    map(1, 0x1000, 0x1fff, 0x2_0000);
    expect(attach(2)).toBe(IOMMU_S.OK);
    expect(map(1, 0x1000, 0x1fff, 0x2_0000)).toBe(IOMMU_S.NOENT);
    expect(attach(1)).toBe(IOMMU_S.OK);
    expect(port.read(0x1000, byte())?.rule).toBe('contained');
    expect(detach(2)).toBe(IOMMU_S.INVAL);
    expect(detach(1, 99)).toBe(IOMMU_S.NOENT);
    expect(detach(1)).toBe(IOMMU_S.OK);
    expect(detach(1)).toBe(IOMMU_S.INVAL);
  });

  it('has identity domains: ATTACH with the bypass flag', () => {
    const { port, other, attach, map } = up(makeFace);
    expect(attach(3, ENDPOINT, 1)).toBe(IOMMU_S.OK);
    expect(port.read(0x2_0000, byte())).toBeUndefined();
    expect(other.read(0x2_0000, byte())?.rule).toBe('contained');
    expect(attach(3, OTHER, 0)).toBe(IOMMU_S.INVAL);
    expect(map(3, 0x1000, 0x1fff, 0)).toBe(IOMMU_S.INVAL);
  });

  it('lets config.bypass decide for endpoints without a domain, and keeps it over a driver’s reset (5.13.4)', () => {
    const { port, face, device } = up(makeFace, {});
    expect(port.read(0x2_0000, byte())).toBeUndefined();
    face.setConfig(0x24, 1, 0);
    expect(port.read(0x2_0000, byte())?.rule).toBe('contained');
    face.setStatus(0);
    expect(face.config(0x24, 1)).toBe(0);
    device.powerOn();
    expect(face.config(0x24, 1)).toBe(1);
  });

  it('tells what it does not know or cannot read, always in the whole used length', () => {
    const { request, memory } = up(makeFace);
    expect(request(9, 20, [])).toBe(IOMMU_S.UNSUPP);
    expect(request(IOMMU_T.MAP, 20, [])).toBe(IOMMU_S.INVAL);
    expect(request(IOMMU_T.ATTACH, 3, [])).toBe(IOMMU_S.INVAL);
    memory.sealed.push({ start: REQUEST, end: REQUEST + 1 });
    expect(request(IOMMU_T.ATTACH, 20, [])).toBe(IOMMU_S.FAULT);
  });

  it('breaks on a request without room for a status', () => {
    const { rings, face } = up(makeFace);
    rings[0].add([{ address: REQUEST, length: 20 }]);
    face.notify(0);
    expect(face.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
  });

  it('reports faults through the event queue (5.13.6.9)', () => {
    const { memory, rings, face, port, attach } = up(makeFace);
    rings[1].add([{ address: 0xa000, length: 24, write: true }]);
    rings[1].add([{ address: 0xa100, length: 24, write: true }]);
    port.write(0x1234, byte());
    attach(1);
    port.read(0x5678, byte());
    port.read(0x5678, byte());
    expect(rings[1].take().map((used) => used.length)).toEqual([24, 24]);
    const event = (at: number) => ({
      reason: memory.bytes[at],
      flags: memory.view.getUint32(at + 4, true),
      endpoint: memory.view.getUint32(at + 8, true),
      address: memory.view.getUint32(at + 16, true),
    });
    expect(event(0xa000)).toEqual({ reason: 1, flags: 0x102, endpoint: ENDPOINT, address: 0x1234 });
    expect(event(0xa100)).toEqual({ reason: 2, flags: 0x101, endpoint: ENDPOINT, address: 0x5678 });
    expect(face.takeInterrupts().used).toBe(true);
  });

  it('translates messages like any write', () => {
    const { device, attach, map } = up(makeFace);
    const sent: number[] = [];
    const sink = device.msi({ send: (_id, address) => void sent.push(address) });
    sink.send(ENDPOINT, 0x0808_0040, 1);
    attach(1);
    map(1, 0x0800_0000, 0x0800_0fff, 0x0808_0000, MAP_F.WRITE | MAP_F.MMIO);
    sink.send(ENDPOINT, 0x0800_0040, 1);
    sink.send(99, 0x0808_0040, 1);
    expect(sent).toEqual([0x0808_0040, 0x0808_0040]);
    expect(device.refusals.counts.get('contained')).toBe(1);
  });

  it('can reserve a window for messages instead (5.13.6.8)', () => {
    const window = { start: 0x0808_0000, end: 0x0808_ffff };
    const { memory, device, attach, map, probe } = up(makeFace, { bootBypass: false, msiWindow: window });
    const sent: number[] = [];
    const sink = device.msi({ send: (_id, address) => void sent.push(address) });
    attach(1);
    sink.send(ENDPOINT, 0x0808_0040, 1);
    expect(sent).toEqual([0x0808_0040]);
    expect(map(1, 0x0808_0000, 0x0808_0fff, 0x2_0000)).toBe(IOMMU_S.INVAL);
    expect(probe(99)).toBe(IOMMU_S.NOENT);
    expect(probe(ENDPOINT)).toBe(IOMMU_S.OK);
    expect([...memory.bytes.subarray(TAIL, TAIL + 5)]).toEqual([1, 0, 20, 0, 1]);
    expect(memory.view.getUint32(TAIL + 8, true)).toBe(0x0808_0000);
    expect(memory.view.getUint32(TAIL + 16, true)).toBe(0x0808_ffff);
    expect(memory.view.getUint32(TAIL + 24, true)).toBe(0);
  });

  it('saves and restores domains and attachments', () => {
    const { memory, face, attach, map, other } = up(makeFace);
    attach(1);
    map(1, 0x1000, 0x1fff, 0x2_0000);
    attach(7, OTHER, 1);
    expect(other.read(0x2_0000, byte())).toBeUndefined();
    const state = JSON.parse(JSON.stringify(face.save()));
    const copy = new VirtioIommu({ bootBypass: true }, testEnv(memory));
    const port = copy.port(ENDPOINT, memory);
    const second = copy.port(OTHER, memory);
    const restored = face.restored(copy, state);
    expect(JSON.parse(JSON.stringify(restored.save()))).toEqual(state);
    expect(port.read(0x1000, byte())).toBeUndefined();
    expect(port.read(0x2000, byte())?.rule).toBe('contained');
    expect(second.read(0x2_0000, byte())).toBeUndefined();
  });
});

describe('IOMMU domains against a model', () => {
  it('agrees with a page table after many maps and unmaps', () => {
    const { attach, map, unmap, port } = up(faces[0][1]);
    attach(1);
    const table = new Map<number, string>();
    let seed = 12345;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let step = 0; step < 400; step++) {
      const first = random(32);
      const pages = 1 + random(4);
      const range = Array.from({ length: pages }, (_, i) => first + i);
      if (random(3) > 0) {
        const free = range.every((page) => !table.has(page));
        const status = map(1, first * 4096, (first + pages) * 4096 - 1, 0x2_0000);
        expect(status).toBe(free ? IOMMU_S.OK : IOMMU_S.INVAL);
        if (free) for (const page of range) table.set(page, `${step}`);
      } else {
        const inside = new Set(range.map((page) => table.get(page)));
        const cut = [...table].some(([page, owner]) => inside.has(owner) && !range.includes(page));
        const status = unmap(1, first * 4096, (first + pages) * 4096 - 1);
        expect(status).toBe(cut ? IOMMU_S.RANGE : IOMMU_S.OK);
        if (!cut) for (const page of range) table.delete(page);
      }
      const page = random(36);
      expect(port.read(page * 4096 + 5, byte()) === undefined).toBe(table.has(page));
    }
  });
});
