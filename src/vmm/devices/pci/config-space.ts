// The configuration header of a conventional PCI function (PCI Local Bus 3.0, 6): 256 bytes, each with a mask of the
// bits that software can write, and a chain of capabilities. It knows what registers look like, not what they do.

import type { AccessSize } from '../device.ts';

/** Header offsets (PCI 3.0, figure 6-1). */
export const PCI = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  BAR0: 0x10,
  SUBSYSTEM_VENDOR_ID: 0x2c,
  SUBSYSTEM_ID: 0x2e,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
} as const;

export const COMMAND = { IO: 1, MEMORY: 2, BUS_MASTER: 4, INTX_DISABLE: 0x400 } as const;
const STATUS_INTERRUPT = 8;
const STATUS_CAPABILITIES = 0x10;
const FIRST_CAPABILITY = 0x40;
const CONFIG_BYTES = 256;
const BAR_COUNT = 6;

export type BarKind = 'io' | 'mem32' | 'mem64';

export interface Identity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** 24 bits: base class, subclass, interface. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

export class ConfigSpace {
  readonly bytes = new Uint8Array(CONFIG_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly writable = new Uint8Array(CONFIG_BYTES);
  private lastCapability = 0;
  private free = FIRST_CAPABILITY;

  constructor(identity: Identity) {
    this.view.setUint16(PCI.VENDOR_ID, identity.vendor, true);
    this.view.setUint16(PCI.DEVICE_ID, identity.device, true);
    this.view.setUint8(PCI.REVISION, identity.revision);
    this.view.setUint8(PCI.CLASS, identity.classCode);
    this.view.setUint16(PCI.CLASS + 1, identity.classCode >> 8, true);
    this.view.setUint16(PCI.SUBSYSTEM_VENDOR_ID, identity.subsystemVendor, true);
    this.view.setUint16(PCI.SUBSYSTEM_ID, identity.subsystem, true);
    this.allow(PCI.COMMAND, COMMAND.IO | COMMAND.MEMORY | COMMAND.BUS_MASTER, COMMAND.INTX_DISABLE >> 8);
    this.allow(PCI.INTERRUPT_LINE, 0xff);
  }

  /** Lets software write the bits of `masks`, byte after byte from `offset` on. */
  allow(offset: number, ...masks: number[]): void {
    this.writable.set(masks, offset);
  }

  /**
   * Defines base address register `index`. Only the address bits above the size are writable, so that writing all
   * ones and reading back tells the size (PCI 3.0, 6.2.5.1).
   */
  defineBar(index: number, size: number, kind: BarKind, prefetchable: boolean): void {
    if (
      index + (kind === 'mem64' ? 1 : 0) >= BAR_COUNT ||
      size < 16 ||
      size > 2 ** 31 ||
      (size & (size - 1)) !== 0
    )
      throw new RangeError(`BAR ${index} of ${size} bytes does not exist`);
    const at = PCI.BAR0 + 4 * index;
    const mask = new DataView(new ArrayBuffer(4));
    mask.setUint32(0, -size >>> 0, true);
    this.allow(at, ...new Uint8Array(mask.buffer));
    this.view.setUint32(at, kind === 'io' ? 1 : (kind === 'mem64' ? 4 : 0) | (prefetchable ? 8 : 0), true);
    if (kind === 'mem64') this.allow(at + 4, 0xff, 0xff, 0xff, 0xff);
  }

  /** The address that software gave to a BAR. */
  barAddress(index: number, kind: BarKind): number {
    const at = PCI.BAR0 + 4 * index;
    const low = this.view.getUint32(at, true);
    if (kind === 'io') return (low & ~3) >>> 0;
    const high = kind === 'mem64' ? this.view.getUint32(at + 4, true) : 0;
    return high * 2 ** 32 + ((low & ~15) >>> 0);
  }

  /** Appends a capability of `id` with `body` after the two header bytes; returns its offset. */
  addCapability(id: number, body: Uint8Array): number {
    const at = this.free;
    this.free = (at + 2 + body.length + 3) & ~3;
    if (this.free > CONFIG_BYTES) throw new RangeError('no room for another capability');
    this.bytes[this.lastCapability === 0 ? PCI.CAPABILITIES : this.lastCapability + 1] = at;
    this.bytes[PCI.STATUS] |= STATUS_CAPABILITIES;
    this.bytes[at] = id;
    this.bytes.set(body, at + 2);
    this.lastCapability = at;
    return at;
  }

  get command(): number {
    return this.view.getUint16(PCI.COMMAND, true);
  }

  setInterruptStatus(pending: boolean): void {
    if (pending) this.bytes[PCI.STATUS] |= STATUS_INTERRUPT;
    else this.bytes[PCI.STATUS] &= ~STATUS_INTERRUPT;
  }

  /** Past 256 bytes there is nothing, which reads as 0. */
  read(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (this.bytes[offset + i] ?? 0);
    return value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size && offset + i < CONFIG_BYTES; i++) {
      const mask = this.writable[offset + i];
      const byte = (value >>> (8 * i)) & 0xff;
      this.bytes[offset + i] = (this.bytes[offset + i] & ~mask) | (byte & mask);
    }
  }

  /** Power-on: every writable bit is 0. */
  reset(): void {
    for (let i = 0; i < CONFIG_BYTES; i++) this.bytes[i] &= ~this.writable[i];
    this.setInterruptStatus(false);
  }

  /** Takes the writable bits of saved bytes; the rest belongs to this device. */
  restore(saved: readonly number[]): void {
    for (let i = 0; i < CONFIG_BYTES; i++)
      this.bytes[i] = (this.bytes[i] & ~this.writable[i]) | ((saved[i] ?? 0) & this.writable[i]);
  }
}
