// Virtio sockets as unix sockets, by Firecracker's convention (docs/vsock.md there): a guest that connects to port N
// reaches the unix socket PATH_N; a host process that connects to PATH and writes "CONNECT N\n" reaches the guest's
// port N and is answered "OK <host port>\n". Node only.

import { existsSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Disposable, Log } from '../../../../lib/index.ts';
import type { VsockBackend, VsockListener, VsockStream } from './backend.ts';

export interface UnixVsockOptions {
  readonly path: string;
  readonly log: Log;
}

type Connect = (guestPort: number, listener: VsockListener) => VsockStream | undefined;

const SOURCE = 'vsock';
const MAX_GREETING = 32;

export function unixVsock(options: UnixVsockOptions): VsockBackend & Disposable {
  return new UnixVsock(options);
}

class UnixVsock implements VsockBackend, Disposable {
  private readonly path: string;
  private readonly log: Log;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private connect: Connect | undefined;

  constructor({ path, log }: UnixVsockOptions) {
    this.path = path;
    this.log = log;
    this.server = createServer((socket) => this.greet(socket));
    this.server.on('error', (error) => this.log('error', SOURCE, error.message));
    this.server.listen(path);
  }

  attach(open: Connect): void {
    this.connect = open;
  }

  accept(stream: VsockStream): VsockListener | undefined {
    const path = `${this.path}_${stream.localPort}`;
    return existsSync(path) ? this.join(connect(path), stream) : undefined;
  }

  dispose(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    rmSync(this.path, { force: true });
  }

  private greet(socket: Socket): void {
    this.own(socket);
    let greeting = '';
    const read = (bytes: Buffer): void => {
      greeting += bytes.toString('latin1');
      const end = greeting.indexOf('\n');
      if (end < 0 && greeting.length <= MAX_GREETING) return;
      socket.off('data', read);
      const port = /^CONNECT (\d{1,10})$/.exec(greeting.slice(0, Math.max(end, 0)))?.[1];
      const rest = Buffer.from(greeting.slice(end + 1), 'latin1');
      if (port === undefined || !this.dial(socket, Number(port), rest)) socket.destroy();
    };
    socket.on('data', read);
  }

  private dial(socket: Socket, port: number, first: Buffer): boolean {
    if (port > 0xffff_ffff) return false;
    socket.pause();
    let joined: VsockListener | undefined;
    const stream = this.connect?.(port, {
      connected: () => {
        if (!stream) return;
        socket.write(`OK ${stream.localPort}\n`);
        joined = this.join(socket, stream);
        if (first.length > 0) stream.send(first);
        socket.resume();
      },
      data: (bytes) => joined?.data(bytes),
      drained: () => joined?.drained?.(),
      ended: () => joined?.ended?.(),
      closed: () => socket.end(),
    });
    return stream !== undefined;
  }

  /** Both directions, with back-pressure, until either side goes. */
  private join(socket: Socket, stream: VsockStream): VsockListener {
    this.own(socket);
    socket.on('data', (bytes: Buffer) => {
      if (!stream.send(bytes)) socket.pause();
    });
    socket.on('close', () => stream.end());
    return {
      data: (bytes) => {
        // The socket keeps what it cannot send at once, and the bytes are the device's again after this call.
        socket.write(bytes.slice(), () => stream.consumed(bytes.length));
      },
      drained: () => socket.resume(),
      ended: () => socket.end(),
      closed: () => socket.end(),
    };
  }

  private own(socket: Socket): void {
    if (this.sockets.has(socket)) return;
    this.sockets.add(socket);
    socket.on('error', (error) => this.log('debug', SOURCE, error.message));
    socket.on('close', () => this.sockets.delete(socket));
  }
}
