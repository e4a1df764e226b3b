// What a stage-2 fault can come to besides memory, as exits that KVM_RUN would return with.

import type { Gpa } from '../../lib/index.ts';
import type { VcpuExit } from '../exits.ts';

export type FaultExit = VcpuExit & { readonly reason: 'memory-fault' | 'error' | 'dirty-ring-full' };

/** KVM_MEMORY_EXIT_FLAG_PRIVATE. */
export const MEMORY_FAULT_PRIVATE = 8;

export const memoryFault = (gpa: Gpa, size: number, flags: number): FaultExit => ({
  reason: 'memory-fault',
  flags,
  gpa,
  size,
  errno: 'EFAULT',
});
