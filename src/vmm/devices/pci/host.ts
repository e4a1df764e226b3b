// The host bridge of a generic ECAM machine (PCI Express 5.0, 7.2.2; device tree "pci-host-ecam-generic"): bus 0 with
// up to 32 single-function devices. The bridge itself stands at 00:00.0. Where its windows lie is the board's choice;
// which BAR answers an address is decided at access time, because software moves BARs.

import { Errno, type Log } from '../../../lib/index.ts';
import type { AccessSize, IrqLine, MmioDevice, MsiSink } from '../device.ts';
import type { BarKind } from './config-space.ts';
import type { Bar, SavedEndpoint } from './endpoint.ts';
import { PciEndpoint } from './endpoint.ts';

const SLOTS = 32;
const ALL_ONES = 0xffff_ffff;

/** A range of addresses as functions see it in their BARs. */
export interface PciWindow {
  readonly base: number;
  readonly size: number;
}

export interface PciHostOptions {
  /** Bytes of ECAM; default 256 MiB, 256 buses. */
  readonly ecamSize?: number;
  readonly mmio32: PciWindow;
  readonly mmio64: PciWindow;
  /** PCI port addresses, usually from 0. */
  readonly io: PciWindow;
  /** INTA to INTD, for slots that are swizzled over them. */
  readonly intx: readonly [IrqLine, IrqLine, IrqLine, IrqLine];
  readonly msi: MsiSink;
  readonly log: Log;
}

export interface SavedPciHost {
  readonly kind: 'pci-host';
  readonly version: 1;
  /** By slot number. */
  readonly slots: Readonly<Record<string, SavedEndpoint>>;
}

interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly io: boolean;
  readonly bar: Bar;
}

export class PciHost {
  /** Configuration space of all buses. */
  readonly ecam: MmioDevice;
  readonly mmio32: MmioDevice;
  readonly mmio64: MmioDevice;
  readonly pio: MmioDevice;

  private readonly options: PciHostOptions;
  private readonly endpoints: (PciEndpoint | undefined)[] = new Array(SLOTS).fill(undefined);
  private readonly levels: boolean[] = new Array(SLOTS).fill(false);
  /** What decodes now; rebuilt at the first access after a change. */
  private mappings: Mapping[] | undefined;
  private last: Mapping | undefined;

  constructor(options: PciHostOptions) {
    this.options = options;
    this.ecam = {
      name: 'pci-ecam',
      size: options.ecamSize ?? 0x1000_0000,
      read: (offset, size) => this.configAt(offset)?.readConfig(offset & 0xfff, size) ?? ones(size),
      write: (offset, size, value) => this.configAt(offset)?.writeConfig(offset & 0xfff, size, value),
      reset: () => this.reset(),
    };
    this.mmio32 = this.window('pci-mmio32', options.mmio32, false);
    this.mmio64 = this.window('pci-mmio64', options.mmio64, false);
    this.pio = this.window('pci-pio', options.io, true);
    this.add(hostBridge(), 0);
  }

  /** Plugs `endpoint` into `slot`, or into the first free one. Returns its requester id (bus 0, function 0). */
  add(endpoint: PciEndpoint, slot = this.endpoints.indexOf(undefined)): number {
    if (slot < 0 || slot >= SLOTS) throw new Errno('ENOSPC', `bus 0 has no slot for ${endpoint.name}`);
    if (this.endpoints[slot]) throw new Errno('EBUSY', `slot ${slot} holds ${this.endpoints[slot]?.name}`);
    const requesterId = slot << 3;
    endpoint.plug({
      requesterId,
      intx: (level) => this.setInterrupt(slot, level),
      msi: (address, data) => this.options.msi.send(requesterId, address, data),
      remapped: () => {
        this.mappings = this.last = undefined;
      },
    });
    this.endpoints[slot] = endpoint;
    this.mappings = this.last = undefined;
    return requesterId;
  }

  /** The BAR that decodes a bus address now, and where in it; undefined when none does. */
  resolve(address: number, io: boolean): { readonly bar: Bar; readonly offset: number } | undefined {
    const mapping = this.mappingAt(address, io);
    return mapping && { bar: mapping.bar, offset: address - mapping.start };
  }

  reset(): void {
    for (const endpoint of this.endpoints) endpoint?.reset();
  }

  save(): SavedPciHost {
    const slots: Record<string, SavedEndpoint> = {};
    this.endpoints.forEach((endpoint, slot) => {
      if (endpoint) slots[slot] = endpoint.save();
    });
    return { kind: 'pci-host', version: 1, slots };
  }

  /** Throws EINVAL unless the same slots are filled. Devices behind the endpoints are restored by themselves. */
  restore(state: SavedPciHost): void {
    if (state.kind !== 'pci-host' || state.version !== 1)
      throw new Errno('EINVAL', 'not a saved PCI host bridge');
    this.endpoints.forEach((endpoint, slot) => {
      const saved = state.slots[slot];
      if ((saved === undefined) !== (endpoint === undefined))
        throw new Errno('EINVAL', `PCI slot ${slot} is filled on one side only`);
      if (endpoint && saved) endpoint.restore(saved);
    });
  }

  private configAt(offset: number): PciEndpoint | undefined {
    const bus = Math.floor(offset / 0x10_0000);
    const slot = (offset >>> 15) & 31;
    const fn = (offset >>> 12) & 7;
    return bus === 0 && fn === 0 ? this.endpoints[slot] : undefined;
  }

  private window(name: string, { base, size: bytes }: PciWindow, io: boolean): MmioDevice {
    return {
      name,
      size: bytes,
      read: (offset, size) => {
        const mapping = this.mappingAt(base + offset, io);
        if (mapping) return mapping.bar.registers.read(base + offset - mapping.start, size);
        this.stray('read', base + offset);
        return ones(size);
      },
      write: (offset, size, value) => {
        const mapping = this.mappingAt(base + offset, io);
        if (mapping) mapping.bar.registers.write(base + offset - mapping.start, size, value);
        else this.stray('write', base + offset);
      },
      reset: () => {},
    };
  }

  private mappingAt(address: number, io: boolean): Mapping | undefined {
    const last = this.last;
    if (last && address >= last.start && address < last.end && io === last.io) return last;
    this.mappings ??= this.decode();
    for (const mapping of this.mappings) {
      if (address < mapping.start || address >= mapping.end || mapping.io !== io) continue;
      this.last = mapping;
      return mapping;
    }
    return undefined;
  }

  private decode(): Mapping[] {
    const mappings: Mapping[] = [];
    for (const endpoint of this.endpoints) {
      for (const bar of endpoint?.bars ?? []) {
        if (!endpoint?.decodes(bar.kind)) continue;
        const start = endpoint.config.barAddress(bar.index, bar.kind);
        if (start === 0 && bar.kind !== 'io') continue;
        mappings.push({ start, end: start + bar.size, io: isIo(bar.kind), bar });
      }
    }
    return mappings;
  }

  /** Pin INTA# of slot n is wire n mod 4 (PCI-to-PCI Bridge 1.2, 9.1). */
  private setInterrupt(slot: number, level: boolean): void {
    if (this.levels[slot] === level) return;
    this.levels[slot] = level;
    const wire = slot % 4;
    this.options.intx[wire].set(this.levels.some((high, other) => high && other % 4 === wire));
  }

  private stray(what: string, address: number): void {
    this.options.log('warn', 'pci', `${what} of 0x${address.toString(16)}: no BAR decodes it`);
  }
}

const isIo = (kind: BarKind): boolean => kind === 'io';

/** Nobody answers: all data lines stay high. */
const ones = (size: AccessSize): number => (size === 4 ? ALL_ONES : size === 2 ? 0xffff : 0xff);

/** The function that represents the bridge itself; the ids are those of QEMU's generic PCI Express host. */
const hostBridge = (): PciEndpoint =>
  new PciEndpoint({
    name: 'pci-host',
    vendor: 0x1b36,
    device: 0x0008,
    revision: 0,
    classCode: 0x060000,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
    bars: [],
    interruptPin: false,
  });
