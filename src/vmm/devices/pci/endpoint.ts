// A PCI function of type 0 (PCI 3.0, 6): header, BARs, INTx and MSI-X, and the command register's gates. What the
// BARs contain is the device's; where the function stands is the bridge's.

import type { MemoryPort, Refusal } from '../../../hypervisor/index.ts';
import { Errno } from '../../../lib/index.ts';
import type { AccessSize } from '../device.ts';
import { type BarKind, COMMAND, ConfigSpace, type Identity, PCI } from './config-space.ts';
import { CONTROL_WRITABLE, Msix, type SavedMsix } from './msix.ts';

const CAP_MSIX = 0x11;

/** Registers behind a BAR; offsets stay inside it. */
export interface BarRegisters {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

export interface Bar {
  readonly index: number;
  /** A power of two, at least 16. */
  readonly size: number;
  readonly kind: BarKind;
  readonly prefetchable?: boolean;
  readonly registers: BarRegisters;
}

/** Config registers that act when they are touched, such as virtio's access window. */
export interface ConfigHook {
  readonly offset: number;
  readonly length: number;
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

export interface EndpointOptions extends Identity {
  /** Short and unique on the board. */
  readonly name: string;
  readonly bars: readonly Bar[];
  /** Uses INTA#; default: true. */
  readonly interruptPin?: boolean;
  /** MSI-X with its own BAR: `vectors` at most 128. */
  readonly msix?: { readonly vectors: number; readonly bar: number };
  /** The function's own state goes back to power-on. */
  readonly onReset?: () => void;
}

/** What a bridge gives to a function that is plugged in. */
export interface Slot {
  readonly requesterId: number;
  /** The function's INTA# wire. */
  intx(level: boolean): void;
  msi(address: number, data: number): void;
  /** A BAR moved, or decoding was switched. */
  remapped(): void;
}

export interface SavedEndpoint {
  readonly config: readonly number[];
  readonly interrupt: boolean;
  readonly msix: SavedMsix | undefined;
}

const MSIX_BAR_BYTES = 4096;
const MSIX_PENDING = 2048;

export class PciEndpoint {
  readonly name: string;
  readonly config: ConfigSpace;
  readonly bars: readonly Bar[];
  readonly msix: Msix | undefined;
  private readonly msixControl: number;
  private readonly onReset: () => void;
  private readonly hooks: ConfigHook[] = [];
  private slot: Slot | undefined;
  private interrupt = false;

  constructor(options: EndpointOptions) {
    this.name = options.name;
    this.config = new ConfigSpace(options);
    this.onReset = options.onReset ?? (() => {});
    const bars = [...options.bars];
    if (options.msix) {
      const { vectors, bar } = options.msix;
      const msix = new Msix(vectors, (address, data) => this.message(address, data));
      if (msix.tableBytes > MSIX_PENDING)
        throw new Errno('EINVAL', `${this.name}: ${vectors} vectors do not fit`);
      bars.push({ index: bar, size: MSIX_BAR_BYTES, kind: 'mem32', registers: msixRegisters(msix) });
      const at = this.config.addCapability(CAP_MSIX, msixCapability(vectors, bar));
      this.config.allow(at + 3, CONTROL_WRITABLE >> 8);
      this.msixControl = at + 2;
      this.msix = msix;
    } else this.msixControl = 0;
    for (const bar of bars) this.config.defineBar(bar.index, bar.size, bar.kind, bar.prefetchable ?? false);
    this.bars = bars;
    this.config.bytes[PCI.INTERRUPT_PIN] = (options.interruptPin ?? true) ? 1 : 0;
  }

  /** For the bridge. */
  plug(slot: Slot): void {
    if (this.slot) throw new Errno('EBUSY', `${this.name} is already plugged in`);
    this.slot = slot;
  }

  addHook(hook: ConfigHook): void {
    this.hooks.push(hook);
  }

  /** Whether software switched decoding of this kind of BAR on. */
  decodes(kind: BarKind): boolean {
    return (this.config.command & (kind === 'io' ? COMMAND.IO : COMMAND.MEMORY)) !== 0;
  }

  get busMaster(): boolean {
    return (this.config.command & COMMAND.BUS_MASTER) !== 0;
  }

  /** `port` as this function may use it: only while software lets it master the bus. */
  gated(port: MemoryPort): MemoryPort {
    const refuse = (address: number): Refusal => ({
      rule: 'bus-master',
      reason: `the driver has not made ${this.name} a bus master`,
      address,
    });
    return {
      read: (address, into) => (this.busMaster ? port.read(address, into) : refuse(address)),
      write: (address, from) => (this.busMaster ? port.write(address, from) : refuse(address)),
    };
  }

  /** Level of INTA#, as far as the command register lets it out. */
  setInterrupt(level: boolean): void {
    this.interrupt = level;
    this.config.setInterruptStatus(level);
    this.driveInterrupt();
  }

  readConfig(offset: number, size: AccessSize): number {
    const hook = this.hookAt(offset);
    return hook ? hook.read(offset - hook.offset, size) : this.config.read(offset, size);
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    const hook = this.hookAt(offset);
    if (hook) {
      hook.write(offset - hook.offset, size, value);
      return;
    }
    this.config.write(offset, size, value);
    if (offset < PCI.BAR0 + 24) this.slot?.remapped();
    if (this.msix && offset < this.msixControl + 2 && offset + size > this.msixControl)
      this.msix.setControl(this.config.read(this.msixControl, 2));
    this.driveInterrupt();
  }

  reset(): void {
    this.setInterrupt(false);
    this.config.reset();
    this.msix?.reset();
    this.onReset();
    this.slot?.remapped();
  }

  save(): SavedEndpoint {
    return { config: [...this.config.bytes], interrupt: this.interrupt, msix: this.msix?.save() };
  }

  restore(state: SavedEndpoint): void {
    this.config.restore(state.config);
    if (this.msix && state.msix) this.msix.restore(state.msix, this.config.read(this.msixControl, 2));
    this.setInterrupt(state.interrupt);
    this.slot?.remapped();
  }

  private hookAt(offset: number): ConfigHook | undefined {
    for (const hook of this.hooks)
      if (offset >= hook.offset && offset < hook.offset + hook.length) return hook;
    return undefined;
  }

  private driveInterrupt(): void {
    const disabled = (this.config.command & COMMAND.INTX_DISABLE) !== 0 || (this.msix?.enabled ?? false);
    this.slot?.intx(this.interrupt && !disabled);
  }

  /** A message is a write on the bus: it needs bus mastering like all DMA (PCI 3.0, 6.2.2). */
  private message(address: number, data: number): void {
    if (this.busMaster) this.slot?.msi(address, data);
  }
}

function msixCapability(vectors: number, bar: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(10));
  view.setUint16(0, vectors - 1, true);
  view.setUint32(2, bar, true);
  view.setUint32(6, MSIX_PENDING | bar, true);
  return new Uint8Array(view.buffer);
}

const msixRegisters = (msix: Msix): BarRegisters => ({
  read: (offset, size) =>
    offset < MSIX_PENDING ? msix.readTable(offset, size) : msix.readPending(offset - MSIX_PENDING, size),
  write: (offset, size, value) => {
    // The pending bits are read-only.
    if (offset < MSIX_PENDING) msix.writeTable(offset, size, value);
  },
});
