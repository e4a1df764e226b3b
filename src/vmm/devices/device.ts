// What the board asks of a device and what a device may ask of the board. A device gets lines, ports and a log;
// never the machine.

import { Errno } from '../../lib/index.ts';

export type AccessSize = 1 | 2 | 4;

/**
 * Registers at an address range. The bus splits 8-byte accesses into two of 4 and never crosses the device's end.
 * A read of nothing returns 0; an unimplemented register is logged with its offset and value.
 */
export interface MmioDevice {
  /** Short and unique on the board: 'pl011', 'virtio-blk0'. */
  readonly name: string;
  /** Bytes of its register window. */
  readonly size: number;
  read(offset: number, size: AccessSize): number;
  /** `value` is unsigned. */
  write(offset: number, size: AccessSize, value: number): void;
  /** Back to power-on state. */
  reset(): void;
}

/** A level-triggered interrupt wire. */
export interface IrqLine {
  set(level: boolean): void;
}

/** Where message-signalled interrupts go: a 4-byte write of `data` to `address` by requester `requesterId`. */
export interface MsiSink {
  send(requesterId: number, address: number, data: number): void;
}

/** A one-shot alarm in guest time. */
export interface DeviceTimer {
  /** Fires once when guest time reaches `deadline` (nanoseconds since power-on); replaces an earlier deadline. */
  arm(deadline: number): void;
  disarm(): void;
}

/** Guest time, as devices see it; the machine decides whether it follows instructions or the host's clock. */
export interface DeviceClock {
  /** Nanoseconds since power-on. */
  now(): number;
  /** What a wall clock in the guest's room shows, in seconds since 1970. */
  wallSeconds(): number;
  /** The callback runs between guest instructions, never inside a register access. */
  createTimer(fire: () => void): DeviceTimer;
}

/** A device's saved state: plain data, named and versioned, so that a snapshot says what it holds. */
export interface DeviceState {
  readonly kind: string;
  readonly version: number;
}

/** Something whose state travels with the machine. */
export interface Stateful<S extends DeviceState = DeviceState> {
  save(): S;
  /** Takes what save() gave, in a freshly made device. EINVAL for a state of another kind or version. */
  restore(state: S): void;
}

/** Throws EINVAL unless `state` is of this kind and version. */
export function expectState(state: DeviceState, kind: string, version: number): void {
  if (state.kind === kind && state.version === version) return;
  throw new Errno('EINVAL', `${kind}: cannot restore a state of ${state.kind} version ${state.version}`);
}
