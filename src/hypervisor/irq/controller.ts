// What a VM sees of its interrupt controller, whichever version it chose at creation: lines in, messages in,
// register windows and system registers for the guest, two wires per vCPU out. Nothing here knows a board.

/** Drives the IRQ and FIQ inputs of a vCPU; called only when one of them changes. */
export type CpuLines = (vcpu: number, irq: boolean, fiq: boolean) => void;

/**
 * Registers at a guest-physical range. An access that the architecture does not allow there (size, alignment,
 * reserved offset) reads as zero and is ignored on write, as KVM does. `size` is in bytes: 1, 2, 4 or 8.
 */
export interface RegisterWindow {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  read(vcpu: number, offset: number, size: number): bigint;
  write(vcpu: number, offset: number, size: number, value: bigint): void;
}

/**
 * System registers that live outside the CPU. `key` is op0:op1:CRn:CRm:op2 in 2, 3, 4, 4 and 3 bits.
 * undefined and false mean that there is no such register: the access is UNDEFINED.
 */
export interface ExternalSystemRegisters {
  read(key: number): bigint | undefined;
  write(key: number, value: bigint): boolean;
}

/** Where message-signalled interrupts arrive. */
export interface MsiTarget {
  /** A 4-byte write of `data` to `address` by `requesterId`. True where an interrupt became pending. */
  send(requesterId: number, address: number, data: number): boolean;
}

export interface InterruptController<State = unknown> extends MsiTarget {
  /** All windows, in address order; they do not overlap. */
  readonly windows: readonly RegisterWindow[];
  /** The ICC_* registers of a vCPU, or undefined where the CPU interface is memory-mapped. */
  systemRegisters(vcpu: number): ExternalSystemRegisters | undefined;
  /** Sets the wire of a shared peripheral interrupt. `intid` counts from 32. EINVAL where there is none. */
  setSpi(intid: number, level: boolean): void;
  /** Sets the wire of a private peripheral interrupt, 16 <= intid < 32. EINVAL where there is none. */
  setPpi(vcpu: number, intid: number, level: boolean): void;
  /** Back to power-on state, wires included. */
  reset(): void;
  /** The whole state as a plain object that JSON can carry. */
  save(): State;
  /** Takes such an object. EINVAL, and no change, where it does not fit this controller. */
  restore(state: State): void;
}

export const SPURIOUS = 1023;

/** Aff2.Aff1.Aff0 of a vCPU in bits 23:0, sixteen to a cluster as KVM numbers them. */
export const affinityOf = (vcpu: number): number => ((vcpu >> 4) << 8) | (vcpu & 15);
