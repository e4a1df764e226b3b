// Where the guest's serial port goes: stdout, a file or nowhere. A sink says when it is full, so that a guest that
// prints faster than its reader reads is held up instead of filling memory.

import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { hostError, reasonOf, usageError } from './exit-status.ts';

export interface SerialSink {
  /** A returned promise settles when there is room again. */
  write(bytes: Uint8Array): undefined | Promise<void>;
  /** All that was written has left. */
  close(): Promise<void>;
}

/** The last part of the console, for a report after a crash. */
export class ConsoleTail {
  private text = '';
  private readonly limit: number;

  constructor(limit = 4096) {
    this.limit = limit;
  }

  feed(bytes: Uint8Array): void {
    this.text = (this.text + Buffer.from(bytes).toString('latin1')).slice(-this.limit);
  }

  lines(count: number): string[] {
    const lines = this.text.split(/\r?\n/).filter((line) => line.trim() !== '');
    return lines.slice(-count);
  }
}

const NOWHERE: SerialSink = { write: () => undefined, close: async () => {} };

/** `closed` is called when the reader of stdout has gone away. */
export function openSink(where: string, stdout: NodeJS.WriteStream, closed: () => void): Promise<SerialSink> {
  if (where === 'none') return Promise.resolve(NOWHERE);
  if (where === 'stdio') {
    stdout.on('error', closed);
    return Promise.resolve(
      streamSink(stdout, () => new Promise((resolve) => stdout.write('', () => resolve()))),
    );
  }
  return new Promise((resolve, reject) => {
    const file = createWriteStream(where);
    file.once('error', (error) =>
      reject(usageError(`--serial ${where}: ${reasonOf(error)}; give a file that can be written`)),
    );
    file.once('open', () => {
      let failure: unknown;
      file.on('error', (error) => {
        failure = error;
        closed();
      });
      const close = (): Promise<void> =>
        new Promise((done, failed) => {
          file.end(() => done());
          if (failure) failed(hostError(`${where}: ${reasonOf(failure)}`));
        });
      resolve(streamSink(file, close));
    });
  });
}

function streamSink(stream: Writable, close: () => Promise<void>): SerialSink {
  return {
    write(bytes) {
      if (stream.destroyed || stream.write(bytes)) return undefined;
      return new Promise((resolve) => {
        const go = (): void => {
          stream.off('drain', go);
          stream.off('close', go);
          stream.off('error', go);
          resolve();
        };
        stream.on('drain', go);
        stream.on('close', go);
        stream.on('error', go);
      });
    },
    close,
  };
}
