// Tells a crashed guest from a busy one. A panicked Linux either resets, or spins for ever with interrupts on
// (kernel/panic.c), which looks like work: so the verdict needs the last line that panic() prints and a while
// without all CPUs going idle. A guest that only resets, again and again, has crashed too.

const PANIC = 'Kernel panic - not syncing';
const PANIC_END = 'end Kernel panic - not syncing';
const HALTED = 'reboot: System halted';
/** Longest part of a line that is kept for matching. */
const LINE_LIMIT = 512;
/** A running system that merely shows such text goes idle within this. */
const SPIN_NS = 100e6;
/** So many resets in a row, each this soon after a start, are a loop. */
const LOOP_RESETS = 5;
const LOOP_NS = 30e9;

export interface Verdict {
  readonly crashed: boolean;
  readonly message: string;
}

export class CrashWatch {
  private line = '';
  private panic: string | undefined;
  private lastWords: { readonly at: number; readonly verdict: Verdict } | undefined;
  private startedAt = 0;
  private quickResets = 0;

  /** Console output; `now` in nanoseconds of guest time. */
  feed(bytes: Uint8Array, now: number): void {
    for (const byte of bytes) {
      if (byte !== 0x0a) {
        if (this.line.length < LINE_LIMIT && byte !== 0x0d) this.line += String.fromCharCode(byte);
        continue;
      }
      this.endOfLine(now);
      this.line = '';
    }
  }

  /** All CPUs wait: whatever was printed, this kernel still runs. */
  sawIdle(): void {
    this.panic = undefined;
    this.lastWords = undefined;
  }

  /** Defined once the kernel has said its last words and has been spinning since. */
  verdict(now: number): Verdict | undefined {
    if (!this.lastWords || now - this.lastWords.at < SPIN_NS) return undefined;
    return this.lastWords.verdict;
  }

  /** The guest reset itself; defined where that makes it a crash. */
  guestReset(now: number): Verdict | undefined {
    if (this.panic !== undefined) return { crashed: true, message: this.panic };
    this.quickResets = now - this.startedAt < LOOP_NS ? this.quickResets + 1 : 1;
    this.startedAt = now;
    this.line = '';
    if (this.quickResets < LOOP_RESETS) return undefined;
    return {
      crashed: true,
      message: `the guest has reset itself ${LOOP_RESETS} times in a row soon after its start`,
    };
  }

  private endOfLine(now: number): void {
    const { line } = this;
    if (line.includes(PANIC_END)) {
      this.lastWords = { at: now, verdict: { crashed: true, message: this.panic ?? 'Kernel panic' } };
    } else if (line.includes(PANIC)) {
      this.panic ??= line.slice(line.indexOf(PANIC)).trim();
    } else if (line.includes(HALTED)) {
      this.lastWords = { at: now, verdict: { crashed: false, message: 'the guest halted' } };
    }
  }
}
