// virtio over MMIO, version 2 (virtio 1.3, 4.2): one register window of 512 bytes and one level-triggered interrupt.

import type { AccessSize, IrqLine, MmioDevice } from '../../device.ts';
import type { SavedState, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import { type SavedCore, type TransportOptions, VirtioCore } from './core.ts';

const MAGIC = 0x7472_6976;
const VENDOR = 0x554d_4551;
const CONFIG = 0x100;
const INTERRUPT_USED_BUFFER = 1;
const INTERRUPT_CONFIG = 2;

/** Register offsets (virtio 1.3, 4.2.2, table 4.1). */
export const MMIO = {
  MagicValue: 0x00,
  Version: 0x04,
  DeviceID: 0x08,
  VendorID: 0x0c,
  DeviceFeatures: 0x10,
  DeviceFeaturesSel: 0x14,
  DriverFeatures: 0x20,
  DriverFeaturesSel: 0x24,
  QueueSel: 0x30,
  QueueSizeMax: 0x34,
  QueueSize: 0x38,
  QueueReady: 0x44,
  QueueNotify: 0x50,
  InterruptStatus: 0x60,
  InterruptACK: 0x64,
  Status: 0x70,
  QueueDescLow: 0x80,
  QueueDescHigh: 0x84,
  QueueDriverLow: 0x90,
  QueueDriverHigh: 0x94,
  QueueDeviceLow: 0xa0,
  QueueDeviceHigh: 0xa4,
  SHMSel: 0xac,
  SHMLenLow: 0xb0,
  SHMLenHigh: 0xb4,
  SHMBaseLow: 0xb8,
  SHMBaseHigh: 0xbc,
  ConfigGeneration: 0xfc,
} as const;

export interface SavedMmio extends SavedState {
  readonly kind: 'virtio-mmio';
  readonly version: 1;
  readonly interruptStatus: number;
  readonly core: SavedCore;
}

export class VirtioMmio implements MmioDevice {
  readonly name: string;
  readonly size = 0x200;
  private readonly core: VirtioCore;
  private readonly irq: IrqLine;
  private interruptStatus = 0;

  constructor(device: VirtioDevice, irq: IrqLine, options: TransportOptions = {}) {
    this.name = device.name;
    this.irq = irq;
    this.core = new VirtioCore(device, options, {
      usedBuffer: () => this.raise(INTERRUPT_USED_BUFFER),
      configChange: () => this.raise(INTERRUPT_CONFIG),
    });
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= CONFIG) return this.core.readConfig(offset - CONFIG, size);
    if (size !== 4) {
      this.warn(`read of ${size} bytes`, offset);
      return 0;
    }
    const core = this.core;
    switch (offset) {
      case MMIO.MagicValue:
        return MAGIC;
      case MMIO.Version:
        return 2;
      case MMIO.DeviceID:
        return core.device.type;
      case MMIO.VendorID:
        return VENDOR;
      case MMIO.DeviceFeatures:
        return core.readDeviceFeatures();
      case MMIO.QueueSizeMax:
        return core.queueSizeMax;
      case MMIO.QueueReady:
        return core.selected?.enabled ? 1 : 0;
      case MMIO.InterruptStatus:
        return this.interruptStatus;
      case MMIO.Status:
        return core.status;
      case MMIO.ConfigGeneration:
        return core.generation;
      // No shared memory regions: length and base read as all ones (virtio 1.3, 4.2.2.1).
      case MMIO.SHMLenLow:
      case MMIO.SHMLenHigh:
      case MMIO.SHMBaseLow:
      case MMIO.SHMBaseHigh:
        return 0xffff_ffff;
      default:
        this.warn('read of a write-only or unknown register', offset);
        return 0;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= CONFIG) {
      this.core.writeConfig(offset - CONFIG, size, value);
      return;
    }
    if (size !== 4) {
      this.warn(`write of ${size} bytes`, offset);
      return;
    }
    const core = this.core;
    switch (offset) {
      case MMIO.QueueNotify:
        core.notify(value);
        break;
      case MMIO.InterruptACK:
        this.setInterruptStatus(this.interruptStatus & ~value);
        break;
      case MMIO.DeviceFeaturesSel:
        core.deviceFeatureSelect = value;
        break;
      case MMIO.DriverFeatures:
        core.writeDriverFeatures(value);
        break;
      case MMIO.DriverFeaturesSel:
        core.driverFeatureSelect = value;
        break;
      case MMIO.QueueSel:
        core.queueSelect = value;
        break;
      case MMIO.QueueSize:
        core.writeQueueSize(value);
        break;
      case MMIO.QueueReady:
        if (value & 1) core.enableQueue();
        else core.disableQueue();
        break;
      case MMIO.Status:
        if (value === 0) this.resetDevice();
        else core.writeStatus(value);
        break;
      case MMIO.QueueDescLow:
        core.writeQueueAddress('descriptorsLow', value);
        break;
      case MMIO.QueueDescHigh:
        core.writeQueueAddress('descriptorsHigh', value);
        break;
      case MMIO.QueueDriverLow:
        core.writeQueueAddress('driverLow', value);
        break;
      case MMIO.QueueDriverHigh:
        core.writeQueueAddress('driverHigh', value);
        break;
      case MMIO.QueueDeviceLow:
        core.writeQueueAddress('deviceLow', value);
        break;
      case MMIO.QueueDeviceHigh:
        core.writeQueueAddress('deviceHigh', value);
        break;
      case MMIO.SHMSel:
        break;
      default:
        this.warn(`write of 0x${value.toString(16)} to a read-only or unknown register`, offset);
    }
  }

  reset(): void {
    this.resetDevice();
    this.core.device.powerOn?.();
  }

  save(): SavedMmio {
    return {
      kind: 'virtio-mmio',
      version: 1,
      interruptStatus: this.interruptStatus,
      core: this.core.save(),
    };
  }

  restore(state: SavedMmio): void {
    checkState(state, 'virtio-mmio', 1);
    this.setInterruptStatus(state.interruptStatus);
    this.core.restore(state.core);
  }

  private resetDevice(): void {
    this.core.reset();
    this.setInterruptStatus(0);
  }

  private raise(cause: number): void {
    this.setInterruptStatus(this.interruptStatus | cause);
  }

  private setInterruptStatus(status: number): void {
    this.interruptStatus = status & (INTERRUPT_USED_BUFFER | INTERRUPT_CONFIG);
    this.irq.set(this.interruptStatus !== 0);
  }

  private warn(what: string, offset: number): void {
    this.core.device.env.log('warn', this.name, `${what} at offset 0x${offset.toString(16)}`);
  }
}
