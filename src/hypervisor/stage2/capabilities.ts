// KVM_CHECK_EXTENSION for what concerns memory, by the kernel's numbers, as Linux 7.2 on arm64 answers.

import { MEM_SLOTS } from '../slots/index.ts';

export const KVM_CAP_NR_MEMSLOTS = 10;
export const KVM_CAP_ARM_VM_IPA_SIZE = 165;
export const KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 = 168;
export const KVM_CAP_DIRTY_LOG_RING = 192;
export const KVM_CAP_ARM_MTE = 205;
export const KVM_CAP_DIRTY_LOG_RING_ACQ_REL = 223;
export const KVM_CAP_MEMORY_ATTRIBUTES = 233;
export const KVM_CAP_GUEST_MEMFD = 234;
export const KVM_CAP_GUEST_MEMFD_FLAGS = 244;

const VALUES: ReadonlyMap<number, number> = new Map([
  [KVM_CAP_NR_MEMSLOTS, MEM_SLOTS],
  [KVM_CAP_ARM_VM_IPA_SIZE, 52],
  [KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 3],
  [KVM_CAP_DIRTY_LOG_RING, 0],
  [KVM_CAP_ARM_MTE, 1],
  [KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 1 << 20],
  [KVM_CAP_MEMORY_ATTRIBUTES, 0],
  [KVM_CAP_GUEST_MEMFD, 1],
  [KVM_CAP_GUEST_MEMFD_FLAGS, 3],
]);

/** 0 for what there is not. */
export const checkMemoryExtension = (capability: number): number => VALUES.get(capability) ?? 0;
