// The GDB stub on a socket, Node only: one debugger at a time, since two would fight over the same machine. A client
// that does not read what it asked for is cut off.

import type { Server, Socket } from 'node:net';
import type { Disposable } from '../../../lib/index.ts';
import { type Endpoint, listen } from '../listen.ts';
import { type GdbMachine, GdbSession } from './session.ts';

/** Unread output of one client. */
const MAX_UNREAD = 1 << 20;

export class GdbServer implements Disposable {
  private readonly server: Server;
  private readonly clients: Clients;
  private readonly hold: Disposable;

  /** Throws UserError where the endpoint cannot be used. */
  static async open(machine: GdbMachine, endpoint: Endpoint): Promise<GdbServer> {
    const clients = new Clients(machine);
    const server = await listen('gdb', endpoint, (socket) => clients.accept(socket));
    return new GdbServer(server, clients, machine.expectEvents());
  }

  private constructor(server: Server, clients: Clients, hold: Disposable) {
    this.server = server;
    this.clients = clients;
    this.hold = hold;
  }

  /** The TCP port, or undefined on a Unix socket. */
  get port(): number | undefined {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  }

  /** Says what is still to be said, and closes. */
  dispose(): void {
    this.hold.dispose();
    this.server.close();
    this.clients.end();
  }
}

class Clients {
  private readonly machine: GdbMachine;
  private current: Socket | undefined;

  constructor(machine: GdbMachine) {
    this.machine = machine;
  }

  accept(socket: Socket): void {
    if (this.current) {
      socket.destroy();
      return;
    }
    this.current = socket;
    socket.setNoDelay(true);
    const session = new GdbSession(this.machine, (bytes) => {
      if (socket.destroyed || socket.writableEnded) return;
      socket.write(bytes);
      if (socket.writableLength > MAX_UNREAD) socket.destroy();
    });
    socket.on('data', (bytes: Uint8Array) => session.receive(bytes));
    // The client went away in the middle; the close that follows says so.
    socket.on('error', () => {});
    socket.once('close', () => {
      session.dispose();
      this.current = undefined;
    });
  }

  end(): void {
    const { current } = this;
    current?.end(() => current.destroy());
  }
}
