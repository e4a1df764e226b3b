// What the memory tests share: a small host with one VM, and errors as the kernel would return them.

import { type AddressSpace, EVERYTHING, type Extensions, Host } from '../../../src/hypervisor/slots/index.ts';
import { type VcpuPort, VmMemory, type VmMemoryOptions } from '../../../src/hypervisor/stage2/index.ts';
import { Errno, type Gpa, gpa, type Hva, PAGE_SIZE } from '../../../src/lib/index.ts';

export const RAM = 0x4000_0000;
export const FILE = 0x5000_0000;
export const PAGE = PAGE_SIZE;

export interface Kit {
  readonly host: Host;
  readonly vmm: AddressSpace;
  readonly memory: VmMemory;
  /** Where the process has 16 pages of anonymous memory; no slot yet. */
  readonly ram: Hva;
}

export interface KitOptions extends VmMemoryOptions {
  readonly pkvm?: boolean;
  readonly frames?: number;
  readonly on?: Host;
}

export function kit(options: KitOptions = {}): Kit {
  const host =
    options.on ?? Host.create(options.frames ?? 64, { pkvm: options.pkvm ?? options.protected ?? false });
  const vmm = host.createAddressSpace();
  return { host, vmm, memory: new VmMemory(host, vmm, options), ram: vmm.mmapAnonymous(16 * PAGE) };
}

/** With slot 0 at RAM and a vCPU. */
export function running(options: KitOptions = {}, mte = false): Kit & { readonly vcpu: VcpuPort } {
  const made = kit(options);
  if (mte) made.memory.enableMte();
  made.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: 16 * PAGE, hva: made.ram });
  return { ...made, vcpu: made.memory.createVcpuPort(0) };
}

export const beyondUpstream = (some: Partial<Extensions>): Extensions => ({ ...EVERYTHING, ...some });

/** The error's name, or what the call returned (undefined as 0). */
export function outcome(call: () => unknown): unknown {
  try {
    return call() ?? 0;
  } catch (error) {
    if (error instanceof Errno) return error.code;
    throw error;
  }
}

/** The n-th page of slot 0, or of the file's slot. */
export const at = (page: number, offset = 0): Gpa => gpa(RAM + page * PAGE + offset);
export const inFile = (page: number): Gpa => gpa(FILE + page * PAGE);

export const word = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0);
