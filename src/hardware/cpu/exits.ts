// Why a vCPU stopped: what the CPU hands to the hypervisor, as values.

import type { Gpa } from '../../lib/index.ts';

/** What ESR_EL2.ISS would say of a data abort's instruction (Arm ARM D23.2, ISS for a Data Abort). */
export interface MmioSyndrome {
  /** ISV: the rest is valid; clear for pairs, SIMD, write-back and atomics. */
  readonly valid: boolean;
  readonly register: number;
  readonly signExtend: boolean;
  readonly sixtyFour: boolean;
  readonly acquireRelease: boolean;
}

export type CpuExit =
  /** Answered with Cpu.completeMmio(); the instruction then runs again and completes. `data` is 0 for a load. */
  | {
      readonly kind: 'mmio';
      readonly ipa: Gpa;
      readonly size: 1 | 2 | 4 | 8 | 16;
      readonly write: boolean;
      readonly data: bigint;
      readonly syndrome: MmioSyndrome;
      /** The instruction came from EL0. */
      readonly user: boolean;
      /** The address that the guest used, for an abort that the hypervisor may inject instead. */
      readonly address: bigint;
    }
  /** PC is after the instruction. */
  | { readonly kind: 'hvc' | 'smc'; readonly imm: number }
  /**
   * Waiting for an interrupt; PC is after the instruction. `event`: it was WFE, which any time slice may end.
   * `deadline`: it also ends when CNTVCT_EL0 reaches this (WFIT, WFET).
   */
  | { readonly kind: 'wfi'; readonly event: boolean; readonly deadline?: bigint }
  /** For a debugger outside the guest; PC is at the instruction. */
  | { readonly kind: 'debug'; readonly cause: 'breakpoint' | 'watchpoint' | 'step'; readonly address: bigint }
  /** The hypervisor has an exit of its own; PC is at the instruction, which runs again. */
  | { readonly kind: 'stage2' };
