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
  private telling = false;
  private readonly pendingViews: FrameNumber[] = [];
  private readonly pendingGuests = new Map<Guest, FrameNumber[]>();

  constructor(memory: PhysicalMemory, frames: FrameTable) {
    this.memory = memory;
    this.frames = frames;
  }

  /** A cache is being told of a change: whoever is called back must not begin another one. */
  get isTelling(): boolean {
    return this.telling;
  }

  dropFromViews(frame: FrameNumber): void {
    if ((this.frames.flags[frame] & FRAME_VIEWED) === 0) return;
    this.frames.flags[frame] &= ~FRAME_VIEWED;
    if (this.depth > 0) {
      this.pendingViews.push(frame);
      return;
    }
    this.tell(this.views, [frame]);
  }

  dropFromGuest(guest: Guest, frame: FrameNumber): void {
    if (guest.tlbs.size === 0) return;
    if (this.depth === 0) {
      this.tell(guest.tlbs, [frame]);
      return;
    }
    const pending = this.pendingGuests.get(guest);
    if (pending) pending.push(frame);
    else this.pendingGuests.set(guest, [frame]);
  }

  /** No write by this guest, or by any view, goes unasked any more. */
  dropWrites(guest: Guest): void {
    this.each([...guest.tlbs, ...this.views], (cache) => {
      if (cache.dropWrites) cache.dropWrites();
      else cache.dropAll();
    });
  }

  dropAllViews(): void {
    this.each(this.views, (view) => view.dropAll());
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
    this.tell(this.views, this.pendingViews);
    this.pendingViews.length = 0;
    for (const [guest, frames] of this.pendingGuests) this.tell(guest.tlbs, frames);
    this.pendingGuests.clear();
  }

  private tell(caches: Iterable<TlbInvalidator>, frames: readonly FrameNumber[]): void {
    if (frames.length === 0) return;
    this.each(caches, (cache) => {
      if (frames.length > MANY) cache.dropAll();
      else for (const frame of frames) cache.dropFrame(this.memory.offsetOf(frame));
    });
  }

  private each(caches: Iterable<TlbInvalidator>, act: (cache: TlbInvalidator) => void): void {
    const outer = this.telling;
    this.telling = true;
    try {
      for (const cache of caches) act(cache);
    } finally {
      this.telling = outer;
    }
  }
}
