// The guest's part of a recording: a program of two stores. A runner performs it on a vCPU; the port runner does
// the same accesses without instructions, and a runner on a real vCPU must come to the same answers.

import type { FaultExit, VmMemory } from '../../hypervisor/stage2/index.ts';
import { type Gpa, gpa } from '../../lib/index.ts';

export interface GuestStep {
  readonly address: Gpa;
  readonly write: boolean;
  /** x1: what a store stores. */
  readonly value: bigint;
}

export type GuestResult =
  /** The step ended with the store to the result register; `value` is x1 then. */
  | { readonly kind: 'ok'; readonly value: bigint }
  /** The vectors reported a synchronous exception. */
  | { readonly kind: 'abort' }
  /** The VMM was asked to emulate the access itself. */
  | { readonly kind: 'mmio'; readonly address: Gpa; readonly write: boolean; readonly bytes: number }
  /** KVM_RUN failed. */
  | { readonly kind: 'failed'; readonly exit: FaultExit };

export interface GuestRunner {
  run(step: GuestStep): GuestResult;
}

/** Makes the runner of a new VM, whose code page is at CODE; called when the vCPU is created. */
export type MakeGuestRunner = (memory: VmMemory) => GuestRunner;

/** Where the recorder put the guest's code page. */
export const CODE = gpa(0x4000_0000);

/** Performs the program's accesses through the vCPU's port: fetch, then the load or store. */
export const portRunner: MakeGuestRunner = (memory) => {
  const port = memory.createVcpuPort(0);
  return {
    run({ address, write, value }) {
      const fetched = port.fetch(CODE);
      if (fetched.kind === 'exit') return { kind: 'failed', exit: fetched.exit };
      if (fetched.kind !== 'done') return { kind: 'abort' };
      const access = write ? port.store(address, value) : port.load(address);
      if (access.kind === 'done') return { kind: 'ok', value: access.value };
      if (access.kind === 'mmio') return { kind: 'mmio', address, write, bytes: 8 };
      if (access.kind === 'abort') return { kind: 'abort' };
      return { kind: 'failed', exit: access.exit };
    },
  };
};
