import { describe, expect, it } from 'vitest';
import { STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import type { NetBackend, NetReceiver } from '../../../../src/vmm/devices/virtio/net/backend.ts';
import { NET_F, VirtioNet } from '../../../../src/vmm/devices/virtio/net/device.ts';
import { faces } from './faces.ts';
import { bringUp, type MakeFace, type testEnv } from './guest.ts';

const HEADER = 12;
const DATA = 0x1_0000;

class Wire implements NetBackend {
  receiver: NetReceiver | undefined;
  readonly sent: Uint8Array[] = [];

  attach(receiver: NetReceiver): void {
    this.receiver = receiver;
    receiver.link(true);
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame.slice());
  }
}

const frameOf = (length: number, seed = 1) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

function up(makeFace: MakeFace, without = 0n) {
  const wire = new Wire();
  const make = (env: ReturnType<typeof testEnv>) =>
    new VirtioNet({ backend: wire, mac: '52:54:00:aa:bb:cc' }, env);
  return { wire, ...bringUp(makeFace, make, { without }) };
}

describe.each(faces)('network device over %s (virtio 1.3, 5.1)', (_, makeFace) => {
  it('tells its address and that the link is up (5.1.4)', () => {
    const { face } = up(makeFace);
    expect([0, 1, 2, 3, 4, 5].map((i) => face.config(i, 1))).toEqual([0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
    expect(face.config(6, 2)).toBe(1);
  });

  it('says so when the link goes down', () => {
    const { face, wire } = up(makeFace);
    const before = face.generation();
    wire.receiver?.link(false);
    expect(face.config(6, 2)).toBe(0);
    expect(face.takeInterrupts()).toEqual({ used: false, config: true });
    expect(face.generation()).not.toBe(before);
  });

  it('sends what follows the header, over any cut into buffers (5.1.6.2)', () => {
    const { face, memory, rings, wire } = up(makeFace);
    const frame = frameOf(100);
    memory.bytes.set(frame, DATA + HEADER);
    rings[1].add([{ address: DATA, length: HEADER + 100 }]);
    rings[1].add([
      { address: DATA, length: 5 },
      { address: DATA + 5, length: 47 },
      { address: DATA + 52, length: 60 },
    ]);
    face.notify(1);
    expect(wire.sent).toEqual([frame, frame]);
    expect(rings[1].take()).toEqual([
      { head: 0, length: 0 },
      { head: 1, length: 0 },
    ]);
  });

  it('receives a frame into one buffer, with num_buffers 1', () => {
    const { face, memory, rings, wire } = up(makeFace);
    memory.bytes.fill(0xee, DATA, DATA + 2048);
    rings[0].add([{ address: DATA, length: 2048, write: true }]);
    face.notify(0);
    wire.receiver?.frame(frameOf(64));
    expect(rings[0].take()).toEqual([{ head: 0, length: HEADER + 64 }]);
    expect([...memory.bytes.subarray(DATA, DATA + HEADER)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expect(memory.bytes.slice(DATA + HEADER, DATA + HEADER + 64)).toEqual(frameOf(64));
    expect(face.takeInterrupts().used).toBe(true);
  });

  it('merges buffers for a large frame (5.1.6.3.2)', () => {
    const { memory, rings, wire } = up(makeFace);
    for (let i = 0; i < 4; i++) rings[0].add([{ address: DATA + i * 0x1000, length: 512, write: true }]);
    wire.receiver?.frame(frameOf(1000));
    expect(rings[0].take().map((used) => used.length)).toEqual([512, 500]);
    expect(memory.bytes[DATA + 10]).toBe(2);
    const joined = [
      ...memory.bytes.slice(DATA + HEADER, DATA + 512),
      ...memory.bytes.slice(DATA + 0x1000, DATA + 0x1000 + 500),
    ];
    expect(joined).toEqual([...frameOf(1000)]);
  });

  it('takes no buffer until there are enough, then delivers in order', () => {
    const { face, memory, rings, wire } = up(makeFace);
    rings[0].add([
      { address: DATA, length: 256, write: true },
      { address: DATA + 256, length: 256, write: true },
    ]);
    wire.receiver?.frame(frameOf(600));
    wire.receiver?.frame(frameOf(60, 9));
    expect(rings[0].take()).toEqual([]);
    rings[0].add([{ address: DATA + 0x1000, length: 512, write: true }]);
    rings[0].add([{ address: DATA + 0x2000, length: 512, write: true }]);
    face.notify(0);
    expect(rings[0].take().map((used) => used.length)).toEqual([512, 100, 72]);
    expect(memory.bytes.slice(DATA + 0x2000 + HEADER, DATA + 0x2000 + HEADER + 60)).toEqual(frameOf(60, 9));
  });

  it('drops a frame that fits no buffer when buffers cannot be merged', () => {
    const { rings, wire } = up(makeFace, NET_F.MRG_RXBUF);
    rings[0].add([{ address: DATA, length: 512, write: true }]);
    wire.receiver?.frame(frameOf(600));
    wire.receiver?.frame(frameOf(60));
    expect(rings[0].take()).toEqual([{ head: 0, length: 72 }]);
  });

  it('loses a frame whose memory is refused, in either direction, and names the rule', () => {
    const { face, memory, rings, wire, device } = up(makeFace);
    memory.sealed.push({ start: DATA, end: DATA + 4096 });
    rings[0].add([{ address: DATA, length: 512, write: true }]);
    wire.receiver?.frame(frameOf(60));
    expect(rings[0].take()).toEqual([{ head: 0, length: 0 }]);
    rings[1].add([{ address: DATA, length: 100 }]);
    face.notify(1);
    expect(rings[1].take()).toEqual([{ head: 0, length: 0 }]);
    expect(wire.sent).toEqual([]);
    expect(device.refusals.counts.get('sealed')).toBe(2);
    expect(face.status() & STATUS.NEEDS_RESET).toBe(0);
  });

  it('breaks on a frame shorter than its header, and on a receive buffer shorter than one', () => {
    const short = up(makeFace);
    short.rings[1].add([{ address: DATA, length: 11 }]);
    short.face.notify(1);
    expect(short.face.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
    const tiny = up(makeFace);
    tiny.rings[0].add([{ address: DATA, length: 11, write: true }]);
    tiny.wire.receiver?.frame(frameOf(60));
    expect(tiny.face.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
  });

  it('drops frames while it is inactive, and after reset', () => {
    const { face, wire, rings } = up(makeFace);
    rings[0].add([{ address: DATA, length: 512, write: true }]);
    face.setStatus(0);
    wire.receiver?.frame(frameOf(60));
    expect(rings[0].take()).toEqual([]);
  });
});
