// The memory of one VM, as KVM's ioctls see it: slots, guest_memfds, MTE, dirty logging, and the ports through which
// everyone reaches it. How vm.ts uses it:
//
//   const host = new Host(new PhysicalMemory({ frames }));
//   const vmm = host.createAddressSpace();
//   const memory = new VmMemory(host, vmm, { extensions: EVERYTHING });
//   memory.enableMte();                                       // before the first vCPU
//   const hva = vmm.mmapAnonymous(bytes);
//   memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa, size: bytes, hva });
//   const stage2 = memory.createVcpuStage2(0);                // a Stage2 for that vCPU's MMU
//   memory.addTlb(mmu.tlb);                                   // dropFrame / dropAll / dropWrites
//   // after STAGE2_EXIT: stage2.takeExit(); devices: memory.devicePort(requesterId); loading: vmm.port.write(hva, bytes)
//   memory.destroy();
//
// Errors are Errno, with the kernel's number and in the kernel's order (FACTS A, B, C).

import { ACCESS_WRITE } from '../../hardware/index.ts';
import { Errno, type FrameNumber, PAGE_SIZE } from '../../lib/index.ts';
import { MmioGuard } from '../guard/index.ts';
import {
  type Actor,
  ENTRY_PRESENT,
  ENTRY_WRITE,
  entryFrame,
  entryState,
  FRAME_TAGGED,
  type Guest,
  guestShareHost,
  guestUnshareHost,
  type Ledger,
  type MemoryPort,
  NOPAGE,
  OWNED,
  ownerName,
  PageTable,
  POISON,
  type Report,
  reclaim,
  SHARED_BORROWED,
  SHARED_OWNED,
  type TlbInvalidator,
  type Transition,
} from '../ledger/index.ts';
import { type CopyTags, copyTags } from '../mte/index.ts';
import {
  type AddressSpace,
  type CheckedRegion,
  checkRegion,
  checkRingSize,
  DirtyBitmap,
  type Extensions,
  GuestMemfd,
  type Host,
  MEM_GUEST_MEMFD,
  MEM_LOG_DIRTY_PAGES,
  MEM_READONLY,
  MEM_SLOTS,
  type MemoryRegion,
  type MemoryRegion2,
  mteAllowed,
  Slot,
  type U64,
  UPSTREAM,
  u64,
} from '../slots/index.ts';
import { DirtyLog } from './dirty-log.ts';
import { GpaPort } from './gpa-port.ts';
import { Mapper } from './mapper.ts';
import type { FaultExit } from './outcome.ts';
import { VcpuPort } from './vcpu-port.ts';
import { VcpuStage2 } from './vcpu-stage2.ts';

export interface VmMemoryOptions {
  /** A protected VM (KVM_CREATE_VM type bit 31): its pages are donated. */
  readonly protected?: boolean;
  /** Bits of guest-physical addresses. Default 40, as for KVM_CREATE_VM type 0. */
  readonly ipaBits?: number;
  /** Default: upstream's answers. */
  readonly extensions?: Extensions;
}

/** KVM_MEMORY_ATTRIBUTE_PRIVATE. */
export const MEMORY_ATTRIBUTE_PRIVATE = 8;

export interface MemoryAttributes {
  readonly address: U64;
  readonly size: U64;
  readonly attributes: U64;
  readonly flags?: number;
}

/** What a sharing hypercall of a protected guest came to. */
export type ShareResult =
  | { readonly kind: 'done' }
  /** The host has put a page there first; the guest makes the call again. */
  | { readonly kind: 'again' }
  /** The guest gets INVALID_PARAMETER (-3). */
  | { readonly kind: 'refused' }
  /** There is no memory at the address: the guest takes an external abort with FAR 0. */
  | { readonly kind: 'abort' }
  | { readonly kind: 'exit'; readonly exit: FaultExit };

/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
const MANUAL_PROTECT = 1;
const INITIALLY_SET = 2;

export class VmMemory {
  readonly host: Host;
  readonly ledger: Ledger;
  readonly space: AddressSpace;
  readonly guest: Guest;
  readonly ipaBits: number;
  readonly extensions: Extensions;
  readonly mapper: Mapper;
  readonly dirtyLog = new DirtyLog();
  readonly mmioGuard = new MmioGuard();
  private readonly memfds = new Set<GuestMemfd>();
  private readonly ports = new Set<GpaPort>();
  private readonly attributes = new PageTable();
  private manualProtect = 0;
  private vcpuCreated = false;
  /** A vCPU has run: from here on a protected VM's slots stay as they are. */
  private created = false;
  private destroyed = false;

  /** Throws EINVAL for a protected VM on a host without pKVM; ENOMEM where no handle is left. */
  constructor(host: Host, space: AddressSpace, options: VmMemoryOptions = {}) {
    const isProtected = options.protected ?? false;
    if (isProtected && !host.isPkvm) throw new Errno('EINVAL', 'the host does not run in protected mode');
    this.host = host;
    this.ledger = host.ledger;
    this.space = space;
    this.ipaBits = options.ipaBits ?? 40;
    this.extensions = options.extensions ?? UPSTREAM;
    this.guest = host.ledger.createGuest(isProtected);
    this.mapper = new Mapper(this.ledger, this.guest, space, this.dirtyLog);
    if (isProtected && this.extensions.mmioGuard) this.mmioGuard.enforce();
    space.observers.add(this);
    this.ledger.auditors.add(this);
  }

  /** Every call on a dead VM, or from a process that is gone, is EIO; one from within an invalidation EBUSY. */
  private needAlive(): void {
    if (this.destroyed || !this.space.isAlive) throw new Errno('EIO', 'the VM is dead');
    if (this.ledger.caches.isTelling) throw new Errno('EBUSY', 'a call out of the middle of another one');
  }

  // -------------------------------------------------------------- capabilities

  get hasMte(): boolean {
    return this.mapper.hasMte;
  }

  /** KVM_ENABLE_CAP(KVM_CAP_ARM_MTE). Idempotent; throws EINVAL. */
  enableMte(flags = 0): void {
    this.needAlive();
    if (flags !== 0) throw new Errno('EINVAL', 'the capability takes no flags');
    if (this.host.isPkvm && !this.extensions.protectedMte)
      throw new Errno('EINVAL', 'a pKVM host gives no VM MTE');
    if (this.vcpuCreated) throw new Errno('EINVAL', 'a vCPU exists already');
    if (!this.extensions.memfdMte && this.mapper.slots.all().some((slot) => slot.memfd !== undefined)) {
      throw new Errno('EINVAL', 'a slot is backed by a guest_memfd');
    }
    this.mapper.hasMte = true;
  }

  /** KVM_ENABLE_CAP(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2). Throws EINVAL. */
  enableManualDirtyLog(argument: U64, flags = 0): void {
    this.needAlive();
    const known = MANUAL_PROTECT | INITIALLY_SET;
    const bits = Number(BigInt.asUintN(64, BigInt(argument)));
    const initiallySetAlone = bits === INITIALLY_SET;
    if (flags !== 0 || bits > known || initiallySetAlone)
      throw new Errno('EINVAL', 'no such form of manual protection');
    this.manualProtect = bits;
  }

  /** KVM_ENABLE_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL): each vCPU logs into a ring of `bytes`. Throws EINVAL, E2BIG. */
  enableDirtyRing(bytes: number): void {
    this.needAlive();
    checkRingSize(bytes);
    if (this.dirtyLog.usesRings || this.vcpuCreated)
      throw new Errno('EINVAL', 'too late: rings are made once, before vCPUs');
    this.dirtyLog.ringBytes = bytes;
  }

  /** KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP. Throws EINVAL. */
  enableDirtyRingWithBitmap(): void {
    this.needAlive();
    if (!this.dirtyLog.usesRings || this.mapper.slots.all().length > 0) {
      throw new Errno('EINVAL', 'the bitmap beside rings needs rings, and comes before slots');
    }
    this.dirtyLog.ringWithBitmap = true;
  }

  // -------------------------------------------------------------- vCPUs

  /** Stage 2 for a new vCPU's MMU. */
  createVcpuStage2(vcpu: number): VcpuStage2 {
    this.needAlive();
    this.vcpuCreated = true;
    return new VcpuStage2(this, vcpu);
  }

  /** A new vCPU that only loads and stores, for callers without a CPU. */
  createVcpuPort(vcpu: number): VcpuPort {
    this.needAlive();
    this.vcpuCreated = true;
    return new VcpuPort(this, vcpu);
  }

  /** A vCPU's cache of translations, told of everything that goes stale. */
  addTlb(tlb: TlbInvalidator): void {
    this.guest.tlbs.add(tlb);
  }

  removeTlb(tlb: TlbInvalidator): void {
    this.guest.tlbs.delete(tlb);
  }

  /** KVM_RUN has been called: a protected VM exists at EL2 now. */
  markCreated(): void {
    this.created = true;
  }

  // -------------------------------------------------------------- guest_memfd

  /** KVM_CREATE_GUEST_MEMFD. Throws EINVAL. */
  createGuestMemfd(size: U64, flags = 0): GuestMemfd {
    this.needAlive();
    const memfd = new GuestMemfd(this.ledger, this, size, flags);
    this.memfds.add(memfd);
    return memfd;
  }

  /** For a file of this VM: its pages leave stage 2. */
  zap(gfn: number, pages: number): void {
    this.mapper.zap(gfn, pages);
  }

  // -------------------------------------------------------------- slots

  /** KVM_SET_USER_MEMORY_REGION. Throws as FACTS B says, in its order, with nothing changed. */
  setUserMemoryRegion(region: MemoryRegion): void {
    this.needAlive();
    this.setRegion(checkRegion(region, 1));
  }

  /** KVM_SET_USER_MEMORY_REGION2. */
  setUserMemoryRegion2(region: MemoryRegion2): void {
    this.needAlive();
    this.setRegion(checkRegion(region, 2, this.extensions.memfdDirtyLog));
  }

  private setRegion(region: CheckedRegion): void {
    const { slots } = this.mapper;
    const old = slots.get(region.id);
    if (region.pages === 0) {
      if (old === undefined) throw new Errno('EINVAL', `slot ${region.id} does not exist`);
      this.deleteSlot(old);
      return;
    }
    const change = old === undefined ? 'create' : this.changeOf(old, region);
    if (change === undefined) return;
    if (change !== 'flags' && slots.overlaps(region.gfn, region.pages, region.id)) {
      throw new Errno('EEXIST', 'the range overlaps another slot');
    }
    if (old === undefined || change === 'create') this.createSlot(region);
    else this.changeSlot(old, region, change);
  }

  /** What a region asks of a slot that exists; undefined for nothing. Throws EINVAL. */
  private changeOf(old: Slot, region: CheckedRegion): 'move' | 'flags' | undefined {
    const isFile = (region.flags & MEM_GUEST_MEMFD) !== 0;
    const sameFile =
      region.memfd === old.memfd && region.offset === old.filePage * PAGE_SIZE && region.gfn === old.gfn;
    if (isFile && !(this.extensions.memfdDirtyLog && sameFile)) {
      throw new Errno('EINVAL', 'a guest_memfd slot never changes');
    }
    const fixed = MEM_READONLY | MEM_GUEST_MEMFD;
    if (region.hva !== old.hva || region.pages !== old.pages || (region.flags ^ old.flags) & fixed) {
      throw new Errno('EINVAL', 'address, size and kind of a slot never change');
    }
    if (region.gfn !== old.gfn) return 'move';
    return region.flags === old.flags ? undefined : 'flags';
  }

  private createSlot(region: CheckedRegion): void {
    const slot = new Slot(region);
    if (region.flags & MEM_GUEST_MEMFD) {
      if (region.memfd === undefined || !region.memfd.isOpen) throw new Errno('EBADF', 'no such file');
      region.memfd.bind(slot, this);
    }
    try {
      this.prepare(slot, region);
    } catch (error) {
      slot.memfd?.unbind(slot);
      throw error;
    }
    this.mapper.slots.add(slot);
    this.startLogging(slot, undefined);
  }

  private changeSlot(slot: Slot, region: CheckedRegion, change: 'move' | 'flags'): void {
    if (change === 'move') this.needUnprotected('move');
    this.prepare(slot, region);
    if (change === 'move') {
      this.zap(slot.gfn, slot.pages);
      slot.gfn = region.gfn;
      this.mapper.slots.reorder();
      this.ledger.mappingsChanged();
    }
    const { dirty } = slot;
    slot.flags = region.flags;
    this.startLogging(slot, dirty);
  }

  private deleteSlot(slot: Slot): void {
    this.needUnprotected('delete');
    this.zap(slot.gfn, slot.pages);
    slot.memfd?.unbind(slot);
    this.mapper.slots.remove(slot);
    this.ledger.mappingsChanged();
  }

  private needUnprotected(what: string): void {
    if (this.guest.isProtected && this.created)
      throw new Errno('EPERM', `no ${what} of a protected VM's slot`);
  }

  /** The architecture's checks (Linux arch/arm64/kvm/mmu.c, kvm_arch_prepare_memory_region). */
  private prepare(slot: Slot, region: CheckedRegion): void {
    const logged = (region.flags & MEM_LOG_DIRTY_PAGES) !== 0;
    const unloggable = logged && !this.extensions.protectedDirtyLog;
    if (this.guest.isProtected && (unloggable || region.flags & MEM_READONLY)) {
      throw new Errno('EPERM', "a protected VM's slot is neither logged nor read-only");
    }
    if (region.gfn + region.pages > 2 ** (this.ipaBits - 12)) {
      throw new Errno('EFAULT', `the range is beyond ${this.ipaBits} bits of guest-physical addresses`);
    }
    if (slot.memfd !== undefined) {
      if (!slot.memfd.mayMap && !this.extensions.conversion)
        throw new Errno('EINVAL', 'the guest_memfd has no MMAP flag');
      if (this.hasMte && !this.extensions.memfdMte) throw new Errno('EINVAL', 'no MTE with a guest_memfd');
      return;
    }
    if (!this.hasMte) return;
    for (const vma of this.space.vmasIn(slot.hvaPage, slot.hvaPage + slot.pages)) {
      if (!mteAllowed(vma)) throw new Errno('EINVAL', 'a mapping in the range cannot carry tags');
    }
  }

  // -------------------------------------------------------------- dirty logging

  private startLogging(slot: Slot, before: DirtyBitmap | undefined): void {
    if (!slot.isLogged) {
      slot.dirty = undefined;
      return;
    }
    const useBitmap = !this.dirtyLog.usesRings || this.dirtyLog.ringWithBitmap;
    const initiallySet = (this.manualProtect & INITIALLY_SET) !== 0;
    slot.dirty = before ?? (useBitmap ? new DirtyBitmap(slot.pages, initiallySet) : undefined);
    this.protectPages(slot.gfn, slot.pages);
  }

  private protectPages(gfn: number, pages: number): void {
    this.mapper.writeProtect(gfn, pages);
    this.ledger.caches.dropWrites(this.guest);
  }

  get isLogging(): boolean {
    return this.mapper.slots.all().some((slot) => slot.isLogged);
  }

  private needBitmaps(): void {
    this.needAlive();
    if (this.dirtyLog.usesRings && !this.dirtyLog.ringWithBitmap)
      throw new Errno('ENXIO', 'the VM logs into rings');
  }

  private loggedSlot(id: number): { slot: Slot; dirty: DirtyBitmap } {
    if (id >>> 16 || (id & 0xffff) >= MEM_SLOTS) throw new Errno('EINVAL', 'no such slot number');
    const slot = this.mapper.slots.get(id);
    if (slot?.dirty === undefined) throw new Errno('ENOENT', 'the slot does not exist or is not logged');
    return { slot, dirty: slot.dirty };
  }

  /** KVM_GET_DIRTY_LOG: the bitmap, cleared where protection is not manual. Throws ENXIO, EINVAL, ENOENT. */
  getDirtyLog(id: number): Uint8Array {
    this.needBitmaps();
    const { slot, dirty } = this.loggedSlot(id);
    const bits = dirty.copy();
    if (this.manualProtect === 0) {
      dirty.each((page) => this.mapper.writeProtect(slot.gfn + page, 1));
      dirty.clearAll();
      this.ledger.caches.dropWrites(this.guest);
    }
    return bits;
  }

  /**
   * KVM_CLEAR_DIRTY_LOG: what is set both in the bitmap and in `bits` (one bit a page from `first` on) is cleared
   * and write-protected. Throws ENXIO, EINVAL, ENOENT.
   */
  clearDirtyLog(id: number, first: U64, pages: number, bits: Uint8Array): void {
    this.needBitmaps();
    const from = Number(u64(first, 'first page'));
    const refuse = (sentence: string): never => {
      throw new Errno('EINVAL', sentence);
    };
    if (from % 64) refuse('the first page is not a multiple of 64');
    const { slot, dirty } = this.loggedSlot(id);
    if (from > slot.pages || pages < 0 || pages > slot.pages - from)
      refuse('the range is not within the slot');
    if (pages % 64 && from + pages !== slot.pages)
      refuse('the count is not a multiple of 64 and ends before the slot');
    for (let n = 0; n < pages; n++) {
      if (((bits[n >>> 3] >>> (n & 7)) & 1) === 0 || !dirty.clear(from + n)) continue;
      this.mapper.writeProtect(slot.gfn + from + n, 1);
    }
    this.ledger.caches.dropWrites(this.guest);
  }

  /** KVM_RESET_DIRTY_RINGS: how many entries user space had harvested. */
  resetDirtyRings(): number {
    this.needAlive();
    let count = 0;
    for (const ring of this.dirtyLog.allRings()) {
      count += ring.reset((id, page) => {
        const slot = this.mapper.slots.get(id);
        if (slot !== undefined && page < slot.pages) this.mapper.writeProtect(slot.gfn + page, 1);
      });
    }
    if (count > 0) this.ledger.caches.dropWrites(this.guest);
    return count;
  }

  /** A write by something that is no vCPU. */
  markDirty(gfn: number): void {
    const slot = this.mapper.slots.find(gfn);
    if (slot?.isLogged) this.dirtyLog.mark(slot, gfn - slot.gfn);
  }

  /** A write by a device: in the dirty set where the VM logs those. */
  deviceWrote(gfn: number): void {
    if (this.extensions.logForeignWrites) this.markDirty(gfn);
  }

  // -------------------------------------------------------------- memory attributes

  /**
   * KVM_SET_MEMORY_ATTRIBUTES, which upstream has on x86 only: which pages the guest is to have as private. A page
   * of a guest_memfd that is not so yet faults to the VMM (KVM_EXIT_MEMORY_FAULT), which converts it. Throws EINVAL.
   */
  setMemoryAttributes(request: MemoryAttributes): void {
    this.needAlive();
    const page = BigInt(PAGE_SIZE);
    const address = u64(request.address, 'address');
    const size = u64(request.size, 'size');
    const attributes = u64(request.attributes, 'attributes');
    const refuse = (sentence: string): never => {
      throw new Errno('EINVAL', sentence);
    };
    if (!this.extensions.conversion) refuse('the VM has no memory attributes');
    if ((request.flags ?? 0) !== 0) refuse('the call takes no flags');
    if (attributes & ~BigInt(MEMORY_ATTRIBUTE_PRIVATE)) refuse('unknown attributes');
    if (size === 0n || address + size >= 1n << 64n) refuse('the range is empty or wraps');
    if (address % page || size % page) refuse('the range is not page-aligned');
    if (address + size > 1n << BigInt(this.ipaBits)) refuse('the range is beyond guest-physical addresses');
    const first = Number(address / page);
    const end = Number((address + size) / page);
    const value = Number(attributes);
    for (let gfn = first; gfn < end; ) {
      let next = gfn;
      while (next < end && this.attributes.get(next) !== value) this.attributes.set(next++, value);
      if (next > gfn) this.zap(gfn, next - gfn);
      gfn = next + 1;
    }
    this.ledger.mappingsChanged();
    this.mapper.isPrivateGfn ??= (gfn) => (this.attributes.get(gfn) & MEMORY_ATTRIBUTE_PRIVATE) !== 0;
  }

  // -------------------------------------------------------------- the process's mappings (MMU notifier)

  invalidate(first: number, pages: number): void {
    for (const slot of this.mapper.slots.all()) {
      if (slot.memfd !== undefined) continue;
      const from = Math.max(first, slot.hvaPage);
      const to = Math.min(first + pages, slot.hvaPage + slot.pages);
      if (from < to) this.zap(slot.gfn + from - slot.hvaPage, to - from);
    }
  }

  get logsProcessWrites(): boolean {
    return this.extensions.logForeignWrites && this.isLogging;
  }

  processWrote(page: number): void {
    for (const slot of this.mapper.slots.all()) {
      if (slot.memfd === undefined && page >= slot.hvaPage && page < slot.hvaPage + slot.pages) {
        this.markDirty(slot.gfn + page - slot.hvaPage);
      }
    }
  }

  isUnloggedWrite(page: number): boolean {
    if (!this.extensions.logForeignWrites) return false;
    return this.mapper.slots
      .all()
      .some(
        ({ memfd, gfn, hvaPage, pages }) =>
          memfd === undefined &&
          page >= hvaPage &&
          page < hvaPage + pages &&
          this.isUnloggedGfn(gfn + page - hvaPage),
      );
  }

  /** Logging is on for the GFN and no write has been seen since the log was last cleared. */
  isUnloggedGfn(gfn: number): boolean {
    const slot = this.mapper.slots.find(gfn);
    return slot?.dirty !== undefined && !slot.dirty.has(gfn - slot.gfn);
  }

  // -------------------------------------------------------------- the audit

  audit(report: Report): void {
    const { guest, ledger, hasMte } = this;
    guest.table.each((gfn, entry) => {
      if ((entry & ENTRY_PRESENT) === 0) return;
      const what = `${ownerName(guest.handle)} GFN ${gfn}, frame ${entryFrame(entry)}`;
      if (hasMte && (ledger.frames.flags[entryFrame(entry)] & FRAME_TAGGED) === 0)
        report('tagged', `${what} is untagged`);
      if ((entry & ENTRY_WRITE) !== 0 && this.isUnloggedGfn(gfn))
        report('logged', `${what} is writable and not logged`);
      const slot = this.mapper.slots.find(gfn);
      if (slot === undefined) {
        if (!guest.isProtected) report('convertible', `${what} is mapped and in no slot`);
      } else if (slot.isReadOnly && (entry & ENTRY_WRITE) !== 0)
        report('convertible', `${what} is writable in a read-only slot`);
    });
  }

  // -------------------------------------------------------------- MTE

  /** KVM_ARM_MTE_COPY_TAGS: bytes of guest memory whose tags were copied. */
  copyTags(request: CopyTags): number {
    this.needAlive();
    return copyTags(this, request);
  }

  frameForTags(gfn: number, write: boolean): FrameNumber {
    const frame = this.mapper.frameFor(gfn, write, { kind: 'vcpu', vm: this.guest.handle });
    if (frame === undefined)
      throw new Errno('EFAULT', `nothing that could carry tags stands at GFN ${gfn.toString(16)}`);
    return frame;
  }

  // -------------------------------------------------------------- a protected guest's hypercalls

  /**
   * MEM_SHARE: the guest lends its page to the host. Where nothing stands at the address yet, the host is made to
   * put something there first, as by a write of the guest.
   */
  shareWithHost(ipa: number, vcpu: number): ShareResult {
    const gfn = ipa / PAGE_SIZE;
    if (!this.isGuestPage(ipa)) return { kind: 'refused' };
    if (this.guest.stateAt(gfn) === NOPAGE) {
      const miss = this.mapper.fault(gfn, ACCESS_WRITE, { kind: 'vcpu', vm: this.guest.handle, id: vcpu });
      if (miss) return miss.kind === 'exit' ? miss : { kind: 'abort' };
      return { kind: 'again' };
    }
    return this.changeSharing(guestShareHost, gfn);
  }

  /** MEM_UNSHARE: takes the page back. */
  unshareFromHost(ipa: number): ShareResult {
    return this.isGuestPage(ipa)
      ? this.changeSharing(guestUnshareHost, ipa / PAGE_SIZE)
      : { kind: 'refused' };
  }

  private isGuestPage(ipa: number): boolean {
    return (
      this.guest.isProtected && Number.isSafeInteger(ipa) && ipa % PAGE_SIZE === 0 && ipa < 2 ** this.ipaBits
    );
  }

  private changeSharing(transition: Transition, gfn: number): ShareResult {
    const { ledger, guest } = this;
    const { frames } = ledger;
    const entry = guest.table.get(gfn);
    if ((entry & ENTRY_PRESENT) === 0) return { kind: 'refused' };
    const site = { frames, frame: entryFrame(entry), guest, gfn };
    if (ledger.refusal(transition, site)) return { kind: 'refused' };
    ledger.run(transition, site);
    return { kind: 'done' };
  }

  /**
   * The host gives a protected guest the pages of a range now, as the guest's first touch of each would make it do:
   * what has been loaded there nobody else changes any more. EINVAL for an ordinary VM; EFAULT where no slot is.
   */
  donate(address: number, bytes: number): void {
    this.needAlive();
    if (!this.guest.isProtected) throw new Errno('EINVAL', 'only a protected VM is given pages');
    const end = Math.ceil((address + bytes) / PAGE_SIZE);
    for (let gfn = Math.floor(address / PAGE_SIZE); gfn < end; gfn++) {
      if (this.guest.stateAt(gfn) !== NOPAGE) continue;
      if (this.mapper.fault(gfn, ACCESS_WRITE, { kind: 'vcpu', vm: this.guest.handle }))
        throw new Errno('EFAULT', `GFN ${gfn.toString(16)} has no memory to give`);
    }
  }

  /** How many pages are the guest's alone, and how many it shares with the host. */
  countPages(): { private: number; shared: number } {
    const pages = { private: 0, shared: 0 };
    this.guest.table.each((_gfn, entry) => {
      if ((entry & ENTRY_PRESENT) === 0) return;
      if (entryState(entry) === OWNED) pages.private++;
      else pages.shared++;
    });
    return pages;
  }

  /** A guest-physical page at which no slot puts memory. */
  isFreeGfn(gfn: number): boolean {
    return gfn < 2 ** (this.ipaBits - 12) && this.mapper.slots.find(gfn) === undefined;
  }

  // -------------------------------------------------------------- ports

  /** DMA of a device, by guest-physical address (no IOMMU between). */
  devicePort(requesterId: number): MemoryPort {
    return this.port({ kind: 'device', vm: this.guest.handle, id: requesterId }, false);
  }

  /** KVM's own reads and writes: interrupt tables, stolen time. */
  hypervisorPort(): MemoryPort {
    return this.port({ kind: 'hypervisor', vm: this.guest.handle }, true);
  }

  debuggerPort(): MemoryPort {
    return this.port({ kind: 'debugger', vm: this.guest.handle }, false);
  }

  private port(actor: Actor, alwaysLogs: boolean): GpaPort {
    this.needAlive();
    const port = new GpaPort(this, actor, alwaysLogs);
    this.ports.add(port);
    return port;
  }

  // -------------------------------------------------------------- the end

  /** Every page goes back, scrubbed where it held the guest's secrets; ports refuse from here on. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.guest.isDying = true;
    for (const port of this.ports) port.close();
    this.space.observers.delete(this);
    this.ledger.auditors.delete(this);
    this.ledger.caches.batch(() => {
      this.mapper.zap(0, 2 ** (this.ipaBits - 12));
      this.reclaimPages();
      for (const memfd of this.memfds) memfd.vmDestroyed();
    });
    this.mapper.slots.clear();
    this.ledger.mappingsChanged();
    for (const tlb of this.guest.tlbs) tlb.dropAll();
    this.ledger.removeGuest(this.guest);
  }

  /** pKVM's teardown: the guest's pages are the host's again, one by one. */
  private reclaimPages(): void {
    const { ledger, guest } = this;
    const { frames } = ledger;
    guest.table.each((gfn, entry) => {
      const state = entryState(entry);
      if (state === POISON) guest.table.set(gfn, 0);
      if ((entry & ENTRY_PRESENT) === 0) return;
      if (state === SHARED_BORROWED) throw new Error(`GFN ${gfn} survived the end of its VM`);
      if (state !== OWNED && state !== SHARED_OWNED) return;
      const frame = entryFrame(entry);
      ledger.run(reclaim, { frames, frame, guest, gfn });
      ledger.releaseIfUnused(frame);
    });
  }
}
