// The balloon device (virtio 1.3, 5.5): gives the guest's memory back to the host by agreement. Features: STATS_VQ,
// DEFLATE_ON_OOM, and PAGE_REPORTING where the backend wants reports. Linux's driver never accepts ACCESS_PLATFORM
// here, because page numbers are no DMA addresses; a transport that requires it refuses that driver.

import type { AccessSize } from '../../device.ts';
import type { DeviceEnv, Session, VirtioDevice, VirtioTransport } from '../device.ts';
import { checkState } from '../device.ts';
import { bit } from '../features.ts';
import type { Virtqueue } from '../queue/queue.ts';
import { RefusalLog } from '../refusals.ts';
import { type BalloonBackend, BalloonQueues } from './requests.ts';
import type { BalloonState, SavedBalloon } from './state.ts';

/** Feature bits (virtio 1.3, 5.5.3). */
export const BALLOON_F = { STATS_VQ: bit(1), DEFLATE_ON_OOM: bit(2), PAGE_REPORTING: bit(5) } as const;

const NUM_PAGES = 0;
const ACTUAL = 4;

export interface BalloonOptions {
  /** Default: 'virtio-balloon'. */
  readonly name?: string;
  readonly backend: BalloonBackend;
}

export class VirtioBalloon implements VirtioDevice {
  readonly name: string;
  readonly type = 5;
  readonly pciClass = 0x00ff00;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  /** struct virtio_balloon_config up to actual (virtio 1.3, 5.5.4). */
  readonly config = new Uint8Array(8);
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly view = new DataView(this.config.buffer);
  private readonly backend: BalloonBackend;
  private transport: VirtioTransport | undefined;
  private state: BalloonState = { kind: 'inactive' };

  constructor(options: BalloonOptions, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-balloon';
    this.env = env;
    this.backend = options.backend;
    this.refusals = new RefusalLog(env.log, this.name);
    const reports = this.backend.report !== undefined;
    this.features = BALLOON_F.STATS_VQ | BALLOON_F.DEFLATE_ON_OOM | (reports ? BALLOON_F.PAGE_REPORTING : 0n);
    this.queueSizes = reports ? [128, 128, 128, 128] : [128, 128, 128];
  }

  /** Pages of 4 KiB that the guest says it gave. */
  get actual(): number {
    return this.view.getUint32(ACTUAL, true);
  }

  /** Values by tag (virtio 1.3, 5.5.6.4), as of the guest's last answer. */
  get statistics(): ReadonlyMap<number, bigint> {
    return this.state.kind === 'active' ? this.state.queues.statistics : new Map();
  }

  /** Asks the guest to give `pages` pages of 4 KiB in all. */
  setTarget(pages: number): void {
    this.view.setUint32(NUM_PAGES, pages, true);
    this.transport?.configChanged();
  }

  /** Asks for new statistics; false when the driver is not ready to answer. */
  askStatistics(): boolean {
    return this.state.kind === 'active' && this.state.queues.askStatistics();
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset === ACTUAL && size === 4) this.view.setUint32(ACTUAL, value, true);
    else this.env.log('warn', this.name, `write to read-only configuration at 0x${offset.toString(16)}`);
  }

  activate({ features, queues, transport }: Session): void {
    this.transport = transport;
    // Linux numbers queues without the ones whose feature it does not take.
    let next = 2;
    const optional = (feature: bigint): Virtqueue | undefined =>
      (features & feature) === 0n ? undefined : queues[next++];
    const layout = {
      inflate: queues[0],
      deflate: queues[1],
      statistics: optional(BALLOON_F.STATS_VQ),
      reporting: optional(BALLOON_F.PAGE_REPORTING),
    };
    this.state = { kind: 'active', queues: new BalloonQueues(layout, this.backend, this.refusals) };
  }

  deactivate(): void {
    this.state = { kind: 'inactive' };
    this.transport = undefined;
    this.view.setUint32(ACTUAL, 0, true);
  }

  notify(queue: number): void {
    if (this.state.kind === 'active') this.state.queues.serve(queue);
  }

  save(): SavedBalloon {
    return {
      kind: 'virtio-balloon',
      version: 1,
      target: this.view.getUint32(NUM_PAGES, true),
      actual: this.actual,
      statistics: this.state.kind === 'active' ? this.state.queues.save() : undefined,
    };
  }

  restore(state: SavedBalloon): void {
    checkState(state, 'virtio-balloon', 1);
    this.view.setUint32(NUM_PAGES, state.target, true);
    this.view.setUint32(ACTUAL, state.actual, true);
    if (state.statistics && this.state.kind === 'active') this.state.queues.restore(state.statistics);
  }
}
