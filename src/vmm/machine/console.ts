// The guest's console as a person or a program holds it: bytes out, bytes in, both buffered. Output reaches
// listeners between slices of guest execution, and a listener that returns a promise holds the machine until
// it settles; input waits here until the guest's serial port has room.

import type { Disposable } from '../../lib/index.ts';
import { LINE_BREAK, LINE_IDLE, type SerialLine } from '../devices/index.ts';
import { ConsoleReader, type OutputListener } from './console-reader.ts';

/** Above this many waiting bytes write() asks its caller to slow down. */
const HIGH_WATER = 64 << 10;
const FIRST_BUFFER = 4096;

export class MachineConsole implements SerialLine {
  private output = new Uint8Array(FIRST_BUFFER);
  private outputBytes = 0;
  private readonly outputListeners = new Set<OutputListener>();
  private busy: Promise<void>[] = [];
  private readonly readers = new Set<ConsoleReader>();

  private input: number[] = [];
  private inputAt = 0;
  private ended = false;
  private readonly inputListeners = new Set<() => void>();
  private readonly drainListeners = new Set<() => void>();

  /** Called with every piece of output, in order; the bytes are the listener's to keep. */
  onOutput(listener: OutputListener): Disposable {
    this.outputListeners.add(listener);
    return { dispose: () => this.outputListeners.delete(listener) };
  }

  /** Types at the console. False asks the caller to wait for onDrain; nothing is lost either way. */
  write(data: string | Uint8Array): boolean {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    for (const byte of bytes) this.input.push(byte);
    for (const listener of this.inputListeners) listener();
    return this.waiting < HIGH_WATER;
  }

  /** A break condition on the line: magic SysRq in Linux, with the next character. */
  sendBreak(): void {
    this.input.push(LINE_BREAK);
    for (const listener of this.inputListeners) listener();
  }

  /** Says that nothing more will be typed, so that a guest that waits for input only is known to wait for ever. */
  endInput(): void {
    this.ended = true;
    for (const listener of this.inputListeners) listener();
  }

  get inputEnded(): boolean {
    return this.ended && this.waiting === 0;
  }

  /** Called when input that was held up has gone to the guest. */
  onDrain(listener: () => void): Disposable {
    this.drainListeners.add(listener);
    return { dispose: () => this.drainListeners.delete(listener) };
  }

  /** Called when there is something new for the guest. */
  onInput(listener: () => void): Disposable {
    this.inputListeners.add(listener);
    return { dispose: () => this.inputListeners.delete(listener) };
  }

  transmit(byte: number): void {
    if (this.outputBytes === this.output.length) {
      const larger = new Uint8Array(this.output.length * 2);
      larger.set(this.output);
      this.output = larger;
    }
    this.output[this.outputBytes++] = byte;
  }

  receive(): number {
    if (this.inputAt >= this.input.length) return LINE_IDLE;
    const wasHigh = this.waiting >= HIGH_WATER;
    const byte = this.input[this.inputAt++];
    // Dropping the consumed part now and then keeps both the queue and the work per byte small.
    if (this.inputAt === this.input.length || this.inputAt > HIGH_WATER) {
      this.input = this.input.slice(this.inputAt);
      this.inputAt = 0;
    }
    if (wasHigh && this.waiting < HIGH_WATER) for (const listener of this.drainListeners) listener();
    return byte;
  }

  giveBack(data: readonly number[]): void {
    this.input = [...data, ...this.input.slice(this.inputAt)];
    this.inputAt = 0;
  }

  /** Hands gathered output to the listeners. The promise, if any, settles when they can take more. */
  flush(): Promise<void> | undefined {
    if (this.outputBytes > 0) {
      const bytes = this.output.slice(0, this.outputBytes);
      this.outputBytes = 0;
      for (const listener of this.outputListeners) {
        const busy = listener(bytes);
        if (busy) this.busy.push(busy);
      }
    }
    if (this.busy.length === 0) return undefined;
    const settled = Promise.allSettled(this.busy).then(() => {});
    this.busy = [];
    return settled;
  }

  /** Collects output from here on, for a program that talks to the guest. */
  reader(): ConsoleReader {
    const reader = new ConsoleReader((listener) => this.onOutput(listener));
    this.readers.add(reader);
    return reader;
  }

  /** For the machine: there will be no more output. */
  close(): void {
    for (const reader of this.readers) reader.close();
    this.readers.clear();
  }

  private get waiting(): number {
    return this.input.length - this.inputAt;
  }
}
