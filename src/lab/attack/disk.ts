// A disk of the live guest and the guest's driver for it: virtio-blk behind a virtio-mmio window that the guest has
// announced. The driver is the guest's own stores, so that what stands in the ring is what a guest can put there; the
// VMM gets its turn between the doorbell and the device.

import { PAGE_SIZE } from '../../lib/index.ts';
import { memoryBlock, VirtioBlk, VirtioMmio } from '../../vmm/index.ts';
import type { Attempt } from './attack.ts';
import { DISK, RINGS } from './layout.ts';
import type { Scene } from './scene.ts';

const REQUESTER = 8;
const SECTOR = 512;
const IMAGE_BYTES = 16 * SECTOR;

/** Registers (virtio 1.3, 4.2.2). */
const REGISTER = {
  driverFeatures: 0x20,
  driverFeaturesSel: 0x24,
  queueSel: 0x30,
  queueSize: 0x38,
  queueReady: 0x44,
  queueNotify: 0x50,
  status: 0x70,
  queueDesc: 0x80,
  queueDriver: 0x90,
  queueDevice: 0xa0,
} as const;
/** VERSION_1 and ACCESS_PLATFORM, of the features from 32 on. */
const FEATURES_HIGH = 3n;
const ACKNOWLEDGE_DRIVER = 3n;
const FEATURES_OK = 11n;
const DRIVER_OK = 15n;
const NEEDS_RESET = 64;

/** What lies where in the two pages of RINGS. */
const AVAILABLE = RINGS + 0x100;
const USED = RINGS + 0x200;
const HEADER = RINGS + 0x400;
const STATUS = RINGS + 0x500;
export const BUFFER = RINGS + PAGE_SIZE;
const ENTRIES = 8;

const NEXT = 1n;
const WRITE = 2n;

/** Types of requests, and the status of one that failed. */
export const READ = 0n;
export const WRITE_OUT = 1n;
const OK = 0n;
const PENDING = 0xffn;

export interface Descriptor {
  readonly address: bigint;
  readonly length: bigint;
  readonly flags: bigint;
  readonly next: bigint;
}

export class GuestDisk {
  readonly image = new Uint8Array(IMAGE_BYTES);
  private readonly scene: Scene;
  private readonly device: VirtioBlk;
  private readonly transport: VirtioMmio;
  private index = 0;
  /** The VMM's turn: the guest has rung and the device has not looked yet. */
  beforeService: () => void = () => {};

  constructor(scene: Scene) {
    this.scene = scene;
    this.device = new VirtioBlk(
      { backend: memoryBlock(this.image) },
      { dma: scene.vm.devicePort(REQUESTER), log: scene.log },
    );
    this.transport = new VirtioMmio(this.device, { set() {} });
    scene.guest.emulate = ({ gpa, write, data }) => {
      const offset = gpa - DISK;
      if (offset < 0 || offset >= this.transport.size) return 0n;
      if (!write) return BigInt(this.transport.read(offset, 4));
      if (offset === REGISTER.queueNotify) this.beforeService();
      this.transport.write(offset, 4, Number(BigInt.asUintN(32, data)));
      return 0n;
    };
    this.start();
  }

  private register(offset: number, value: bigint): void {
    this.scene.must(this.scene.guest.call(0, 'store32', this.scene.mode.lent(DISK + offset), value));
  }

  private store(address: number, value: bigint): void {
    this.scene.must(
      this.scene.guest.call(0, 'store', this.scene.mode.lent(address), BigInt.asUintN(64, value)),
    );
  }

  /** Resets the device and brings it up. */
  start(): void {
    this.register(REGISTER.status, 0n);
    this.index = 0;
    this.available(0, 0n);
    this.store(USED, 0n);
    this.register(REGISTER.status, ACKNOWLEDGE_DRIVER);
    this.register(REGISTER.driverFeaturesSel, 1n);
    this.register(REGISTER.driverFeatures, FEATURES_HIGH);
    this.register(REGISTER.status, FEATURES_OK);
    this.register(REGISTER.queueSel, 0n);
    this.register(REGISTER.queueSize, BigInt(ENTRIES));
    this.register(REGISTER.queueDesc, BigInt(RINGS));
    this.register(REGISTER.queueDriver, BigInt(AVAILABLE));
    this.register(REGISTER.queueDevice, BigInt(USED));
    this.register(REGISTER.queueReady, 1n);
    this.register(REGISTER.status, DRIVER_OK);
  }

  /** The available ring, all of whose entries name one head. */
  available(index: number, head: bigint): void {
    const heads = head | (head << 16n) | (head << 32n) | (head << 48n);
    this.store(AVAILABLE + 4 * 2, heads);
    this.store(AVAILABLE, (BigInt(index) << 16n) | (heads << 32n));
  }

  describe(n: number, { address, length, flags, next }: Descriptor): void {
    this.store(RINGS + 16 * n, address);
    this.store(RINGS + 16 * n + 8, length | (flags << 32n) | (next << 48n));
  }

  /** Lays out a request in descriptors 0 to 2. */
  layOut(type: bigint, address: number | bigint, length: bigint): void {
    this.store(HEADER, type);
    this.store(HEADER + 8, 0n);
    this.store(STATUS, PENDING);
    const data = NEXT | (type === READ ? WRITE : 0n);
    this.describe(0, { address: BigInt(HEADER), length: 16n, flags: NEXT, next: 1n });
    this.describe(1, { address: BigInt(address), length, flags: data, next: 2n });
    this.describe(2, { address: BigInt(STATUS), length: 1n, flags: WRITE, next: 0n });
  }

  /** Makes descriptor `head` available and rings, `ahead` entries further than there are. */
  ring(head = 0n, ahead = 0): void {
    this.index = (this.index + 1 + ahead) & 0xffff;
    this.available(this.index, head);
    this.register(REGISTER.queueNotify, 0n);
  }

  /** What the device said of the last request; undefined where it has not said anything. */
  get status(): bigint | undefined {
    const [word] = this.scene.must(this.scene.guest.call(0, 'load', this.scene.mode.lent(STATUS)));
    return (word & 0xffn) === PENDING ? undefined : word & 0xffn;
  }

  /** The queue broke, and the device waits for a reset. */
  get isBroken(): boolean {
    return (this.transport.read(REGISTER.status, 4) & NEEDS_RESET) !== 0;
  }

  /** An honest request after the attack: the device goes on. */
  mustGoOn(): void {
    this.beforeService = () => {};
    if (this.isBroken) this.start();
    this.layOut(WRITE_OUT, BUFFER, BigInt(SECTOR));
    this.ring();
    if (this.status !== OK) throw new Error('the device does not go on');
    this.scene.say('the next request succeeds');
  }

  /** The rule that failed a request, as the device's log names it. */
  refusedBy(): Attempt {
    const [rule] = this.device.refusals.counts.keys();
    this.scene.say(`the request has status ${this.status}; ${this.scene.warnings.join('; ')}`);
    return rule === undefined ? {} : { rule };
  }
}
