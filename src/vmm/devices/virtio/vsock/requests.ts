// The socket device's queues and streams (virtio 1.3, 5.10.6). Packets for the guest wait here only as long as it
// offers no buffers, and while too many wait its own packets are left in their queue; so a guest that never reads
// costs the host little.

import type { Chain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';
import type { VsockBackend, VsockListener, VsockStream } from './backend.ts';
import { BUFFER_SIZE, Connection } from './connection.ts';
import {
  decode,
  encode,
  HEADER_BYTES,
  type Header,
  HOST_CID,
  MAX_PAYLOAD,
  OP,
  SHUTDOWN_RECEIVE,
  SHUTDOWN_SEND,
  TYPE_STREAM,
} from './packet.ts';

const MAX_CONNECTIONS = 1024;
const MAX_REPLIES = 256;
const FIRST_LOCAL_PORT = 0x4000_0000;
const EVENT_TRANSPORT_RESET = 0;

interface Reply {
  readonly op: number;
  readonly localPort: number;
  readonly guestPort: number;
  readonly flags: number;
  readonly connection: Connection | undefined;
}

export class VsockQueues {
  private readonly receive: Virtqueue | undefined;
  private readonly transmit: Virtqueue | undefined;
  private readonly events: Virtqueue | undefined;
  private readonly guestCid: number;
  private readonly backend: VsockBackend;
  private readonly refusals: RefusalLog;
  private readonly connections = new Map<string, Connection>();
  private readonly replies: Reply[] = [];
  private readonly packet = new Uint8Array(HEADER_BYTES + MAX_PAYLOAD);
  private readonly view = new DataView(this.packet.buffer);
  private readonly incoming = new Uint8Array(HEADER_BYTES + MAX_PAYLOAD);
  private readonly incomingView = new DataView(this.incoming.buffer);
  private nextLocalPort = FIRST_LOCAL_PORT;
  /** Set while packets are being handled: replies go out in one go afterwards. */
  private busy = false;
  /** The guest's packets wait because too many replies do. */
  private stalled = false;

  constructor(
    queues: readonly (Virtqueue | undefined)[],
    guestCid: number,
    backend: VsockBackend,
    refusals: RefusalLog,
  ) {
    [this.receive, this.transmit, this.events] = queues;
    this.guestCid = guestCid;
    this.backend = backend;
    this.refusals = refusals;
  }

  get connected(): boolean {
    return this.connections.size > 0;
  }

  /** Buffers for packets to the guest, or packets from it. */
  serve(): void {
    this.pump();
    const queue = this.transmit;
    if (!queue) return;
    this.busy = true;
    this.stalled = false;
    serve(queue, this.handle);
    this.busy = false;
    this.pump();
    if (this.stalled && this.replies.length < MAX_REPLIES) queue.yieldTurn();
  }

  connect(guestPort: number, listener: VsockListener): VsockStream | undefined {
    if (this.connections.size >= MAX_CONNECTIONS) return undefined;
    const localPort = this.nextLocalPort;
    this.nextLocalPort = localPort === 0x7fff_ffff ? FIRST_LOCAL_PORT : localPort + 1;
    if (this.connections.has(keyOf(localPort, guestPort))) return undefined;
    const connection = this.open(localPort, guestPort);
    connection.listener = listener;
    this.reply(OP.REQUEST, connection);
    return connection;
  }

  /** Reset: no stream survives. */
  close(): void {
    for (const connection of [...this.connections.values()]) connection.closed();
    this.connections.clear();
    this.replies.length = 0;
  }

  /** After a restore the guest's streams lead nowhere: tells it so (virtio 1.3, 5.10.6.7). */
  transportReset(): void {
    const chain = this.events?.pop();
    if (!this.events || !chain) return;
    const event = new Uint8Array(Math.min(4, chain.writableLength)).fill(EVENT_TRANSPORT_RESET);
    const refusal = chain.write(0, event);
    if (refusal) this.refusals.note('transport reset event', refusal);
    this.events.complete(chain, refusal ? 0 : event.length);
    this.events.publish();
  }

  private readonly handle = (chain: Chain): boolean => {
    const length = Math.min(chain.readableLength, this.incoming.length);
    if (length < HEADER_BYTES) {
      this.transmit?.fail('a packet without a header');
      return false;
    }
    const bytes = this.incoming.subarray(0, length);
    const refusal = chain.read(0, bytes);
    this.transmit?.complete(chain, 0);
    if (refusal) this.refusals.note('packet', refusal);
    else this.dispatch(decode(this.incomingView), bytes.subarray(HEADER_BYTES));
    this.stalled = this.replies.length >= MAX_REPLIES;
    return !this.stalled;
  };

  private dispatch(header: Header, payload: Uint8Array): void {
    const { op, sourcePort: guestPort, destinationPort: localPort } = header;
    const connection = this.connections.get(keyOf(localPort, guestPort));
    const stray =
      header.sourceCid !== this.guestCid || header.destinationCid !== HOST_CID || header.type !== TYPE_STREAM;
    if (stray || header.length > payload.length) {
      this.refuse(localPort, guestPort, op, connection);
      return;
    }
    connection?.heard(header);
    if (op === OP.REQUEST && !connection) this.accept(localPort, guestPort, header);
    else if (op === OP.RESPONSE && connection && !connection.established) {
      connection.established = true;
      connection.listener?.connected?.();
    } else if (op === OP.RST) {
      if (connection) this.forget(connection);
    } else if (op === OP.RW && connection?.established && (connection.guestShutdown & SHUTDOWN_SEND) === 0)
      this.deliver(connection, payload.subarray(0, header.length));
    else if (op === OP.SHUTDOWN && connection?.established) this.shutdown(connection, header.flags);
    else if (op === OP.CREDIT_REQUEST && connection) this.reply(OP.CREDIT_UPDATE, connection);
    else if (op !== OP.CREDIT_UPDATE || !connection) this.refuse(localPort, guestPort, op, connection);
  }

  private accept(localPort: number, guestPort: number, header: Header): void {
    if (this.connections.size < MAX_CONNECTIONS) {
      const connection = this.open(localPort, guestPort);
      connection.heard(header);
      const listener = this.backend.accept(connection);
      if (listener) {
        connection.listener = listener;
        connection.established = true;
        this.reply(OP.RESPONSE, connection);
        return;
      }
      this.connections.delete(keyOf(localPort, guestPort));
    }
    this.refuse(localPort, guestPort, OP.REQUEST, undefined);
  }

  private deliver(connection: Connection, bytes: Uint8Array): void {
    // More than the credit: the guest does not keep to the protocol, and buffers behind it must stay bounded.
    if (!connection.accept(bytes.length))
      this.refuse(connection.localPort, connection.guestPort, OP.RW, connection);
    else if (bytes.length > 0) connection.listener?.data(bytes);
  }

  /** Half closed is possible; a stream that the guest closes both ways is over (virtio 1.3, 5.10.6.5). */
  private shutdown(connection: Connection, flags: number): void {
    const before = connection.guestShutdown;
    connection.guestShutdown |= flags & (SHUTDOWN_RECEIVE | SHUTDOWN_SEND);
    if (connection.guestShutdown === (SHUTDOWN_RECEIVE | SHUTDOWN_SEND)) {
      this.reply(OP.RST, connection);
      this.forget(connection);
    } else if (connection.guestShutdown & ~before & SHUTDOWN_SEND) connection.listener?.ended?.();
  }

  /** Answers with RST, except to RST itself (virtio 1.3, 5.10.6.4). */
  private refuse(localPort: number, guestPort: number, op: number, connection: Connection | undefined): void {
    if (op !== OP.RST) this.push({ op: OP.RST, localPort, guestPort, flags: 0, connection: undefined });
    if (connection) this.forget(connection);
  }

  private open(localPort: number, guestPort: number): Connection {
    const connection = new Connection(localPort, guestPort, {
      wake: () => this.pump(),
      credit: (stream) => this.reply(OP.CREDIT_UPDATE, stream),
      ending: (stream) => this.finish(stream),
    });
    this.connections.set(keyOf(localPort, guestPort), connection);
    return connection;
  }

  /** The host's side is done: once all is sent, the guest hears of it and answers with RST. */
  private finish(connection: Connection): void {
    if (!this.connections.has(keyOf(connection.localPort, connection.guestPort))) return;
    if (!connection.established) {
      this.reply(OP.RST, connection);
      this.forget(connection);
    } else if (connection.empty) this.reply(OP.SHUTDOWN, connection, SHUTDOWN_RECEIVE | SHUTDOWN_SEND);
  }

  private forget(connection: Connection): void {
    this.connections.delete(keyOf(connection.localPort, connection.guestPort));
    connection.closed();
  }

  private reply(op: number, connection: Connection, flags = 0): void {
    const { localPort, guestPort } = connection;
    this.push({ op, localPort, guestPort, flags, connection });
  }

  private push(reply: Reply): void {
    this.replies.push(reply);
    this.pump();
  }

  /** Fills the guest's buffers: replies first, then data, a packet from each stream in turn. */
  private pump(): void {
    const queue = this.receive;
    if (this.busy || !queue) return;
    this.busy = true;
    while (this.sendReply(queue) || this.sendData(queue));
    queue.publish();
    this.busy = false;
  }

  private sendReply(queue: Virtqueue): boolean {
    const [reply] = this.replies;
    const chain = reply && this.buffer(queue);
    if (!chain) return false;
    this.replies.shift();
    this.put(queue, chain, reply, 0);
    return true;
  }

  private sendData(queue: Virtqueue): boolean {
    for (const [key, connection] of this.connections) {
      const sendable = connection.sendable;
      const chain = sendable > 0 ? this.buffer(queue) : undefined;
      if (sendable > 0 && !chain) return false;
      if (!chain) continue;
      const length = Math.min(sendable, MAX_PAYLOAD, chain.writableLength - HEADER_BYTES);
      connection.take(this.packet.subarray(HEADER_BYTES, HEADER_BYTES + length));
      const { localPort, guestPort } = connection;
      this.put(queue, chain, { op: OP.RW, localPort, guestPort, flags: 0, connection }, length);
      if (connection.ended) this.finish(connection);
      // To the end of the line, so that no stream starves another.
      if (this.connections.delete(key)) this.connections.set(key, connection);
      return true;
    }
    return false;
  }

  private buffer(queue: Virtqueue): Chain | undefined {
    const chain = queue.pop() ?? (queue.arm() ? queue.pop() : undefined);
    if (chain && chain.writableLength <= HEADER_BYTES) {
      queue.fail('a receive buffer without room for a packet');
      return undefined;
    }
    return chain;
  }

  private put(queue: Virtqueue, chain: Chain, reply: Reply, length: number): void {
    encode(this.view, {
      sourceCid: HOST_CID,
      destinationCid: this.guestCid,
      sourcePort: reply.localPort,
      destinationPort: reply.guestPort,
      length,
      type: TYPE_STREAM,
      op: reply.op,
      flags: reply.flags,
      bufferSize: reply.connection ? BUFFER_SIZE : 0,
      forwarded: reply.connection?.tellForwarded() ?? 0,
    });
    const bytes = this.packet.subarray(0, HEADER_BYTES + length);
    const refusal = chain.write(0, bytes);
    if (refusal) this.refusals.note('packet to the guest', refusal);
    queue.complete(chain, refusal ? 0 : bytes.length);
  }
}

const keyOf = (localPort: number, guestPort: number): string => `${localPort}:${guestPort}`;
