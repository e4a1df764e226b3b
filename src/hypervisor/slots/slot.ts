// One memory slot, and the table of them: by number for the API, by GFN for faults.

import { PAGE_SIZE } from '../../lib/index.ts';
import type { DirtyBitmap } from './dirty-bitmap.ts';
import type { GuestMemfd } from './guest-memfd.ts';
import { type CheckedRegion, MEM_LOG_DIRTY_PAGES, MEM_READONLY } from './region.ts';

export class Slot {
  readonly id: number;
  gfn: number;
  readonly pages: number;
  flags: number;
  readonly hva: number;
  readonly memfd: GuestMemfd | undefined;
  /** Page of the file at which the slot starts. */
  readonly filePage: number;
  dirty: DirtyBitmap | undefined;

  constructor(region: CheckedRegion) {
    this.id = region.id;
    this.gfn = region.gfn;
    this.pages = region.pages;
    this.flags = region.flags;
    this.hva = region.hva;
    this.memfd = region.memfd;
    this.filePage = region.offset / PAGE_SIZE;
  }

  /** userspace_addr as a page number. */
  get hvaPage(): number {
    return this.hva / PAGE_SIZE;
  }

  get isReadOnly(): boolean {
    return (this.flags & MEM_READONLY) !== 0;
  }

  get isLogged(): boolean {
    return (this.flags & MEM_LOG_DIRTY_PAGES) !== 0;
  }

  get end(): number {
    return this.gfn + this.pages;
  }
}

export class SlotTable {
  private readonly byId = new Map<number, Slot>();
  /** Ordered by GFN; never overlapping. */
  private ordered: Slot[] = [];
  private last: Slot | undefined;

  get(id: number): Slot | undefined {
    return this.byId.get(id);
  }

  /** The slot that covers a GFN. */
  find(gfn: number): Slot | undefined {
    const last = this.last;
    if (last !== undefined && gfn >= last.gfn && gfn < last.gfn + last.pages) return last;
    let low = 0;
    let high = this.ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ordered[middle].end <= gfn) low = middle + 1;
      else high = middle;
    }
    const slot = this.ordered[low];
    if (slot === undefined || gfn < slot.gfn) return undefined;
    this.last = slot;
    return slot;
  }

  /** Whether a range meets a slot other than number `except`. */
  overlaps(gfn: number, pages: number, except: number): boolean {
    return this.ordered.some((slot) => slot.id !== except && slot.gfn < gfn + pages && gfn < slot.end);
  }

  add(slot: Slot): void {
    this.byId.set(slot.id, slot);
    this.reorder();
  }

  remove(slot: Slot): void {
    this.byId.delete(slot.id);
    this.reorder();
  }

  clear(): void {
    this.byId.clear();
    this.reorder();
  }

  /** After slots came, went or moved. */
  reorder(): void {
    this.ordered = [...this.byId.values()].sort((a, b) => a.gfn - b.gfn);
    this.last = undefined;
  }

  /** In the order of GFNs. */
  all(): readonly Slot[] {
    return this.ordered;
  }
}
