// The arguments of KVM_SET_USER_MEMORY_REGION and REGION2 and the checks that need nothing but them, in the
// kernel's order (virt/kvm/kvm_main.c, kvm_set_memory_region).

import { Errno, PAGE_SIZE } from '../../lib/index.ts';
import type { GuestMemfd } from './guest-memfd.ts';

export const MEM_LOG_DIRTY_PAGES = 1;
export const MEM_READONLY = 2;
export const MEM_GUEST_MEMFD = 4;

/** KVM_CAP_NR_MEMSLOTS. */
export const MEM_SLOTS = 32767;
const MAX_PAGES = 2 ** 31 - 1;
/** TASK_SIZE of a process with 48-bit addresses. */
const USER_END = 1n << 48n;
const U64 = 1n << 64n;

/** A u64 of the kernel's API: a number where it is exact, a bigint where it may not be. */
export type U64 = number | bigint;

export interface MemoryRegion {
  /** Bits 15:0 the slot, bits 31:16 the address space, which must be 0 on arm64. */
  readonly slot: number;
  readonly flags: number;
  readonly gpa: U64;
  readonly size: U64;
  readonly hva: U64;
}

/** struct kvm_userspace_memory_region2. */
export interface MemoryRegion2 extends MemoryRegion {
  /** Looked at only where flags has MEM_GUEST_MEMFD; undefined is a number that is no open file. */
  readonly memfd?: GuestMemfd | undefined;
  readonly offset?: U64;
}

/** A region whose arguments are sound, in exact numbers. */
export interface CheckedRegion {
  readonly id: number;
  readonly flags: number;
  readonly gfn: number;
  /** 0 asks for deletion. */
  readonly pages: number;
  readonly hva: number;
  readonly memfd: GuestMemfd | undefined;
  readonly offset: number;
}

/** A u64 as the kernel would see these bits: -1 is 2^64 - 1. Throws EINVAL for what is no integer. */
export function u64(value: U64, name: string): bigint {
  if (typeof value === 'number' && !Number.isInteger(value))
    throw new Errno('EINVAL', `${name} is not an integer`);
  return BigInt.asUintN(64, BigInt(value));
}

const page = BigInt(PAGE_SIZE);

/**
 * Checks 1 to 8. Throws EINVAL. `version` 1 knows fewer flags; `logsFiles` is the extension that logs guest_memfd slots.
 */
export function checkRegion(region: MemoryRegion2, version: 1 | 2, logsFiles = false): CheckedRegion {
  const refuse = (sentence: string): never => {
    throw new Errno('EINVAL', sentence);
  };
  const flags = region.flags >>> 0;
  const known =
    version === 1 ? MEM_LOG_DIRTY_PAGES | MEM_READONLY : MEM_LOG_DIRTY_PAGES | MEM_READONLY | MEM_GUEST_MEMFD;
  if (version === 1 && flags & ~known)
    refuse(`flags ${flags.toString(16)} are not known to this version of the call`);
  const id = region.slot & 0xffff;
  if (id >= MEM_SLOTS) refuse(`slot ${id}: there are ${MEM_SLOTS}`);
  if (flags & ~known) refuse(`flags ${flags.toString(16)} are not known`);
  const inFile = (flags & MEM_GUEST_MEMFD) !== 0;
  if (inFile && flags & (logsFiles ? MEM_READONLY : MEM_LOG_DIRTY_PAGES | MEM_READONLY))
    refuse('a guest_memfd slot is neither logged nor read-only');
  const size = u64(region.size, 'size');
  if (size % page) refuse('the size is not a multiple of the page size');
  const gpa = u64(region.gpa, 'gpa');
  if (gpa % page) refuse('the guest-physical address is not page-aligned');
  const hva = u64(region.hva, 'hva');
  if (hva % page) refuse('the host-virtual address is not page-aligned');
  if (hva + size > USER_END) refuse('the host-virtual range is not user memory');
  const offset = inFile ? u64(region.offset ?? 0, 'offset') : 0n;
  if (offset % page) refuse("the file's offset is not page-aligned");
  if (offset + size >= U64) refuse("the file's offset and the size overflow");
  if (region.slot >>> 16) refuse('there is one address space');
  if (gpa + size >= U64) refuse('the guest-physical range wraps');
  const pages = size / page;
  if (pages > MAX_PAGES) refuse(`${pages} pages: at most ${MAX_PAGES}`);
  return {
    id,
    flags,
    // Beyond 2^53 only where the size is small; the check against the IPA size refuses it still.
    gfn: Number(gpa / page),
    pages: Number(pages),
    hva: Number(hva),
    memfd: inFile ? region.memfd : undefined,
    offset: Number(offset),
  };
}
