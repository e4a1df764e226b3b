// One running emulator with its guest's console on stdin and stdout, driven like expect(1). Every arrival of console
// text is stamped with the host's monotonic clock, so that no emulator's idea of time matters.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export class GuestFailure extends Error {}

export interface Seen {
  readonly match: RegExpExecArray;
  /** When the text was complete: milliseconds of performance.now(). */
  readonly at: number;
}

/** A boot or a row that takes longer has hung. */
const LIMIT_MS = 600_000;
const REMEMBERED_CHARACTERS = 400;

const living = new Set<ChildProcess>();

/** For the end of the program, whatever its cause: no emulator outlives it. */
export function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}

export class GuestProcess {
  readonly startedAt: number;
  private readonly child: ChildProcess;
  private text = '';
  private arrivedAt = 0;
  private failure: string | undefined;
  private wake: (() => void) | undefined;
  private readonly closed: Promise<void>;

  constructor(command: string, args: readonly string[]) {
    this.startedAt = performance.now();
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    living.add(child);
    let complaint = '';
    child.stderr.on('data', (bytes: Buffer) => {
      complaint = (complaint + bytes.toString()).slice(-REMEMBERED_CHARACTERS);
    });
    child.stdout.on('data', (bytes: Buffer) => {
      this.arrivedAt = performance.now();
      this.text += bytes.toString('latin1');
      this.wake?.();
    });
    // Typing into an emulator that has just ended is no more than its end.
    child.stdin.on('error', () => {});
    this.closed = new Promise((resolve) => {
      const ended = (why: string): void => {
        this.failure ??= why;
        living.delete(child);
        this.wake?.();
        resolve();
      };
      child.on('error', (error) => ended(error.message));
      child.on('close', (code, signal) =>
        ended(`it ended (${code ?? signal}) ${complaint.trim()}`.trim().replaceAll(/\s+/g, ' ')),
      );
    });
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Consumes the console up to `what`. Throws GuestFailure when the emulator ends first or nothing comes for long. */
  async until(what: RegExp): Promise<Seen> {
    const deadline = performance.now() + LIMIT_MS;
    for (;;) {
      const match = what.exec(this.text);
      if (match) {
        this.text = this.text.slice(match.index + match[0].length);
        return { match, at: this.arrivedAt };
      }
      const last = JSON.stringify(this.text.slice(-REMEMBERED_CHARACTERS));
      if (this.failure !== undefined) throw new GuestFailure(`${this.failure}; last on the console: ${last}`);
      if (performance.now() > deadline)
        throw new GuestFailure(`no ${what} within ${LIMIT_MS / 1000} s; last on the console: ${last}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The largest resident set so far, where the system tells. */
  peakMebibytes(): number | undefined {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
      return Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024);
    } catch {
      return undefined;
    }
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}
