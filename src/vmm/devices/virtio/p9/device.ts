// The 9p transport device (Linux net/9p/trans_virtio.c; device id 9, reserved by virtio 1.3, 5): files of the host,
// mounted in the guest by a tag. Feature: MOUNT_TAG.

import { Errno } from '../../../../lib/index.ts';
import type { DeviceEnv, Session, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import { bit } from '../features.ts';
import { RefusalLog } from '../refusals.ts';
import type { FileTree } from './backend.ts';
import { P9Requests } from './requests.ts';
import type { P9State, SavedP9 } from './state.ts';

export const P9_F = { MOUNT_TAG: bit(0) } as const;

export interface P9Options {
  /** Default: 'virtio-9p'. */
  readonly name?: string;
  /** What the guest mounts: mount -t 9p -o trans=virtio TAG /mnt. */
  readonly tag: string;
  readonly tree: FileTree;
}

export class Virtio9p implements VirtioDevice {
  readonly name: string;
  readonly type = 9;
  readonly pciClass = 0x00ff00;
  readonly features = P9_F.MOUNT_TAG;
  readonly queueSizes = [128];
  readonly config: Uint8Array;
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly tree: FileTree;
  private state: P9State = { kind: 'inactive' };

  constructor(options: P9Options, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-9p';
    this.env = env;
    this.tree = options.tree;
    this.refusals = new RefusalLog(env.log, this.name);
    this.config = configOf(options.tag);
  }

  writeConfig(offset: number): void {
    this.env.log('warn', this.name, `write to read-only configuration at 0x${offset.toString(16)}`);
  }

  activate({ queues }: Session): void {
    const [queue] = queues;
    this.state = { kind: 'active', requests: queue && new P9Requests(queue, this.tree, this.refusals) };
  }

  deactivate(): void {
    const state = this.state;
    this.state = { kind: 'inactive' };
    if (state.kind === 'active') state.requests?.server.close();
  }

  notify(): void {
    if (this.state.kind === 'active') this.state.requests?.serve();
  }

  save(): SavedP9 {
    return {
      kind: 'virtio-9p',
      version: 1,
      session: this.state.kind === 'active' ? this.state.requests?.server.save() : undefined,
    };
  }

  restore(state: SavedP9): void {
    checkState(state, 'virtio-9p', 1);
    if (state.session && this.state.kind === 'active') this.state.requests?.server.restore(state.session);
  }
}

/** struct virtio_9p_config: the tag's length, and the tag. */
function configOf(tag: string): Uint8Array {
  const bytes = new TextEncoder().encode(tag);
  if (bytes.length === 0 || bytes.length > 128) throw new Errno('EINVAL', `'${tag}' is no mount tag`);
  const config = new Uint8Array(2 + bytes.length);
  config[0] = bytes.length;
  config.set(bytes, 2);
  return config;
}
