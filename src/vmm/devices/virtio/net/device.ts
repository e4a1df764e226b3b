// The network device (virtio 1.3, 5.1): one pair of queues, no offloads. Features: MAC, STATUS, MRG_RXBUF.

import { Errno } from '../../../../lib/index.ts';
import type { DeviceEnv, Session, VirtioDevice, VirtioTransport } from '../device.ts';
import { checkState } from '../device.ts';
import { bit } from '../features.ts';
import { RefusalLog } from '../refusals.ts';
import type { NetBackend } from './backend.ts';
import { ReceiveQueue, TransmitQueue } from './requests.ts';
import type { NetState, SavedNet } from './state.ts';

/** Feature bits (virtio 1.3, 5.1.3). */
export const NET_F = { MAC: bit(5), MRG_RXBUF: bit(15), STATUS: bit(16) } as const;

const RECEIVE = 0;
const TRANSMIT = 1;
const STATUS_OFFSET = 6;
const STATUS_LINK_UP = 1;

export interface NetOptions {
  /** Default: 'virtio-net'. */
  readonly name?: string;
  readonly backend: NetBackend;
  /** 'aa:bb:cc:dd:ee:ff'; default: 52:54:00:12:34:56. */
  readonly mac?: string;
}

export class VirtioNet implements VirtioDevice {
  readonly name: string;
  readonly type = 1;
  readonly pciClass = 0x020000;
  readonly features = NET_F.MAC | NET_F.STATUS | NET_F.MRG_RXBUF;
  readonly queueSizes = [256, 256];
  /** struct virtio_net_config up to status (virtio 1.3, 5.1.4). */
  readonly config = new Uint8Array(8);
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly backend: NetBackend;
  private transport: VirtioTransport | undefined;
  private state: NetState = { kind: 'inactive' };

  constructor(options: NetOptions, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-net';
    this.env = env;
    this.refusals = new RefusalLog(env.log, this.name);
    this.config.set(parseMac(options.mac ?? '52:54:00:12:34:56'));
    this.backend = options.backend;
    this.backend.attach({
      frame: (frame) => {
        if (this.state.kind === 'active') this.state.receive?.frame(frame);
      },
      link: (up) => this.link(up),
    });
  }

  /** The address is read-only in a modern device, and so is the rest. */
  writeConfig(offset: number): void {
    this.env.log('warn', this.name, `write to read-only configuration at 0x${offset.toString(16)}`);
  }

  activate({ features, queues, transport }: Session): void {
    const [receive, transmit] = queues;
    const mergeable = (features & NET_F.MRG_RXBUF) !== 0n;
    this.transport = transport;
    this.state = {
      kind: 'active',
      receive: receive && new ReceiveQueue(receive, mergeable, this.refusals),
      transmit: transmit && new TransmitQueue(transmit, (frame) => this.backend.send(frame), this.refusals),
    };
  }

  deactivate(): void {
    this.state = { kind: 'inactive' };
    this.transport = undefined;
  }

  notify(queue: number): void {
    if (this.state.kind !== 'active') return;
    if (queue === RECEIVE) this.state.receive?.serve();
    if (queue === TRANSMIT) this.state.transmit?.serve();
  }

  save(): SavedNet {
    return { kind: 'virtio-net', version: 1 };
  }

  restore(state: SavedNet): void {
    checkState(state, 'virtio-net', 1);
  }

  private link(up: boolean): void {
    const status = up ? STATUS_LINK_UP : 0;
    if (this.config[STATUS_OFFSET] === status) return;
    this.config[STATUS_OFFSET] = status;
    this.transport?.configChanged();
  }
}

function parseMac(text: string): number[] {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw new Errno('EINVAL', `'${text}' is no MAC address`);
  return text.split(':').map((byte) => Number.parseInt(byte, 16));
}
