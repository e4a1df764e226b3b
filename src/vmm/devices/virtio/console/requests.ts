// Port 0 of the console device (virtio 1.3, 5.3.6): bytes in and out.

import type { Chain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';

const BUFFER_BYTES = 16384;
/** What one buffer may print; the rest of a buffer that claims more is dropped. */
const MAX_OUTPUT = 1024 * 1024;
/** What may wait for the guest to read. */
const MAX_INPUT = 1024 * 1024;

export class ConsolePort {
  private readonly write: (bytes: Uint8Array) => void;
  private readonly refusals: RefusalLog;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private input = new Uint8Array(0);

  /** The bytes given to `write` are valid during the call only. */
  constructor(write: (bytes: Uint8Array) => void, refusals: RefusalLog) {
    this.write = write;
    this.refusals = refusals;
  }

  /** Input that the guest has not taken. */
  get waiting(): Uint8Array {
    return this.input;
  }

  restore(waiting: readonly number[]): void {
    this.input = new Uint8Array(waiting);
  }

  /** Returns how many bytes there was room for. */
  type(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, MAX_INPUT - this.input.length);
    const joined = new Uint8Array(this.input.length + taken.length);
    joined.set(this.input);
    joined.set(taken, this.input.length);
    this.input = joined;
    return taken.length;
  }

  /** Moves waiting input into the guest's buffers, as far as it has any. */
  receive(queue: Virtqueue): void {
    if (this.input.length === 0) return;
    serve(queue, (chain) => {
      const bytes = this.input.subarray(0, chain.writableLength);
      const refusal = chain.write(0, bytes);
      if (refusal) this.refusals.note('console input', refusal);
      else this.input = this.input.subarray(bytes.length);
      queue.complete(chain, refusal ? 0 : bytes.length);
      return this.input.length > 0;
    });
  }

  transmit(queue: Virtqueue): void {
    serve(queue, (chain) => {
      this.print(chain);
      queue.complete(chain, 0);
      return true;
    });
  }

  private print(chain: Chain): void {
    const length = Math.min(chain.readableLength, MAX_OUTPUT);
    for (let at = 0; at < length; at += BUFFER_BYTES) {
      const bytes = this.buffer.subarray(0, Math.min(BUFFER_BYTES, length - at));
      const refusal = chain.read(at, bytes);
      if (refusal) {
        this.refusals.note('console output', refusal);
        return;
      }
      this.write(bytes);
    }
  }
}
