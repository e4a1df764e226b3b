// Asks a running machine over QMP (QEMU docs/interop/qmp-spec.rst): greeting, negotiation, one command, its answer.
// Events that come in between are passed over. The other end is not trusted to be a monitor at all.

import { connect, type Socket } from 'node:net';

export type QmpEndpoint =
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** The monitor answered with an error, or with something that is no QMP. */
export class QmpClientError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'QmpClientError';
  }
}

/** Longer than this no answer of a monitor is. */
const LONGEST = 8 << 20;
const PATIENCE_MS = 10_000;

/** The "return" of one command. Throws QmpClientError; the socket's own errors pass through. */
export async function askQmp(endpoint: QmpEndpoint, execute: string, args: object): Promise<unknown> {
  const socket = endpoint.kind === 'tcp' ? connect(endpoint.port, '127.0.0.1') : connect(endpoint.path);
  socket.setTimeout(PATIENCE_MS, () =>
    socket.destroy(new QmpClientError(`no answer in ${PATIENCE_MS / 1000} seconds; is it a QMP socket?`)),
  );
  try {
    const messages = messagesOf(socket);
    const greeting = await next(messages);
    if (!('QMP' in greeting)) throw new QmpClientError('it does not greet as a QMP monitor does');
    await command(socket, messages, 'qmp_capabilities', {});
    return await command(socket, messages, execute, args);
  } finally {
    socket.destroy();
  }
}

async function command(
  socket: Socket,
  messages: AsyncGenerator<object>,
  execute: string,
  args: object,
): Promise<unknown> {
  socket.write(`${JSON.stringify({ execute, arguments: args })}\r\n`);
  for (;;) {
    const message = await next(messages);
    if ('return' in message) return message.return;
    if ('error' in message) throw new QmpClientError(`${execute}: ${descriptionOf(message.error)}`);
  }
}

async function next(messages: AsyncGenerator<object>): Promise<object> {
  const { value, done } = await messages.next();
  if (done) throw new QmpClientError('it closed the connection');
  return value;
}

async function* messagesOf(socket: Socket): AsyncGenerator<object> {
  let rest = '';
  for await (const bytes of socket) {
    rest += String(bytes);
    if (rest.length > LONGEST) throw new QmpClientError('its answer does not end');
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield objectOf(line);
  }
}

function objectOf(line: string): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below, in the same words.
  }
  throw new QmpClientError('it does not speak QMP');
}

const descriptionOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'desc' in error ? String(error.desc) : 'failed';
