// The caches of yes answers that stand outside the ledger, and dropping from them exactly what went stale. A
// change of many pages collects first and then drops everything once, which no access can come between.

import type { PhysicalMemory } from '../../hardware/index.ts';
import type { FrameNumber } from '../../lib/index.ts';
import { FRAME_VIEWED, type FrameTable } from './frames.ts';
import type { Guest, TlbInvalidator } from './guest.ts';

/** Above this many frames it is cheaper to drop a whole cache than to look for each. */
const MANY = 32;

export class Caches {
  /** Views of the VMM, of devices, of the debugger and of the host's kernel. */
  readonly views = new Set<TlbInvalidator>();
  private readonly memory: PhysicalMemory;
  private readonly frames: FrameTable;
  private depth = 0;
  private readonly pendingViews: FrameNumber[] = [];
  private readonly pendingGuests = new Map<Guest, FrameNumber[]>();

  constructor(memory: PhysicalMemory, frames: FrameTable) {
    this.memory = memory;
    this.frames = frames;
  }

  dropFromViews(frame: FrameNumber): void {
    if ((this.frames.flags[frame] & FRAME_VIEWED) === 0) return;
    this.frames.flags[frame] &= ~FRAME_VIEWED;
    if (this.depth > 0) {
      this.pendingViews.push(frame);
      return;
    }
    const offset = this.memory.offsetOf(frame);
    for (const view of this.views) view.dropFrame(offset);
  }

  dropFromGuest(guest: Guest, frame: FrameNumber): void {
    if (guest.tlbs.size === 0) return;
    if (this.depth === 0) {
      const offset = this.memory.offsetOf(frame);
      for (const tlb of guest.tlbs) tlb.dropFrame(offset);
      return;
    }
    const pending = this.pendingGuests.get(guest);
    if (pending) pending.push(frame);
    else this.pendingGuests.set(guest, [frame]);
  }

  /** No write by this guest, or by any view, goes unasked any more. */
  dropWrites(guest: Guest): void {
    for (const cache of [...guest.tlbs, ...this.views]) {
      if (cache.dropWrites) cache.dropWrites();
      else cache.dropAll();
    }
  }

  dropAllViews(): void {
    for (const view of this.views) view.dropAll();
  }

  /** Runs a change of many pages; what it made stale is dropped when it ends, whether it throws or not. */
  batch<T>(change: () => T): T {
    this.depth++;
    try {
      return change();
    } finally {
      this.depth--;
      if (this.depth === 0) this.flush();
    }
  }

  private flush(): void {
    this.dropFrom(this.views, this.pendingViews);
    this.pendingViews.length = 0;
    for (const [guest, frames] of this.pendingGuests) this.dropFrom(guest.tlbs, frames);
    this.pendingGuests.clear();
  }

  private dropFrom(caches: Iterable<TlbInvalidator>, frames: readonly FrameNumber[]): void {
    if (frames.length === 0) return;
    for (const cache of caches) {
      if (frames.length > MANY) cache.dropAll();
      else for (const frame of frames) cache.dropFrame(this.memory.offsetOf(frame));
    }
  }
}
