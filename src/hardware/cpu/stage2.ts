// What a CPU asks of the storey above it: where an intermediate physical page is, and nothing about why.

import type { Gpa, HostOffset } from '../../lib/index.ts';

export const ACCESS_READ = 0;
export const ACCESS_WRITE = 1;
export const ACCESS_EXECUTE = 2;
export type Access = typeof ACCESS_READ | typeof ACCESS_WRITE | typeof ACCESS_EXECUTE;

/** The page is memory; `out` is filled. */
export const STAGE2_MEMORY = 0;
/** No memory there: the VMM emulates the access (the vCPU exits with MMIO). */
export const STAGE2_MMIO = 1;
/** The guest gets a synchronous external abort. */
export const STAGE2_ABORT = 2;
/** The hypervisor has an exit of its own ready (a memory fault, an error); the vCPU stops before the access. */
export const STAGE2_EXIT = 3;
/** The IPA is beyond what the host can translate: the guest gets an address size fault, level 0, FAR = IPA. */
export const STAGE2_SIZE_FAULT = 4;
/** The IPA is beyond the VM's address space alone: a synchronous external abort, also of a walk, FAR = IPA. */
export const STAGE2_BEYOND = 5;
export type Stage2Outcome = 0 | 1 | 2 | 3 | 4 | 5;

/** Filled by Stage2.translate for STAGE2_MEMORY; one object is reused, so that nothing is allocated. */
export interface Stage2Page {
  /** Host offset of the frame's first byte. */
  frame: HostOffset;
  /** Later writes may skip stage 2. False while the page is read-only or its next write must be logged. */
  writable: boolean;
  executable: boolean;
  /** The frame carries allocation tags that this VM may see (stage 2 permits tag access). */
  tagged: boolean;
}

export interface Stage2 {
  /**
   * Resolves the page of `ipa` for one access by this vCPU at EL0/EL1 (stage-1 table walks included).
   * `inWalk` is true where the access is a stage-1 descriptor read or update.
   */
  translate(ipa: Gpa, access: Access, inWalk: boolean, out: Stage2Page): Stage2Outcome;
}
