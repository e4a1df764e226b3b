export { AddressSpace, type MapOptions, type MemoryObserver } from './address-space.ts';
export { DirtyBitmap } from './dirty-bitmap.ts';
export { checkRingSize, DIRTY_GFN_BYTES, DIRTY_GFN_DIRTY, DIRTY_GFN_RESET, DirtyRing } from './dirty-ring.ts';
export { EVERYTHING, type Extensions, UPSTREAM } from './extensions.ts';
export {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  GUEST_MEMFD_INIT_SHARED,
  GUEST_MEMFD_MMAP,
  GuestMemfd,
  type MemfdClient,
} from './guest-memfd.ts';
export { Host, type HostOptions } from './host.ts';
export { type DumpedPage, HostKernel, HostKernelPort } from './host-kernel.ts';
export {
  type CheckedRegion,
  checkRegion,
  MEM_GUEST_MEMFD,
  MEM_LOG_DIRTY_PAGES,
  MEM_READONLY,
  MEM_SLOTS,
  type MemoryRegion,
  type MemoryRegion2,
  type U64,
  u64,
} from './region.ts';
export { type FileObserver, SharedFile } from './shared-file.ts';
export { Slot, SlotTable } from './slot.ts';
export { SwapFile } from './swap.ts';
export { type Mapped, mteAllowed, type Vma } from './vma.ts';
