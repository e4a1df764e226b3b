// Ethernet frames over a stream socket as QEMU's "-netdev stream" frames them: a 4-byte big-endian length, then the
// frame. Node only.

import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Disposable, Log } from '../../../../lib/index.ts';
import { MAX_FRAME, type NetBackend, type NetReceiver } from './backend.ts';

export interface StreamNetOptions {
  /** A unix socket's path, or a TCP address. */
  readonly address: { readonly path: string } | { readonly host?: string; readonly port: number };
  /** Waits for the peer instead of connecting to it; one peer at a time. Default: false. */
  readonly listen?: boolean;
  readonly log: Log;
}

const SOURCE = 'net-stream';
const LENGTH_BYTES = 4;
/** A peer that does not read loses frames, as on a full wire. */
const MAX_UNSENT = 4 * 1024 * 1024;

export function streamNet(options: StreamNetOptions): NetBackend & Disposable {
  return new StreamNet(options);
}

class StreamNet implements NetBackend, Disposable {
  private readonly log: Log;
  private readonly server: Server | undefined;
  private socket: Socket | undefined;
  private receiver: NetReceiver | undefined;
  private pending: Buffer = Buffer.alloc(0);

  constructor({ address, listen, log }: StreamNetOptions) {
    this.log = log;
    if (listen) {
      this.server = createServer((socket) => {
        if (this.socket) socket.destroy();
        else this.adopt(socket, true);
      });
      this.server.on('error', (error) => this.log('error', SOURCE, error.message));
      this.server.listen(address);
    } else this.adopt(connect(address), false);
  }

  attach(receiver: NetReceiver): void {
    this.receiver = receiver;
    receiver.link(this.socket?.readyState === 'open');
  }

  send(frame: Uint8Array): void {
    const socket = this.socket;
    if (socket?.readyState !== 'open' || socket.writableLength > MAX_UNSENT) return;
    const packet = Buffer.allocUnsafe(LENGTH_BYTES + frame.length);
    packet.writeUInt32BE(frame.length, 0);
    packet.set(frame, LENGTH_BYTES);
    socket.write(packet);
  }

  dispose(): void {
    this.receiver = undefined;
    this.socket?.destroy();
    this.server?.close();
  }

  private adopt(socket: Socket, connected: boolean): void {
    this.socket = socket;
    this.pending = Buffer.alloc(0);
    socket.setNoDelay(true);
    if (connected) this.receiver?.link(true);
    else socket.on('connect', () => this.receiver?.link(true));
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('error', (error) => this.log('warn', SOURCE, error.message));
    socket.on('close', () => {
      this.socket = undefined;
      this.receiver?.link(false);
    });
  }

  private receive(bytes: Buffer): void {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    let at = 0;
    while (this.pending.length - at >= LENGTH_BYTES) {
      const length = this.pending.readUInt32BE(at);
      if (length === 0 || length > MAX_FRAME) {
        this.log('error', SOURCE, `the peer announced a frame of ${length} bytes; closing`);
        this.socket?.destroy();
        return;
      }
      if (this.pending.length - at < LENGTH_BYTES + length) break;
      this.receiver?.frame(this.pending.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
      at += LENGTH_BYTES + length;
    }
    this.pending = this.pending.subarray(at);
  }
}
