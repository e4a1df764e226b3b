// The QMP monitor on a socket: a session for each client. A client that does not read what it asked for is cut
// off, so that it cannot fill the host's memory.

import type { Server, Socket } from 'node:net';
import type { Disposable } from '../../lib/index.ts';
import { DUMP_COMMANDS } from './core-dump/index.ts';
import { type Endpoint, listen } from './listen.ts';
import { QMP_COMMANDS, type QmpMachine, type QmpTable } from './qmp-commands.ts';
import { QmpSession } from './qmp-session.ts';

/** Unread output of one client. */
const MAX_UNREAD = 4 << 20;

export class QmpServer implements Disposable {
  private readonly server: Server;
  private readonly sockets: Set<Socket>;
  private readonly hold: Disposable;

  /** `extra` adds commands to the standard ones. Throws UserError where the endpoint cannot be used. */
  static async open(machine: QmpMachine, endpoint: Endpoint, extra: QmpTable = {}): Promise<QmpServer> {
    const sockets = new Set<Socket>();
    const table = { ...QMP_COMMANDS, ...DUMP_COMMANDS, ...extra };
    const server = await listen('qmp', endpoint, (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      void serve(socket, machine, table);
    });
    return new QmpServer(server, sockets, machine.expectEvents());
  }

  private constructor(server: Server, sockets: Set<Socket>, hold: Disposable) {
    this.server = server;
    this.sockets = sockets;
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
    for (const socket of this.sockets) socket.end(() => socket.destroy());
  }
}

async function serve(socket: Socket, machine: QmpMachine, table: QmpTable): Promise<void> {
  const session = new QmpSession(machine, table, (text) => {
    if (socket.destroyed || socket.writableEnded) return;
    socket.write(text);
    if (socket.writableLength > MAX_UNREAD) socket.destroy();
  });
  try {
    // One piece after another, so that a client cannot queue up more work than it gets done.
    for await (const bytes of socket) await session.receive(bytes as Uint8Array);
  } catch {
    // The client went away in the middle; nobody is left to be told.
  } finally {
    session.dispose();
    socket.end();
  }
}
