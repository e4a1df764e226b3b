// guest_memfd (Linux 7.2 virt/kvm/guest_memfd.c, FACTS C): memory that belongs to one VM and is reached through
// slots, not through the VMM's page tables. Each page is private or shared; upstream fixes that when the file is
// made, convert() changes it in place and is Ringfence's own.

import { Errno, type FrameNumber, frameNumber, PAGE_SIZE } from '../../lib/index.ts';
import {
  FRAME_DONATED,
  type Guest,
  HOST,
  type Holder,
  type Ledger,
  NONE,
  type Owner,
  PageTable,
  Route,
  seal,
  unseal,
} from '../ledger/index.ts';
import type { Extensions } from './extensions.ts';
import { type U64, u64 } from './region.ts';
import type { Slot } from './slot.ts';

/** Flags of KVM_CREATE_GUEST_MEMFD. */
export const GUEST_MEMFD_MMAP = 1;
export const GUEST_MEMFD_INIT_SHARED = 2;

/** fallocate modes. */
export const FALLOC_KEEP_SIZE = 1;
export const FALLOC_PUNCH_HOLE = 2;

/** The VM behind a file: takes pages out of its stage 2. */
export interface MemfdClient {
  readonly guest: Guest;
  zap(gfn: number, pages: number): void;
  /** Something that is no vCPU wrote there. */
  markDirty(gfn: number): void;
  isUnloggedGfn(gfn: number): boolean;
  readonly extensions: Extensions;
  /** A realm: the guest decides which pages are private, and nobody else. */
  readonly isRealm: boolean;
  /** A private page at a GFN has been discarded. */
  lost(gfn: number): void;
}

const MAX_BYTES = 2n ** 63n;
/** Modes of fallocate that are known outside of this file: punch hole, collapse, zero, insert, unshare, write zeroes. */
const KNOWN_MODES = [0, 0x02, 0x08, 0x10, 0x20, 0x40, 0x80];
const MODE_MASK = 0xfa;
/** Modes that move data, which keep no size. */
const MOVING = [0x08, 0x20, 0x80];
/** Pages of which each is noted: 64 GiB, far more than a host has. */
const MOST_CONVERTED = 2 ** 24;

/** What fallocate refuses before it asks any file (Linux fs/open.c, vfs_fallocate). */
function isKnownMode(mode: number): boolean {
  const what = mode & MODE_MASK;
  const keeps = (mode & FALLOC_KEEP_SIZE) !== 0;
  if ((mode & ~(MODE_MASK | FALLOC_KEEP_SIZE)) !== 0 || !KNOWN_MODES.includes(what)) return false;
  return what === FALLOC_PUNCH_HOLE ? keeps : !(keeps && MOVING.includes(what));
}

export class GuestMemfd implements Holder {
  readonly id: number;
  readonly pages: number;
  readonly flags: number;
  readonly client: MemfdClient;
  private readonly ledger: Ledger;
  /** Frame + 1 of each page that has one. */
  private readonly frames = new PageTable();
  /** 1 for each page that is not as `flags` made it. */
  private readonly converted = new PageTable();
  private readonly slots = new Set<Slot>();
  private descriptorOpen = true;
  private mappings = 0;

  /** Throws EINVAL for unknown flags and for a size that is 0, negative or not whole pages. */
  constructor(ledger: Ledger, client: MemfdClient, size: U64, flags: U64) {
    if (u64(flags, 'flags') & ~BigInt(GUEST_MEMFD_MMAP | GUEST_MEMFD_INIT_SHARED))
      throw new Errno('EINVAL', 'unknown guest_memfd flags');
    const bytes = u64(size, 'size');
    if (bytes === 0n || bytes >= MAX_BYTES || bytes % BigInt(PAGE_SIZE)) {
      throw new Errno('EINVAL', 'the size of a guest_memfd is a positive number of whole pages');
    }
    if (client.isRealm && Number(flags) !== (GUEST_MEMFD_MMAP | GUEST_MEMFD_INIT_SHARED))
      throw new Errno('EINVAL', "a realm's file is mappable, and shared until the realm has it");
    this.ledger = ledger;
    this.client = client;
    this.pages = Number(bytes / BigInt(PAGE_SIZE));
    this.flags = Number(flags);
    this.id = ledger.newHolderId();
    ledger.addHolder(this);
  }

  get label(): string {
    return `guest_memfd ${this.id}`;
  }

  /** The descriptor is open: calls that name it succeed. */
  get isOpen(): boolean {
    return this.descriptorOpen;
  }

  /** Neither a descriptor nor a mapping is left: slots that point here lead nowhere. */
  get isGone(): boolean {
    return !this.descriptorOpen && this.mappings === 0;
  }

  get mayMap(): boolean {
    return (this.flags & GUEST_MEMFD_MMAP) !== 0;
  }

  isShared(page: number): boolean {
    const initially = (this.flags & GUEST_MEMFD_INIT_SHARED) !== 0;
    return this.converted.get(page) === 0 ? initially : !initially;
  }

  /** Pages that are not as the file was made, ascending: what a snapshot keeps besides their content. */
  convertedPages(): number[] {
    const pages: number[] = [];
    this.converted.each((page) => pages.push(page));
    return pages.sort((a, b) => a - b);
  }

  // -------------------------------------------------------------- as a holder of frames

  frameAt(page: number): number {
    const entry = this.frames.get(page);
    return entry === 0 ? NONE : entry - 1;
  }

  privateTo(page: number): Owner {
    return this.isShared(page) ? HOST : this.client.guest.handle;
  }

  populate(page: number): FrameNumber {
    const present = this.frameAt(page);
    if (present !== NONE) return frameNumber(present);
    const { ledger } = this;
    const frame = ledger.take(this, page);
    if (!this.isShared(page)) ledger.run(seal, { frames: ledger.frames, frame, guest: this.client.guest });
    this.frames.set(page, frame + 1);
    return frame;
  }

  unmapPage(page: number): void {
    this.zap(page, 1);
  }

  eachFrame(visit: (page: number, frame: FrameNumber) => void): void {
    this.frames.each((page, entry) => visit(page, frameNumber(entry - 1)));
  }

  // -------------------------------------------------------------- slots

  /** Binds a slot's range. Throws EINVAL, EEXIST; the descriptor itself is the caller's to check (EBADF). */
  bind(slot: Slot, client: MemfdClient): void {
    if (client !== this.client) throw new Errno('EINVAL', 'the guest_memfd belongs to another VM');
    if (slot.filePage + slot.pages > this.pages)
      throw new Errno('EINVAL', 'the slot reaches beyond the end of the file');
    for (const other of this.slots) {
      if (other.filePage < slot.filePage + slot.pages && slot.filePage < other.filePage + other.pages) {
        throw new Errno('EEXIST', `pages of the file are bound to slot ${other.id}`);
      }
    }
    this.slots.add(slot);
  }

  /** The way to a page of the file, for who comes without a slot or a mapping. */
  route(page: number): Route {
    const route = new Route('iova', page);
    route.holder = this;
    route.holderPage = page;
    if (page >= this.pages) route.hole = 'beyond-file';
    else if (this.isGone) route.hole = 'closed-file';
    return route;
  }

  /** The GFN at which a page stands by its slot, or NONE. */
  gfnOf(page: number): number {
    for (const { gfn, filePage, pages } of this.slots) {
      if (page >= filePage && page < filePage + pages) return gfn + page - filePage;
    }
    return NONE;
  }

  unbind(slot: Slot): void {
    this.slots.delete(slot);
  }

  /** Takes file pages out of the guest's stage 2 wherever they stand. */
  private zap(first: number, count: number): void {
    for (const slot of this.slots) {
      const from = Math.max(first, slot.filePage);
      const to = Math.min(first + count, slot.filePage + slot.pages);
      if (from < to) this.client.zap(slot.gfn + from - slot.filePage, to - from);
    }
  }

  // -------------------------------------------------------------- file operations

  /** fallocate(2). Throws EBADF, EINVAL, EOPNOTSUPP, EFBIG. Punching discards content; allocating only makes pages present. */
  fallocate(mode: number, offset: U64, length: U64): void {
    this.needDescriptor();
    const at = u64(offset, 'offset');
    const bytes = u64(length, 'length');
    if (at >= MAX_BYTES || bytes === 0n || bytes >= MAX_BYTES)
      throw new Errno('EINVAL', 'the range is no file range');
    if (!isKnownMode(mode)) throw new Errno('EOPNOTSUPP', 'no such mode');
    if (at + bytes >= MAX_BYTES) throw new Errno('EFBIG', 'the range ends beyond any file');
    if (mode !== FALLOC_KEEP_SIZE && mode !== (FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE)) {
      throw new Errno('EOPNOTSUPP', 'a guest_memfd keeps its size');
    }
    const page = BigInt(PAGE_SIZE);
    if (at % page || bytes % page) throw new Errno('EINVAL', 'the range is not page-aligned');
    const first = Number(at / page);
    const end = Number((at + bytes) / page);
    if (mode & FALLOC_PUNCH_HOLE) {
      this.punch(first, Math.min(end, this.pages));
      return;
    }
    if (end > this.pages) throw new Errno('EINVAL', 'allocating beyond the end of the file');
    for (let n = first; n < end; n++) this.populate(n);
  }

  private punch(first: number, end: number): void {
    if (first >= end) return;
    this.ledger.caches.batch(() => {
      this.zap(first, end - first);
      this.frames.forEach(first, end, (page, entry) => this.discard(page, frameNumber(entry - 1)));
    });
  }

  private discard(page: number, frame: FrameNumber): void {
    const { ledger } = this;
    const { frames } = ledger;
    this.frames.set(page, 0);
    // A page that a protected guest was given is pinned, and returns when the guest is torn down.
    const { guest } = this.client;
    if (frames.owner[frame] === guest.handle && (frames.flags[frame] & FRAME_DONATED) === 0) {
      ledger.run(unseal, { frames, frame, guest });
      this.client.lost(this.gfnOf(page));
    }
    ledger.putDown(frame);
  }

  /**
   * Converts pages in place, present or not. A private page that becomes shared keeps its content only where its
   * guest asked for the conversion; a shared one that becomes private always does. Throws EBADF, EOPNOTSUPP, EINVAL,
   * and EBUSY
   * where a DMA map pins a page (nothing is converted then).
   */
  convert(offset: U64, length: U64, to: 'private' | 'shared', byGuest = false): void {
    if (this.isGone) throw new Errno('EBADF', 'the guest_memfd is closed');
    if (!this.client.extensions.conversion)
      throw new Errno('EOPNOTSUPP', 'the VM has no conversion in place');
    if (this.client.isRealm) throw new Errno('EPERM', 'a realm alone says which of its pages are private');
    const page = BigInt(PAGE_SIZE);
    const at = u64(offset, 'offset');
    const bytes = u64(length, 'length');
    if (at % page || bytes % page || bytes === 0n || (at + bytes) / page > BigInt(this.pages)) {
      throw new Errno('EINVAL', 'the range is not a range of whole pages of the file');
    }
    if (bytes / page > BigInt(MOST_CONVERTED)) throw new Errno('ENOMEM', 'too many pages at once');
    const first = Number(at / page);
    const end = Number((at + bytes) / page);
    const lost = to === 'shared' && !byGuest ? this.privatePages(first, end) : [];
    this.convertPages(first, end, to === 'shared', byGuest);
    for (const n of lost) this.client.lost(this.gfnOf(n));
  }

  /** Those that are present. */
  private privatePages(first: number, end: number): number[] {
    const pages: number[] = [];
    this.frames.forEach(first, end, (page) => {
      if (!this.isShared(page)) pages.push(page);
    });
    return pages;
  }

  /** On behalf of a realm: its pages change hands with nothing in them. Throws EBADF, EPERM, EBUSY. */
  handOver(first: number, end: number, to: 'private' | 'shared'): void {
    if (this.isGone) throw new Errno('EBADF', 'the guest_memfd is closed');
    this.convertPages(first, end, to === 'shared', false);
    if (to === 'private') this.punch(first, end);
  }

  /** For a realm that has not run: its host gives it pages with what is in them. Throws as handOver(). */
  claim(first: number, end: number): void {
    if (this.isGone) throw new Errno('EBADF', 'the guest_memfd is closed');
    this.convertPages(first, end, false, false);
  }

  private convertPages(first: number, end: number, toShared: boolean, byGuest: boolean): void {
    const { ledger } = this;
    const { frames } = ledger;
    const { guest } = this.client;
    const eachChanged = (visit: (page: number, frame: FrameNumber) => void): void =>
      this.frames.forEach(first, end, (page, entry) => {
        if (this.isShared(page) !== toShared) visit(page, frameNumber(entry - 1));
      });
    // First what no device's domain could change, so that a refusal leaves their maps as they were.
    eachChanged((page, frame) => {
      if (frames.owner[frame] !== HOST && frames.owner[frame] !== guest.handle)
        throw new Errno('EPERM', `page ${page} of the file belongs to somebody else`);
      if ((frames.flags[frame] & FRAME_DONATED) !== 0)
        throw new Errno('EBUSY', `page ${page} of the file was given to its protected VM`);
    });
    eachChanged((page, frame) => {
      ledger.withdraw(frame, 'if-willing');
      if (frames.pins[frame] > 0) throw new Errno('EBUSY', `a DMA map pins page ${page} of the file`);
    });
    const initially = (this.flags & GUEST_MEMFD_INIT_SHARED) !== 0;
    ledger.caches.batch(() => {
      this.zap(first, end - first);
      for (let page = first; page < end; page++) {
        if (this.isShared(page) === toShared) continue;
        this.converted.set(page, toShared === initially ? 0 : 1);
        const entry = this.frames.get(page);
        if (entry === 0) continue;
        const frame = frameNumber(entry - 1);
        ledger.run(toShared ? unseal : seal, { frames, frame, guest, byGuest });
      }
    });
  }

  // -------------------------------------------------------------- lifetime

  /** close(2) of the descriptor. With no mapping left, the guest's pages go too. */
  close(): void {
    this.needDescriptor();
    this.descriptorOpen = false;
    this.endIfUnused();
  }

  /** A process maps the file (mmap holds a reference). */
  addMapping(): void {
    this.mappings++;
  }

  removeMapping(): void {
    this.mappings--;
    this.endIfUnused();
  }

  /** The VM is gone: private pages have nobody left, shared ones stay while a process maps them. */
  vmDestroyed(): void {
    this.frames.each((page, entry) => {
      if (this.ledger.frames.owner[entry - 1] !== HOST) this.discard(page, frameNumber(entry - 1));
    });
    this.slots.clear();
    if (this.descriptorOpen) this.close();
  }

  private endIfUnused(): void {
    if (!this.isGone) return;
    this.punch(0, this.pages);
    this.slots.clear();
    this.ledger.removeHolder(this);
  }

  private needDescriptor(): void {
    if (!this.descriptorOpen) throw new Errno('EBADF', 'the guest_memfd is closed');
  }
}
