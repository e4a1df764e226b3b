// The entropy device (virtio 1.3, 5.4): the smallest device here, and the one to copy for a new one.

import type { DeviceEnv, Session, VirtioDevice } from '../device.ts';
import { checkState } from '../device.ts';
import { RefusalLog } from '../refusals.ts';
import { EntropyRequests } from './requests.ts';
import type { RngState, SavedRng } from './state.ts';

export interface RngOptions {
  /** Default: 'virtio-rng'. */
  readonly name?: string;
}

export class VirtioRng implements VirtioDevice {
  readonly name: string;
  readonly type = 4;
  readonly pciClass = 0x00ff00;
  readonly features = 0n;
  readonly queueSizes = [64];
  readonly config = new Uint8Array(0);
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly requests: EntropyRequests;
  private state: RngState = { kind: 'inactive' };

  constructor(options: RngOptions, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-rng';
    this.env = env;
    this.refusals = new RefusalLog(env.log, this.name);
    this.requests = new EntropyRequests(env.random ?? hostRandom, this.refusals);
  }

  /** There is nothing to write. */
  writeConfig(): void {}

  activate(session: Session): void {
    this.state = { kind: 'active', requests: session.queues[0] };
  }

  deactivate(): void {
    this.state = { kind: 'inactive' };
  }

  notify(): void {
    if (this.state.kind === 'active' && this.state.requests) this.requests.serve(this.state.requests);
  }

  save(): SavedRng {
    return { kind: 'virtio-rng', version: 1 };
  }

  restore(state: SavedRng): void {
    checkState(state, 'virtio-rng', 1);
  }
}

/** At most 65536 bytes a call, which is more than the device asks for. */
const hostRandom = (into: Uint8Array): void => {
  crypto.getRandomValues(into);
};
