// The PL061 GPIO port (Arm DDI 0190B): eight lines, each with edge and level interrupts. On this board line 3
// is the power key, as on QEMU's `virt`; the port itself knows only lines.

import type { Log } from '../../lib/index.ts';
import {
  type AccessSize,
  type DeviceState,
  expectState,
  type IrqLine,
  type MmioDevice,
  type Stateful,
} from './device.ts';
import { type PeripheralId, primecellId } from './primecell.ts';

// Register offsets (DDI 0190B, table 3-1). 0x000-0x3ff is the data register, masked by address bits 9:2.
const DATA_END = 0x400;
const DIR = 0x400;
const IS = 0x404;
const IBE = 0x408;
const IEV = 0x40c;
const IE = 0x410;
const RIS = 0x414;
const MIS = 0x418;
const IC = 0x41c;
const AFSEL = 0x420;

const ID: PeripheralId = [0x61, 0x10, 0x04, 0x00];

export interface Pl061Options {
  readonly irq: IrqLine;
  readonly log: Log;
}

export interface SavedPl061 extends DeviceState {
  readonly kind: 'pl061';
  readonly version: 1;
  readonly inputs: number;
  readonly outputs: number;
  readonly direction: number;
  readonly levelSensitive: number;
  readonly bothEdges: number;
  readonly event: number;
  readonly enable: number;
  readonly edges: number;
  readonly alternate: number;
}

export class Pl061 implements MmioDevice, Stateful<SavedPl061> {
  readonly name = 'pl061';
  readonly size = 0x1000;
  private readonly irq: IrqLine;
  private readonly log: Log;
  /** Levels that the outside drives, and those that the guest drives; each counts where DIR says so. */
  private inputs = 0;
  private outputs = 0;
  private direction = 0;
  private levelSensitive = 0;
  private bothEdges = 0;
  private event = 0;
  private enable = 0;
  private edges = 0;
  private alternate = 0;

  constructor(options: Pl061Options) {
    this.irq = options.irq;
    this.log = options.log;
  }

  reset(): void {
    this.outputs = 0;
    this.direction = 0;
    this.levelSensitive = 0;
    this.bothEdges = 0;
    this.event = 0;
    this.enable = 0;
    this.edges = 0;
    this.alternate = 0;
    this.irq.set(false);
  }

  /** Drives line 0..7 from outside. */
  setInput(line: number, level: boolean): void {
    const before = this.lines();
    const bit = 1 << line;
    this.inputs = level ? this.inputs | bit : this.inputs & ~bit;
    this.changed(before);
  }

  read(offset: number, _size: AccessSize): number {
    if (offset < DATA_END) return this.lines() & (offset >> 2);
    switch (offset & ~3) {
      case DIR:
        return this.direction;
      case IS:
        return this.levelSensitive;
      case IBE:
        return this.bothEdges;
      case IEV:
        return this.event;
      case IE:
        return this.enable;
      case RIS:
        return this.raw();
      case MIS:
        return this.raw() & this.enable;
      case IC:
        return 0;
      case AFSEL:
        return this.alternate;
    }
    const id = primecellId(ID, offset);
    if (id === undefined)
      this.log('warn', this.name, `read of an unknown register at 0x${offset.toString(16)}`);
    return id ?? 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const before = this.lines();
    const byte = value & 0xff;
    if (offset < DATA_END) {
      const mask = (offset >> 2) & this.direction;
      this.outputs = (this.outputs & ~mask) | (byte & mask);
      this.changed(before);
      return;
    }
    switch (offset & ~3) {
      case DIR:
        this.direction = byte;
        break;
      case IS:
        this.levelSensitive = byte;
        break;
      case IBE:
        this.bothEdges = byte;
        break;
      case IEV:
        this.event = byte;
        break;
      case IE:
        this.enable = byte;
        break;
      case IC:
        this.edges &= ~byte;
        break;
      case AFSEL:
        this.alternate = byte;
        break;
      case RIS:
      case MIS:
        return;
      default:
        this.log(
          'warn',
          this.name,
          `write of 0x${value.toString(16)} to an unknown register at 0x${offset.toString(16)}`,
        );
        return;
    }
    this.changed(before);
  }

  save(): SavedPl061 {
    const { inputs, outputs, direction, levelSensitive, bothEdges, event, enable, edges, alternate } = this;
    const registers = { direction, levelSensitive, bothEdges, event, enable, edges, alternate };
    return { kind: 'pl061', version: 1, inputs, outputs, ...registers };
  }

  restore(state: SavedPl061): void {
    expectState(state, 'pl061', 1);
    const { inputs, outputs, direction, levelSensitive, bothEdges, event, enable, edges, alternate } = state;
    const registers = { direction, levelSensitive, bothEdges, event, enable, edges, alternate };
    Object.assign(this, { inputs, outputs, ...registers });
    this.changed(this.lines());
  }

  private lines(): number {
    return (this.outputs & this.direction) | (this.inputs & ~this.direction);
  }

  /** GPIORIS (3.3.7): remembered edges, and levels as they are now. */
  private raw(): number {
    const active = ~(this.lines() ^ this.event) & 0xff;
    return (this.edges & ~this.levelSensitive) | (active & this.levelSensitive);
  }

  private changed(before: number): void {
    const now = this.lines();
    const moved = (before ^ now) & ~this.levelSensitive;
    this.edges |= moved & (this.bothEdges | ~(now ^ this.event)) & 0xff;
    this.irq.set((this.raw() & this.enable) !== 0);
  }
}
