// A process of the host, which is to say a VMM's own memory: mappings at host-virtual addresses, faulted in page by
// page (Linux mm/). Addresses are invented, increasing and never reused; what stands behind them is the ledger's
// frames. VMs whose slots point here watch it as MMU notifiers do.

import { Errno, type FrameNumber, frameNumber, type Hva, hva, PAGE_SIZE } from '../../lib/index.ts';
import {
  type Actor,
  allowedFrame,
  decide,
  FRAME_MERGED,
  FRAME_TAGGED,
  HOST,
  type Holder,
  type Ledger,
  NONE,
  type Owner,
  PageTable,
  Route,
  View,
} from '../ledger/index.ts';
import type { GuestMemfd } from './guest-memfd.ts';
import { type U64, u64 } from './region.ts';
import type { SharedFile } from './shared-file.ts';
import type { SwapFile } from './swap.ts';
import { type Vma, VmaTree } from './vma.ts';

/** An MMU notifier: told before pages of the address space change frames or go away. */
export interface MemoryObserver {
  invalidate(first: number, pages: number): void;
  /** Whether stores by the process are to be reported (dirty logging of the VMM's own writes). */
  readonly logsProcessWrites: boolean;
  processWrote(page: number): void;
  /** Whether a store to the page now would have to be reported and has not been. */
  isUnloggedWrite(page: number): boolean;
}

export interface MapOptions {
  /** MAP_FIXED: replaces what is there. */
  readonly at?: Hva;
}

/** MAX_LFS_FILESIZE. */
const MAX_FILE = 2n ** 63n - 1n;
const FIRST_PAGE = 0x10_0000_0000 / PAGE_SIZE;
/** Page numbers are kept in 32 bits: 16 TiB of addresses. */
const END_PAGE = 2 ** 32;
/** An entry holds a frame + 1, or with this bit a slot of the swap file. */
const SWAPPED = 0x8000_0000;
/** Pages between two mappings, so that running over an end is seen. */
const GAP = 16;

export class AddressSpace implements Holder {
  readonly id: number;
  readonly observers = new Set<MemoryObserver>();
  /** The process's own loads and stores, by HVA. */
  readonly port: VmmPort;
  private readonly ledger: Ledger;
  private readonly swap: SwapFile;
  private readonly vmas = new VmaTree();
  private readonly table = new PageTable();
  private next = FIRST_PAGE;
  private destroyed = false;

  constructor(ledger: Ledger, swap: SwapFile) {
    this.ledger = ledger;
    this.swap = swap;
    this.id = ledger.newHolderId();
    ledger.addHolder(this);
    this.port = new VmmPort(ledger, this);
  }

  get label(): string {
    return `anonymous memory of process ${this.id}`;
  }

  get isAlive(): boolean {
    return !this.destroyed;
  }

  // -------------------------------------------------------------- mapping

  /** Throws EINVAL for a size that is not a positive number of whole pages, ENOMEM where it does not fit. */
  mmapAnonymous(bytes: number, options: MapOptions = {}): Hva {
    return this.map(bytes, { kind: 'anonymous' }, 0, options);
  }

  mmapFile(file: SharedFile, offset: number, bytes: number, options: MapOptions = {}): Hva {
    if (offset < 0 || offset % PAGE_SIZE) throw new Errno('EINVAL', "the file's offset is not page-aligned");
    file.observers.add(this.fileObserver);
    return this.map(bytes, { kind: 'file', file }, offset / PAGE_SIZE, options);
  }

  /**
   * In this order: EINVAL for an offset that is not page-aligned; EBADF; EOVERFLOW beyond any file; ENODEV where the file
   * was not made for mapping; EINVAL for a private mapping (MAP_PRIVATE).
   */
  mmapMemfd(memfd: GuestMemfd, offset: U64, bytes: number, shared = true, options: MapOptions = {}): Hva {
    const at = u64(offset, 'offset');
    if (at % BigInt(PAGE_SIZE)) throw new Errno('EINVAL', "the file's offset is not page-aligned");
    if (!memfd.isOpen) throw new Errno('EBADF', 'the guest_memfd is closed');
    if (at + BigInt(Math.max(0, Math.ceil(bytes) || 0)) > MAX_FILE)
      throw new Errno('EOVERFLOW', 'the range is beyond any file');
    if (!memfd.mayMap) throw new Errno('ENODEV', 'the guest_memfd was made without the MMAP flag');
    if (!shared) throw new Errno('EINVAL', 'a guest_memfd is mapped MAP_SHARED only');
    const start = this.map(bytes, { kind: 'memfd', memfd }, Number(at / BigInt(PAGE_SIZE)), options);
    memfd.addMapping();
    return start;
  }

  private map(bytes: number, mapped: Vma['mapped'], filePage: number, options: MapOptions): Hva {
    if (this.destroyed) throw new Errno('EIO', 'the process is gone');
    if (!Number.isSafeInteger(bytes) || bytes <= 0)
      throw new Errno('EINVAL', 'a mapping has a positive size');
    const pages = Math.ceil(bytes / PAGE_SIZE);
    const start = options.at === undefined ? this.next : options.at / PAGE_SIZE;
    if (!Number.isInteger(start) || start < 0)
      throw new Errno('EINVAL', 'MAP_FIXED at an address that is not page-aligned');
    if (start + pages > END_PAGE) throw new Errno('ENOMEM', 'no addresses are left');
    this.unmap(start, start + pages);
    this.vmas.insert({ start, end: start + pages, mapped, filePage });
    if (options.at === undefined) this.next = start + pages + GAP;
    return hva(start * PAGE_SIZE);
  }

  munmap(at: Hva, bytes: number): void {
    const [start, end] = this.range(at, bytes);
    this.unmap(start, end);
  }

  /** MADV_DONTNEED: anonymous pages are dropped and read as zero again; a file's pages stay in the file. */
  madviseDontneed(at: Hva, bytes: number): void {
    const [start, end] = this.range(at, bytes);
    this.zap(start, end);
  }

  private range(at: Hva, bytes: number): [number, number] {
    if (!Number.isSafeInteger(at) || at < 0 || at % PAGE_SIZE)
      throw new Errno('EINVAL', 'the address is not page-aligned');
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Errno('EINVAL', 'the length is no length');
    return [at / PAGE_SIZE, at / PAGE_SIZE + Math.ceil(bytes / PAGE_SIZE)];
  }

  private unmap(start: number, end: number): void {
    if (this.vmas.intersecting(start, end).length === 0) return;
    this.zap(start, end);
    // A cut may leave two mappings where one was: count references by what the tree holds before and after.
    const before = this.memfdsMapped();
    this.vmas.remove(start, end);
    const after = this.memfdsMapped();
    for (const [memfd, count] of before) {
      const change = (after.get(memfd) ?? 0) - count;
      for (let n = 0; n < change; n++) memfd.addMapping();
      for (let n = 0; n < -change; n++) memfd.removeMapping();
    }
    this.ledger.mappingsChanged();
  }

  private memfdsMapped(): Map<GuestMemfd, number> {
    const counts = new Map<GuestMemfd, number>();
    for (const { mapped } of this.vmas.all()) {
      if (mapped.kind === 'memfd') counts.set(mapped.memfd, (counts.get(mapped.memfd) ?? 0) + 1);
    }
    return counts;
  }

  /** Takes the pages of a range out of the page table: observers first, then the frames. */
  private zap(start: number, end: number): void {
    this.ledger.caches.batch(() => {
      this.notify(start, end - start);
      this.table.forEach(start, end, (page, entry) => {
        this.table.set(page, 0);
        if ((entry & SWAPPED) !== 0) this.swap.free((entry & ~SWAPPED) >>> 0);
        else this.ledger.putDown(frameNumber(entry - 1));
      });
    });
  }

  private notify(first: number, pages: number): void {
    for (const observer of this.observers) observer.invalidate(first, pages);
  }

  private readonly fileObserver = {
    fileInvalidated: (file: SharedFile, first: number, count: number): void => {
      for (const vma of this.vmas.all()) {
        if (vma.mapped.kind !== 'file' || vma.mapped.file !== file) continue;
        const from = Math.max(first, vma.filePage);
        const to = Math.min(first + count, vma.filePage + vma.end - vma.start);
        if (from < to) this.notify(vma.start + from - vma.filePage, to - from);
      }
    },
  };

  // -------------------------------------------------------------- walking

  vmasIn(first: number, end: number): Vma[] {
    return this.vmas.intersecting(first, end);
  }

  vmaAt(page: number): Vma | undefined {
    return this.vmas.find(page);
  }

  /** The way from a page of this address space to memory. */
  route(page: number): Route {
    return this.walk(new Route('hva', page), page);
  }

  /** Goes on from a page of this address space, on behalf of a walk that began elsewhere. */
  walk(route: Route, page: number): Route {
    route.hvaPage = page;
    const vma = this.vmas.find(page);
    if (vma === undefined) {
      route.hole = 'no-mapping';
      return route;
    }
    const { mapped } = vma;
    if (mapped.kind === 'anonymous') {
      route.holder = this;
      route.holderPage = page;
      return route;
    }
    const file = mapped.kind === 'file' ? mapped.file : mapped.memfd;
    route.holder = file;
    route.holderPage = vma.filePage + page - vma.start;
    if (route.holderPage >= file.pages) route.hole = 'beyond-file';
    return route;
  }

  // -------------------------------------------------------------- as a holder of anonymous pages

  frameAt(page: number): number {
    const entry = this.table.get(page);
    return entry === 0 || (entry & SWAPPED) !== 0 ? NONE : entry - 1;
  }

  privateTo(): Owner {
    return HOST;
  }

  populate(page: number, write: boolean): FrameNumber {
    const entry = this.table.get(page);
    if (entry === 0) return this.place(page, this.ledger.take(this, page));
    if ((entry & SWAPPED) !== 0) return this.swapIn(page, (entry & ~SWAPPED) >>> 0);
    const frame = frameNumber(entry - 1);
    if (write && (this.ledger.frames.flags[frame] & FRAME_MERGED) !== 0) return this.unmerge(page, frame);
    return frame;
  }

  private place(page: number, frame: FrameNumber): FrameNumber {
    this.table.set(page, frame + 1);
    return frame;
  }

  private swapIn(page: number, slot: number): FrameNumber {
    const { ledger } = this;
    const frame = ledger.take(this, page);
    const tagged = this.swap.load(slot, ledger.memory.data(frame), ledger.memory.writableTags(frame));
    if (tagged) ledger.frames.flags[frame] |= FRAME_TAGGED;
    return this.place(page, frame);
  }

  /** A write to a merged page gets a copy of its own; the last of those merged keeps the frame. */
  private unmerge(page: number, shared: FrameNumber): FrameNumber {
    const { ledger } = this;
    if (ledger.frames.refs[shared] === 1) {
      this.notify(page, 1);
      ledger.unmerge(shared, this, page);
      return shared;
    }
    // Taken first: where no frame is left, nobody has lost a mapping for nothing.
    const frame = ledger.take(this, page);
    this.notify(page, 1);
    ledger.memory.data(frame).set(ledger.memory.data(shared));
    this.place(page, frame);
    ledger.putDown(shared);
    return frame;
  }

  eachFrame(visit: (page: number, frame: FrameNumber) => void): void {
    this.table.each((page, entry) => {
      if ((entry & SWAPPED) === 0) visit(page, frameNumber(entry - 1));
    });
  }

  // -------------------------------------------------------------- the host kernel's hand on it

  isSwapped(page: number): boolean {
    return (this.table.get(page) & SWAPPED) !== 0;
  }

  /** Writes a page to swap and frees its frame. Throws what keeps it where it is. */
  swapOut(page: number): void {
    const { ledger } = this;
    const frame = this.frameAt(page);
    if (frame === NONE) throw new Errno('ENOENT', 'the page is not present');
    const { frames } = ledger;
    if (frames.owner[frame] !== HOST || frames.pins[frame] > 0)
      throw new Errno('EBUSY', 'the page is pinned, or not of the host');
    if ((frames.flags[frame] & FRAME_MERGED) !== 0) throw new Errno('EBUSY', 'the page is merged');
    this.notify(page, 1);
    const number = frameNumber(frame);
    const tags = (frames.flags[frame] & FRAME_TAGGED) !== 0 ? ledger.memory.tags(number) : undefined;
    const slot = this.swap.store(ledger.memory.data(number), tags);
    this.table.set(page, (SWAPPED | slot) >>> 0);
    ledger.putDown(number);
  }

  /** Replaces a page's frame by an equal one that somebody else also holds; the hold has been taken. */
  replace(page: number, frame: FrameNumber): void {
    const old = frameNumber(this.frameAt(page));
    this.notify(page, 1);
    this.place(page, frame);
    this.ledger.putDown(old);
  }

  unmapPage(page: number): void {
    this.notify(page, 1);
  }

  // -------------------------------------------------------------- stores by the process or for it

  reportWrite(page: number): void {
    for (const observer of this.observers) if (observer.logsProcessWrites) observer.processWrote(page);
  }

  isUnloggedWrite(page: number): boolean {
    for (const observer of this.observers) if (observer.isUnloggedWrite(page)) return true;
    return false;
  }

  /** Pages that something maps, in order. */
  *mappedPages(): Generator<number> {
    for (const vma of this.vmas.all()) for (let page = vma.start; page < vma.end; page++) yield page;
  }

  /** The process exits. */
  destroy(): void {
    if (this.destroyed) return;
    this.unmap(0, END_PAGE);
    this.destroyed = true;
    this.port.close();
    this.ledger.removeHolder(this);
  }
}

const VMM: Actor = { kind: 'vmm', vm: HOST };

/** The process's own loads and stores. */
class VmmPort extends View {
  private readonly space: AddressSpace;

  constructor(ledger: Ledger, space: AddressSpace) {
    super(ledger);
    this.space = space;
  }

  get label(): string {
    return `the VMM (process ${this.space.id})`;
  }

  protected lookup(page: number, write: boolean): number {
    return allowedFrame(this.ledger.frames, VMM, write ? 'write' : 'read', this.space.route(page));
  }

  protected mustAskForWrites(page: number): boolean {
    return this.space.isUnloggedWrite(page);
  }

  protected resolve(page: number, write: boolean): number {
    const { ledger, space } = this;
    const route = space.route(page);
    const verdict = decide(ledger.frames, VMM, write ? 'write' : 'read', route);
    if (!verdict.allowed) {
      this.refusal = {
        rule: verdict.rule,
        reason: verdict.reason,
        address: page * PAGE_SIZE,
        signal: signalOf(space, route),
      };
      return NONE;
    }
    const frame = this.bring(route, write);
    if (frame !== NONE && write) space.reportWrite(page);
    return frame;
  }
}

/** Linux: SIGBUS for a page that a file does not give, SIGSEGV for all else. */
function signalOf(space: AddressSpace, route: Route): 'SIGBUS' | 'SIGSEGV' {
  const inFile = route.hole === 'beyond-file' || (route.holder !== undefined && route.holder !== space);
  return inFile ? 'SIGBUS' : 'SIGSEGV';
}
