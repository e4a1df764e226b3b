// The person's terminal while a guest has it: raw mode, the Ctrl-A escapes, and its restoration whatever happens.
// Knows nothing of machines; keys go to whoever asked for them. (Raw mode in Node still turns \n into \r\n on output.)

import type { Disposable } from '../lib/index.ts';

export interface TerminalKeys {
  /** What was typed, without our escapes. */
  input(bytes: Uint8Array): void;
  /** Nothing more will be typed. */
  end(): void;
  /** Ctrl-A x. */
  quit(): void;
  /** Ctrl-A b: a break on the serial line. */
  sendBreak(): void;
}

const CTRL_A = 0x01;

const HELP = [
  'Ctrl-A h  this help',
  'Ctrl-A x  switch the machine off and leave',
  'Ctrl-A b  send a break (magic SysRq)',
  'Ctrl-A Ctrl-A  send Ctrl-A',
].join('\n');

/**
 * Takes over stdin. On a terminal: raw mode with the escapes. On a pipe or a file: bytes pass as they are. Reading
 * pauses while `input` asks for it through pause(). Disposing gives the terminal back.
 */
export class Terminal implements Disposable {
  private readonly stdin: NodeJS.ReadStream;
  private readonly stderr: NodeJS.WriteStream;
  private readonly keys: TerminalKeys;
  private escaped = false;
  private disposed = false;

  constructor(stdin: NodeJS.ReadStream, stderr: NodeJS.WriteStream, keys: TerminalKeys) {
    this.stdin = stdin;
    this.stderr = stderr;
    this.keys = keys;
    if (stdin.isTTY) stdin.setRawMode(true);
    // The last resort, for ends that do not pass through dispose().
    process.on('exit', this.restore);
    stdin.on('data', this.onData);
    stdin.on('end', this.onEnd);
    stdin.on('error', this.onEnd);
    stdin.resume();
  }

  pause(): void {
    this.stdin.pause();
  }

  resume(): void {
    if (!this.disposed) this.stdin.resume();
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    process.off('exit', this.restore);
    this.stdin.off('data', this.onData);
    this.stdin.off('end', this.onEnd);
    this.stdin.off('error', this.onEnd);
    this.stdin.pause();
    this.restore();
    // Only a terminal may stay open: an unread pipe would keep the process alive.
    if (!this.stdin.isTTY) this.stdin.unref?.();
  }

  private readonly restore = (): void => {
    if (this.stdin.isTTY) this.stdin.setRawMode(false);
  };

  private readonly onEnd = (): void => {
    this.keys.end();
  };

  private readonly onData = (bytes: Uint8Array): void => {
    if (!this.stdin.isTTY) {
      this.keys.input(bytes);
      return;
    }
    let from = 0;
    for (let i = 0; i < bytes.length; i++) {
      if (this.escaped) {
        this.escaped = false;
        this.escape(bytes[i]);
        from = i + 1;
      } else if (bytes[i] === CTRL_A) {
        if (i > from) this.keys.input(bytes.subarray(from, i));
        this.escaped = true;
        from = i + 1;
      }
    }
    if (from < bytes.length && !this.escaped) this.keys.input(bytes.subarray(from));
  };

  private escape(byte: number): void {
    switch (String.fromCharCode(byte)) {
      case 'x':
        this.keys.quit();
        break;
      case 'h':
      case '?':
        this.stderr.write(`\n${HELP}\n`);
        break;
      case 'b':
        this.keys.sendBreak();
        break;
      case '\x01':
        this.keys.input(Uint8Array.of(CTRL_A));
        break;
    }
  }
}
