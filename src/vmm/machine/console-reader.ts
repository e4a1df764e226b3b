// Talking to a guest from a program: wait for text, then answer. The machine stands still from the text until the
// caller has had its turn, so that with the virtual clock a dialogue is the same every time.

import type { Disposable } from '../../lib/index.ts';
import { yieldToHost } from './event-loop.ts';

/** Takes output; a returned promise means "no more until then". */
export type OutputListener = (bytes: Uint8Array) => undefined | Promise<void>;

/** Of output that nobody has asked for, so much is kept. */
const KEPT = 1 << 20;

interface Wait {
  readonly text: string;
  resolve(found: string): void;
  reject(error: Error): void;
}

export class ConsoleReader implements Disposable {
  private readonly subscription: Disposable;
  private readonly decoder = new TextDecoder();
  private pending = '';
  private wait: Wait | undefined;
  private closed = false;

  constructor(subscribe: (listener: OutputListener) => Disposable) {
    this.subscription = subscribe((bytes) => this.take(bytes));
  }

  /**
   * Settles with all output up to and including `text`, and consumes it; `text` may have come already. Rejects
   * where the machine ends first. One caller at a time.
   */
  until(text: string): Promise<string> {
    if (this.wait) throw new Error(`console: somebody waits for ${JSON.stringify(this.wait.text)} already`);
    return new Promise((resolve, reject) => {
      this.wait = { text, resolve, reject };
      if (!this.match() && this.closed) this.giveUp();
    });
  }

  /** What has come and nobody has asked for. */
  get rest(): string {
    return this.pending;
  }

  close(): void {
    this.closed = true;
    this.giveUp();
  }

  dispose(): void {
    this.subscription.dispose();
    this.close();
  }

  private take(bytes: Uint8Array): undefined | Promise<void> {
    this.pending += this.decoder.decode(bytes, { stream: true });
    if (this.match()) return yieldToHost();
    if (this.pending.length > KEPT) this.pending = this.pending.slice(-KEPT);
    return undefined;
  }

  private match(): boolean {
    const { wait } = this;
    const at = wait ? this.pending.indexOf(wait.text) : -1;
    if (!wait || at === -1) return false;
    const end = at + wait.text.length;
    const found = this.pending.slice(0, end);
    this.pending = this.pending.slice(end);
    this.wait = undefined;
    wait.resolve(found);
    return true;
  }

  private giveUp(): void {
    const { wait } = this;
    this.wait = undefined;
    wait?.reject(new Error(`the machine ended before it printed ${JSON.stringify(wait.text)}`));
  }
}
