// What a device sees of a virtqueue (virtio 1.3, 2.6), whatever its ring format, and the loop that serves one.
// The other side is hostile: whatever it writes into a ring, a queue either yields a bounded chain or breaks, and a
// broken queue yields nothing more until reset.

import type { MemoryPort } from '../../../../hypervisor/index.ts';
import type { Chain, SavedChain } from './chain.ts';

/** Where a queue's three areas are, as the driver wrote them, and how many entries it has. */
export interface QueueLayout {
  readonly index: number;
  readonly size: number;
  readonly descriptors: number;
  /** Split: available ring. Packed: driver event suppression. */
  readonly driver: number;
  /** Split: used ring. Packed: device event suppression. */
  readonly device: number;
}

/** What a queue needs of its transport. */
export interface QueueHost {
  readonly dma: MemoryPort;
  readonly eventIdx: boolean;
  readonly indirect: boolean;
  interrupt(queue: number): void;
  /** Asks for another notify() of `queue` later, off this call stack. */
  ringAgain(queue: number): void;
  /** The ring is unusable; called once. */
  failed(queue: number, reason: string): void;
}

/** Named and plain: the ring positions of a queue at rest. */
export interface SavedQueue {
  readonly nextAvailable: number;
  readonly nextUsed: number;
  readonly published: number;
  /** Packed rings only: the two wrap counters. */
  readonly availableWrap: boolean;
  readonly usedWrap: boolean;
  /** It had yielded its turn. */
  readonly backlog: boolean;
}

export interface Virtqueue {
  readonly index: number;
  readonly size: number;
  /** The next available chain, or undefined when there is none or the queue is broken. */
  pop(): Chain | undefined;
  /** Puts back the chain that was popped last. */
  unpop(chain: Chain): void;
  /** Hands a chain back with `written` bytes written; the driver sees it after publish(). */
  complete(chain: Chain, written: number): void;
  /** Shows all completed chains to the driver and interrupts it if it wants that (virtio 1.3, 2.7.7). */
  publish(): void;
  /** Asks for a notification at the next available chain; true when one is there already. */
  arm(): boolean;
  /** The turn is over with work left: asks to be rung again. */
  yieldTurn(): void;
  /** The device found the request malformed beyond an error status: the queue breaks. */
  fail(reason: string): void;
  /** Reset: the queue is dead, and late completions of asynchronous requests go nowhere. */
  close(): void;
  save(): SavedQueue;
  restore(state: SavedQueue): void;
  /** A chain that was in flight when the queue was saved. */
  reopen(saved: SavedChain): Chain;
}

// A driver on another thread may add chains as fast as they are served, and a hostile one may lay its used ring over
// its available ring, so that each completion makes a new chain; so a turn ends after this many rings' worth.
const RINGS_PER_TURN = 4;
// Buffers may name the same memory again and again, so their sum says nothing about the guest's size: bounded too.
const BYTES_PER_TURN = 512 * 1024 * 1024;

/**
 * Serves available chains until none is left, `handle` returns false (it cannot take more now), or the turn is over;
 * then publishes. `handle` completes its chain, or keeps it to complete later.
 */
export function serve(queue: Virtqueue, handle: (chain: Chain) => boolean): void {
  let budget = queue.size * RINGS_PER_TURN;
  let bytes = BYTES_PER_TURN;
  do {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      bytes -= chain.readableLength + chain.writableLength;
      const goOn = handle(chain);
      budget--;
      if (!goOn || budget === 0 || bytes <= 0) {
        queue.publish();
        if (goOn) queue.yieldTurn();
        return;
      }
    }
  } while (queue.arm());
  queue.publish();
}
