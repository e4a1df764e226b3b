// What becomes of a realm's memory (RMM specification 1.0, A5 and B4.4): before it runs, its host says which pages are
// RAM and fills some of them; when it runs, the realm itself says which are RAM and which it gives up, and a page that
// changes sides goes over with nothing in it. Pages are those of guest_memfds, private while they are RAM.

import { ACCESS_WRITE } from '../../hardware/index.ts';
import { Errno, PAGE_SIZE } from '../../lib/index.ts';
import { entryFrame, type Guest, type Ledger, PageTable } from '../ledger/index.ts';
import {
  type RealmSpace,
  RIPAS_DESTROYED,
  RIPAS_DEV,
  RIPAS_EMPTY,
  RIPAS_RAM,
  type Ripas,
} from '../realm/index.ts';
import type { Slot } from '../slots/index.ts';
import type { Mapper } from './mapper.ts';

/** What a change of state came to: how far it got, or that an argument is none. */
export type RipasChange = { readonly top: number; readonly accepted: boolean } | undefined;

/** Pages that one call looks at: the realm comes back for more, so that no call takes long (one table of 2 MiB). */
const PAGES_PER_CALL = 512;

interface Part {
  readonly slot: Slot;
  readonly first: number;
  readonly end: number;
}

export class RealmMemory {
  readonly space: RealmSpace;
  private readonly ledger: Ledger;
  private readonly guest: Guest;
  private readonly mapper: Mapper;
  /** Pages that the host filled before the realm ran. */
  private readonly populated = new PageTable();
  private active = false;

  constructor(space: RealmSpace, ledger: Ledger, guest: Guest, mapper: Mapper) {
    this.space = space;
    this.ledger = ledger;
    this.guest = guest;
    this.mapper = mapper;
  }

  // -------------------------------------------------------------- before it runs

  /** RMI_RTT_INIT_RIPAS. Throws EPERM once it has run, EINVAL for no range of protected pages, EFAULT without a slot. */
  initRipas(address: number, bytes: number): void {
    const { first, end } = this.newPages(address, bytes);
    this.parts(first, end);
    this.space.set(first, end, RIPAS_RAM);
  }

  /** Registers that the hypervisor itself answers for. Throws as initRipas(), and EINVAL where memory is. */
  addDevice(address: number, bytes: number): void {
    const { first, end } = this.newPages(address, bytes);
    for (let gfn = first; gfn < end; gfn++)
      if (this.mapper.slots.find(gfn) !== undefined) throw new Errno('EINVAL', 'the range holds memory');
    this.space.set(first, end, RIPAS_DEV);
  }

  /**
   * RMI_DATA_CREATE: the pages of a range are the realm's from now on, with what the host has put there; each is shown
   * to `measure`. Throws as initRipas(), EINVAL also where they are not RAM, EEXIST for the second time.
   */
  populate(address: number, bytes: number, measure: (address: number, page: Uint8Array) => void): void {
    const { first, end } = this.newPages(address, bytes);
    if (this.space.count(first, end, RIPAS_RAM) !== end - first)
      throw new Errno('EINVAL', 'the range is not RAM');
    for (let gfn = first; gfn < end; gfn++)
      if (this.populated.get(gfn) !== 0) throw new Errno('EEXIST', `page ${gfn.toString(16)} is populated`);
    for (const { slot, first: from, end: to } of this.parts(first, end)) {
      const page = slot.filePage - slot.gfn;
      slot.memfd!.claim(page + from, page + to);
      for (let gfn = from; gfn < to; gfn++) {
        this.populated.set(gfn, 1);
        measure(gfn * PAGE_SIZE, this.ledger.memory.data(slot.memfd!.populate(page + gfn)));
      }
    }
  }

  get isActive(): boolean {
    return this.active;
  }

  /** RMI_REALM_ACTIVATE, when it first runs: what is RAM and was not populated is its own and empty. */
  activate(): void {
    if (this.active) return;
    this.active = true;
    for (const slot of this.mapper.slots.all()) {
      for (let gfn = slot.gfn; gfn < slot.end; ) {
        const end = this.sameUntil(gfn, slot.end);
        if (this.space.ripas(gfn) === RIPAS_RAM && this.populated.get(gfn) === 0) {
          slot.memfd!.handOver(slot.filePage + gfn - slot.gfn, slot.filePage + end - slot.gfn, 'private');
          this.space.set(gfn, end, RIPAS_RAM);
        }
        gfn = end;
      }
    }
  }

  private sameUntil(first: number, end: number): number {
    const populated = this.populated.get(first);
    const limit = this.space.runEnd(first, end);
    let gfn = first + 1;
    while (gfn < limit && this.populated.get(gfn) === populated) gfn++;
    return gfn;
  }

  private newPages(address: number, bytes: number): { first: number; end: number } {
    if (this.active) throw new Errno('EPERM', 'the realm has run');
    const range = this.pagesOf(address, address + bytes);
    if (!range) throw new Errno('EINVAL', 'the range is none of whole protected pages');
    return range;
  }

  /** The slots of a range, all of it. Throws EFAULT. */
  private parts(first: number, end: number): Part[] {
    const parts: Part[] = [];
    for (let gfn = first; gfn < end; ) {
      const slot = this.mapper.slots.find(gfn);
      if (slot === undefined) throw new Errno('EFAULT', `no slot has page ${gfn.toString(16)}`);
      const to = Math.min(end, slot.end);
      parts.push({ slot, first: gfn, end: to });
      gfn = to;
    }
    return parts;
  }

  // -------------------------------------------------------------- the realm's own calls

  private pagesOf(base: number, top: number): { first: number; end: number } | undefined {
    const sound = Number.isSafeInteger(base) && Number.isSafeInteger(top) && base >= 0 && top > base;
    if (!sound || base % PAGE_SIZE || top % PAGE_SIZE || top / PAGE_SIZE > this.space.half) return undefined;
    return { first: base / PAGE_SIZE, end: top / PAGE_SIZE };
  }

  /**
   * RSI_IPA_STATE_SET for [base, top): changes what it can from `base` on. It stops before a page that was destroyed
   * unless `changeDestroyed`, before a device, and for RAM before an address where no memory is. Undefined for a range
   * that is none of whole protected pages.
   */
  setState(base: number, top: number, ripas: Ripas, changeDestroyed: boolean): RipasChange {
    const range = this.pagesOf(base, top);
    if (!range) return undefined;
    const { space } = this;
    const limit = Math.min(range.end, range.first + PAGES_PER_CALL);
    let gfn = range.first;
    while (gfn < limit) {
      const end = space.runEnd(gfn, limit);
      const old = space.ripas(gfn);
      if (old === RIPAS_DEV || (old === RIPAS_DESTROYED && !changeDestroyed)) break;
      if (old !== ripas) {
        const done = this.change(gfn, end, ripas);
        if (done < end) {
          gfn = done;
          break;
        }
      }
      gfn = end;
    }
    return { top: gfn * PAGE_SIZE, accepted: gfn > range.first };
  }

  /** Returns the first page that stayed as it was. */
  private change(first: number, end: number, ripas: Ripas): number {
    for (let gfn = first; gfn < end; ) {
      const slot = this.mapper.slots.find(gfn);
      if (slot === undefined) {
        if (ripas !== RIPAS_EMPTY) return gfn;
        this.space.set(gfn, gfn + 1, ripas);
        gfn++;
        continue;
      }
      const to = Math.min(end, slot.end);
      const page = slot.filePage - slot.gfn;
      try {
        slot.memfd!.handOver(page + gfn, page + to, ripas === RIPAS_EMPTY ? 'shared' : 'private');
      } catch (error) {
        // A device of the host's still has the pages mapped, or the file is gone: the host has refused.
        if (error instanceof Errno) return gfn;
        throw error;
      }
      this.space.set(gfn, to, ripas);
      gfn = to;
    }
    return end;
  }

  /** RSI_IPA_STATE_GET for [base, end): the state at `base`, and up to where it is the same. */
  getState(base: number, end: number): { readonly top: number; readonly ripas: Ripas } | undefined {
    const range = this.pagesOf(base, end);
    if (!range) return undefined;
    const limit = Math.min(range.end, range.first + PAGES_PER_CALL);
    return {
      top: this.space.runEnd(range.first, limit) * PAGE_SIZE,
      ripas: this.space.ripas(range.first),
    };
  }

  /** The bytes of a page of the realm's own, made present; undefined where the address leads to none. */
  ownPage(address: number, vcpu: number): Uint8Array | undefined {
    const range = this.pagesOf(address, address + PAGE_SIZE);
    if (!range || this.space.ripas(range.first) !== RIPAS_RAM) return undefined;
    const actor = { kind: 'vcpu', vm: this.guest.handle, id: vcpu } as const;
    if (this.mapper.fault(range.first, ACCESS_WRITE, actor)) return undefined;
    return this.ledger.memory.data(entryFrame(this.guest.table.get(range.first)));
  }

  // -------------------------------------------------------------- what the host does

  /** The host threw a page of a file away that was the realm's. */
  lost(gfn: number): void {
    if (this.active && this.space.ripas(gfn) === RIPAS_RAM) this.space.set(gfn, gfn + 1, RIPAS_DESTROYED);
  }

  /** Pages of slots that are the realm's own, and those that it has given up. */
  countPages(): { private: number; shared: number } {
    const pages = { private: 0, shared: 0 };
    for (const { gfn, end } of this.mapper.slots.all()) {
      pages.private += this.space.count(gfn, end, RIPAS_RAM);
      pages.shared += this.space.count(gfn, end, RIPAS_EMPTY);
    }
    return pages;
  }
}
