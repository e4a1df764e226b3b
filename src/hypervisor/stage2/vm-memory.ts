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

import { Errno, type FrameNumber, type Gpa, gpa } from '../../lib/index.ts';
import { MmioGuard } from '../guard/index.ts';
import {
  type Actor,
  type Auditor,
  decide,
  ENTRY_PRESENT,
  type Guest,
  HOST,
  type Ledger,
  type MemoryPort,
  NONE,
  POISON_ENTRY,
  type Report,
  type TlbInvalidator,
  type Verdict,
} from '../ledger/index.ts';
import { type CopyTags, copyTags, type TaggedVm } from '../mte/index.ts';
import { RealmSpace } from '../realm/index.ts';
import {
  type AddressSpace,
  checkRegion,
  type Extensions,
  GuestMemfd,
  type Host,
  type MemoryObserver,
  type MemoryRegion,
  type MemoryRegion2,
  type U64,
  UPSTREAM,
} from '../slots/index.ts';
import { AttributeTable, type MemoryAttributes } from './attributes.ts';
import { auditGuard, auditStage2 } from './audit.ts';
import { DirtyLog } from './dirty-log.ts';
import { DirtyTracking } from './dirty-tracking.ts';
import { GpaPort } from './gpa-port.ts';
import { Mapper } from './mapper.ts';
import { ProtectedGuest, type ShareResult } from './protected-guest.ts';
import { RealmMemory } from './realm-memory.ts';
import { RealmStage2 } from './realm-stage2.ts';
import { type SlotOwner, setRegion } from './slot-changes.ts';
import { VcpuPort } from './vcpu-port.ts';
import { VcpuStage2 } from './vcpu-stage2.ts';

const VMM: Actor = { kind: 'vmm', vm: HOST };

export interface VmMemoryOptions {
  /** A protected VM (KVM_CREATE_VM type bit 31): its pages are donated. */
  readonly protected?: boolean;
  /** A realm: it says itself which of its pages are its own. */
  readonly realm?: boolean;
  /**
   * Bits of guest-physical addresses. Default 40, as for KVM_CREATE_VM type 0; in a realm one more, which says which half.
   */
  readonly ipaBits?: number;
  /** Default: upstream's answers. */
  readonly extensions?: Extensions;
}

export class VmMemory implements SlotOwner, MemoryObserver, TaggedVm, Auditor {
  readonly host: Host;
  readonly ledger: Ledger;
  readonly space: AddressSpace;
  readonly guest: Guest;
  readonly ipaBits: number;
  readonly extensions: Extensions;
  readonly mapper: Mapper;
  readonly dirtyLog = new DirtyLog();
  readonly dirty: DirtyTracking;
  readonly mmioGuard = new MmioGuard();
  readonly realm: RealmMemory | undefined;
  private readonly memfds = new Set<GuestMemfd>();
  private readonly ports = new Set<GpaPort>();
  private readonly attributes = new AttributeTable();
  private readonly own: ProtectedGuest;
  private vcpuCreated = false;
  private ran = false;
  private destroyed = false;

  /** Throws EINVAL for a protected VM on a host without pKVM; ENOMEM where no handle is left. */
  constructor(host: Host, space: AddressSpace, options: VmMemoryOptions = {}) {
    const isProtected = options.protected ?? false;
    if (isProtected && !host.isPkvm) throw new Errno('EINVAL', 'the host does not run in protected mode');
    this.host = host;
    this.ledger = host.ledger;
    this.space = space;
    const isRealm = options.realm ?? false;
    this.extensions = options.extensions ?? UPSTREAM;
    if (isRealm && (isProtected || !this.extensions.conversion))
      throw new Errno('EINVAL', 'a realm is not a protected VM, and needs conversion in place');
    this.ipaBits = options.ipaBits ?? (isRealm ? 41 : 40);
    this.guest = host.ledger.createGuest(isProtected);
    this.mapper = new Mapper(this.ledger, this.guest, space, this.dirtyLog);
    this.dirty = new DirtyTracking(
      this.ledger,
      this.guest,
      this.mapper,
      this.dirtyLog,
      this.extensions.logForeignWrites,
    );
    this.own = new ProtectedGuest(this.ledger, this.guest, this.mapper, this.ipaBits);
    if (isRealm) {
      this.mapper.realm = new RealmSpace(this.ipaBits);
      this.realm = new RealmMemory(this.mapper.realm, this.ledger, this.guest, this.mapper);
    }
    if (isProtected && this.extensions.mmioGuard) this.mmioGuard.enforce();
    space.observers.add(this);
    this.ledger.auditors.add(this);
  }

  /** Every call on a dead VM, or from a process that is gone, is EIO; one from within an invalidation EBUSY. */
  private needAlive(): void {
    if (this.destroyed || !this.space.isAlive) throw new Errno('EIO', 'the VM is dead');
    if (this.ledger.caches.isTelling) throw new Errno('EBUSY', 'a call out of the middle of another one');
  }

  get isRealm(): boolean {
    return this.realm !== undefined;
  }

  /** The guest does not trust its host: a protected VM, or a realm. */
  get isConfidential(): boolean {
    return this.guest.isProtected || this.isRealm;
  }

  /** Bits of the addresses of memory and devices. */
  get gpaBits(): number {
    return this.isRealm ? this.ipaBits - 1 : this.ipaBits;
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
    this.dirty.setManual(argument, flags);
  }

  /** KVM_ENABLE_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL): each vCPU logs into a ring of `bytes`. Throws EINVAL, E2BIG. */
  enableDirtyRing(bytes: number): void {
    this.needAlive();
    this.dirty.useRings(bytes, this.vcpuCreated);
  }

  /** KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP. Throws EINVAL. */
  enableDirtyRingWithBitmap(): void {
    this.needAlive();
    this.dirty.useBitmapBesideRings();
  }

  // -------------------------------------------------------------- vCPUs

  /** Stage 2 for a new vCPU's MMU. */
  createVcpuStage2(vcpu: number): VcpuStage2 {
    this.needAlive();
    this.vcpuCreated = true;
    return this.realm ? new RealmStage2(this, vcpu, this.realm.space) : new VcpuStage2(this, vcpu);
  }

  /** A new vCPU that only loads and stores, for callers without a CPU. */
  createVcpuPort(vcpu: number): VcpuPort {
    this.needAlive();
    this.vcpuCreated = true;
    this.realm?.activate();
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
    this.ran = true;
  }

  get hasRun(): boolean {
    return this.ran || (this.realm?.isActive ?? false);
  }

  // -------------------------------------------------------------- guest_memfd

  /** KVM_CREATE_GUEST_MEMFD. Throws EINVAL. */
  createGuestMemfd(size: U64, flags: U64 = 0): GuestMemfd {
    this.needAlive();
    const memfd = new GuestMemfd(this.ledger, this, size, flags);
    this.memfds.add(memfd);
    return memfd;
  }

  /** For a file of this VM: its pages leave stage 2. */
  zap(gfn: number, pages: number): void {
    this.mapper.zap(gfn, pages);
  }

  lost(gfn: number): void {
    const { guest } = this;
    this.realm?.lost(gfn);
    if (!guest.isProtected || !this.ran || guest.isDying || gfn === NONE) return;
    // The guest would take whatever came there next for its own page: the address is dead, as after a forced reclaim.
    if ((guest.table.get(gfn) & ENTRY_PRESENT) === 0) guest.table.set(gfn, POISON_ENTRY);
  }

  // -------------------------------------------------------------- slots

  /** KVM_SET_USER_MEMORY_REGION. Throws as FACTS B says, in its order, with nothing changed. */
  setUserMemoryRegion(region: MemoryRegion): void {
    this.needAlive();
    setRegion(this, checkRegion(region, 1));
  }

  /** KVM_SET_USER_MEMORY_REGION2. */
  setUserMemoryRegion2(region: MemoryRegion2): void {
    this.needAlive();
    setRegion(this, checkRegion(region, 2, this.extensions.memfdDirtyLog));
  }

  // -------------------------------------------------------------- dirty logging

  /** KVM_GET_DIRTY_LOG: the bitmap, cleared where protection is not manual. Throws ENXIO, EINVAL, ENOENT. */
  getDirtyLog(id: number): Uint8Array {
    this.needAlive();
    return this.dirty.get(id);
  }

  /**
   * KVM_CLEAR_DIRTY_LOG: what is set both in the bitmap and in `bits` (one bit a page from `first` on) is cleared
   * and write-protected. Throws ENXIO, EINVAL, ENOENT.
   */
  clearDirtyLog(id: number, first: U64, pages: number, bits: Uint8Array): void {
    this.needAlive();
    this.dirty.clear(id, first, pages, bits);
  }

  /** KVM_RESET_DIRTY_RINGS: how many entries user space had harvested. */
  resetDirtyRings(): number {
    this.needAlive();
    return this.dirty.resetRings();
  }

  get isLogging(): boolean {
    return this.dirty.isOn;
  }

  /** A write by something that is no vCPU. */
  markDirty(gfn: number): void {
    this.dirty.mark(gfn);
  }

  /** A write by a device: in the dirty set where the VM logs those. */
  deviceWrote(gfn: number): void {
    if (this.extensions.logForeignWrites) this.markDirty(gfn);
  }

  // -------------------------------------------------------------- memory attributes

  /** KVM_SET_MEMORY_ATTRIBUTES (attributes.ts). Throws EINVAL. */
  setMemoryAttributes(request: MemoryAttributes): void {
    this.needAlive();
    if (!this.extensions.conversion) throw new Errno('EINVAL', 'the VM has no memory attributes');
    this.attributes.set(request, this.gpaBits, (gfn, pages) => this.zap(gfn, pages));
    this.mapper.isPrivateGfn ??= (gfn) => this.attributes.isPrivate(gfn);
    this.ledger.mappingsChanged();
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
    return this.dirty.awaits(gfn);
  }

  // -------------------------------------------------------------- the audit

  audit(report: Report): void {
    auditStage2(this, report);
    auditGuard(this, report);
  }

  // -------------------------------------------------------------- MTE

  /** KVM_ARM_MTE_COPY_TAGS: bytes of guest memory whose tags were copied. EPERM for a page that is private. */
  copyTags(request: CopyTags, by: 'vmm' | 'debugger' = 'vmm'): number {
    this.needAlive();
    if (this.isRealm) throw new Errno('EINVAL', "a realm's tags are its own");
    const { ledger, hasMte, isLogging } = this;
    return copyTags(
      { ledger, hasMte, isLogging, frameForTags: (gfn, write) => this.frameForTags(gfn, write, by) },
      request,
    );
  }

  frameForTags(gfn: number, write: boolean, by: 'vmm' | 'debugger' = 'vmm'): FrameNumber {
    const { ledger, guest, extensions } = this;
    const actor: Actor = by === 'vmm' ? VMM : { kind: 'debugger', vm: guest.handle };
    const operation = by === 'vmm' ? 'tag' : 'debug';
    const route = this.mapper.route(gfn, true);
    const { rule, reason } = decide(ledger.frames, actor, operation, route, extensions.debugPrivate);
    if (rule === 'sealed') throw new Errno('EPERM', reason);
    const frame = this.mapper.frameFor(gfn, write, { kind: 'vcpu', vm: guest.handle });
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
    // The page that the host puts there is a write of the guest's, for which its ring must have room.
    if (this.dirtyLog.usesRings && this.dirtyLog.ring(vcpu).isSoftFull)
      return { kind: 'exit', exit: { reason: 'dirty-ring-full' } };
    return this.own.share(ipa, vcpu);
  }

  /** MEM_UNSHARE: takes the page back. */
  unshareFromHost(ipa: number): ShareResult {
    return this.own.unshare(ipa);
  }

  /**
   * The host gives a protected guest the pages of a range now, as the guest's first touch of each would make it do:
   * what has been loaded there nobody else changes any more. EINVAL for an ordinary VM; EFAULT where no slot is.
   */
  donate(address: number, bytes: number): void {
    this.needAlive();
    this.own.donate(address, bytes);
  }

  /** How many pages are the guest's alone, and how many it shares with the host. */
  countPages(): { private: number; shared: number } {
    return this.realm?.countPages() ?? this.own.countPages();
  }

  /** Whether the VMM may emulate an access of a vCPU that found no memory at this page. */
  emulation(page: number): Verdict {
    const route = this.mapper.route(page, false);
    const { realm } = this.mapper;
    route.guard = realm ? { permits: () => realm.emulates(page) } : this.mmioGuard;
    return decide(this.ledger.frames, VMM, 'emulate', route);
  }

  /** The address by which the VMM knows a device that a vCPU reaches at `ipa`. */
  deviceAddress(ipa: Gpa): Gpa {
    const { realm } = this.mapper;
    return realm && ipa >= 2 ** this.gpaBits ? gpa(ipa - 2 ** this.gpaBits) : ipa;
  }

  /** A guest-physical page at which no slot puts memory. */
  isFreeGfn(gfn: number): boolean {
    return gfn < 2 ** (this.gpaBits - 12) && this.mapper.slots.find(gfn) === undefined;
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
      this.own.reclaimAll();
      for (const memfd of this.memfds) memfd.vmDestroyed();
    });
    this.mapper.slots.clear();
    this.ledger.mappingsChanged();
    for (const tlb of this.guest.tlbs) tlb.dropAll();
    this.ledger.removeGuest(this.guest);
  }
}
