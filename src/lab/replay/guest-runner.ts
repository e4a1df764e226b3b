// The guest's part of a recording: a program of two stores. One kind of runner executes it on the emulated CPU, the
// other performs the same accesses without instructions; both must come to the same answers.

import { BARE_VCPU_BYTES, BareVcpu, type Vcpu } from '../../hypervisor/index.ts';
import type { Host } from '../../hypervisor/slots/index.ts';
import type { FaultExit, VcpuPort, VmMemory } from '../../hypervisor/stage2/index.ts';
import { type Gpa, gpa, PAGE_SIZE } from '../../lib/index.ts';

export interface GuestStep {
  /** x0. */
  readonly address: bigint;
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
  | { readonly kind: 'failed'; readonly exit: FaultExit }
  /** The program is no longer there, or its device is not: the step never ends. */
  | { readonly kind: 'endless' };

export interface GuestRunner {
  run(step: GuestStep): GuestResult;
}

/** Where the recorder put the guest's code page, and the two stores that end a step. */
export const CODE = gpa(0x4000_0000);
const RESULT = 0x5000_0000;
const EXCEPTION = RESULT + 8;
const VECTORS = CODE + 0x800;

const LOAD = 0x10;
/** Synchronous exception, current EL with SPx, from VECTORS. */
const SYNCHRONOUS = 0xa00;

/** The guest's code page, by offset (test/golden/kvm-recordings.md). */
const WORDS: readonly [offset: number, words: readonly number[]][] = [
  // str x1, [x0]; str x1, [x2]; b .
  [0, [0xf9000001, 0xf9000041, 0x14000000]],
  // ldr x1, [x0]; str x1, [x2]; b .
  [LOAD, [0xf9400001, 0xf9000041, 0x14000000]],
  // str x1, [x2, #8]; b .
  [SYNCHRONOUS, [0xf9000441, 0x14000000]],
];

export function codePage(): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  const view = new DataView(page.buffer);
  for (const [offset, words] of WORDS) {
    for (const [n, word] of words.entries()) view.setUint32(offset + 4 * n, word, true);
  }
  return page;
}

/** Who runs the guests of a replay. */
export interface Runners {
  /** Bytes of the host's system area that the runners need. */
  readonly systemBytes: number;
  /** On a new host, once. */
  on(host: Host): MakeGuestRunner;
}

/** Makes the runner of a new VM, whose code page is at CODE; called when the recording creates the vCPU. */
export type MakeGuestRunner = (memory: VmMemory) => GuestRunner;

/** Instructions after which a step that has not ended never will. */
const MAX_INSTRUCTIONS = 100;

/** Runs the program's instructions on the emulated CPU. */
export const cpuRunners: Runners = {
  systemBytes: BARE_VCPU_BYTES,
  on(host) {
    const bare = new BareVcpu(host);
    return (memory) => {
      const vcpu = bare.attach(memory);
      vcpu.setRegister('VBAR_EL1', BigInt(VECTORS));
      return { run: (step) => runOnCpu(vcpu, step) };
    };
  },
};

function runOnCpu(vcpu: Vcpu, { address, write, value }: GuestStep): GuestResult {
  vcpu.setRegister('x0', address);
  vcpu.setRegister('x1', value);
  vcpu.setRegister('x2', BigInt(RESULT));
  vcpu.setRegister('pc', BigInt(write ? CODE : CODE + LOAD));
  const exit = vcpu.run(MAX_INSTRUCTIONS);
  if (exit.reason === 'memory-fault' || exit.reason === 'error' || exit.reason === 'dirty-ring-full') {
    return { kind: 'failed', exit };
  }
  if (exit.reason !== 'mmio') return { kind: 'endless' };
  // The access is completed and the vCPU goes no further (KVM_RUN with immediate_exit).
  if (!exit.write) vcpu.completeMmio(0n);
  vcpu.run(1);
  if (exit.gpa === RESULT) return { kind: 'ok', value: exit.data };
  if (exit.gpa === EXCEPTION) return { kind: 'abort' };
  return { kind: 'mmio', address: exit.gpa, write: exit.write, bytes: exit.size };
}

/** Performs the program's accesses through the vCPU's port, without instructions: fetch, then the load or store. */
export const portRunners: Runners = {
  systemBytes: 1 << 16,
  on: () => (memory) => {
    const port = memory.createVcpuPort(0);
    return { run: (step) => runOnPort(port, step) };
  },
};

/** Addresses that the vCPU puts out at most; beyond them the access faults before it leaves the CPU. */
const ADDRESS_LIMIT = 2n ** 48n;

function runOnPort(port: VcpuPort, step: GuestStep): GuestResult {
  const fetched = port.fetch(CODE);
  if (fetched.kind === 'exit') return { kind: 'failed', exit: fetched.exit };
  if (fetched.kind !== 'done') return { kind: 'endless' };
  const { write, value } = step;
  // With stage 1 off all data accesses are to Device memory, which are aligned.
  if (step.address % 8n !== 0n || step.address >= ADDRESS_LIMIT) return { kind: 'abort' };
  const address = gpa(Number(step.address));
  const access = write ? port.store(address, value) : port.load(address);
  if (access.kind === 'done') return { kind: 'ok', value: access.value };
  if (access.kind === 'mmio') return { kind: 'mmio', address, write, bytes: 8 };
  if (access.kind === 'abort') return { kind: 'abort' };
  return { kind: 'failed', exit: access.exit };
}
