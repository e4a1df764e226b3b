// The entropy device's one queue (virtio 1.3, 5.4.6): every buffer is filled with random bytes.

import type { Chain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';

// A driver may ask for 4 GiB in one buffer; the device may answer with less (virtio 1.3, 5.4.6.2).
const MOST_BYTES = 4096;

export class EntropyRequests {
  private readonly random: (into: Uint8Array) => void;
  private readonly refusals: RefusalLog;
  private readonly bytes = new Uint8Array(MOST_BYTES);

  constructor(random: (into: Uint8Array) => void, refusals: RefusalLog) {
    this.random = random;
    this.refusals = refusals;
  }

  serve(queue: Virtqueue): void {
    serve(queue, (chain) => {
      queue.complete(chain, this.fill(chain));
      return true;
    });
  }

  /** Returns the bytes written. */
  private fill(chain: Chain): number {
    const bytes = this.bytes.subarray(0, Math.min(chain.writableLength, MOST_BYTES));
    this.random(bytes);
    const refusal = chain.write(0, bytes);
    if (!refusal) return bytes.length;
    this.refusals.note('entropy request', refusal);
    return 0;
  }
}
