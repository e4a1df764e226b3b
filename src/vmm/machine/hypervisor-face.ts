// The part of the hypervisor's public face that the machine uses. Tests stand in for it with a few lines.

import type { MemoryPort, VcpuExit } from '../../hypervisor/index.ts';
import type { Protection } from './options.ts';

/** Guest time for the generic timer, in nanoseconds since power-on. */
export interface GuestClock {
  now(): number;
  readonly virtual: boolean;
}

export interface Vcpu {
  /** Retired since creation; exact whenever run() is not on the stack, and inside a clock reading. */
  readonly instructions: number;
  readonly poweredOn: boolean;
  /** Powered on, and not waiting or with an interrupt pending that ends the wait. */
  readonly runnable: boolean;
  run(maxInstructions: number): VcpuExit;
  completeMmio(value: bigint): void;
  setRegister(name: string, value: bigint): void;
}

export interface Vm {
  devicePort(requesterId: number): MemoryPort;
  /** `spi` counts from 0 (INTID 32). */
  irqLine(spi: number): { set(level: boolean): void };
  signalMsi(requesterId: number, address: number, data: number): void;
  /** When the earliest timer of any vCPU fires, in nanoseconds since power-on; Infinity where none is set. */
  nextDeadline(): number;
  dispose(): void;
}

export interface VmConfig {
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly gic: 2 | 3;
  readonly protect: Protection;
  readonly clock: GuestClock;
}

/** A VM with RAM at RAM_BASE and all vCPUs, the first of them powered on. */
export interface PreparedVm {
  readonly vm: Vm;
  readonly vcpus: readonly Vcpu[];
  /** Puts boot files into RAM, by guest-physical address. */
  load(address: number, bytes: Uint8Array): void;
}

export type PrepareVm = (config: VmConfig) => PreparedVm;
