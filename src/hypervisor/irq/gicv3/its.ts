// The Interrupt Translation Service's registers and command queue (IHI0069 5.2, 12.19), with the values that
// KVM's has. Commands run when the guest rings CWRITER; a queue that would take long goes on at the guest's
// next access, so that no queue holds the host up.

import { Errno, type Log } from '../../../lib/index.ts';
import type { MemoryPort } from '../../ledger/index.ts';
import { identification, KVM_IIDR } from './distributor.ts';
import { COMMAND_BYTES, IGNORED, ItsMappings, type ItsMappingsState, STALLED } from './its-commands.ts';
import type { Lpis } from './lpis.ts';

/** The control frame and the translation frame. */
export const ITS_BYTES = 0x20000;
/** GITS_TRANSLATER, from the control frame's base. */
export const ITS_TRANSLATER = 0x10040;

const CTLR = 0x0000;
const IIDR = 0x0004;
const TYPER = 0x0008;
const CBASER = 0x0080;
const CBASER_HIGH = 0x0084;
const CWRITER = 0x0088;
const CREADR = 0x0090;
const BASER0 = 0x0100;
const BASER1 = 0x0108;

const CTLR_ENABLED = 1;
const CTLR_QUIESCENT = 1 << 31;
/** Physical LPIs; 8-byte ITT entries; 16 bits of EventID and of DeviceID; processor numbers; HCC 0. */
const TYPER_VALUE = 1 | (7 << 4) | (15 << 8) | (15 << 13);
/** The IIDR's revision is that of the table format. */
const ITS_IIDR = KVM_IIDR & ~0xf000;
const CBASER_VALID = 1 << 31;
const CBASER_HIGH_MASK = 0xb8efffff;
const CBASER_LOW_MASK = 0xfffffcff;
const OFFSET_MASK = 0xfffe0;
const QUEUE_PAGE = 4096;

/** Commands performed before the guest gets its vCPU back: some tens of milliseconds at the worst. */
const TURN = 16384;

export interface ItsState {
  enabled: boolean;
  stalled: boolean;
  commandBase: [number, number];
  writer: number;
  reader: number;
  tables: [number, number][];
  mappings: ItsMappingsState;
}

export class Its {
  private readonly mappings: ItsMappings;
  private readonly memory: MemoryPort;
  private readonly log: Log;
  private enabled = false;
  private stalled = false;
  private commandLow = 0;
  private commandHigh = 0;
  private writer = 0;
  private reader = 0;
  private readonly command = new Uint8Array(COMMAND_BYTES);
  private readonly commandView = new DataView(this.command.buffer);

  constructor(vcpus: number, lpis: Lpis, memory: MemoryPort, log: Log) {
    this.memory = memory;
    this.log = log;
    this.mappings = new ItsMappings(vcpus, lpis, memory);
  }

  reset(): void {
    this.enabled = this.stalled = false;
    this.commandLow = this.commandHigh = this.writer = this.reader = 0;
    this.mappings.reset();
  }

  /** An MSI: `data` is the EventID. */
  signal(deviceId: number, data: number): boolean {
    return this.enabled && this.mappings.raise(deviceId, data);
  }

  read(_vcpu: number, offset: number): number {
    this.run();
    if (offset >= 0xffd0 && offset < 0x10000) return identification(offset);
    const { deviceTable, collectionTable } = this.mappings;
    switch (offset) {
      case CTLR:
        return this.enabled ? CTLR_ENABLED : CTLR_QUIESCENT;
      case IIDR:
        return ITS_IIDR;
      case TYPER:
        return TYPER_VALUE;
      case CBASER:
        return this.commandLow;
      case CBASER_HIGH:
        return this.commandHigh;
      case CWRITER:
        return this.writer;
      case CREADR:
        return this.reader | (this.stalled ? 1 : 0);
      case BASER0:
        return deviceTable.low;
      case BASER0 + 4:
        return deviceTable.readHigh();
      case BASER1:
        return collectionTable.low;
      case BASER1 + 4:
        return collectionTable.readHigh();
      default:
        return 0;
    }
  }

  /** A vCPU's own write to GITS_TRANSLATER is nothing: it has no DeviceID. */
  write(_vcpu: number, offset: number, value: number): void {
    const { mappings } = this;
    if (offset === CTLR) this.setEnabled((value & CTLR_ENABLED) !== 0);
    else if (offset === CWRITER) this.ring(value);
    else if (!this.enabled) {
      if (offset === CBASER || offset === CBASER_HIGH) {
        if (offset === CBASER) this.commandLow = value & CBASER_LOW_MASK;
        else this.commandHigh = value & CBASER_HIGH_MASK;
        this.reader = this.writer = 0;
        this.stalled = false;
      } else if (offset === BASER0) mappings.deviceTable.writeLow(value);
      else if (offset === BASER1) mappings.collectionTable.writeLow(value);
      else if (offset === BASER0 + 4) {
        mappings.deviceTable.writeHigh(value);
        if (!mappings.deviceTable.valid) mappings.forgetDevices();
      } else if (offset === BASER1 + 4) {
        mappings.collectionTable.writeHigh(value);
        if (!mappings.collectionTable.valid) mappings.forgetCollections();
      }
    }
    this.run();
  }

  save(): ItsState {
    const { deviceTable, collectionTable } = this.mappings;
    const { enabled, stalled, writer, reader } = this;
    return {
      enabled,
      stalled,
      commandBase: [this.commandLow >>> 0, this.commandHigh >>> 0],
      writer,
      reader,
      tables: [deviceTable, collectionTable].map(({ low, high }) => [low >>> 0, high >>> 0]),
      mappings: this.mappings.save(),
    };
  }

  /** Throws EINVAL where the state cannot be of an ITS with these vCPUs. */
  check(state: ItsState | null): void {
    if (state?.tables.length !== 2 || !this.mappings.valid(state.mappings))
      throw new Errno('EINVAL', 'ITS state of another machine');
  }

  restore(state: ItsState): void {
    this.reset();
    this.enabled = state.enabled;
    this.stalled = state.stalled;
    [this.commandLow, this.commandHigh] = state.commandBase;
    this.writer = state.writer & OFFSET_MASK;
    this.reader = state.reader & OFFSET_MASK;
    for (const [n, table] of [this.mappings.deviceTable, this.mappings.collectionTable].entries()) {
      table.writeLow(state.tables[n][0]);
      table.writeHigh(state.tables[n][1]);
    }
    this.mappings.restore(state.mappings);
  }

  /** As in KVM, an ITS without queue or tables cannot be enabled. */
  private setEnabled(enabled: boolean): void {
    const { deviceTable, collectionTable } = this.mappings;
    const ready = deviceTable.valid && collectionTable.valid && (this.commandHigh & CBASER_VALID) !== 0;
    this.enabled = enabled && ready;
  }

  /** CWRITER: an offset beyond the queue is ignored; Retry lets a stalled queue try its command again. */
  private ring(value: number): void {
    const offset = value & OFFSET_MASK;
    if (offset >= this.queueBytes()) return;
    this.writer = offset;
    if (value & 1) this.stalled = false;
  }

  private queueBytes(): number {
    return ((this.commandLow & 0xff) + 1) * QUEUE_PAGE;
  }

  private run(): void {
    if (!this.enabled) return;
    const queue = (this.commandHigh & 0xfffff) * 2 ** 32 + ((this.commandLow & 0xfffff000) >>> 0);
    const bytes = this.queueBytes();
    for (let left = TURN; left > 0 && this.reader !== this.writer && !this.stalled; ) {
      const refused = this.memory.read(queue + this.reader, this.command);
      const result = refused ? STALLED : this.mappings.execute(this.commandView);
      if (result === STALLED) {
        this.log(
          'warn',
          'gicv3-its',
          `queue stalled at 0x${this.reader.toString(16)}: ${refused?.reason ?? 'its table is out of reach'}`,
        );
        this.stalled = true;
        return;
      }
      if (result === IGNORED) {
        this.log('debug', 'gicv3-its', `command 0x${this.command[0].toString(16)} ignored: wrong parameters`);
      }
      left -= this.mappings.cost(this.commandView);
      this.reader = (this.reader + COMMAND_BYTES) % bytes;
    }
  }
}
