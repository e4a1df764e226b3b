// The console device (virtio 1.3, 5.3): one port. Features: SIZE, EMERG_WRITE.

import type { AccessSize } from '../../device.ts';
import type { DeviceEnv, Session, VirtioDevice, VirtioTransport } from '../device.ts';
import { checkState } from '../device.ts';
import { bit } from '../features.ts';
import { RefusalLog } from '../refusals.ts';
import { ConsolePort } from './requests.ts';
import type { ConsoleState, SavedConsole } from './state.ts';

/** Feature bits (virtio 1.3, 5.3.3). */
export const CONSOLE_F = { SIZE: bit(0), EMERG_WRITE: bit(2) } as const;

const RECEIVE = 0;
const TRANSMIT = 1;
const EMERG_WR = 8;

export interface ConsoleOptions {
  /** Default: 'virtio-console'. */
  readonly name?: string;
  /** What the guest prints; the bytes are valid during the call only. */
  readonly write: (bytes: Uint8Array) => void;
  /** Default: 80 x 25. */
  readonly columns?: number;
  readonly rows?: number;
}

export class VirtioConsole implements VirtioDevice {
  readonly name: string;
  readonly type = 3;
  readonly pciClass = 0x078000;
  readonly features = CONSOLE_F.SIZE | CONSOLE_F.EMERG_WRITE;
  readonly queueSizes = [64, 64];
  /** struct virtio_console_config (virtio 1.3, 5.3.4). */
  readonly config = new Uint8Array(12);
  readonly env: DeviceEnv;
  readonly refusals: RefusalLog;
  private readonly view = new DataView(this.config.buffer);
  private readonly write: (bytes: Uint8Array) => void;
  private readonly port: ConsolePort;
  private transport: VirtioTransport | undefined;
  private state: ConsoleState = { kind: 'inactive' };

  constructor(options: ConsoleOptions, env: DeviceEnv) {
    this.name = options.name ?? 'virtio-console';
    this.env = env;
    this.write = options.write;
    this.refusals = new RefusalLog(env.log, this.name);
    this.port = new ConsolePort(options.write, this.refusals);
    this.setSize(options.columns ?? 80, options.rows ?? 25);
    this.view.setUint32(4, 1, true);
  }

  /** Bytes typed by the user. Returns how many there was room for. */
  input(bytes: Uint8Array): number {
    const taken = this.port.type(bytes);
    this.notify(RECEIVE);
    return taken;
  }

  resize(columns: number, rows: number): void {
    this.setSize(columns, rows);
    this.transport?.configChanged();
  }

  /** emerg_wr prints one byte without any queue (virtio 1.3, 5.3.5). */
  writeConfig(offset: number, _size: AccessSize, value: number): void {
    if (offset === EMERG_WR) this.write(new Uint8Array([value]));
    else this.env.log('warn', this.name, `write to read-only configuration at 0x${offset.toString(16)}`);
  }

  activate({ queues, transport }: Session): void {
    this.transport = transport;
    this.state = { kind: 'active', receive: queues[RECEIVE], transmit: queues[TRANSMIT] };
  }

  deactivate(): void {
    this.state = { kind: 'inactive' };
    this.transport = undefined;
  }

  notify(queue: number): void {
    if (this.state.kind !== 'active') return;
    const { receive, transmit } = this.state;
    if (queue === RECEIVE && receive) this.port.receive(receive);
    if (queue === TRANSMIT && transmit) this.port.transmit(transmit);
  }

  save(): SavedConsole {
    return {
      kind: 'virtio-console',
      version: 1,
      columns: this.view.getUint16(0, true),
      rows: this.view.getUint16(2, true),
      input: [...this.port.waiting],
    };
  }

  restore(state: SavedConsole): void {
    checkState(state, 'virtio-console', 1);
    this.setSize(state.columns, state.rows);
    this.port.restore(state.input);
  }

  private setSize(columns: number, rows: number): void {
    this.view.setUint16(0, columns, true);
    this.view.setUint16(2, rows, true);
  }
}
