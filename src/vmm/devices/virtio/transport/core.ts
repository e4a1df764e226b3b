// What virtio-mmio and virtio-pci have in common (virtio 1.3, 2 and 3): feature negotiation, the status machine,
// queue registers and activation. It knows no register layout; a transport maps its registers onto this.

import type { MemoryPort } from '../../../../hypervisor/index.ts';
import type { AccessSize } from '../../device.ts';
import type { SavedState, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import {
  type AccessPlatform,
  F_ACCESS_PLATFORM,
  F_EVENT_IDX,
  F_INDIRECT_DESC,
  F_RING_PACKED,
  refuseFeatures,
  STATUS,
  transportFeatures,
} from '../features.ts';
import { ADDRESS_LIMIT } from '../queue/chain.ts';
import { PackedQueue } from '../queue/packed.ts';
import type { QueueHost, QueueLayout, SavedQueue, Virtqueue } from '../queue/queue.ts';
import { SplitQueue } from '../queue/split.ts';

/** The driver's settings of one queue; addresses as it wrote them, in 32-bit halves. */
export interface QueueRegisters {
  size: number;
  enabled: boolean;
  descriptorsLow: number;
  descriptorsHigh: number;
  driverLow: number;
  driverHigh: number;
  deviceLow: number;
  deviceHigh: number;
}

export type QueueAddress = Exclude<keyof QueueRegisters, 'size' | 'enabled'>;

export interface TransportOptions {
  /** Default: 'offered'. */
  readonly accessPlatform?: AccessPlatform;
  /** Offers packed rings; Linux takes them wherever they are offered. Default: false. */
  readonly packed?: boolean;
}

/** How this transport tells the driver something. */
export interface Signals {
  usedBuffer(queue: number): void;
  configChange(): void;
}

export interface SavedCore extends SavedState {
  readonly kind: 'virtio-core';
  readonly version: 1;
  readonly status: number;
  readonly generation: number;
  readonly deviceFeatureSelect: number;
  readonly driverFeatureSelect: number;
  /** 64 bits as hexadecimal text. */
  readonly driverFeatures: string;
  readonly queueSelect: number;
  readonly queues: readonly { readonly registers: QueueRegisters; readonly ring: SavedQueue | undefined }[];
  readonly device: SavedState;
}

export class VirtioCore {
  readonly device: VirtioDevice;
  readonly offered: bigint;
  deviceFeatureSelect = 0;
  driverFeatureSelect = 0;
  queueSelect = 0;
  generation = 0;

  private readonly gate: (port: MemoryPort) => MemoryPort;
  private readonly signals: Signals;
  private readonly accessPlatform: AccessPlatform;
  private statusBits = 0;
  private driverFeatures = 0n;
  private readonly registers: QueueRegisters[];
  /** Empty unless DRIVER_OK. */
  private queues: (Virtqueue | undefined)[] = [];
  /** Counts resets, so that what was deferred before one does not act after it. */
  private session = 0;

  /** `gate` narrows the device's ports to what its bus allows now. */
  constructor(
    device: VirtioDevice,
    options: TransportOptions,
    signals: Signals,
    gate: (port: MemoryPort) => MemoryPort = (port) => port,
  ) {
    this.device = device;
    this.gate = gate;
    this.signals = signals;
    this.accessPlatform = options.accessPlatform ?? 'offered';
    this.offered = device.features | transportFeatures(this.accessPlatform, options.packed ?? false);
    this.registers = device.queueSizes.map(freshRegisters);
  }

  get status(): number {
    return this.statusBits;
  }

  /** The driver sets status bits one after another, and writes 0 to reset; it never clears single bits. */
  writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const before = this.statusBits;
    let added = value & 0xff & ~before & ~STATUS.NEEDS_RESET;
    if (added & STATUS.FEATURES_OK) {
      const refusal = refuseFeatures(this.offered, this.driverFeatures, this.accessPlatform);
      if (refusal) {
        this.warn(`FEATURES_OK refused: ${refusal}`);
        added &= ~STATUS.FEATURES_OK;
      }
    }
    if (added & STATUS.DRIVER_OK && ((before | added) & STATUS.FEATURES_OK) === 0) {
      this.warn('DRIVER_OK ignored: features were not agreed on');
      added &= ~STATUS.DRIVER_OK;
    }
    if (added & STATUS.FAILED) this.warn('the driver gave up on the device');
    this.statusBits |= added;
    if ((added & STATUS.DRIVER_OK) === 0) return;
    this.activate(undefined);
    // Linux's balloon fills its statistics queue and rings before DRIVER_OK; that doorbell must not be lost.
    for (let index = 0; index < this.queueCount; index++) this.notify(index);
  }

  /** 32 bits of the offered features at deviceFeatureSelect. */
  readDeviceFeatures(): number {
    return half(this.offered, this.deviceFeatureSelect);
  }

  readDriverFeatures(): number {
    return half(this.driverFeatures, this.driverFeatureSelect);
  }

  writeDriverFeatures(value: number): void {
    if (this.statusBits & STATUS.FEATURES_OK) {
      this.warn('features written after FEATURES_OK');
      return;
    }
    if (this.driverFeatureSelect > 1) {
      if (value !== 0) this.warn(`features above bit 63 were never offered`);
      return;
    }
    const shift = BigInt(32 * this.driverFeatureSelect);
    this.driverFeatures = (this.driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
  }

  get queueCount(): number {
    return this.registers.length;
  }

  /** The selected queue's largest size; 0 where there is no such queue. */
  get queueSizeMax(): number {
    return this.device.queueSizes[this.queueSelect] ?? 0;
  }

  /** The selected queue's registers, or undefined where there is no such queue. */
  get selected(): QueueRegisters | undefined {
    return this.registers[this.queueSelect];
  }

  writeQueueSize(size: number): void {
    const queue = this.configurable('size');
    if (queue) queue.size = size & 0xffff;
  }

  writeQueueAddress(field: QueueAddress, value: number): void {
    const queue = this.configurable(field);
    if (queue) queue[field] = value;
  }

  enableQueue(): void {
    const queue = this.configurable('enable');
    if (queue) queue.enabled = true;
  }

  /** virtio-mmio only: QueueReady can be cleared before DRIVER_OK. */
  disableQueue(): void {
    const queue = this.selected;
    if (queue && (this.statusBits & STATUS.DRIVER_OK) === 0) queue.enabled = false;
  }

  /** The doorbell of queue `index`; anything else than an enabled queue of an active device is ignored. */
  notify(index: number): void {
    if (this.queues[index]) this.device.notify(index);
  }

  /** Reads configuration bytes, little-endian; 0 past the end. */
  readConfig(offset: number, size: AccessSize): number {
    const config = this.device.config;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (config[offset + i] ?? 0);
    return value;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset + size > this.device.config.length)
      this.warn(`write past the configuration at 0x${offset.toString(16)}`);
    else this.device.writeConfig(offset, size, value);
  }

  reset(): void {
    for (const queue of this.queues) queue?.close();
    this.queues = [];
    this.session++;
    this.device.deactivate();
    this.statusBits = 0;
    this.driverFeatures = 0n;
    this.deviceFeatureSelect = this.driverFeatureSelect = this.queueSelect = 0;
    this.device.queueSizes.forEach((size, i) => {
      this.registers[i] = freshRegisters(size);
    });
  }

  save(): SavedCore {
    return {
      kind: 'virtio-core',
      version: 1,
      status: this.statusBits,
      generation: this.generation,
      deviceFeatureSelect: this.deviceFeatureSelect,
      driverFeatureSelect: this.driverFeatureSelect,
      driverFeatures: this.driverFeatures.toString(16),
      queueSelect: this.queueSelect,
      queues: this.registers.map((registers, i) => ({
        registers: { ...registers },
        ring: this.queues[i]?.save(),
      })),
      device: this.device.save(),
    };
  }

  /** Guest memory must be restored first: a device may resume requests that were in flight. */
  restore(state: SavedCore): void {
    checkState(state, 'virtio-core', 1);
    this.reset();
    this.statusBits = state.status;
    this.generation = state.generation;
    this.deviceFeatureSelect = state.deviceFeatureSelect;
    this.driverFeatureSelect = state.driverFeatureSelect;
    this.driverFeatures = BigInt(`0x${state.driverFeatures}`);
    this.queueSelect = state.queueSelect;
    for (let i = 0; i < this.registers.length; i++) this.registers[i] = { ...state.queues[i].registers };
    if (state.status & STATUS.DRIVER_OK) this.activate(state);
    this.device.restore(state.device);
  }

  private activate(saved: SavedCore | undefined): void {
    const { dma, untranslated } = this.device.env;
    const platform = (this.driverFeatures & F_ACCESS_PLATFORM) !== 0n;
    const host: QueueHost = {
      dma: this.gate(platform ? dma : (untranslated ?? dma)),
      eventIdx: (this.driverFeatures & F_EVENT_IDX) !== 0n,
      indirect: (this.driverFeatures & F_INDIRECT_DESC) !== 0n,
      interrupt: (queue) => this.signals.usedBuffer(queue),
      ringAgain: (queue) => this.ringAgain(queue),
      failed: (queue, reason) => this.needsReset(`queue ${queue}: ${reason}`),
    };
    const packed = (this.driverFeatures & F_RING_PACKED) !== 0n;
    const broken: string[] = [];
    this.queues = this.registers.map((registers, index) => {
      if (!registers.enabled) return undefined;
      const layout = layoutOf(index, registers);
      const problem = badLayout(layout, this.device.queueSizes[index], packed);
      if (problem) {
        broken.push(`queue ${index}: ${problem}`);
        return undefined;
      }
      const queue = packed ? new PackedQueue(layout, host) : new SplitQueue(layout, host);
      const ring = saved?.queues[index].ring;
      if (ring) queue.restore(ring);
      return queue;
    });
    this.device.activate({
      features: this.driverFeatures,
      queues: this.queues,
      transport: {
        interrupt: (queue) => this.signals.usedBuffer(queue),
        configChanged: () => this.configChanged(),
        needsReset: (reason) => this.needsReset(reason),
      },
    });
    if (this.statusBits & STATUS.NEEDS_RESET) for (const queue of this.queues) queue?.close();
    else if (broken.length > 0) this.needsReset(broken.join('; '));
  }

  private configChanged(): void {
    this.generation = (this.generation + 1) & 0xff;
    if (this.statusBits & STATUS.DRIVER_OK) this.signals.configChange();
  }

  /** virtio 1.3, 2.1.2: the device stops touching memory, says so, and waits for a reset. */
  private needsReset(reason: string): void {
    if (this.statusBits & STATUS.NEEDS_RESET) return;
    this.device.env.log('error', this.device.name, `needs a reset: ${reason}`);
    this.statusBits |= STATUS.NEEDS_RESET;
    for (const queue of this.queues) queue?.close();
    if (this.statusBits & STATUS.DRIVER_OK) this.signals.configChange();
  }

  private ringAgain(index: number): void {
    const defer = this.device.env.defer ?? ((job) => setTimeout(job, 0));
    const session = this.session;
    defer(() => {
      if (this.session === session) this.notify(index);
    });
  }

  /** Registers of a queue may change only while it is disabled (virtio 1.3, 4.1.4.3.2 and 4.2.2.2). */
  private configurable(what: string): QueueRegisters | undefined {
    const queue = this.selected;
    if (queue && !queue.enabled && (this.statusBits & STATUS.DRIVER_OK) === 0) return queue;
    this.warn(
      `write to ${what} of queue ${this.queueSelect} ignored: ${queue ? 'it is in use' : 'no such queue'}`,
    );
    return undefined;
  }

  private warn(message: string): void {
    this.device.env.log('warn', this.device.name, message);
  }
}

const half = (features: bigint, select: number): number =>
  select > 1 ? 0 : Number((features >> BigInt(32 * select)) & 0xffff_ffffn);

const freshRegisters = (size: number): QueueRegisters => ({
  size,
  enabled: false,
  descriptorsLow: 0,
  descriptorsHigh: 0,
  driverLow: 0,
  driverHigh: 0,
  deviceLow: 0,
  deviceHigh: 0,
});

const layoutOf = (index: number, registers: QueueRegisters): QueueLayout => ({
  index,
  size: registers.size,
  descriptors: registers.descriptorsHigh * 2 ** 32 + registers.descriptorsLow,
  driver: registers.driverHigh * 2 ** 32 + registers.driverLow,
  device: registers.deviceHigh * 2 ** 32 + registers.deviceLow,
});

/** What is wrong with a ring's placement (virtio 1.3, 2.7 and 2.8.10: sizes and alignments), if anything. */
function badLayout(layout: QueueLayout, sizeMax: number, packed: boolean): string | undefined {
  const { size, descriptors, driver, device } = layout;
  const oddSize = !packed && (size & (size - 1)) !== 0;
  if (size === 0 || size > sizeMax || oddSize) return `size ${size} (at most ${sizeMax})`;
  if (descriptors % 16 !== 0 || driver % (packed ? 4 : 2) !== 0 || device % 4 !== 0)
    return 'a misaligned area';
  const driverEnd = driver + (packed ? 4 : 6 + 2 * size);
  const deviceEnd = device + (packed ? 4 : 6 + 8 * size);
  if (Math.max(descriptors + 16 * size, driverEnd, deviceEnd) > ADDRESS_LIMIT)
    return 'an area above all memory';
  return undefined;
}
