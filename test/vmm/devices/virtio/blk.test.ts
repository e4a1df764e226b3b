import { describe, expect, it } from 'vitest';
import { type BlockBackend, memoryBlock } from '../../../../src/vmm/devices/virtio/blk/backend.ts';
import { BLK_F, VirtioBlk } from '../../../../src/vmm/devices/virtio/blk/device.ts';
import { BLK_S, BLK_T } from '../../../../src/vmm/devices/virtio/blk/requests.ts';
import { STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import { faces } from './faces.ts';
import { bringUp, type MakeFace, type Rig } from './guest.ts';

const HEADER = 0x8000;
const STATUS_BYTE = 0x8100;
const DATA = 0x1_0000;

function disk(sectors = 2048): Uint8Array {
  const bytes = new Uint8Array(sectors * 512);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i >> 9) + i;
  return bytes;
}

const up = (makeFace: MakeFace, backend: BlockBackend) =>
  bringUp(makeFace, (env) => new VirtioBlk({ backend, serial: 'ringfence-0' }, env));

function submit(rig: Rig<VirtioBlk>, type: number, sector: number, length: number, data = DATA): void {
  rig.memory.view.setUint32(HEADER, type, true);
  rig.memory.view.setBigUint64(HEADER + 8, BigInt(sector), true);
  rig.memory.bytes[STATUS_BYTE] = 0xee;
  const toDevice = type !== BLK_T.IN && type !== BLK_T.GET_ID;
  const middle = length > 0 ? [{ address: data, length, write: !toDevice }] : [];
  const header = { address: HEADER, length: 16 };
  rig.rings[0].add([header, ...middle, { address: STATUS_BYTE, length: 1, write: true }]);
  rig.face.notify(0);
}

const status = (rig: Rig<VirtioBlk>): number => rig.memory.bytes[STATUS_BYTE];

/** The same disk, answering one event loop turn later. */
function later(backend: BlockBackend): BlockBackend {
  const wait = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    size: backend.size,
    readOnly: backend.readOnly,
    read: (offset, into) => wait().then(() => backend.read(offset, into)),
    write: (offset, from) => wait().then(() => backend.write(offset, from)),
    flush: () => wait(),
  };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

describe.each(faces)('block device over %s (virtio 1.3, 5.2)', (_, makeFace) => {
  it('tells its capacity, block size and segment limit (5.2.4)', () => {
    const { face } = up(makeFace, memoryBlock(disk()));
    expect(face.config(0, 4)).toBe(2048);
    expect(face.config(4, 4)).toBe(0);
    expect(face.config(12, 4)).toBe(254);
    expect(face.config(20, 4)).toBe(512);
    expect(face.config(34, 2)).toBe(1);
  });

  it('reads sectors into guest memory', () => {
    const bytes = disk();
    const rig = up(makeFace, memoryBlock(bytes));
    submit(rig, BLK_T.IN, 3, 4096);
    expect(status(rig)).toBe(BLK_S.OK);
    expect(rig.rings[0].take()).toEqual([{ head: 0, length: 4097 }]);
    expect(Buffer.compare(rig.memory.bytes.slice(DATA, DATA + 4096), bytes.slice(1536, 1536 + 4096))).toBe(0);
    expect(rig.face.takeInterrupts().used).toBe(true);
  });

  it('writes sectors from guest memory, also more than one buffer of them', () => {
    const bytes = new Uint8Array(4096 * 512);
    const rig = up(makeFace, memoryBlock(bytes));
    const length = 600 * 1024;
    for (let i = 0; i < length; i++) rig.memory.bytes[DATA + i] = i * 7;
    submit(rig, BLK_T.OUT, 5, length);
    expect(status(rig)).toBe(BLK_S.OK);
    expect(
      Buffer.compare(bytes.slice(5 * 512, 5 * 512 + length), rig.memory.bytes.slice(DATA, DATA + length)),
    ).toBe(0);
    expect(bytes[5 * 512 + length]).toBe(0);
  });

  it('serves all chains that are available in one notification', () => {
    const rig = up(makeFace, memoryBlock(disk()));
    rig.memory.view.setUint32(HEADER, BLK_T.IN, true);
    for (let i = 0; i < 4; i++)
      rig.rings[0].add(
        [
          { address: HEADER, length: 16 },
          { address: DATA + i * 512, length: 512, write: true },
          { address: STATUS_BYTE + i, length: 1, write: true },
        ],
        0xa000 + i * 64,
      );
    rig.face.notify(0);
    expect(rig.rings[0].take().map((used) => used.length)).toEqual([513, 513, 513, 513]);
  });

  it('fails a request that reaches past the end, or is not whole sectors', () => {
    const rig = up(makeFace, memoryBlock(disk()));
    submit(rig, BLK_T.IN, 2047, 1024);
    expect(status(rig)).toBe(BLK_S.IOERR);
    submit(rig, BLK_T.IN, 0, 100);
    expect(status(rig)).toBe(BLK_S.IOERR);
    submit(rig, BLK_T.OUT, 2 ** 53, 512);
    expect(status(rig)).toBe(BLK_S.IOERR);
  });

  it('offers RO for a read-only disk and fails writes (5.2.6.2)', () => {
    const rig = up(makeFace, memoryBlock(disk(), true));
    expect(rig.face.offered() & BLK_F.RO).toBe(BLK_F.RO);
    submit(rig, BLK_T.OUT, 0, 512);
    expect(status(rig)).toBe(BLK_S.IOERR);
  });

  it('flushes, identifies itself, and rejects types it does not know', () => {
    const rig = up(makeFace, memoryBlock(disk()));
    submit(rig, BLK_T.FLUSH, 0, 0);
    expect(status(rig)).toBe(BLK_S.OK);
    submit(rig, BLK_T.GET_ID, 0, 20);
    expect(rig.memory.text(DATA, 11)).toBe('ringfence-0');
    submit(rig, 77, 0, 0);
    expect(status(rig)).toBe(BLK_S.UNSUPP);
  });

  it('discards and writes zeroes over its segments (5.2.6)', () => {
    const bytes = disk();
    const rig = up(makeFace, memoryBlock(bytes));
    const segment = (sector: number, count: number, flags: number) => {
      rig.memory.view.setBigUint64(DATA, BigInt(sector), true);
      rig.memory.view.setUint32(DATA + 8, count, true);
      rig.memory.view.setUint32(DATA + 12, flags, true);
    };
    segment(2, 3, 1);
    submit(rig, BLK_T.WRITE_ZEROES, 0, 16);
    expect(status(rig)).toBe(BLK_S.OK);
    expect(bytes.subarray(1024, 2560).every((byte) => byte === 0)).toBe(true);
    expect(bytes[2561]).not.toBe(0);
    segment(2, 1, 1);
    submit(rig, BLK_T.DISCARD, 0, 16);
    expect(status(rig)).toBe(BLK_S.UNSUPP);
    segment(2047, 2, 0);
    submit(rig, BLK_T.DISCARD, 0, 16);
    expect(status(rig)).toBe(BLK_S.IOERR);
  });

  it('fails a request whose data is refused, names the rule, and goes on', () => {
    const rig = up(makeFace, memoryBlock(disk()));
    rig.memory.sealed.push({ start: DATA, end: DATA + 4096 });
    submit(rig, BLK_T.IN, 0, 512);
    expect(status(rig)).toBe(BLK_S.IOERR);
    submit(rig, BLK_T.OUT, 0, 512);
    expect(status(rig)).toBe(BLK_S.IOERR);
    expect(rig.device.refusals.counts.get('sealed')).toBe(2);
    expect(rig.face.status() & STATUS.NEEDS_RESET).toBe(0);
    submit(rig, BLK_T.IN, 0, 512, DATA + 4096);
    expect(status(rig)).toBe(BLK_S.OK);
  });

  it('breaks on a request without a status byte', () => {
    const rig = up(makeFace, memoryBlock(disk()));
    rig.rings[0].add([{ address: HEADER, length: 16 }]);
    rig.face.notify(0);
    expect(rig.face.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
    expect(rig.face.takeInterrupts().config).toBe(true);
  });

  it('turns a failing backend into an I/O error', () => {
    const backend = {
      ...memoryBlock(disk()),
      read: () => {
        throw new Error('bad medium');
      },
    };
    const rig = up(makeFace, backend);
    submit(rig, BLK_T.IN, 0, 512);
    expect(status(rig)).toBe(BLK_S.IOERR);
    expect(rig.log.some((line) => line.message.includes('bad medium'))).toBe(true);
  });

  it('completes later, and in order, over an asynchronous backend', async () => {
    const bytes = disk();
    const rig = up(makeFace, later(memoryBlock(bytes)));
    submit(rig, BLK_T.IN, 1, 512);
    expect(rig.rings[0].take()).toEqual([]);
    rig.face.notify(0);
    await settle();
    expect(rig.rings[0].take()).toEqual([{ head: 0, length: 513 }]);
    expect(Buffer.compare(rig.memory.bytes.slice(DATA, DATA + 512), bytes.slice(512, 1024))).toBe(0);
    expect(rig.face.takeInterrupts().used).toBe(true);
  });

  it('serves asynchronous requests one after another, however long each takes', async () => {
    const bytes = disk();
    const slowFirst = memoryBlock(bytes);
    let delay = 15;
    const backend: BlockBackend = {
      ...slowFirst,
      read: (offset, into) =>
        new Promise((resolve) => {
          setTimeout(() => resolve(slowFirst.read(offset, into)), delay);
          delay = 0;
        }),
    };
    const rig = up(makeFace, backend);
    for (let i = 0; i < 3; i++) {
      const header = HEADER + 32 * i;
      rig.memory.view.setUint32(header, BLK_T.IN, true);
      rig.memory.view.setUint32(header + 8, i + 1, true);
      rig.rings[0].add([
        { address: header, length: 16 },
        { address: DATA + 512 * i, length: 512, write: true },
        { address: STATUS_BYTE + i, length: 1, write: true },
      ]);
      rig.face.notify(0);
    }
    await settle();
    await settle();
    expect(rig.rings[0].take().map((used) => used.head)).toEqual([0, 3, 6]);
    expect(Buffer.compare(rig.memory.bytes.slice(DATA, DATA + 1536), bytes.slice(512, 2048))).toBe(0);
  });

  it('forgets an asynchronous request at reset: nothing reaches memory afterwards', async () => {
    const rig = up(makeFace, later(memoryBlock(disk())));
    submit(rig, BLK_T.IN, 1, 512);
    rig.face.setStatus(0);
    const before = rig.memory.bytes.slice();
    await settle();
    expect(Buffer.compare(rig.memory.bytes, before)).toBe(0);
    expect(rig.face.takeInterrupts()).toEqual({ used: false, config: false });
  });

  it('does a request in flight again on a restored device', async () => {
    const bytes = disk();
    const rig = up(makeFace, later(memoryBlock(bytes)));
    submit(rig, BLK_T.IN, 1, 512);
    const state = rig.face.save();
    rig.face.setStatus(0);
    const device = new VirtioBlk({ backend: memoryBlock(bytes) }, rig.device.env);
    const face = rig.face.restored(device, state);
    expect(rig.rings[0].take()).toEqual([{ head: 0, length: 513 }]);
    expect(Buffer.compare(rig.memory.bytes.slice(DATA, DATA + 512), bytes.slice(512, 1024))).toBe(0);
    expect(face.takeInterrupts().used).toBe(true);
    await settle();
  });
});
