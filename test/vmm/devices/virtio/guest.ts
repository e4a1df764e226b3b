// A guest driver for tests: memory that can refuse, a split ring as a driver fills it, and one face over both
// transports, so that each device test runs on MMIO and PCI alike.

import type { MemoryPort, Refusal } from '../../../../src/hypervisor/index.ts';
import type { Log } from '../../../../src/lib/index.ts';
import type { AccessSize } from '../../../../src/vmm/devices/device.ts';
import type { DeviceEnv, VirtioDevice } from '../../../../src/vmm/devices/virtio/device.ts';
import { F_RING_PACKED, STATUS } from '../../../../src/vmm/devices/virtio/features.ts';
import type { TransportOptions } from '../../../../src/vmm/devices/virtio/transport/core.ts';
import { MMIO, VirtioMmio } from '../../../../src/vmm/devices/virtio/transport/mmio.ts';

export const MEMORY_BYTES = 0x20_0000;

/** Guest memory from address 0 on, with ranges that refuse. */
export class GuestMemory implements MemoryPort {
  readonly bytes = new Uint8Array(MEMORY_BYTES);
  readonly view = new DataView(this.bytes.buffer);
  readonly sealed: { start: number; end: number }[] = [];
  accesses = 0;

  read(address: number, into: Uint8Array): Refusal | undefined {
    const refusal = this.decide(address, into.length);
    if (!refusal) into.set(this.bytes.subarray(address, address + into.length));
    return refusal;
  }

  write(address: number, from: Uint8Array): Refusal | undefined {
    const refusal = this.decide(address, from.length);
    if (!refusal) this.bytes.set(from, address);
    return refusal;
  }

  text(address: number, length: number): string {
    return new TextDecoder().decode(this.bytes.subarray(address, address + length));
  }

  private decide(address: number, length: number): Refusal | undefined {
    this.accesses++;
    if (address + length > MEMORY_BYTES) return { rule: 'unmapped', reason: 'no such memory', address };
    const hit = this.sealed.find((range) => address < range.end && address + length > range.start);
    return hit && { rule: 'sealed', reason: 'the page is private', address: Math.max(address, hit.start) };
  }
}

/** What a driver does with a transport, whatever its registers. */
export interface TransportFace {
  readonly kind: string;
  status(): number;
  setStatus(value: number): void;
  offered(): bigint;
  accept(features: bigint): void;
  queueSizeMax(queue: number): number;
  setQueue(queue: number, size: number, descriptors: number, driver: number, device: number): void;
  notify(queue: number): void;
  /** Which notifications came since the last call; acknowledges them. */
  takeInterrupts(): { used: boolean; config: boolean };
  config(offset: number, size: AccessSize): number;
  setConfig(offset: number, size: AccessSize, value: number): void;
  generation(): number;
  save(): unknown;
  /** A transport of the same kind around `device`, restored from what save() gave. */
  restored(device: VirtioDevice, state: unknown): TransportFace;
}

export class MmioFace implements TransportFace {
  readonly kind = 'mmio';
  readonly mmio: VirtioMmio;
  level = false;
  private readonly options: TransportOptions;

  constructor(device: VirtioDevice, options: TransportOptions = {}) {
    const irq = {
      set: (level: boolean) => {
        this.level = level;
      },
    };
    this.options = options;
    this.mmio = new VirtioMmio(device, irq, options);
  }

  status = () => this.mmio.read(MMIO.Status, 4);
  setStatus = (value: number) => this.mmio.write(MMIO.Status, 4, value);
  generation = () => this.mmio.read(MMIO.ConfigGeneration, 4);
  config = (offset: number, size: AccessSize) => this.mmio.read(0x100 + offset, size);
  setConfig = (offset: number, size: AccessSize, value: number) =>
    this.mmio.write(0x100 + offset, size, value);
  notify = (queue: number) => this.mmio.write(MMIO.QueueNotify, 4, queue);
  save = () => this.mmio.save();

  offered(): bigint {
    return [0, 1].reduce((features, select) => {
      this.mmio.write(MMIO.DeviceFeaturesSel, 4, select);
      return features | (BigInt(this.mmio.read(MMIO.DeviceFeatures, 4)) << BigInt(32 * select));
    }, 0n);
  }

  accept(features: bigint): void {
    for (const select of [0, 1]) {
      this.mmio.write(MMIO.DriverFeaturesSel, 4, select);
      this.mmio.write(MMIO.DriverFeatures, 4, Number((features >> BigInt(32 * select)) & 0xffff_ffffn));
    }
  }

  queueSizeMax(queue: number): number {
    this.mmio.write(MMIO.QueueSel, 4, queue);
    return this.mmio.read(MMIO.QueueSizeMax, 4);
  }

  setQueue(queue: number, size: number, descriptors: number, driver: number, device: number): void {
    const high = (address: number) => Math.floor(address / 2 ** 32);
    this.mmio.write(MMIO.QueueSel, 4, queue);
    this.mmio.write(MMIO.QueueSize, 4, size);
    this.mmio.write(MMIO.QueueDescLow, 4, descriptors >>> 0);
    this.mmio.write(MMIO.QueueDescHigh, 4, high(descriptors));
    this.mmio.write(MMIO.QueueDriverLow, 4, driver >>> 0);
    this.mmio.write(MMIO.QueueDriverHigh, 4, high(driver));
    this.mmio.write(MMIO.QueueDeviceLow, 4, device >>> 0);
    this.mmio.write(MMIO.QueueDeviceHigh, 4, high(device));
    this.mmio.write(MMIO.QueueReady, 4, 1);
  }

  takeInterrupts() {
    const status = this.mmio.read(MMIO.InterruptStatus, 4);
    if ((status !== 0) !== this.level) throw new Error('the line does not follow InterruptStatus');
    this.mmio.write(MMIO.InterruptACK, 4, status);
    return { used: (status & 1) !== 0, config: (status & 2) !== 0 };
  }

  restored(device: VirtioDevice, state: unknown): TransportFace {
    const face = new MmioFace(device, this.options);
    face.mmio.restore(state as ReturnType<VirtioMmio['save']>);
    return face;
  }
}

export interface Segment {
  address: number;
  length: number;
  write?: boolean;
}

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

/** The driver's side of a queue, whatever its format. */
export interface DriverRing {
  readonly size: number;
  /** The three areas, as a transport is told them. */
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  readonly end: number;
  /** Makes a chain available, through an indirect table at `table` where given; returns its id. */
  add(buffers: readonly Segment[], table?: number): number;
  /** Used elements that have not been taken yet. */
  take(): { head: number; length: number }[];
  /** Asks for an interrupt when chain (split) or slot (packed) number `index` has been used. */
  setUsedEvent(index: number): void;
}

/** The driver's side of a split ring at `base`: descriptors, then available ring, then used ring. */
export class SplitRing implements DriverRing {
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  private readonly memory: GuestMemory;
  private nextDescriptor = 0;
  private availableIndex = 0;
  private usedIndex = 0;

  constructor(memory: GuestMemory, base: number, size: number) {
    this.memory = memory;
    this.size = size;
    this.descriptors = base;
    this.available = base + 16 * size;
    this.used = (this.available + 6 + 2 * size + 3) & ~3;
    memory.bytes.fill(0, base, this.used + 6 + 8 * size);
  }

  get driver(): number {
    return this.available;
  }

  get device(): number {
    return this.used;
  }

  get end(): number {
    return this.used + 6 + 8 * this.size;
  }

  add(buffers: readonly Segment[], table?: number): number {
    const head = this.nextDescriptor;
    if (table === undefined) this.writeDirect(buffers);
    else {
      buffers.forEach((buffer, i) => {
        this.descriptor(table + 16 * i, buffer, i + 1 < buffers.length ? i + 1 : undefined);
      });
      this.raw(this.descriptors + 16 * head, table, 16 * buffers.length, INDIRECT, 0);
      this.nextDescriptor = (head + 1) % this.size;
    }
    this.offer(head);
    return head;
  }

  /** Puts `head` into the available ring, whatever it is. */
  offer(head: number): void {
    this.memory.view.setUint16(this.available + 4 + 2 * (this.availableIndex % this.size), head, true);
    this.availableIndex = (this.availableIndex + 1) & 0xffff;
    this.memory.view.setUint16(this.available + 2, this.availableIndex, true);
  }

  setUsedEvent(index: number): void {
    this.memory.view.setUint16(this.available + 4 + 2 * this.size, index, true);
  }

  get availEvent(): number {
    return this.memory.view.getUint16(this.used + 4 + 8 * this.size, true);
  }

  take(): { head: number; length: number }[] {
    const taken: { head: number; length: number }[] = [];
    const index = this.memory.view.getUint16(this.used + 2, true);
    for (; this.usedIndex !== index; this.usedIndex = (this.usedIndex + 1) & 0xffff) {
      const slot = this.used + 4 + 8 * (this.usedIndex % this.size);
      taken.push({
        head: this.memory.view.getUint32(slot, true),
        length: this.memory.view.getUint32(slot + 4, true),
      });
    }
    return taken;
  }

  raw(at: number, address: number, length: number, flags: number, next: number): void {
    this.memory.view.setBigUint64(at, BigInt(address), true);
    this.memory.view.setUint32(at + 8, length, true);
    this.memory.view.setUint16(at + 12, flags, true);
    this.memory.view.setUint16(at + 14, next, true);
  }

  private writeDirect(buffers: readonly Segment[]): void {
    buffers.forEach((buffer, i) => {
      const at = this.descriptors + 16 * this.nextDescriptor;
      this.nextDescriptor = (this.nextDescriptor + 1) % this.size;
      this.descriptor(at, buffer, i + 1 < buffers.length ? this.nextDescriptor : undefined);
    });
  }

  private descriptor(at: number, buffer: Segment, next: number | undefined): void {
    const flags = (buffer.write ? WRITE : 0) | (next === undefined ? 0 : NEXT);
    this.raw(at, buffer.address, buffer.length, flags, next ?? 0);
  }
}

const AVAIL = 1 << 7;
const USED = 1 << 15;

/** The driver's side of a packed ring at `base`; ids are positions of first slots (virtio 1.3, 2.8). */
export class PackedRing implements DriverRing {
  readonly size: number;
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  readonly end: number;
  private readonly memory: GuestMemory;
  private readonly slots = new Map<number, number>();
  private next = 0;
  private wrap = true;
  private nextUsed = 0;
  private usedWrap = true;

  constructor(memory: GuestMemory, base: number, size: number) {
    this.memory = memory;
    this.size = size;
    this.descriptors = base;
    this.driver = base + 16 * size;
    this.device = this.driver + 4;
    this.end = this.device + 4;
    memory.bytes.fill(0, base, this.end);
  }

  add(buffers: readonly Segment[], table?: number): number {
    const id = this.next;
    if (table === undefined) {
      buffers.forEach((buffer, i) => {
        const flags = (buffer.write ? WRITE : 0) | (i + 1 < buffers.length ? NEXT : 0);
        this.slot(buffer.address, buffer.length, id, flags);
      });
      this.slots.set(id, buffers.length);
    } else {
      buffers.forEach((buffer, i) => {
        this.write(table + 16 * i, buffer.address, buffer.length, 0, buffer.write ? WRITE : 0);
      });
      this.slot(table, 16 * buffers.length, id, INDIRECT);
      this.slots.set(id, 1);
    }
    return id;
  }

  take(): { head: number; length: number }[] {
    const taken: { head: number; length: number }[] = [];
    for (;;) {
      const at = this.descriptors + 16 * this.nextUsed;
      const flags = this.memory.view.getUint16(at + 14, true);
      if (((flags & AVAIL) !== 0) !== this.usedWrap || ((flags & USED) !== 0) !== this.usedWrap) return taken;
      const id = this.memory.view.getUint16(at + 12, true);
      const slots = this.slots.get(id);
      if (slots === undefined) throw new Error(`the device used chain ${id}, which it was not given`);
      this.slots.delete(id);
      taken.push({ head: id, length: this.memory.view.getUint32(at + 8, true) });
      this.nextUsed += slots;
      if (this.nextUsed >= this.size) {
        this.nextUsed -= this.size;
        this.usedWrap = !this.usedWrap;
      }
    }
  }

  setUsedEvent(index: number): void {
    const wrap = Math.floor(index / this.size) % 2 === 0 ? 0x8000 : 0;
    this.memory.view.setUint16(this.driver, (index % this.size) | wrap, true);
    this.memory.view.setUint16(this.driver + 2, 2, true);
  }

  /** Writes the next slot, whatever it says, with the bits that make it available. */
  slot(address: number, length: number, id: number, flags: number): void {
    this.write(this.descriptors + 16 * this.next, address, length, id, flags | (this.wrap ? AVAIL : USED));
    this.next++;
    if (this.next < this.size) return;
    this.next = 0;
    this.wrap = !this.wrap;
  }

  private write(at: number, address: number, length: number, id: number, flags: number): void {
    this.memory.view.setBigUint64(at, BigInt(address), true);
    this.memory.view.setUint32(at + 8, length, true);
    this.memory.view.setUint16(at + 12, id, true);
    this.memory.view.setUint16(at + 14, flags, true);
  }
}

export interface LogLine {
  level: string;
  source: string;
  message: string;
}

export interface Rig<Device extends VirtioDevice> {
  device: Device;
  face: TransportFace;
  memory: GuestMemory;
  rings: DriverRing[];
  log: LogLine[];
}

export type MakeFace = (device: VirtioDevice, options?: TransportOptions) => TransportFace;

export const RING_BASE = 0x1000;

export function testEnv(memory: GuestMemory, log: LogLine[] = []): DeviceEnv {
  const write: Log = (level, source, message) => void log.push({ level, source, message });
  let seed = 1;
  return {
    dma: memory,
    log: write,
    random: (into) => {
      for (let i = 0; i < into.length; i++) into[i] = seed = (seed * 109 + 89) & 0xff;
    },
  };
}

/** Brings a device up as Linux does (virtio 1.3, 3.1.1): reset, features, queues, DRIVER_OK. */
export function bringUp<Device extends VirtioDevice>(
  makeFace: MakeFace,
  makeDevice: (env: DeviceEnv) => Device,
  options: { without?: bigint; ringSize?: number; transport?: TransportOptions } = {},
): Rig<Device> {
  const memory = new GuestMemory();
  const log: LogLine[] = [];
  const device = makeDevice(testEnv(memory, log));
  const face = makeFace(device, options.transport);
  const rings = start(face, memory, device, options);
  return { device, face, memory, rings, log };
}

export function start(
  face: TransportFace,
  memory: GuestMemory,
  device: VirtioDevice,
  options: { without?: bigint; ringSize?: number } = {},
): DriverRing[] {
  face.setStatus(0);
  face.setStatus(STATUS.ACKNOWLEDGE);
  face.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
  face.accept(face.offered() & ~(options.without ?? 0n));
  face.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK);
  const packed = (face.offered() & F_RING_PACKED) !== 0n;
  let base = RING_BASE;
  const rings = device.queueSizes.map((_, queue) => {
    const size = options.ringSize ?? Math.min(face.queueSizeMax(queue), 16);
    const ring = packed ? new PackedRing(memory, base, size) : new SplitRing(memory, base, size);
    base = (ring.end + 15) & ~15;
    face.setQueue(queue, ring.size, ring.descriptors, ring.driver, ring.device);
    return ring;
  });
  face.setStatus(STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK | STATUS.DRIVER_OK);
  return rings;
}
