// The board's devices: one row each, saying where it is, how it is made and how the guest is told of it. A new
// device is a new row. A board lives for one boot; a reset builds another, so that nothing survives it.

import type { MemoryPort } from '../../hypervisor/index.ts';
import { Errno, type Log } from '../../lib/index.ts';
import {
  type DeviceClock,
  type DeviceEnv,
  type DeviceState,
  type IrqLine,
  type MmioDevice,
  type MsiSink,
  Pl011,
  Pl031,
  Pl061,
  PowerKey,
  type SerialLine,
  type Stateful,
} from '../devices/index.ts';
import { Bus } from './bus.ts';
import { type BoardTree, IRQ_LEVEL_HIGH, spiCells } from './device-tree.ts';
import type { FdtNode } from './fdt.ts';
import { GPIO, RTC, UART } from './memory-map.ts';
import type { FillRandom } from './random.ts';

/** All that a device can get hold of. */
export interface Wiring {
  readonly clock: DeviceClock;
  readonly log: Log;
  /** The line of shared peripheral interrupt `spi` (INTID - 32). */
  irq(spi: number): IrqLine;
  readonly msi: MsiSink;
  /** The way to guest memory for a device with this requester id. */
  dma(requesterId: number): MemoryPort;
  readonly random: FillRandom;
  /** The console behind the serial port. */
  readonly serial: SerialLine;
  /** A register window beside the row's own. */
  attach(base: number, device: MmioDevice): void;
  /** Runs `job` soon, between two slices of guest execution. */
  defer(job: () => void): void;
  /** Names a part whose state travels with the machine; parts are restored in the order of their naming. */
  keep(name: string, part: Stateful): void;
  /** Registers what to do between two slices of guest execution. */
  onPoll(poll: () => void): void;
  /** Registers what pressing the power button does. */
  onPowerButton(press: () => void): void;
}

/** What a virtio device with this requester id gets of the wiring. */
export const virtioEnv = (wiring: Wiring, requesterId: number): DeviceEnv => ({
  dma: wiring.dma(requesterId),
  log: wiring.log,
  random: wiring.random,
  defer: wiring.defer,
});

export interface BoardRow {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly spi: number;
  create(wiring: Wiring): MmioDevice;
  /** Adds the nodes that a driver binds by. */
  describe(tree: BoardTree, row: BoardRow): void;
}

/** The GPIO line of the power key, and its Linux key code. */
const POWER_LINE = 3;
const KEY_POWER = 116;

export const BOARD_ROWS: readonly BoardRow[] = [
  {
    name: 'pl011',
    ...UART,
    create(wiring) {
      const uart = new Pl011({ line: wiring.serial, irq: wiring.irq(UART.spi), log: wiring.log });
      wiring.keep('pl011', uart);
      wiring.onPoll(() => uart.poll());
      return uart;
    },
    describe(tree, row) {
      primecellNode(tree, row)
        .strings('clock-names', 'uartclk', 'apb_pclk')
        .cells('clocks', tree.apbClock.phandle, tree.apbClock.phandle);
    },
  },
  {
    name: 'pl031',
    ...RTC,
    create(wiring) {
      const rtc = new Pl031({ clock: wiring.clock, irq: wiring.irq(RTC.spi), log: wiring.log });
      wiring.keep('pl031', rtc);
      return rtc;
    },
    describe(tree, row) {
      primecellNode(tree, row).strings('clock-names', 'apb_pclk').cells('clocks', tree.apbClock.phandle);
    },
  },
  {
    name: 'pl061',
    ...GPIO,
    create(wiring) {
      const gpio = new Pl061({ irq: wiring.irq(GPIO.spi), log: wiring.log });
      const key = new PowerKey(wiring.clock, (level) => gpio.setInput(POWER_LINE, level));
      wiring.keep('pl061', gpio);
      wiring.keep('power-key', key);
      wiring.onPowerButton(() => key.press());
      return gpio;
    },
    describe(tree, row) {
      const gpio = primecellNode(tree, row)
        .strings('clock-names', 'apb_pclk')
        .cells('clocks', tree.apbClock.phandle)
        .flag('gpio-controller')
        .cells('#gpio-cells', 2);
      tree.root
        .child('gpio-keys')
        .strings('compatible', 'gpio-keys')
        .child('poweroff')
        .strings('label', 'GPIO Key Poweroff')
        .cells('linux,code', KEY_POWER)
        .cells('gpios', gpio.phandle, POWER_LINE, 0);
    },
  },
];

/** The path of the console's node, for /chosen/stdout-path. */
export const CONSOLE_PATH = `/pl011@${UART.base.toString(16)}`;

function primecellNode(tree: BoardTree, row: BoardRow): FdtNode {
  return tree.root
    .child(`${row.name}@${row.base.toString(16)}`)
    .strings('compatible', `arm,${row.name}`, 'arm,primecell')
    .reg([row.base, row.size])
    .cells('interrupts', ...spiCells(row.spi, IRQ_LEVEL_HIGH));
}

/** How often a piece of put-off work may put off another before saving gives up. */
const SETTLE_PASSES = 64;

/** What the machine lends to the board; the rest of Wiring is the board's own. */
export interface BoardBackends
  extends Omit<Wiring, 'attach' | 'defer' | 'keep' | 'onPoll' | 'onPowerButton'> {
  /** The guest is to be looked after even if it waits. */
  wake(): void;
}

export class Board {
  readonly bus: Bus;
  private readonly rows: readonly BoardRow[];
  private readonly parts = new Map<string, Stateful>();
  private jobs: (() => void)[] = [];
  private readonly polls: (() => void)[] = [];
  private readonly powerButtons: (() => void)[] = [];

  constructor(rows: readonly BoardRow[], backends: BoardBackends) {
    this.rows = rows;
    this.bus = new Bus(backends.log);
    const wiring: Wiring = {
      ...backends,
      attach: (base, device) => this.bus.attach(base, device),
      defer: (job) => {
        this.jobs.push(job);
        backends.wake();
      },
      keep: (name, part) => {
        if (this.parts.has(name)) throw new Error(`board: two parts are called ${name}`);
        this.parts.set(name, part);
      },
      onPoll: (poll) => this.polls.push(poll),
      onPowerButton: (press) => this.powerButtons.push(press),
    };
    for (const row of rows) this.bus.attach(row.base, row.create(wiring));
  }

  /** All devices let go of what they hold on the host; the board is not used after that. */
  dispose(): void {
    for (const device of this.bus.devices) device.reset();
  }

  describe(tree: BoardTree): void {
    for (const row of this.rows) row.describe(tree, row);
  }

  /** Between two slices: what devices put off, then what they look after each time. */
  poll(): void {
    this.runJobs();
    for (const poll of this.polls) poll();
  }

  pressPowerButton(): void {
    for (const press of this.powerButtons) press();
  }

  /**
   * The state of every part, by name. What devices put off is done first: it is not part of any state. EBUSY where
   * that does not end.
   */
  save(): Record<string, DeviceState> {
    for (let pass = 0; this.jobs.length > 0; pass++) {
      if (pass === SETTLE_PASSES) throw new Errno('EBUSY', 'board: devices do not come to rest');
      this.runJobs();
    }
    const states: Record<string, DeviceState> = {};
    for (const [name, part] of this.parts) states[name] = part.save();
    return states;
  }

  /** On a board of the same rows, before its first slice. EINVAL where the parts do not agree. */
  restore(states: Readonly<Record<string, DeviceState>>): void {
    const unknown = Object.keys(states).find((name) => !this.parts.has(name));
    if (unknown !== undefined)
      throw new Errno('EINVAL', `board: the saved machine has a ${unknown}, and this one has none`);
    for (const [name, part] of this.parts) {
      const state = states[name];
      if (!state) throw new Errno('EINVAL', `board: the saved machine has no ${name}`);
      part.restore(state);
    }
  }

  private runJobs(): void {
    const { jobs } = this;
    this.jobs = [];
    for (const job of jobs) job();
  }
}
