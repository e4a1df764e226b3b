// One VM's stage 2: what stands at a GFN, bringing it there on a fault, and taking it away. The walk goes from the
// slot to the process's mapping or the guest_memfd's page and on to the frame; decide() judges it; a transition
// of the ledger changes the entry. The table itself is the ledger's (Guest.table).

import { ACCESS_EXECUTE, ACCESS_WRITE, type Access } from '../../hardware/index.ts';
import { Errno, type FrameNumber, frameNumber, gpa, PAGE_SIZE } from '../../lib/index.ts';
import {
  type Actor,
  allowedFrame,
  decide,
  ENTRY_EXECUTE,
  ENTRY_MAY_WRITE,
  ENTRY_PRESENT,
  ENTRY_WRITE,
  entryFrame,
  entryState,
  FRAME_DONATED,
  FRAME_MERGED,
  type Guest,
  guestUnshareHost,
  hostDonateGuest,
  hostShareGuest,
  hostUnshareGuest,
  type Ledger,
  mapPrivate,
  NONE,
  OWNED,
  POISON,
  present,
  Route,
  SHARED_BORROWED,
  SHARED_OWNED,
  unmapPrivate,
} from '../ledger/index.ts';
import { ensureTagged } from '../mte/index.ts';
import type { RealmSpace } from '../realm/index.ts';
import { type AddressSpace, mteAllowed, type Slot, SlotTable } from '../slots/index.ts';
import type { DirtyLog } from './dirty-log.ts';
import { type FaultExit, MEMORY_FAULT_PRIVATE, memoryFault } from './outcome.ts';

/** Why a fault did not end in memory. */
export type Miss = { readonly kind: 'no-memory' } | { readonly kind: 'exit'; readonly exit: FaultExit };

const NO_MEMORY: Miss = { kind: 'no-memory' };
const failed = (errno: 'EFAULT' | 'EIO' | 'EPERM'): Miss => ({
  kind: 'exit',
  exit: { reason: 'error', errno },
});

export class Mapper {
  readonly slots = new SlotTable();
  readonly guest: Guest;
  hasMte = false;
  /** Where a page of a guest_memfd must be as its attribute says; set while the VM uses memory attributes. */
  isPrivateGfn: ((gfn: number) => boolean) | undefined;
  /** Of a realm: the halves of its address space. */
  realm: RealmSpace | undefined;
  private readonly ledger: Ledger;
  private readonly space: AddressSpace;
  private readonly log: DirtyLog;

  constructor(ledger: Ledger, guest: Guest, space: AddressSpace, log: DirtyLog) {
    this.ledger = ledger;
    this.guest = guest;
    this.space = space;
    this.log = log;
  }

  // -------------------------------------------------------------- the walk

  /**
   * From a GFN to its page. `throughStage2`: as a vCPU goes, so that what stage 2 maps counts. In a realm's address space
   * a vCPU reaches each page in one half; to all others both are the same.
   */
  route(page: number, throughStage2: boolean): Route {
    const route = new Route('gpa', page);
    const gfn = this.canonical(page);
    route.gfn = gfn;
    if (throughStage2) {
      route.guest = this.guest;
      if (this.realm?.isShared(page)) route.executable = false;
      const hole = this.realm?.holeAt(page);
      if (hole !== undefined) {
        route.hole = hole;
        return route;
      }
    }
    return this.walk(route, gfn);
  }

  /** Without the bit that says which half of a realm's address space. */
  canonical(page: number): number {
    return this.realm === undefined ? page : this.realm.canonical(page);
  }

  /** Goes on from a GFN, on behalf of a walk that may have begun elsewhere. */
  walk(route: Route, gfn: number): Route {
    const slot = this.slots.find(gfn);
    if (slot === undefined) {
      route.hole = 'no-slot';
      return route;
    }
    route.slot = slot.id;
    if (slot.isReadOnly) route.writable = false;
    const { memfd } = slot;
    if (memfd === undefined) return this.space.walk(route, slot.hvaPage + gfn - slot.gfn);
    route.holder = memfd;
    route.holderPage = slot.filePage + gfn - slot.gfn;
    if (memfd.isGone) route.hole = 'closed-file';
    else if (this.isPrivateGfn && this.isPrivateGfn(gfn) === memfd.isShared(route.holderPage)) {
      route.hole = 'attribute-mismatch';
    }
    return route;
  }

  // -------------------------------------------------------------- faults

  /**
   * Makes a GFN ready for one access of a vCPU: afterwards its entry permits it. Returns why not. An access to a
   * page that is there already and permits it is not a fault; the caller has looked.
   */
  fault(page: number, access: Access, vcpu: Actor): Miss | undefined {
    const gfn = this.canonical(page);
    const slot = this.slots.find(gfn);
    const write = access === ACCESS_WRITE;
    const entry = this.guest.table.get(gfn);
    if (entryState(entry) === POISON) return failed('EFAULT');
    if (slot === undefined || (write && slot.isReadOnly)) return NO_MEMORY;
    if (write && (entry & ENTRY_PRESENT) !== 0 && (entry & ENTRY_MAY_WRITE) !== 0) {
      this.allowWrites(slot, gfn, entry, vcpu);
      return undefined;
    }
    const route = this.route(page, true);
    const operation = write ? 'write' : access === ACCESS_EXECUTE ? 'execute' : 'read';
    if (!decide(this.ledger.frames, vcpu, operation, route).allowed) return this.refused(slot, gfn, route);
    try {
      return this.map(slot, gfn, route, write, vcpu);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      return failed(error.code === 'EPERM' || error.code === 'EIO' ? error.code : 'EFAULT');
    }
  }

  private refused(slot: Slot, gfn: number, route: Route): Miss {
    if (slot.memfd === undefined) return failed('EFAULT');
    const wantsPrivate = route.hole === 'attribute-mismatch' && this.isPrivateGfn?.(gfn);
    return {
      kind: 'exit',
      exit: memoryFault(gpa(gfn * PAGE_SIZE), PAGE_SIZE, wantsPrivate ? MEMORY_FAULT_PRIVATE : 0),
    };
  }

  /** The page is there and only the write has to be seen (dirty logging). */
  private allowWrites(slot: Slot, gfn: number, entry: number, vcpu: Actor): void {
    this.guest.table.set(gfn, entry | ENTRY_WRITE);
    if (slot.isLogged) this.log.mark(slot, gfn - slot.gfn, vcpu.id);
  }

  private map(slot: Slot, gfn: number, route: Route, write: boolean, vcpu: Actor): Miss | undefined {
    const { ledger, guest } = this;
    const { frames } = ledger;
    if (slot.memfd === undefined) {
      const vma = this.space.vmaAt(slot.hvaPage + gfn - slot.gfn)!;
      if (this.hasMte && !mteAllowed(vma)) return failed('EFAULT');
      // A protected guest's pages are pinned for good, which a file that is written back cannot have.
      if (guest.isProtected && vma.mapped.kind === 'file' && vma.mapped.file.medium === 'disk')
        return failed('EIO');
    }
    // A merged page has no tags of its own, and a donated one must be nobody else's.
    const frame = present(ledger, route, write || guest.isProtected || this.hasMte);
    // A copy made for the write took the old page out of the table.
    if ((guest.table.get(gfn) & ENTRY_PRESENT) === 0) {
      this.enter(slot, gfn, frame, write);
    }
    if (this.hasMte) ensureTagged(ledger, frame);
    if (write && slot.isLogged) this.log.mark(slot, gfn - slot.gfn, vcpu.id);
    if (write && (guest.table.get(gfn) & ENTRY_WRITE) === 0) {
      throw new Error(
        `stage 2: GFN ${gfn} (frame ${frame}, flags ${frames.flags[frame]}) stayed read-only after a write fault`,
      );
    }
    return undefined;
  }

  private enter(slot: Slot, gfn: number, frame: FrameNumber, write: boolean): void {
    const { ledger, guest } = this;
    const { frames } = ledger;
    const mayWrite = !slot.isReadOnly && (frames.flags[frame] & FRAME_MERGED) === 0;
    const permissions =
      ENTRY_EXECUTE |
      (mayWrite ? ENTRY_MAY_WRITE : 0) |
      (mayWrite && (write || !slot.isLogged) ? ENTRY_WRITE : 0);
    const site = { frames, frame, guest, gfn, permissions };
    if (frames.owner[frame] === guest.handle) ledger.run(mapPrivate, site);
    else if (guest.isProtected) ledger.run(hostDonateGuest, site);
    else ledger.run(hostShareGuest, site);
  }

  // -------------------------------------------------------------- taking away

  /**
   * Takes pages out of stage 2. What a protected guest was given stays its own (it is pinned); a poisoned page
   * stays poisoned.
   */
  zap(first: number, pages: number): void {
    const { ledger, guest } = this;
    const { frames } = ledger;
    ledger.caches.batch(() => {
      guest.table.forEach(first, first + pages, (gfn, entry) => {
        const state = entryState(entry);
        const frame = entryFrame(entry);
        const site = { frames, frame, guest, gfn };
        if (state === SHARED_BORROWED) {
          ledger.run(hostUnshareGuest, site);
          ledger.releaseIfUnused(frame);
        } else if (
          (state === OWNED || state === SHARED_OWNED) &&
          (frames.flags[frame] & FRAME_DONATED) === 0
        ) {
          if (state === SHARED_OWNED) {
            ledger.withdraw(frame, 'always');
            ledger.run(guestUnshareHost, site);
          }
          ledger.run(unmapPrivate, site);
        }
      });
    });
  }

  /** Writes to these pages fault again. Returns whether any entry changed. */
  writeProtect(first: number, pages: number): boolean {
    const { table } = this.guest;
    let changed = false;
    table.forEach(first, first + pages, (gfn, entry) => {
      if ((entry & ENTRY_WRITE) === 0) return;
      table.set(gfn, entry & ~ENTRY_WRITE);
      changed = true;
    });
    return changed;
  }

  /** The frame at a GFN for the hypervisor's own use, made present, or undefined where there is none. */
  frameFor(gfn: number, write: boolean, actor: Actor): FrameNumber | undefined {
    const entry = this.guest.table.get(gfn);
    const slot = this.slots.find(gfn);
    if (slot === undefined || (write && slot.isReadOnly)) return undefined;
    if ((entry & ENTRY_PRESENT) !== 0 && (!write || (entry & ENTRY_MAY_WRITE) !== 0)) {
      return frameNumber(entryFrame(entry));
    }
    const route = this.route(gfn, true);
    if (!decide(this.ledger.frames, actor, write ? 'write' : 'read', route).allowed) return undefined;
    return present(this.ledger, route, write);
  }

  /** The frame at a GFN where there is one and the actor may read it; nothing is made present. */
  frameIfPresent(gfn: number, actor: Actor): FrameNumber | undefined {
    const frame = allowedFrame(this.ledger.frames, actor, 'read', this.route(gfn, true));
    return frame === NONE ? undefined : frameNumber(frame);
  }
}
