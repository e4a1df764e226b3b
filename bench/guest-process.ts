// One running emulator with its guest's console on stdin and stdout, driven like expect(1). Every arrival of console
// text is stamped with the host's monotonic clock, so that no emulator's idea of time matters.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export class GuestFailure extends Error {}

/** Seconds of the host's monotonic clock, and of processor time that the emulator has used. */
export interface Moment {
  readonly host: number;
  readonly cpu: number;
}

export interface Seen {
  readonly match: RegExpExecArray;
  /** When the text was complete. */
  readonly at: Moment;
}

export const since = (from: Moment, to: Moment): Moment => ({
  host: to.host - from.host,
  cpu: to.cpu - from.cpu,
});

/** A boot or a row that takes longer has hung. */
const LIMIT_SECONDS = 600;
/** USER_HZ, the same on all machines that Node runs on. */
const TICKS_PER_SECOND = 100;
const REMEMBERED_CHARACTERS = 400;

const now = (): number => performance.now() / 1000;

const living = new Set<ChildProcess>();

/** For the end of the program, whatever its cause: no emulator outlives it. */
export function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}

export class GuestProcess {
  readonly startedAt: Moment = { host: now(), cpu: 0 };
  private readonly child: ChildProcess;
  private text = '';
  private arrivedAt: Moment = this.startedAt;
  private failure: string | undefined;
  private wake: (() => void) | undefined;
  private readonly closed: Promise<void>;

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    living.add(child);
    let complaint = '';
    child.stderr.on('data', (bytes: Buffer) => {
      complaint = (complaint + bytes.toString()).slice(-REMEMBERED_CHARACTERS);
    });
    child.stdout.on('data', (bytes: Buffer) => {
      this.arrivedAt = { host: now(), cpu: this.processorSeconds() };
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
    const deadline = now() + LIMIT_SECONDS;
    for (;;) {
      const match = what.exec(this.text);
      if (match) {
        this.text = this.text.slice(match.index + match[0].length);
        return { match, at: this.arrivedAt };
      }
      const last = JSON.stringify(this.text.slice(-REMEMBERED_CHARACTERS));
      if (this.failure !== undefined) throw new GuestFailure(`${this.failure}; last on the console: ${last}`);
      if (now() > deadline)
        throw new GuestFailure(`no ${what} within ${LIMIT_SECONDS} s; last on the console: ${last}`);
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

  /** Of all its threads; 0 where the system does not tell. */
  private processorSeconds(): number {
    try {
      // proc_pid_stat(5): fields 14 and 15, utime and stime; the second field may hold spaces.
      const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    } catch {
      return 0;
    }
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}
