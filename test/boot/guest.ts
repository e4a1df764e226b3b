// A guest as a dialogue on its console, like expect(1): what was printed, waiting for text, typing. It knows no Node, so
// that the same steps run in a browser.

import type { Machine } from '../../src/vmm/index.ts';
import { yieldToHost } from '../../src/vmm/machine/event-loop.ts';

export interface GuestEnd {
  /** As the command line's exit status: 0 power-off, 3 crash. */
  readonly status: number;
  readonly message: string;
  /** Guest instructions, where they are counted. */
  readonly instructions: number | undefined;
}

/** What stands behind a console. */
export interface Backend {
  onOutput(listener: (bytes: Uint8Array) => void): void;
  write(text: string): void;
  readonly ended: Promise<GuestEnd>;
  kill(): void;
}

/** A root shell's in the home folder. */
const PROMPT = '~ # ';

export class Guest {
  private readonly backend: Backend;
  private text = '';
  /** Up to here the steps have read. */
  private at = 0;
  private waiting: (() => void) | undefined;
  private end: GuestEnd | undefined;

  constructor(backend: Backend) {
    this.backend = backend;
    backend.onOutput((bytes) => {
      this.text += latin1(bytes);
      this.waiting?.();
    });
    void backend.ended.then(
      (end) => {
        this.end = end;
        this.waiting?.();
      },
      () => this.waiting?.(),
    );
  }

  /** Everything printed so far. */
  get console(): string {
    return this.text;
  }

  type(text: string): void {
    this.backend.write(text);
  }

  /** Reads until `what` appears and gives what came before it. Fails where the guest ends first. */
  async until(what: string | RegExp): Promise<string> {
    for (;;) {
      const rest = this.text.slice(this.at);
      const match = typeof what === 'string' ? literal(rest, what) : what.exec(rest);
      if (match) {
        this.at += match.index + match[0].length;
        return rest.slice(0, match.index);
      }
      if (this.end)
        throw new Error(`the guest ended (${this.end.message}) before ${what}:\n${this.text.slice(-2000)}`);
      await new Promise<void>((resolve) => {
        this.waiting = resolve;
      });
    }
  }

  /** Runs a command at a shell's prompt and gives what it printed, without the echo, lines ended by \n. */
  async command(line: string): Promise<string> {
    this.type(`${line}\r`);
    await this.until('\n');
    const printed = await this.until(PROMPT);
    return plain(printed.slice(0, printed.lastIndexOf('\n') + 1));
  }

  prompt(): Promise<string> {
    return this.until(PROMPT);
  }

  ended(): Promise<GuestEnd> {
    return this.backend.ended;
  }

  kill(): void {
    this.backend.kill();
  }
}

const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');

function literal(text: string, what: string): { readonly 0: string; readonly index: number } | undefined {
  const index = text.indexOf(what);
  return index < 0 ? undefined : { 0: what, index };
}

const TERMINAL_QUERY = new RegExp(`${String.fromCharCode(27)}\\[\\d*n`, 'g');
/** Without carriage returns and terminal queries (busybox asks where the cursor is). */
const plain = (text: string): string => text.replaceAll('\r', '').replace(TERMINAL_QUERY, '');

export function running(made: Machine, whenEnded: () => void): Backend {
  return {
    // The machine stands still until the steps have had their turn, so that a dialogue is the same every time.
    onOutput: (listener) =>
      void made.console.onOutput((bytes) => {
        listener(bytes);
        return yieldToHost();
      }),
    write: (text) => void made.console.write(text),
    ended: made.run().then(({ status, message }) => {
      const { instructions } = made.stats();
      whenEnded();
      return { status, message, instructions };
    }),
    kill: () => made.dispose(),
  };
}

/** Starts a machine that the test made itself, and goes on to dispose of. */
export const drive = (made: Machine): Guest => new Guest(running(made, () => {}));
