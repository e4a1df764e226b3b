// A listening socket for a monitor, Node only: a TCP port on the loopback interface, since a monitor can do
// everything, or a Unix socket. A socket file that a dead process left behind is replaced.

import type { Server, Socket } from 'node:net';
import { UserError } from '../machine/index.ts';

export type Endpoint =
  /** Port 0 takes any free one. */
  { readonly kind: 'tcp'; readonly port: number } | { readonly kind: 'unix'; readonly path: string };

const LOOPBACK = '127.0.0.1';

/** `what` names the option in messages. Throws UserError where nobody can listen there. */
export async function listen(
  what: string,
  endpoint: Endpoint,
  serve: (socket: Socket) => void,
): Promise<Server> {
  const { createServer } = await import('node:net');
  const server = createServer(serve);
  try {
    await bind(server, endpoint);
  } catch (error) {
    if (endpoint.kind !== 'unix' || codeOf(error) !== 'EADDRINUSE' || (await answers(endpoint.path))) {
      throw refused(what, endpoint, error);
    }
    const { unlink } = await import('node:fs/promises');
    await unlink(endpoint.path);
    await bind(server, endpoint).catch((again: unknown) => {
      throw refused(what, endpoint, again);
    });
  }
  return server;
}

function bind(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const listening = (): void => {
      server.off('error', reject);
      resolve();
    };
    if (endpoint.kind === 'tcp') server.listen(endpoint.port, LOOPBACK, listening);
    else server.listen(endpoint.path, listening);
  });
}

async function answers(path: string): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (alive: boolean) => () => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', done(true));
    // Whatever else stands at that path is not ours to remove.
    socket.once('error', (error) => done(codeOf(error) !== 'ECONNREFUSED')());
  });
}

function refused(what: string, endpoint: Endpoint, error: unknown): UserError {
  const where = endpoint.kind === 'tcp' ? `port ${endpoint.port}` : endpoint.path;
  const code = codeOf(error);
  const why = code === 'EADDRINUSE' ? 'it is in use' : error instanceof Error ? error.message : String(error);
  return new UserError(`${what} ${where}: cannot listen there: ${why}; choose another`);
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
