// KVM_SET_USER_MEMORY_REGION against what exists: what a call asks for (create, delete, move, flags), the checks of
// FACTS B 9 to 13 in their order, and the change itself. A call that fails has changed nothing.

import { Errno, PAGE_SIZE } from '../../lib/index.ts';
import type { Guest, Ledger } from '../ledger/index.ts';
import {
  type AddressSpace,
  type CheckedRegion,
  type Extensions,
  MEM_GUEST_MEMFD,
  MEM_LOG_DIRTY_PAGES,
  MEM_READONLY,
  type MemfdClient,
  mteAllowed,
  Slot,
} from '../slots/index.ts';
import type { DirtyTracking } from './dirty-tracking.ts';
import type { Mapper } from './mapper.ts';

/** What of a VM its slots have to do with. */
export interface SlotOwner extends MemfdClient {
  readonly ledger: Ledger;
  readonly space: AddressSpace;
  readonly guest: Guest;
  /** Bits of addresses at which slots may stand. */
  readonly gpaBits: number;
  readonly extensions: Extensions;
  readonly mapper: Mapper;
  readonly dirty: DirtyTracking;
  /** A vCPU has run: from here on a protected VM's slots stay where they are. */
  readonly hasRun: boolean;
  /** A protected VM or a realm. */
  readonly isConfidential: boolean;
}

/** Throws EINVAL, EEXIST, EBADF, EPERM, EFAULT. */
export function setRegion(vm: SlotOwner, region: CheckedRegion): void {
  const { slots } = vm.mapper;
  const old = slots.get(region.id);
  if (region.pages === 0) {
    if (old === undefined) throw new Errno('EINVAL', `slot ${region.id} does not exist`);
    deleteSlot(vm, old);
    return;
  }
  const change = old === undefined ? 'create' : changeOf(vm, old, region);
  if (change === undefined) return;
  if (change !== 'flags' && slots.overlaps(region.gfn, region.pages, region.id)) {
    throw new Errno('EEXIST', 'the range overlaps another slot');
  }
  if (old === undefined || change === 'create') createSlot(vm, region);
  else changeSlot(vm, old, region, change);
}

/** What a region asks of a slot that exists; undefined for nothing. Throws EINVAL. */
function changeOf(vm: SlotOwner, old: Slot, region: CheckedRegion): 'move' | 'flags' | undefined {
  const isFile = (region.flags & MEM_GUEST_MEMFD) !== 0;
  const sameFile =
    region.memfd === old.memfd && region.offset === old.filePage * PAGE_SIZE && region.gfn === old.gfn;
  if (isFile && !(vm.extensions.memfdDirtyLog && sameFile)) {
    throw new Errno('EINVAL', 'a guest_memfd slot never changes');
  }
  const fixed = MEM_READONLY | MEM_GUEST_MEMFD;
  if (region.hva !== old.hva || region.pages !== old.pages || (region.flags ^ old.flags) & fixed) {
    throw new Errno('EINVAL', 'address, size and kind of a slot never change');
  }
  if (region.gfn !== old.gfn) return 'move';
  return region.flags === old.flags ? undefined : 'flags';
}

function createSlot(vm: SlotOwner, region: CheckedRegion): void {
  // What a guarded guest found to be no memory stays none.
  if (vm.extensions.mmioGuard) needFreedom(vm, 'addition');
  const slot = new Slot(region);
  if (region.flags & MEM_GUEST_MEMFD) {
    if (region.memfd === undefined || !region.memfd.isOpen) throw new Errno('EBADF', 'no such file');
    region.memfd.bind(slot, vm);
  }
  try {
    prepare(vm, slot, region);
  } catch (error) {
    slot.memfd?.unbind(slot);
    throw error;
  }
  vm.mapper.slots.add(slot);
  vm.dirty.follow(slot);
}

function changeSlot(vm: SlotOwner, slot: Slot, region: CheckedRegion, change: 'move' | 'flags'): void {
  if (change === 'move') needFreedom(vm, 'move');
  prepare(vm, slot, region);
  if (change === 'move') {
    vm.zap(slot.gfn, slot.pages);
    slot.gfn = region.gfn;
    vm.mapper.slots.reorder();
    vm.ledger.mappingsChanged();
  }
  slot.flags = region.flags;
  vm.dirty.follow(slot);
}

function deleteSlot(vm: SlotOwner, slot: Slot): void {
  needFreedom(vm, 'delete');
  vm.zap(slot.gfn, slot.pages);
  slot.memfd?.unbind(slot);
  vm.mapper.slots.remove(slot);
  vm.ledger.mappingsChanged();
}

function needFreedom(vm: SlotOwner, what: string): void {
  if (vm.isConfidential && vm.hasRun) throw new Errno('EPERM', `no ${what} of a protected VM's slot`);
}

/** The architecture's checks (Linux arch/arm64/kvm/mmu.c, kvm_arch_prepare_memory_region). */
function prepare(vm: SlotOwner, slot: Slot, region: CheckedRegion): void {
  const { extensions, mapper } = vm;
  const unloggable = (region.flags & MEM_LOG_DIRTY_PAGES) !== 0 && !extensions.protectedDirtyLog;
  if (vm.isConfidential && (unloggable || region.flags & MEM_READONLY)) {
    throw new Errno('EPERM', "a protected VM's slot is neither logged nor read-only");
  }
  if (region.gfn + region.pages > 2 ** (vm.gpaBits - 12)) {
    throw new Errno('EFAULT', `the range is beyond ${vm.gpaBits} bits of guest-physical addresses`);
  }
  if (vm.isRealm && slot.memfd === undefined)
    throw new Errno('EINVAL', "a realm's memory is in guest_memfds");
  if (slot.memfd !== undefined) {
    if (!slot.memfd.mayMap && !extensions.conversion) {
      throw new Errno('EINVAL', 'the guest_memfd has no MMAP flag');
    }
    if (mapper.hasMte && !extensions.memfdMte) throw new Errno('EINVAL', 'no MTE with a guest_memfd');
    return;
  }
  if (!mapper.hasMte) return;
  for (const vma of vm.space.vmasIn(slot.hvaPage, slot.hvaPage + slot.pages)) {
    if (!mteAllowed(vma)) throw new Errno('EINVAL', 'a mapping in the range cannot carry tags');
  }
}
