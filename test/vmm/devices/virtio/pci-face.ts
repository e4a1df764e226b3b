// The virtio-pci side of the test driver: it enumerates a real PciHost through ECAM as Linux does, places the BARs,
// finds the structures by their capabilities and takes interrupts by MSI-X or INTx.

import type { AccessSize } from '../../../../src/vmm/devices/device.ts';
import { COMMAND, PCI, PciHost, type SavedPciHost } from '../../../../src/vmm/devices/pci/index.ts';
import type { VirtioDevice } from '../../../../src/vmm/devices/virtio/device.ts';
import type { TransportOptions } from '../../../../src/vmm/devices/virtio/transport/core.ts';
import { COMMON, type SavedVirtioPci, VirtioPci } from '../../../../src/vmm/devices/virtio/transport/pci.ts';
import type { TransportFace } from './guest.ts';

export const MMIO32 = 0x1000_0000;
export const MMIO64 = 0x80_0000_0000;
export const SLOT = 1;
const MSI_ADDRESS = 0x0808_0040;

export interface Message {
  requesterId: number;
  address: number;
  data: number;
}

export function testHost() {
  const lines = [false, false, false, false];
  const messages: Message[] = [];
  const wire = (i: number) => ({
    set: (level: boolean) => {
      lines[i] = level;
    },
  });
  const host = new PciHost({
    mmio32: { base: MMIO32, size: 0x2eff_0000 },
    mmio64: { base: MMIO64, size: 0x80_0000_0000 },
    io: { base: 0, size: 0x1_0000 },
    intx: [wire(0), wire(1), wire(2), wire(3)],
    msi: { send: (requesterId, address, data) => void messages.push({ requesterId, address, data }) },
    log: () => {},
  });
  return { host, lines, messages };
}

export class PciFace implements TransportFace {
  readonly kind: string;
  readonly pci: VirtioPci;
  readonly host: PciHost;
  readonly lines: boolean[];
  readonly messages: Message[];
  private readonly msix: boolean;
  /** Window addresses of the structures, by cfg_type. */
  private readonly at: Record<number, number> = {};

  constructor(device: VirtioDevice, options: TransportOptions = {}, msix = true) {
    this.kind = msix ? 'pci-msix' : 'pci-intx';
    this.msix = msix;
    this.pci = new VirtioPci(device, options);
    const { host, lines, messages } = testHost();
    this.host = host;
    this.lines = lines;
    this.messages = messages;
    host.add(this.pci.endpoint, SLOT);
    this.enumerate();
  }

  conf(offset: number, size: AccessSize): number {
    return this.host.ecam.read((SLOT << 15) + offset, size);
  }

  setConf(offset: number, size: AccessSize, value: number): void {
    this.host.ecam.write((SLOT << 15) + offset, size, value);
  }

  status = () => this.common(COMMON.device_status, 1);
  generation = () => this.common(COMMON.config_generation, 1);
  config = (offset: number, size: AccessSize) => this.host.mmio64.read(this.at[4] - MMIO64 + offset, size);
  setConfig = (offset: number, size: AccessSize, value: number) =>
    this.host.mmio64.write(this.at[4] - MMIO64 + offset, size, value);

  setStatus(value: number): void {
    this.setCommon(COMMON.device_status, 1, value);
    if (value !== 0 || !this.msix) return;
    // Messages that went out before the reset cannot be called back.
    this.messages.length = 0;
    this.vectors();
  }

  offered(): bigint {
    return [0, 1].reduce((features, select) => {
      this.setCommon(COMMON.device_feature_select, 4, select);
      return features | (BigInt(this.common(COMMON.device_feature, 4)) << BigInt(32 * select));
    }, 0n);
  }

  accept(features: bigint): void {
    for (const select of [0, 1]) {
      this.setCommon(COMMON.driver_feature_select, 4, select);
      this.setCommon(COMMON.driver_feature, 4, Number((features >> BigInt(32 * select)) & 0xffff_ffffn));
    }
  }

  queueSizeMax(queue: number): number {
    this.setCommon(COMMON.queue_select, 2, queue);
    return this.common(COMMON.queue_size, 2);
  }

  setQueue(queue: number, size: number, descriptors: number, driver: number, device: number): void {
    this.setCommon(COMMON.queue_select, 2, queue);
    this.setCommon(COMMON.queue_size, 2, size);
    const halves: [number, number][] = [
      [COMMON.queue_desc, descriptors],
      [COMMON.queue_driver, driver],
      [COMMON.queue_device, device],
    ];
    for (const [field, address] of halves) {
      this.setCommon(field, 4, address >>> 0);
      this.setCommon(field + 4, 4, Math.floor(address / 2 ** 32));
    }
    this.setCommon(COMMON.queue_enable, 2, 1);
  }

  notify(queue: number): void {
    this.setCommon(COMMON.queue_select, 2, queue);
    const offset = 4 * this.common(COMMON.queue_notify_off, 2);
    this.host.mmio64.write(this.at[2] - MMIO64 + offset, 2, queue);
  }

  takeInterrupts() {
    if (this.msix) {
      const seen = this.messages.splice(0).map((message) => message.data);
      return { used: seen.some((data) => data > 0), config: seen.includes(0) };
    }
    const level = this.lines[SLOT % 4];
    const isr = this.host.mmio64.read(this.at[3] - MMIO64, 1);
    if (level !== (isr !== 0) || this.lines[SLOT % 4]) throw new Error('the line does not follow the ISR');
    return { used: (isr & 1) !== 0, config: (isr & 2) !== 0 };
  }

  save = () => ({ host: this.host.save(), pci: this.pci.save() });

  restored(device: VirtioDevice, state: unknown): TransportFace {
    const { host, pci } = state as { host: SavedPciHost; pci: SavedVirtioPci };
    const face = new PciFace(device, {}, this.msix);
    face.host.restore(host);
    face.pci.restore(pci);
    return face;
  }

  common(field: number, size: AccessSize): number {
    return this.host.mmio64.read(this.at[1] - MMIO64 + field, size);
  }

  setCommon(field: number, size: AccessSize, value: number): void {
    this.host.mmio64.write(this.at[1] - MMIO64 + field, size, value);
  }

  /** Capability offsets with their ids, in list order. */
  capabilities(): { id: number; at: number }[] {
    const list: { id: number; at: number }[] = [];
    for (let at = this.conf(PCI.CAPABILITIES, 1); at !== 0; at = this.conf(at + 1, 1))
      list.push({ id: this.conf(at, 1), at });
    return list;
  }

  private enumerate(): void {
    const bars: Record<number, number> = { 1: MMIO32 + 0x1000, 4: MMIO64 + 0x1_0000 };
    this.setConf(PCI.BAR0 + 4, 4, bars[1]);
    this.setConf(PCI.BAR0 + 16, 4, bars[4] >>> 0);
    this.setConf(PCI.BAR0 + 20, 4, Math.floor(bars[4] / 2 ** 32));
    this.setConf(PCI.COMMAND, 2, COMMAND.MEMORY | COMMAND.BUS_MASTER);
    for (const { id, at } of this.capabilities()) {
      if (id === 0x09) this.at[this.conf(at + 3, 1)] ??= bars[this.conf(at + 4, 1)] + this.conf(at + 8, 4);
      if (id === 0x11 && this.msix) this.enableMsix(at);
    }
    if (this.msix) this.vectors();
  }

  private enableMsix(at: number): void {
    const count = (this.conf(at + 2, 2) & 0x7ff) + 1;
    const table = 0x1000 + (this.conf(at + 4, 4) & ~7);
    for (let vector = 0; vector < count; vector++)
      [MSI_ADDRESS, 0, vector, 0].forEach((word, i) => {
        this.host.mmio32.write(table + 16 * vector + 4 * i, 4, word);
      });
    this.setConf(at + 2, 2, 0x8000);
  }

  private vectors(): void {
    this.setCommon(COMMON.config_msix_vector, 2, 0);
    for (let queue = 0; queue < this.common(COMMON.num_queues, 2); queue++) {
      this.setCommon(COMMON.queue_select, 2, queue);
      this.setCommon(COMMON.queue_msix_vector, 2, queue + 1);
    }
  }
}
