// Stand-ins for the process's streams: what was written is kept, and a test can type.

import { PassThrough } from 'node:stream';
import type { CliIo } from '../../src/cli/command.ts';

export interface FakeIo {
  readonly io: CliIo;
  /** Whether stdin is in raw mode now. */
  raw(): boolean;
  type(text: string): void;
  /** Ends the input. */
  hangUp(): void;
  out(): string;
  err(): string;
}

export function fakeIo(options: { readonly tty?: boolean } = {}): FakeIo {
  const tty = options.tty ?? false;
  let raw = false;
  const stdin = Object.assign(new PassThrough(), {
    isTTY: tty,
    setRawMode(mode: boolean) {
      raw = mode;
    },
  });
  const stdout = new PassThrough({ highWaterMark: 1 << 20 });
  const stderr = new PassThrough({ highWaterMark: 1 << 20 });
  let out = '';
  let err = '';
  stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('latin1');
  });
  stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString('latin1');
  });
  return {
    // PassThrough has all of the stream members that the command line uses.
    io: { stdin, stdout, stderr } as unknown as CliIo,
    raw: () => raw,
    type: (text) => void stdin.write(text, 'latin1'),
    hangUp: () => stdin.end(),
    out: () => out,
    err: () => err,
  };
}
