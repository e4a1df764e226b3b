// virtio over PCI, modern interface only (virtio 1.3, 4.1): device id 0x1040 + type, revision 1, and all structures in
// one BAR. BAR 4 holds them as QEMU lays them out; BAR 1 holds MSI-X, with a vector per queue and one for changes of
// the configuration. Without MSI-X it falls back to INTA# and the ISR byte.

import type { AccessSize } from '../../device.ts';
import { type BarRegisters, PciEndpoint } from '../../pci/index.ts';
import type { SavedState, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import { type SavedCore, type TransportOptions, VirtioCore } from './core.ts';

const VENDOR = 0x1af4;
const DEVICE_BASE = 0x1040;
const SUBSYSTEM = 0x1100;
const MSIX_BAR = 1;
const STRUCTURES_BAR = 4;
const STRUCTURES_BYTES = 0x4000;
const AREA_BYTES = 0x1000;
const AREA = { common: 0x0000, isr: 0x1000, device: 0x2000, notify: 0x3000 } as const;
const NOTIFY_MULTIPLIER = 4;
const NO_VECTOR = 0xffff;
const ISR_QUEUE = 1;
const ISR_CONFIG = 2;

const CAP_VENDOR = 0x09;
const CFG = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;

/** Offsets in struct virtio_pci_common_cfg (virtio 1.3, 4.1.4.3). */
export const COMMON = {
  device_feature_select: 0x00,
  device_feature: 0x04,
  driver_feature_select: 0x08,
  driver_feature: 0x0c,
  config_msix_vector: 0x10,
  num_queues: 0x12,
  device_status: 0x14,
  config_generation: 0x15,
  queue_select: 0x16,
  queue_size: 0x18,
  queue_msix_vector: 0x1a,
  queue_enable: 0x1c,
  queue_notify_off: 0x1e,
  queue_desc: 0x20,
  queue_driver: 0x28,
  queue_device: 0x30,
  queue_notif_config_data: 0x38,
  queue_reset: 0x3a,
} as const;
const COMMON_BYTES = 0x3c;

export interface SavedVirtioPci extends SavedState {
  readonly kind: 'virtio-pci';
  readonly version: 1;
  readonly isr: number;
  readonly configVector: number;
  readonly queueVectors: readonly number[];
  readonly core: SavedCore;
}

export class VirtioPci {
  /** What the board plugs into a slot. */
  readonly endpoint: PciEndpoint;
  private readonly core: VirtioCore;
  private readonly vectors: number;
  private readonly queueVectors: number[];
  private configVector = NO_VECTOR;
  private isr = 0;

  constructor(device: VirtioDevice, options: TransportOptions = {}) {
    this.vectors = device.queueSizes.length + 1;
    this.queueVectors = device.queueSizes.map(() => NO_VECTOR);
    const registers: BarRegisters = {
      read: (offset, size) => this.read(offset, size),
      write: (offset, size, value) => this.write(offset, size, value),
    };
    this.endpoint = new PciEndpoint({
      name: device.name,
      vendor: VENDOR,
      device: DEVICE_BASE + device.type,
      revision: 1,
      classCode: device.pciClass,
      subsystemVendor: VENDOR,
      subsystem: SUBSYSTEM,
      bars: [{ index: STRUCTURES_BAR, size: STRUCTURES_BYTES, kind: 'mem64', prefetchable: true, registers }],
      msix: { vectors: this.vectors, bar: MSIX_BAR },
      onReset: () => {
        this.resetDevice();
        device.powerOn?.();
      },
    });
    const signals = {
      usedBuffer: (queue: number) => this.raise(this.queueVectors[queue], ISR_QUEUE),
      configChange: () => this.raise(this.configVector, ISR_CONFIG),
    };
    this.core = new VirtioCore(device, options, signals, (port) => this.endpoint.gated(port));
    this.addCapabilities(device);
  }

  get name(): string {
    return this.endpoint.name;
  }

  /** The device and its transport; header, BARs and MSI-X are saved with the bridge. */
  save(): SavedVirtioPci {
    return {
      kind: 'virtio-pci',
      version: 1,
      isr: this.isr,
      configVector: this.configVector,
      queueVectors: [...this.queueVectors],
      core: this.core.save(),
    };
  }

  /** To be called after the bridge has been restored: what a device resumes may interrupt. */
  restore(state: SavedVirtioPci): void {
    checkState(state, 'virtio-pci', 1);
    this.isr = state.isr;
    this.configVector = state.configVector;
    state.queueVectors.forEach((vector, queue) => {
      this.queueVectors[queue] = vector;
    });
    this.core.restore(state.core);
  }

  private read(offset: number, size: AccessSize): number {
    const at = offset % AREA_BYTES;
    switch (offset - at) {
      case AREA.common:
        return this.readCommon(at, size);
      case AREA.isr:
        return at === 0 ? this.takeIsr() : 0;
      case AREA.device:
        return this.core.readConfig(at, size);
      default:
        return 0;
    }
  }

  private write(offset: number, size: AccessSize, value: number): void {
    const at = offset % AREA_BYTES;
    switch (offset - at) {
      case AREA.notify:
        this.core.notify(Math.floor(at / NOTIFY_MULTIPLIER));
        break;
      case AREA.common:
        this.writeCommon(at, size, value);
        break;
      case AREA.device:
        this.core.writeConfig(at, size, value);
        break;
      default:
        this.warn('write to the read-only ISR', offset);
    }
  }

  /** Fields are read at their own offset; 64-bit ones in halves (virtio 1.3, 4.1.3.1). */
  private readCommon(at: number, size: AccessSize): number {
    const core = this.core;
    switch (at) {
      case COMMON.device_feature_select:
        return core.deviceFeatureSelect;
      case COMMON.device_feature:
        return core.readDeviceFeatures();
      case COMMON.driver_feature_select:
        return core.driverFeatureSelect;
      case COMMON.driver_feature:
        return core.readDriverFeatures();
      case COMMON.config_msix_vector:
        return this.configVector;
      case COMMON.num_queues:
        return core.queueCount;
      case COMMON.device_status:
        return core.status;
      case COMMON.config_generation:
        return core.generation;
      case COMMON.queue_select:
        return core.queueSelect;
      case COMMON.queue_size:
        return core.selected?.size ?? 0;
      case COMMON.queue_msix_vector:
        return this.queueVectors[core.queueSelect] ?? NO_VECTOR;
      case COMMON.queue_enable:
        return core.selected?.enabled ? 1 : 0;
      case COMMON.queue_notify_off:
        return core.queueSelect;
      case COMMON.queue_desc:
        return core.selected?.descriptorsLow ?? 0;
      case COMMON.queue_desc + 4:
        return core.selected?.descriptorsHigh ?? 0;
      case COMMON.queue_driver:
        return core.selected?.driverLow ?? 0;
      case COMMON.queue_driver + 4:
        return core.selected?.driverHigh ?? 0;
      case COMMON.queue_device:
        return core.selected?.deviceLow ?? 0;
      case COMMON.queue_device + 4:
        return core.selected?.deviceHigh ?? 0;
      // NOTIF_CONFIG_DATA and RING_RESET are not offered.
      case COMMON.queue_notif_config_data:
      case COMMON.queue_reset:
        return 0;
      default:
        this.warn(`read of ${size} bytes inside or past the common configuration`, at);
        return 0;
    }
  }

  private writeCommon(at: number, size: AccessSize, value: number): void {
    const core = this.core;
    switch (at) {
      case COMMON.device_feature_select:
        core.deviceFeatureSelect = value;
        break;
      case COMMON.driver_feature_select:
        core.driverFeatureSelect = value;
        break;
      case COMMON.driver_feature:
        core.writeDriverFeatures(value);
        break;
      case COMMON.config_msix_vector:
        this.configVector = this.vector(value);
        break;
      case COMMON.device_status:
        if ((value & 0xff) === 0) this.resetDevice();
        else core.writeStatus(value & 0xff);
        break;
      case COMMON.queue_select:
        core.queueSelect = value & 0xffff;
        break;
      case COMMON.queue_size:
        core.writeQueueSize(value);
        break;
      case COMMON.queue_msix_vector:
        if (core.queueSelect < this.queueVectors.length)
          this.queueVectors[core.queueSelect] = this.vector(value);
        break;
      case COMMON.queue_enable:
        // Writing 0 is forbidden and does nothing (virtio 1.3, 4.1.4.3.2).
        if (value & 1) core.enableQueue();
        break;
      case COMMON.queue_desc:
        core.writeQueueAddress('descriptorsLow', value);
        break;
      case COMMON.queue_desc + 4:
        core.writeQueueAddress('descriptorsHigh', value);
        break;
      case COMMON.queue_driver:
        core.writeQueueAddress('driverLow', value);
        break;
      case COMMON.queue_driver + 4:
        core.writeQueueAddress('driverHigh', value);
        break;
      case COMMON.queue_device:
        core.writeQueueAddress('deviceLow', value);
        break;
      case COMMON.queue_device + 4:
        core.writeQueueAddress('deviceHigh', value);
        break;
      default:
        this.warn(`write of ${size} bytes to a read-only or unknown common field`, at);
    }
  }

  /** A vector that does not exist reads back as NO_VECTOR (virtio 1.3, 4.1.5.1.2). */
  private vector(value: number): number {
    return (value & 0xffff) < this.vectors ? value & 0xffff : NO_VECTOR;
  }

  private raise(vector: number, cause: number): void {
    if (this.endpoint.msix?.enabled) {
      if (vector !== NO_VECTOR) this.endpoint.msix.raise(vector);
      return;
    }
    this.isr |= cause;
    this.endpoint.setInterrupt(true);
  }

  /** Reading the ISR clears it and lets the line go (virtio 1.3, 4.1.4.5). */
  private takeIsr(): number {
    const isr = this.isr;
    this.isr = 0;
    this.endpoint.setInterrupt(false);
    return isr;
  }

  private resetDevice(): void {
    this.core.reset();
    this.takeIsr();
    this.configVector = NO_VECTOR;
    this.queueVectors.fill(NO_VECTOR);
  }

  private addCapabilities(device: VirtioDevice): void {
    const notifyBytes = device.queueSizes.length * NOTIFY_MULTIPLIER;
    this.addCapability(CFG.COMMON, STRUCTURES_BAR, AREA.common, COMMON_BYTES, 0);
    this.addCapability(CFG.ISR, STRUCTURES_BAR, AREA.isr, 1, 0);
    if (device.config.length > 0)
      this.addCapability(CFG.DEVICE, STRUCTURES_BAR, AREA.device, device.config.length, 0);
    this.addCapability(CFG.NOTIFY, STRUCTURES_BAR, AREA.notify, notifyBytes, 4, NOTIFY_MULTIPLIER);
    this.addAccessWindow();
  }

  /** struct virtio_pci_cap, with `extra` bytes that start with `value` (virtio 1.3, 4.1.4). */
  private addCapability(
    type: number,
    bar: number,
    offset: number,
    length: number,
    extra: number,
    value = 0,
  ): number {
    const body = new Uint8Array(14 + extra);
    const view = new DataView(body.buffer);
    body.set([16 + extra, type, bar]);
    view.setUint32(6, offset, true);
    view.setUint32(10, length, true);
    if (extra > 0) view.setUint32(14, value, true);
    return this.endpoint.config.addCapability(CAP_VENDOR, body);
  }

  /**
   * VIRTIO_PCI_CAP_PCI_CFG (virtio 1.3, 4.1.4.9): reaches the structures through configuration space, for drivers
   * that cannot map a BAR.
   */
  private addAccessWindow(): void {
    const { config } = this.endpoint;
    const at = this.addCapability(CFG.PCI, 0, 0, 0, 4);
    config.allow(at + 4, 0xff);
    config.allow(at + 8, ...new Array(8).fill(0xff));
    const aimed = (size: AccessSize): number | undefined => {
      const offset = config.read(at + 8, 4);
      const fits =
        config.read(at + 12, 4) === size && offset % size === 0 && offset + size <= STRUCTURES_BYTES;
      return config.read(at + 4, 1) === STRUCTURES_BAR && fits ? offset : undefined;
    };
    this.endpoint.addHook({
      offset: at + 16,
      length: 4,
      read: (_, size) => {
        const offset = aimed(size);
        return offset === undefined ? 0 : this.read(offset, size);
      },
      write: (_, size, value) => {
        const offset = aimed(size);
        if (offset !== undefined) this.write(offset, size, value);
      },
    });
  }

  private warn(what: string, offset: number): void {
    this.core.device.env.log('warn', this.name, `${what}, at offset 0x${offset.toString(16)}`);
  }
}
