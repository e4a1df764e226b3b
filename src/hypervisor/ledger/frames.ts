// One record for each host frame, in typed arrays: owner, the host's state of it, the GFN at which it stands,
// references, pins, tag state and who holds it. And the allocator, whose free frames are always zero, data and
// tags. Only the ledger's transitions write records; this file knows what a record is, not what is allowed.

import { Errno, type FrameNumber, frameNumber } from '../../lib/index.ts';
import { HOST, NONE, OWNED } from './states.ts';

/** The frame's allocation tags are initialised (Linux: PG_mte_tagged). */
export const FRAME_TAGGED = 1;
/** Some view (VMM, device, debugger ...) may hold a cached yes for it; cleared when views drop the frame. */
export const FRAME_VIEWED = 2;
/** Write-protected wherever it is mapped, because several pages were merged into it. */
export const FRAME_MERGED = 4;
/** Lent to a secure partition (FF-A), which this ledger does not look into. */
export const FRAME_FFA = 8;
/** Given to a protected VM from a process's memory, which pins it until it is reclaimed. */
export const FRAME_DONATED = 16;

export class FrameTable {
  readonly count: number;
  /** HOST, HYP or a VM's handle. */
  readonly owner: Uint16Array;
  /** What the host may do with it: OWNED, SHARED_OWNED, SHARED_BORROWED or NOPAGE. */
  readonly state: Uint8Array;
  /** FRAME_* bits. */
  readonly flags: Uint8Array;
  /** Guests to which the host has lent it. */
  readonly lent: Uint16Array;
  /** Entries of address spaces and files that hold it; 0 for a free frame. */
  readonly refs: Uint16Array;
  /** Why it must stay where it is: DMA maps, protected guests, the hypervisor. */
  readonly pins: Uint16Array;
  /** Where it stands in its owner, a VM; NONE otherwise. */
  readonly gfn: Float64Array;
  /** The holder that took it last, and the page there. A free frame's `page` is the next free one. */
  readonly holder: Uint32Array;
  readonly page: Uint32Array;

  private nextFree = NONE;
  private fresh = 0;
  private freed = 0;

  constructor(count: number) {
    this.count = count;
    this.owner = new Uint16Array(count);
    this.state = new Uint8Array(count);
    this.flags = new Uint8Array(count);
    this.lent = new Uint16Array(count);
    this.refs = new Uint16Array(count);
    this.pins = new Uint16Array(count);
    this.gfn = new Float64Array(count).fill(NONE);
    this.holder = new Uint32Array(count);
    this.page = new Uint32Array(count);
  }

  /** What one record costs. */
  get bytesPerFrame(): number {
    const arrays = [
      this.owner,
      this.state,
      this.flags,
      this.lent,
      this.refs,
      this.pins,
      this.gfn,
      this.holder,
      this.page,
    ];
    return arrays.reduce((sum, array) => sum + array.BYTES_PER_ELEMENT, 0);
  }

  /** Frames that nobody holds. */
  get free(): number {
    return this.count - this.fresh + this.freed;
  }

  /** Frames below this have been in use at some time; those above never were. */
  get touched(): number {
    return this.fresh;
  }

  /** Takes a zeroed frame for page `page` of `holder`. Throws ENOMEM. */
  take(holder: number, page: number): FrameNumber {
    let frame = this.nextFree;
    if (frame !== NONE) {
      this.nextFree = this.page[frame] === this.count ? NONE : this.page[frame];
      this.freed--;
    } else if (this.fresh < this.count) {
      frame = this.fresh++;
    } else {
      throw new Errno('ENOMEM', `all ${this.count} frames of the host are in use`);
    }
    this.refs[frame] = 1;
    this.holder[frame] = holder;
    this.page[frame] = page;
    return frameNumber(frame);
  }

  /** Puts a scrubbed frame back. */
  put(frame: FrameNumber): void {
    this.owner[frame] = HOST;
    this.state[frame] = OWNED;
    // Views are still to be told.
    this.flags[frame] &= FRAME_VIEWED;
    this.gfn[frame] = NONE;
    this.holder[frame] = 0;
    this.page[frame] = this.nextFree === NONE ? this.count : this.nextFree;
    this.nextFree = frame;
    this.freed++;
  }

  /** The free list's frames, for the audit; a list that has become a loop ends all the same. */
  *freeFrames(): Generator<number> {
    let left = this.count;
    for (let frame = this.nextFree; frame !== NONE && left >= 0; left--) {
      yield frame;
      frame = this.page[frame] === this.count ? NONE : this.page[frame];
    }
  }
}
