// The PL031 real-time clock (Arm DDI 0224C): seconds since 1970 and one alarm. It counts guest time from the
// clock it is given, so that a virtual-time run shows the same date every time.

import type { Log } from '../../lib/index.ts';
import {
  type AccessSize,
  type DeviceClock,
  type DeviceState,
  type DeviceTimer,
  expectState,
  type IrqLine,
  type MmioDevice,
  type Stateful,
} from './device.ts';
import { type PeripheralId, primecellId } from './primecell.ts';

// Register offsets (DDI 0224C, table 3-1).
const DR = 0x00;
const MR = 0x04;
const LR = 0x08;
const CR = 0x0c;
const IMSC = 0x10;
const RIS = 0x14;
const MIS = 0x18;
const ICR = 0x1c;

const ID: PeripheralId = [0x31, 0x10, 0x04, 0x00];
const NS_PER_SECOND = 1e9;

export interface Pl031Options {
  readonly clock: DeviceClock;
  readonly irq: IrqLine;
  readonly log: Log;
}

export interface SavedPl031 extends DeviceState {
  readonly kind: 'pl031';
  readonly version: 1;
  readonly offset: number;
  readonly match: number;
  readonly load: number;
  readonly mask: number;
  readonly raw: number;
}

export class Pl031 implements MmioDevice, Stateful<SavedPl031> {
  readonly name = 'pl031';
  readonly size = 0x1000;
  private readonly clock: DeviceClock;
  private readonly irq: IrqLine;
  private readonly log: Log;
  private readonly alarm: DeviceTimer;
  /** Added to the wall clock modulo 2^32 by a write to LR. */
  private offset = 0;
  private match = 0;
  private load = 0;
  private mask = 0;
  private raw = 0;

  constructor(options: Pl031Options) {
    this.clock = options.clock;
    this.irq = options.irq;
    this.log = options.log;
    this.alarm = this.clock.createTimer(() => this.matched());
  }

  reset(): void {
    this.alarm.disarm();
    this.offset = 0;
    this.match = 0;
    this.load = 0;
    this.mask = 0;
    this.raw = 0;
    this.irq.set(false);
  }

  read(offset: number, _size: AccessSize): number {
    switch (offset & ~3) {
      case DR:
        return this.seconds();
      case MR:
        return this.match;
      case LR:
        return this.load;
      case CR:
        return 1;
      case IMSC:
        return this.mask;
      case RIS:
        return this.raw;
      case MIS:
        return this.raw & this.mask;
      case ICR:
        return 0;
    }
    const id = primecellId(ID, offset);
    if (id === undefined)
      this.log('warn', this.name, `read of an unknown register at 0x${offset.toString(16)}`);
    return id ?? 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    switch (offset & ~3) {
      case MR:
        this.match = value >>> 0;
        this.setAlarm();
        return;
      case LR:
        this.load = value >>> 0;
        this.offset = (this.load - Math.floor(this.clock.wallSeconds())) >>> 0;
        this.setAlarm();
        return;
      case IMSC:
        this.mask = value & 1;
        this.updateIrq();
        return;
      case ICR:
        if (value & 1) this.raw = 0;
        this.updateIrq();
        return;
      // Once started the clock runs until reset (3.3.4); the rest is read-only.
      case CR:
      case DR:
      case RIS:
      case MIS:
        return;
    }
    this.log(
      'warn',
      this.name,
      `write of 0x${value.toString(16)} to an unknown register at 0x${offset.toString(16)}`,
    );
  }

  save(): SavedPl031 {
    const { offset, match, load, mask, raw } = this;
    return { kind: 'pl031', version: 1, offset, match, load, mask, raw };
  }

  restore(state: SavedPl031): void {
    expectState(state, 'pl031', 1);
    this.offset = state.offset;
    this.match = state.match;
    this.load = state.load;
    this.mask = state.mask;
    if (this.match !== this.seconds()) this.setAlarm();
    this.raw = state.raw;
    this.updateIrq();
  }

  private seconds(): number {
    return (Math.floor(this.clock.wallSeconds()) + this.offset) >>> 0;
  }

  /** The interrupt rises when the counter becomes equal to MR, at the latest after it has wrapped. */
  private setAlarm(): void {
    const ahead = (this.match - this.seconds()) >>> 0;
    if (ahead === 0) {
      this.alarm.disarm();
      this.matched();
      return;
    }
    const intoSecond = this.clock.wallSeconds() % 1;
    this.alarm.arm(this.clock.now() + Math.ceil((ahead - intoSecond) * NS_PER_SECOND));
  }

  private matched(): void {
    this.raw = 1;
    this.updateIrq();
  }

  private updateIrq(): void {
    this.irq.set((this.raw & this.mask) !== 0);
  }
}
