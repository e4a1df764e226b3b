import { describe, expect, it } from 'vitest';
import type { DeviceEnv } from '../../../../src/vmm/devices/virtio/device.ts';
import { STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import type {
  VsockBackend,
  VsockListener,
  VsockStream,
} from '../../../../src/vmm/devices/virtio/vsock/backend.ts';
import { BUFFER_SIZE } from '../../../../src/vmm/devices/virtio/vsock/connection.ts';
import { VirtioVsock } from '../../../../src/vmm/devices/virtio/vsock/device.ts';
import { decode, encode, HEADER_BYTES, OP } from '../../../../src/vmm/devices/virtio/vsock/packet.ts';
import { faces } from './faces.ts';
import { bringUp, type MakeFace, testEnv } from './guest.ts';

const TRANSMIT = 0x2_0000;
const RECEIVE = 0x4_0000;
const BUFFER_BYTES = 4096;
const bytes = (text: string) => new TextEncoder().encode(text);

/** A host that listens on port 80 only and keeps what it hears. */
class Host implements VsockBackend {
  readonly heard: string[] = [];
  stream: VsockStream | undefined;
  consume = true;

  accept(stream: VsockStream): VsockListener | undefined {
    if (stream.localPort !== 80) return undefined;
    this.stream = stream;
    return this.listener();
  }

  listener(): VsockListener {
    return {
      connected: () => void this.heard.push('connected'),
      data: (part) => {
        this.heard.push(new TextDecoder().decode(part.subarray(0, 20)));
        if (this.consume) this.stream?.consumed(part.length);
      },
      drained: () => void this.heard.push('drained'),
      ended: () => void this.heard.push('ended'),
      closed: () => void this.heard.push('closed'),
    };
  }
}

function up(makeFace: MakeFace, buffers = 8) {
  const host = new Host();
  const rig = bringUp(makeFace, (env: DeviceEnv) => new VirtioVsock({ backend: host, guestCid: 5 }, env));
  const { memory, rings, face } = rig;
  let offered = 0;
  const slots = new Map<number, number>();

  function offer(count: number): void {
    for (let i = 0; i < count; i++) {
      const address = RECEIVE + (offered++ % 8) * BUFFER_BYTES;
      slots.set(rings[0].add([{ address, length: BUFFER_BYTES, write: true }]), address);
    }
    face.notify(0);
  }

  function send(
    op: number,
    fields: Partial<ReturnType<typeof decode>> = {},
    payload = new Uint8Array(0),
  ): void {
    encode(new DataView(memory.bytes.buffer, TRANSMIT, HEADER_BYTES), {
      sourceCid: 5,
      destinationCid: 2,
      sourcePort: 1000,
      destinationPort: 80,
      length: payload.length,
      type: 1,
      op,
      flags: 0,
      bufferSize: 1 << 16,
      forwarded: 0,
      ...fields,
    });
    memory.bytes.set(payload, TRANSMIT + HEADER_BYTES);
    rings[1].add([{ address: TRANSMIT, length: HEADER_BYTES + payload.length }]);
    face.notify(1);
    rings[1].take();
  }

  /** Packets that the guest has received, and their payloads. */
  function receive() {
    return rings[0].take().map(({ head, length }) => {
      const address = slots.get(head) ?? 0;
      const header = decode(new DataView(memory.bytes.buffer, address, HEADER_BYTES));
      return { ...header, payload: memory.bytes.slice(address + HEADER_BYTES, address + length) };
    });
  }

  offer(buffers);
  return { ...rig, host, offer, send, receive };
}

describe.each(faces)('socket device over %s (virtio 1.3, 5.10)', (_, makeFace) => {
  it('tells the guest its context id (5.10.4)', () => {
    const { face } = up(makeFace);
    expect([face.config(0, 4), face.config(4, 4)]).toEqual([5, 0]);
  });

  it('connects the guest to a listener, or refuses with RST', () => {
    const { send, receive, host } = up(makeFace);
    send(OP.REQUEST);
    expect(receive()).toMatchObject([
      { op: OP.RESPONSE, sourceCid: 2, destinationCid: 5, sourcePort: 80, destinationPort: 1000, type: 1 },
    ]);
    expect(host.stream?.guestPort).toBe(1000);
    send(OP.REQUEST, { destinationPort: 81 });
    expect(receive()).toMatchObject([{ op: OP.RST, sourcePort: 81 }]);
  });

  it('carries bytes both ways', () => {
    const { send, receive, host } = up(makeFace);
    send(OP.REQUEST);
    receive();
    send(OP.RW, {}, bytes('hello'));
    expect(host.heard).toEqual(['hello']);
    host.stream?.send(bytes('good '));
    host.stream?.send(bytes('day'));
    const packets = receive();
    expect(packets.map((packet) => new TextDecoder().decode(packet.payload)).join('')).toBe('good day');
    expect(packets[0]).toMatchObject({ op: OP.RW, forwarded: 5, bufferSize: BUFFER_SIZE });
  });

  it('sends no more than the guest gave credit for (5.10.6.3)', () => {
    const { send, receive, host } = up(makeFace);
    send(OP.REQUEST, { bufferSize: 100 });
    receive();
    host.stream?.send(new Uint8Array(250));
    expect(receive().map((packet) => packet.length)).toEqual([100]);
    send(OP.CREDIT_UPDATE, { bufferSize: 100, forwarded: 60 });
    expect(receive().map((packet) => packet.length)).toEqual([60]);
    send(OP.CREDIT_UPDATE, { bufferSize: 1000, forwarded: 160 });
    expect(receive().map((packet) => packet.length)).toEqual([90]);
  });

  it('waits for buffers, and cuts data to their size', () => {
    const { send, receive, host, offer } = up(makeFace, 1);
    send(OP.REQUEST);
    receive();
    host.stream?.send(new Uint8Array(6000));
    expect(receive()).toEqual([]);
    offer(2);
    expect(receive().map((packet) => packet.length)).toEqual([BUFFER_BYTES - HEADER_BYTES, 6000 - 4052]);
  });

  it('tells its credit when half of it is used up, and when asked', () => {
    const { send, receive, host } = up(makeFace);
    send(OP.REQUEST);
    receive();
    for (let sent = 0; sent < BUFFER_SIZE / 2; sent += 0x8000) send(OP.RW, {}, new Uint8Array(0x8000));
    expect(receive()).toMatchObject([{ op: OP.CREDIT_UPDATE, forwarded: BUFFER_SIZE / 2 }]);
    host.consume = false;
    send(OP.RW, {}, new Uint8Array(100));
    send(OP.CREDIT_REQUEST);
    expect(receive()).toMatchObject([{ op: OP.CREDIT_UPDATE, forwarded: BUFFER_SIZE / 2 }]);
  });

  it('resets a stream whose guest sends more than its credit', () => {
    const { send, receive, host } = up(makeFace);
    host.consume = false;
    send(OP.REQUEST);
    receive();
    for (let sent = 0; sent <= BUFFER_SIZE; sent += 0x8000) send(OP.RW, {}, new Uint8Array(0x8000));
    expect(receive()).toMatchObject([{ op: OP.RST }]);
    expect(host.heard.at(-1)).toBe('closed');
  });

  it('closes when the guest closes (5.10.6.5)', () => {
    const { send, receive, host } = up(makeFace);
    send(OP.REQUEST);
    send(OP.SHUTDOWN, { flags: 2 });
    expect(host.heard).toEqual(['ended']);
    host.stream?.send(bytes('answer'));
    send(OP.SHUTDOWN, { flags: 1 });
    expect(host.heard).toEqual(['ended', 'closed']);
    expect(receive().map((packet) => packet.op)).toEqual([OP.RESPONSE, OP.RW, OP.RST]);
  });

  it('closes when the host closes, after all that it sent', () => {
    const { send, receive, host } = up(makeFace);
    send(OP.REQUEST, { bufferSize: 4 });
    host.stream?.send(bytes('answer'));
    host.stream?.end();
    expect(host.stream?.send(bytes('more'))).toBe(false);
    expect(receive().map((packet) => packet.op)).toEqual([OP.RESPONSE, OP.RW]);
    send(OP.CREDIT_UPDATE, { bufferSize: 4, forwarded: 4 });
    expect(receive().map(({ op, flags }) => [op, flags])).toEqual([
      [OP.RW, 0],
      [OP.SHUTDOWN, 3],
    ]);
    send(OP.RST);
    expect(host.heard).toEqual(['closed']);
  });

  it('opens streams from the host', () => {
    const { send, receive, host, device } = up(makeFace);
    const stream = device.connect(2222, host.listener());
    const [request] = receive();
    expect(request).toMatchObject({ op: OP.REQUEST, destinationPort: 2222 });
    stream?.send(bytes('early'));
    expect(receive()).toEqual([]);
    send(OP.RESPONSE, { sourcePort: 2222, destinationPort: request.sourcePort });
    expect(host.heard).toEqual(['connected']);
    expect(receive().map((packet) => packet.length)).toEqual([5]);
    const refused = device.connect(2223, host.listener());
    const [second] = receive();
    send(OP.RST, { sourcePort: 2223, destinationPort: second.sourcePort });
    expect(host.heard).toEqual(['connected', 'closed']);
    expect(refused?.send(bytes('late'))).toBe(false);
  });

  it.each([
    ['another context id', { sourceCid: 6 }],
    ['another destination', { destinationCid: 9 }],
    ['another type', { type: 2 }],
    ['a length beyond its buffer', { length: 1000 }],
    ['an unknown operation', { op: 99 }],
  ])('answers a packet with %s with RST', (_case, fields) => {
    const { send, receive, face } = up(makeFace);
    send(OP.REQUEST, { destinationPort: 99 });
    receive();
    send(OP.RW, fields);
    expect(receive()).toMatchObject([{ op: OP.RST }]);
    send(OP.RST);
    expect(receive()).toEqual([]);
    expect(face.status() & STATUS.NEEDS_RESET).toBe(0);
  });

  it('stops taking packets while a guest takes no replies, and goes on when it does', () => {
    const { send, rings, face, memory, offer, receive } = up(makeFace, 0);
    for (let i = 0; i < 256; i++) send(OP.RW, { sourcePort: i });
    encode(new DataView(memory.bytes.buffer, TRANSMIT, HEADER_BYTES), {
      ...decode(new DataView(memory.bytes.buffer, TRANSMIT, HEADER_BYTES)),
      sourcePort: 7777,
    });
    rings[1].add([{ address: TRANSMIT, length: HEADER_BYTES }]);
    face.notify(1);
    let answered: number[] = [];
    for (let i = 0; i < 40; i++) {
      offer(8);
      answered = answered.concat(receive().map((packet) => packet.destinationPort));
    }
    expect(answered.length).toBe(257);
    expect(answered.at(-1)).toBe(7777);
  });

  it('closes everything at reset, and tells a restored guest that its streams are gone (5.10.6.7)', () => {
    const { send, receive, host, face, memory, rings } = up(makeFace);
    send(OP.REQUEST);
    receive();
    rings[2].add([{ address: 0xf000, length: 4, write: true }]);
    memory.view.setUint32(0xf000, 0xffff_ffff, true);
    const state = JSON.parse(JSON.stringify(face.save()));
    const copy = new VirtioVsock({ backend: new Host(), guestCid: 5 }, testEnv(memory));
    face.restored(copy, state);
    expect(rings[2].take().map((used) => used.length)).toEqual([4]);
    expect(memory.view.getUint32(0xf000, true)).toBe(0);
    face.setStatus(0);
    expect(host.heard).toEqual(['closed']);
    expect(host.stream?.send(bytes('x'))).toBe(false);
  });
});
