// The block device (virtio 1.3, 5.2): a disk over any BlockBackend. Features: FLUSH, RO, SEG_MAX, BLK_SIZE, DISCARD,
// WRITE_ZEROES and MQ with one queue.

import { Errno } from '../../../../lib/index.ts';
import type { DeviceEnv, Session, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import { bit } from '../features.ts';
import { RefusalLog } from '../refusals.ts';
import type { BlockBackend } from './backend.ts';
import { BlockRequests, MAX_DISCARD_SECTORS, MAX_SEGMENTS, MAX_ZERO_SECTORS, SECTOR } from './requests.ts';
import type { BlkState, SavedBlk } from './state.ts';

/** Feature bits (virtio 1.3, 5.2.3). */
export const BLK_F = {
  SEG_MAX: bit(2),
  RO: bit(5),
  BLK_SIZE: bit(6),
  FLUSH: bit(9),
  MQ: bit(12),
  DISCARD: bit(13),
  WRITE_ZEROES: bit(14),
} as const;

const QUEUE_SIZE = 256;

export interface BlkOptions {
  /** Default: 'virtio-blk'. */
  readonly name?: string;
  readonly backend: BlockBackend;
  /** Up to 20 bytes for GET_ID; default: the name. */
  readonly serial?: string;
}

export class VirtioBlk implements VirtioDevice {
  readonly name: string;
  readonly type = 2;
  readonly pciClass = 0x010000;
  readonly features: bigint;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config: Uint8Array;
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly backend: BlockBackend;
  private readonly serial: string;
  private state: BlkState = { kind: 'inactive' };

  constructor(options: BlkOptions, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-blk';
    this.serial = options.serial ?? this.name;
    this.backend = options.backend;
    this.env = env;
    this.refusals = new RefusalLog(env.log, this.name);
    this.features = featuresOf(this.backend);
    this.config = configOf(this.backend);
  }

  /** The cache mode is fixed and everything else is read-only. */
  writeConfig(offset: number): void {
    this.env.log('warn', this.name, `write to read-only configuration at 0x${offset.toString(16)}`);
  }

  activate(session: Session): void {
    const queue = session.queues[0];
    const { backend, serial, refusals, env, name } = this;
    this.state = {
      kind: 'active',
      requests: queue && new BlockRequests(queue, backend, serial, refusals, env.log, name),
    };
  }

  deactivate(): void {
    if (this.state.kind === 'active') this.state.requests?.cancel();
    this.state = { kind: 'inactive' };
  }

  notify(): void {
    if (this.state.kind === 'active') this.state.requests?.serve();
  }

  save(): SavedBlk {
    return {
      kind: 'virtio-blk',
      version: 1,
      inFlight: this.state.kind === 'active' ? this.state.requests?.save() : undefined,
    };
  }

  restore(state: SavedBlk): void {
    checkState(state, 'virtio-blk', 1);
    if (state.inFlight === undefined) return;
    if (this.state.kind === 'inactive' || !this.state.requests)
      throw new Errno('EINVAL', `${this.name}: a request in flight on an inactive device`);
    this.state.requests.resume(state.inFlight);
  }
}

function featuresOf(backend: BlockBackend): bigint {
  const always = BLK_F.SEG_MAX | BLK_F.BLK_SIZE | BLK_F.FLUSH | BLK_F.MQ;
  if (backend.readOnly) return always | BLK_F.RO;
  return always | BLK_F.WRITE_ZEROES | (backend.discard ? BLK_F.DISCARD : 0n);
}

/** struct virtio_blk_config (virtio 1.3, 5.2.4), up to the write zeroes fields. */
function configOf(backend: BlockBackend): Uint8Array {
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(Math.floor(backend.size / SECTOR)), true);
  // Header and status take a descriptor each.
  view.setUint32(12, QUEUE_SIZE - 2, true);
  view.setUint32(20, SECTOR, true);
  view.setUint16(34, 1, true);
  view.setUint32(36, MAX_DISCARD_SECTORS, true);
  view.setUint32(40, MAX_SEGMENTS, true);
  view.setUint32(44, 1, true);
  view.setUint32(48, MAX_ZERO_SECTORS, true);
  view.setUint32(52, MAX_SEGMENTS, true);
  return bytes;
}
