// The socket device (virtio 1.3, 5.10): stream sockets between guest and host without a network. No features: streams
// are implied.

import type { DeviceEnv, Session, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import { RefusalLog } from '../refusals.ts';
import type { VsockBackend, VsockListener, VsockStream } from './backend.ts';
import { VsockQueues } from './requests.ts';
import type { SavedVsock, VsockState } from './state.ts';

export interface VsockOptions {
  /** Default: 'virtio-vsock'. */
  readonly name?: string;
  readonly backend: VsockBackend;
  /** The guest's context id, 3 or more; default: 3. */
  readonly guestCid?: number;
}

export class VirtioVsock implements VirtioDevice {
  readonly name: string;
  readonly type = 19;
  readonly pciClass = 0x078000;
  readonly features = 0n;
  readonly queueSizes = [128, 128, 16];
  /** struct virtio_vsock_config (virtio 1.3, 5.10.4). */
  readonly config = new Uint8Array(8);
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly backend: VsockBackend;
  private readonly guestCid: number;
  private state: VsockState = { kind: 'inactive' };

  constructor(options: VsockOptions, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-vsock';
    this.env = env;
    this.refusals = new RefusalLog(env.log, this.name);
    this.backend = options.backend;
    this.guestCid = options.guestCid ?? 3;
    new DataView(this.config.buffer).setUint32(0, this.guestCid, true);
    this.backend.attach?.((port, listener) => this.connect(port, listener));
  }

  /** Opens a stream to a port of the guest; undefined when no driver is there, or too many streams are. */
  connect(guestPort: number, listener: VsockListener): VsockStream | undefined {
    return this.state.kind === 'active' ? this.state.queues.connect(guestPort, listener) : undefined;
  }

  writeConfig(offset: number): void {
    this.env.log('warn', this.name, `write to read-only configuration at 0x${offset.toString(16)}`);
  }

  activate({ queues }: Session): void {
    this.state = {
      kind: 'active',
      queues: new VsockQueues(queues, this.guestCid, this.backend, this.refusals),
    };
  }

  deactivate(): void {
    const state = this.state;
    this.state = { kind: 'inactive' };
    if (state.kind === 'active') state.queues.close();
  }

  notify(): void {
    if (this.state.kind === 'active') this.state.queues.serve();
  }

  save(): SavedVsock {
    return {
      kind: 'virtio-vsock',
      version: 1,
      connected: this.state.kind === 'active' && this.state.queues.connected,
    };
  }

  restore(state: SavedVsock): void {
    checkState(state, 'virtio-vsock', 1);
    if (state.connected && this.state.kind === 'active') this.state.queues.transportReset();
  }
}
