// The PL011 UART (Arm DDI 0183G), the board's console. The line behind it is infinitely fast: what the guest
// sends is gone at once, and what the host sends arrives as the receive FIFO has room, so nothing overruns.
// It knows a SerialLine, never who reads it.

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

/** The far end of a serial line. */
export interface SerialLine {
  /** Takes one byte that the guest sent. */
  transmit(byte: number): void;
  /** The next byte for the guest, LINE_BREAK for a break condition, or LINE_IDLE where there is none. */
  receive(): number;
  /** Takes back what receive() gave and the guest has not read, oldest first. */
  giveBack(data: readonly number[]): void;
}
export const LINE_IDLE = -1;
export const LINE_BREAK = 0x400;

// Register offsets (DDI 0183G, table 3-1).
const DR = 0x00;
const RSR = 0x04;
const FR = 0x18;
const ILPR = 0x20;
const IBRD = 0x24;
const FBRD = 0x28;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const DMACR = 0x48;

// UARTFR: modem inputs, then FIFO states. TXFE stays set and TXFF and BUSY stay clear: sending takes no time.
const FR_CTS = 1 << 0;
const FR_DSR = 1 << 1;
const FR_DCD = 1 << 2;
const FR_RXFE = 1 << 4;
const FR_RXFF = 1 << 6;
const FR_TXFE = 1 << 7;
const FR_RI = 1 << 8;

// UARTCR
const CR_UARTEN = 1 << 0;
const CR_LBE = 1 << 7;
const CR_TXE = 1 << 8;
const CR_RXE = 1 << 9;
const CR_DTR = 1 << 10;
const CR_RTS = 1 << 11;
const CR_OUT1 = 1 << 12;
const CR_OUT2 = 1 << 13;

const LCR_FEN = 1 << 4;

// Interrupts, the same bits in IMSC, RIS, MIS and ICR.
const INT_RX = 1 << 4;
const INT_TX = 1 << 5;
const INT_RT = 1 << 6;
const INT_BE = 1 << 9;
const INT_OE = 1 << 10;
const INT_ALL = 0x7ff;

/** Errors of one received character in DR[11:8]; RSR shows them shifted down. */
const DR_OVERRUN = 1 << 11;

/** Revision 1, so that drivers assume 16 entries. */
const ID: PeripheralId = [0x11, 0x10, 0x14, 0x00];
const FIFO_DEPTH = 16;
/** FIFO entries at which RXRIS rises, by UARTIFLS[5:3]. */
const RX_TRIGGER = [2, 4, 8, 12, 14] as const;

export interface Pl011Options {
  readonly line: SerialLine;
  readonly irq: IrqLine;
  readonly log: Log;
}

export interface SavedPl011 extends DeviceState {
  readonly kind: 'pl011';
  readonly version: 1;
  /** Characters that the guest has not read, with their error bits. */
  readonly rx: readonly number[];
  readonly ilpr: number;
  readonly ibrd: number;
  readonly fbrd: number;
  readonly lcr: number;
  readonly cr: number;
  readonly ifls: number;
  readonly imsc: number;
  readonly ris: number;
  readonly dmacr: number;
  readonly errors: number;
  readonly configured: boolean;
}

export class Pl011 implements MmioDevice, Stateful<SavedPl011> {
  readonly name = 'pl011';
  readonly size = 0x1000;
  private readonly line: SerialLine;
  private readonly irq: IrqLine;
  private readonly log: Log;

  private rx: number[] = [];
  private ilpr = 0;
  private ibrd = 0;
  private fbrd = 0;
  private lcr = 0;
  private cr = 0;
  private ifls = 0;
  private imsc = 0;
  private ris = 0;
  private dmacr = 0;
  private errors = 0;
  /** CR was written since reset. */
  private configured = false;
  private warned = new Set<number>();

  constructor(options: Pl011Options) {
    this.line = options.line;
    this.irq = options.irq;
    this.log = options.log;
    this.powerOn();
  }

  reset(): void {
    this.holdLine();
    this.powerOn();
    this.irq.set(false);
  }

  /**
   * Lets waiting characters in. The machine calls it between slices, and when the host has sent something; a
   * guest that takes interrupts also pulls them by reading.
   */
  poll(): void {
    // A guest that never programmed the control register still expects input: the board's firmware would have
    // enabled the port, and bare-metal programs count on it.
    const listens = !this.configured || (this.cr & (CR_UARTEN | CR_RXE)) === (CR_UARTEN | CR_RXE);
    if (!listens || this.cr & CR_LBE) return;
    const depth = this.depth();
    let arrived = false;
    let next = 0;
    while (this.rx.length < depth) {
      next = this.line.receive();
      if (next === LINE_IDLE) break;
      this.rx.push(next);
      if (next & LINE_BREAK) this.ris |= INT_BE;
      arrived = true;
    }
    if (arrived) this.received(next === LINE_IDLE);
  }

  read(offset: number, _size: AccessSize): number {
    switch (offset & ~3) {
      case DR:
        return this.readData();
      case RSR:
        return this.errors;
      case FR:
        return this.flags();
      case ILPR:
        return this.ilpr;
      case IBRD:
        return this.ibrd;
      case FBRD:
        return this.fbrd;
      case LCR_H:
        return this.lcr;
      case CR:
        return this.cr;
      case IFLS:
        return this.ifls;
      case IMSC:
        return this.imsc;
      case RIS:
        return this.ris;
      case MIS:
        return this.ris & this.imsc;
      case ICR:
        return 0;
      case DMACR:
        return this.dmacr;
    }
    const id = primecellId(ID, offset);
    if (id === undefined) this.warn(offset, 'read of an unknown register');
    return id ?? 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    switch (offset & ~3) {
      case DR:
        this.send(value & 0xff);
        return;
      case RSR:
        this.errors = 0;
        return;
      case FR:
        return;
      case ILPR:
        this.ilpr = value & 0xff;
        return;
      case IBRD:
        this.ibrd = value & 0xffff;
        return;
      case FBRD:
        this.fbrd = value & 0x3f;
        return;
      case LCR_H:
        if ((this.lcr ^ value) & LCR_FEN) this.holdLine();
        this.lcr = value & 0xff;
        return;
      case CR:
        if (!this.configured) this.holdLine();
        this.configured = true;
        this.cr = value & 0xffff;
        return;
      case IFLS:
        this.ifls = value & 0x3f;
        return;
      case IMSC:
        this.imsc = value & INT_ALL;
        if (this.listensByInterrupt()) this.poll();
        this.updateIrq();
        return;
      case RIS:
      case MIS:
        return;
      case ICR:
        this.ris &= ~value;
        this.updateIrq();
        return;
      case DMACR:
        this.dmacr = value & 7;
        if (this.dmacr) this.warn(offset, 'there is no DMA controller behind this port');
        return;
    }
    this.warn(offset, `write of 0x${value.toString(16)} to an unknown register`);
  }

  save(): SavedPl011 {
    const { ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, ris, dmacr, errors, configured } = this;
    const registers = { ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, ris, dmacr, errors, configured };
    return { kind: 'pl011', version: 1, rx: [...this.rx], ...registers };
  }

  restore(state: SavedPl011): void {
    expectState(state, 'pl011', 1);
    const { rx, ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, ris, dmacr, errors, configured } = state;
    this.rx = rx.slice(0, FIFO_DEPTH);
    Object.assign(this, { ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, ris, dmacr, errors, configured });
    this.updateIrq();
  }

  private powerOn(): void {
    this.rx = [];
    this.ilpr = 0;
    this.ibrd = 0;
    this.fbrd = 0;
    this.lcr = 0;
    this.cr = CR_TXE | CR_RXE;
    this.ifls = 0x12;
    this.imsc = 0;
    this.ris = 0;
    this.dmacr = 0;
    this.errors = 0;
    this.configured = false;
    this.warned.clear();
  }

  private depth(): number {
    return this.lcr & LCR_FEN ? FIFO_DEPTH : 1;
  }

  private trigger(): number {
    return this.lcr & LCR_FEN ? RX_TRIGGER[Math.min(this.ifls >> 3, RX_TRIGGER.length - 1)] : 1;
  }

  private listensByInterrupt(): boolean {
    return (this.imsc & (INT_RX | INT_RT)) !== 0;
  }

  /**
   * Changing the FIFO mode flushes the FIFOs (3.3.7). What the guest never saw goes back to the sender, so that
   * input typed before a driver starts is not lost.
   */
  private holdLine(): void {
    if (this.rx.length > 0) this.line.giveBack(this.rx);
    this.rx = [];
    this.ris &= ~(INT_RX | INT_RT);
    this.updateIrq();
  }

  /** `idle`: nothing follows, so that the receive timeout of 32 bit periods passes at once (2.4.4). */
  private received(idle: boolean): void {
    if (this.rx.length >= this.trigger()) this.ris |= INT_RX;
    if (idle) this.ris |= INT_RT;
    this.updateIrq();
  }

  private readData(): number {
    const character = this.rx.shift();
    if (character === undefined) return 0;
    this.errors = (character >> 8) & 0xf;
    if (this.rx.length < this.trigger()) this.ris &= ~INT_RX;
    if (this.rx.length === 0) {
      this.ris &= ~INT_RT;
      // A polling driver drains the FIFO at start-up and throws that away; only one that takes interrupts
      // gets the next characters before time passes.
      if (this.listensByInterrupt()) this.poll();
    }
    this.updateIrq();
    return character;
  }

  private send(byte: number): void {
    if (this.cr & CR_LBE) {
      if (this.rx.length < this.depth()) {
        this.rx.push(byte);
      } else {
        this.ris |= INT_OE;
        this.rx[this.rx.length - 1] |= DR_OVERRUN;
      }
      this.ris |= INT_TX;
      this.received(true);
      return;
    }
    // Sent even where the port is disabled: early consoles rely on firmware that enabled it.
    this.line.transmit(byte);
    this.ris |= INT_TX;
    this.updateIrq();
  }

  private flags(): number {
    let flags = FR_TXFE;
    if (this.rx.length === 0) flags |= FR_RXFE;
    if (this.rx.length >= this.depth()) flags |= FR_RXFF;
    if ((this.cr & CR_LBE) === 0) return flags | FR_CTS | FR_DSR | FR_DCD;
    // Loop-back: the modem outputs come back as inputs (3.3.8).
    if (this.cr & CR_RTS) flags |= FR_CTS;
    if (this.cr & CR_DTR) flags |= FR_DSR;
    if (this.cr & CR_OUT1) flags |= FR_DCD;
    if (this.cr & CR_OUT2) flags |= FR_RI;
    return flags;
  }

  private updateIrq(): void {
    this.irq.set((this.ris & this.imsc) !== 0);
  }

  private warn(offset: number, what: string): void {
    if (this.warned.has(offset)) return;
    this.warned.add(offset);
    this.log('warn', this.name, `${what} at 0x${offset.toString(16)}`);
  }
}
