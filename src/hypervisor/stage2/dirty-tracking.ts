// Dirty logging as the API has it: capabilities, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG and KVM_RESET_DIRTY_RINGS
// (FACTS B). What was written is noted by dirty-log.ts; here it is read, cleared, and protected so that the next
// write is seen again.

import { Errno } from '../../lib/index.ts';
import type { Guest, Ledger } from '../ledger/index.ts';
import { checkRingSize, DirtyBitmap, MEM_SLOTS, type Slot, type U64, u64 } from '../slots/index.ts';
import type { DirtyLog } from './dirty-log.ts';
import type { Mapper } from './mapper.ts';

/** Forms of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
const MANUAL_PROTECT = 1;
const INITIALLY_SET = 2;

const refuse = (sentence: string): never => {
  throw new Errno('EINVAL', sentence);
};

export class DirtyTracking {
  private readonly ledger: Ledger;
  private readonly guest: Guest;
  private readonly mapper: Mapper;
  private readonly log: DirtyLog;
  /** Writes of the VMM and of devices are logged, with rings in a bitmap beside them. */
  private readonly logsForeign: boolean;
  private manual = 0;

  constructor(ledger: Ledger, guest: Guest, mapper: Mapper, log: DirtyLog, logsForeign: boolean) {
    this.ledger = ledger;
    this.guest = guest;
    this.mapper = mapper;
    this.log = log;
    this.logsForeign = logsForeign;
  }

  // -------------------------------------------------------------- capabilities

  setManual(argument: U64, flags: number): void {
    const form = u64(argument, 'argument');
    const known = form <= BigInt(MANUAL_PROTECT | INITIALLY_SET) && form !== BigInt(INITIALLY_SET);
    if (flags !== 0 || !known) refuse('no such form of manual protection');
    this.manual = Number(form);
  }

  useRings(bytes: number, hasVcpus: boolean): void {
    checkRingSize(bytes);
    if (this.log.usesRings || hasVcpus) refuse('too late: rings are made once, before vCPUs');
    this.log.ringBytes = bytes;
  }

  useBitmapBesideRings(): void {
    if (!this.log.usesRings || this.mapper.slots.all().length > 0) {
      refuse('the bitmap beside rings needs rings, and comes before slots');
    }
    this.log.ringWithBitmap = true;
  }

  // -------------------------------------------------------------- logging

  /** After a slot was made or its flags or place changed: a bitmap that it has stays. */
  follow(slot: Slot): void {
    if (!slot.isLogged) {
      slot.dirty = undefined;
      return;
    }
    if (this.hasBitmaps) {
      slot.dirty ??= new DirtyBitmap(slot.pages, (this.manual & INITIALLY_SET) !== 0);
    }
    this.mapper.writeProtect(slot.gfn, slot.pages);
    this.dropWrites();
  }

  private get hasBitmaps(): boolean {
    return !this.log.usesRings || this.log.ringWithBitmap || this.logsForeign;
  }

  get isOn(): boolean {
    return this.mapper.slots.all().some((slot) => slot.isLogged);
  }

  /** A write by something that is no vCPU. */
  mark(gfn: number): void {
    const slot = this.mapper.slots.find(gfn);
    if (slot?.isLogged) this.log.mark(slot, gfn - slot.gfn);
  }

  /** Logging is on for the GFN and no write by anything but a vCPU has been seen since the log was last cleared. */
  awaits(gfn: number): boolean {
    const slot = this.mapper.slots.find(gfn);
    return slot?.dirty !== undefined && !slot.dirty.has(gfn - slot.gfn);
  }

  /** Logging is on for the GFN and no vCPU's write has been seen since. */
  awaitsVcpu(gfn: number): boolean {
    const slot = this.mapper.slots.find(gfn);
    if (!slot?.isLogged) return false;
    return !this.log.has(slot, gfn - slot.gfn);
  }

  // -------------------------------------------------------------- reading and clearing

  get(id: number): Uint8Array {
    this.needBitmaps();
    const { slot, dirty } = this.logged(id);
    const bits = dirty.copy();
    if (this.manual === 0) {
      dirty.each((page) => this.protect(slot, page));
      dirty.clearAll();
      this.dropWrites();
    }
    return bits;
  }

  clear(id: number, first: U64, pages: number, bits: Uint8Array): void {
    this.needBitmaps();
    const from = Number(u64(first, 'first page'));
    if (from % 64) refuse('the first page is not a multiple of 64');
    const { slot, dirty } = this.logged(id);
    if (from > slot.pages || pages < 0 || pages > slot.pages - from)
      refuse('the range is not within the slot');
    if (pages % 64 && from + pages !== slot.pages) {
      refuse('the count is not a multiple of 64 and ends before the slot');
    }
    for (let n = 0; n < pages; n++) {
      const asked = ((bits[n >>> 3] >>> (n & 7)) & 1) !== 0;
      if (asked && dirty.clear(from + n)) this.protect(slot, from + n);
    }
    this.dropWrites();
  }

  resetRings(): number {
    let count = 0;
    for (const ring of this.log.allRings()) {
      count += ring.reset((id, page) => {
        const slot = this.mapper.slots.get(id);
        if (slot !== undefined && page < slot.pages) this.protect(slot, page);
      });
    }
    if (count > 0) this.dropWrites();
    return count;
  }

  private needBitmaps(): void {
    if (!this.hasBitmaps) throw new Errno('ENXIO', 'the VM logs into rings');
  }

  private logged(id: number): { slot: Slot; dirty: DirtyBitmap } {
    if (id >>> 16 || (id & 0xffff) >= MEM_SLOTS) refuse('no such slot number');
    const slot = this.mapper.slots.get(id);
    if (slot?.dirty === undefined) throw new Errno('ENOENT', 'the slot does not exist or is not logged');
    return { slot, dirty: slot.dirty };
  }

  private protect(slot: Slot, page: number): void {
    this.mapper.writeProtect(slot.gfn + page, 1);
  }

  private dropWrites(): void {
    this.ledger.caches.dropWrites(this.guest);
  }
}
