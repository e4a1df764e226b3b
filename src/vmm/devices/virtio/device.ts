// The contract between a virtio device and its transport (virtio 1.3, 2). A device sees queues, its configuration
// bytes and a narrow interface upward; it must not know whether it sits on MMIO or PCI, nor where the board is.

import type { MemoryPort } from '../../../hypervisor/index.ts';
import { Errno, type Log } from '../../../lib/index.ts';
import type { AccessSize } from '../device.ts';
import type { Virtqueue } from './queue/queue.ts';

/** What the board gives a device. */
export interface DeviceEnv {
  /** The only way to guest memory; addresses are what the driver wrote (IOVAs). */
  readonly dma: MemoryPort;
  /**
   * The way past an IOMMU in front of `dma`, for drivers that do not take ACCESS_PLATFORM and so give physical
   * addresses (virtio 1.3, 6.1); without it their accesses go through `dma` as well, and fail where it translates.
   */
  readonly untranslated?: MemoryPort;
  readonly log: Log;
  /** Fills `into` with random bytes; default: the host's generator. */
  readonly random?: (into: Uint8Array) => void;
  /** Runs `job` soon, off this call stack; default: the event loop's next turn. */
  readonly defer?: (job: () => void) => void;
}

/** What a device may ask of its transport. */
export interface VirtioTransport {
  /** A used buffer notification for queue `queue`; the queue has already decided that the driver wants it. */
  interrupt(queue: number): void;
  /** The configuration bytes changed: new generation and a configuration change notification. */
  configChanged(): void;
  /** The device cannot go on until the driver resets it (virtio 1.3, 2.1.2). */
  needsReset(reason: string): void;
}

/** What a device gets at DRIVER_OK and loses at reset; an inactive device has no memory to misuse. */
export interface Session {
  /** Negotiated features, transport bits included. */
  readonly features: bigint;
  /** By queue index; undefined where the driver left the queue disabled. */
  readonly queues: readonly (Virtqueue | undefined)[];
  readonly transport: VirtioTransport;
}

/** A device's saved state: plain, named and versioned. */
export interface SavedState {
  readonly kind: string;
  readonly version: number;
}

export interface VirtioDevice {
  /** Short and unique on the board: 'virtio-blk0'. */
  readonly name: string;
  /** Device ID (virtio 1.3, 5). */
  readonly type: number;
  /** PCI class code, 24 bits: base, sub, interface. */
  readonly pciClass: number;
  /** Device-specific feature bits on offer. */
  readonly features: bigint;
  /** Largest size of each queue, by index. */
  readonly queueSizes: readonly number[];
  /** The device configuration space as the driver reads it now (little-endian). */
  readonly config: Uint8Array;
  readonly env: DeviceEnv;
  writeConfig(offset: number, size: AccessSize, value: number): void;
  /** DRIVER_OK. */
  activate(session: Session): void;
  /** Reset; also called when inactive. */
  deactivate(): void;
  /** The board's reset, after deactivate(): for state that a driver's reset leaves alone. */
  powerOn?(): void;
  /** The driver rang queue `queue`; only called while active, with an enabled queue. */
  notify(queue: number): void;
  save(): SavedState;
  /** Called after activate() when the saved device was active; throws EINVAL for a state of another kind or version. */
  restore(state: SavedState): void;
}

/** Throws unless `state` is of this kind and version. */
export function checkState(state: SavedState, kind: string, version: number): void {
  if (state.kind !== kind || state.version !== version)
    throw new Errno(
      'EINVAL',
      `saved state is ${state.kind} version ${state.version}, expected ${kind} version ${version}`,
    );
}
