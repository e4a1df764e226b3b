// Why KVM_RUN returned (linux/kvm.h, struct kvm_run), as values.

import type { Gpa } from '../lib/index.ts';

export type VcpuExit =
  /** The guest touched `gpa`, which is no memory. A load completes with completeMmio(); a store is `data`. */
  | {
      readonly reason: 'mmio';
      readonly gpa: Gpa;
      readonly size: 1 | 2 | 4 | 8;
      readonly write: boolean;
      readonly data: bigint;
    }
  /** PSCI SYSTEM_OFF, SYSTEM_RESET, or a crash that the hypervisor noticed. */
  | {
      readonly reason: 'system-event';
      readonly event: 'shutdown' | 'reset' | 'crash';
      readonly flags: bigint;
    }
  /** KVM_EXIT_MEMORY_FAULT; the errno of KVM_RUN is EFAULT or EHWPOISON. */
  | {
      readonly reason: 'memory-fault';
      readonly flags: number;
      readonly gpa: Gpa;
      readonly size: number;
      readonly errno: 'EFAULT' | 'EHWPOISON';
    }
  /** An SMCCC call that user space asked to see (a filter, a realm host call). */
  | { readonly reason: 'hypercall'; readonly function: number; readonly args: readonly bigint[] }
  /** RSI_HOST_CALL of a realm: what it hands to the VMM. completeHostCall() before the next run. */
  | { readonly reason: 'host-call'; readonly immediate: number; readonly values: readonly bigint[] }
  /** Waiting for an interrupt and none is pending; not an exit in KVM, but one thread runs all vCPUs here. */
  | { readonly reason: 'wfi' }
  /** The instruction budget is used up. */
  | { readonly reason: 'budget' }
  /** Guest debug: a breakpoint, a watchpoint or a completed single step. */
  | {
      readonly reason: 'debug';
      readonly kind: 'breakpoint' | 'watchpoint' | 'step';
      readonly address: bigint;
    }
  /** The dirty ring is nearly full. */
  | { readonly reason: 'dirty-ring-full' }
  /** KVM_RUN failed with this errno and no exit reason. */
  | { readonly reason: 'error'; readonly errno: 'EFAULT' | 'ENOSYS' | 'EIO' | 'EPERM' };
