import { beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/lib/index.ts';
import { LINE_BREAK, Pl011 } from '../../../src/vmm/devices/index.ts';
import { TestLine, TestSerial } from './wires.ts';

const DR = 0x00;
const FR = 0x18;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const RX = 1 << 4;
const TX = 1 << 5;
const RT = 1 << 6;
const RXFE = 1 << 4;
const RXFF = 1 << 6;
const ENABLED = 0x301;

describe('PL011 (DDI 0183G)', () => {
  let serial: TestSerial;
  let irq: TestLine;
  let uart: Pl011;

  beforeEach(() => {
    serial = new TestSerial();
    irq = new TestLine();
    uart = new Pl011({ line: serial, irq, log: silentLog });
  });

  const enable = (interrupts = 0): void => {
    uart.write(LCR_H, 4, 0x70);
    uart.write(CR, 4, ENABLED);
    uart.write(IMSC, 4, interrupts);
  };
  const drain = (): string => {
    let text = '';
    while ((uart.read(FR, 4) & RXFE) === 0) text += String.fromCharCode(uart.read(DR, 4) & 0xff);
    return text;
  };

  it('identifies itself as revision 1 (3.3.15)', () => {
    const id = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map((offset) => uart.read(offset, 4));
    expect(id).toEqual([0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
  });

  it('starts with its reset values (table 3-1)', () => {
    expect(uart.read(FR, 4) & 0xf8).toBe(0x90);
    expect(uart.read(CR, 4)).toBe(0x300);
    expect(uart.read(IFLS, 4)).toBe(0x12);
    expect(uart.read(RIS, 4)).toBe(0);
  });

  it('sends at once, also before a driver enables it', () => {
    for (const character of 'ok') uart.write(DR, 1, character.charCodeAt(0));
    expect(serial.text).toBe('ok');
    enable();
    uart.write(DR, 4, 0x121);
    expect(serial.text).toBe('ok!');
  });

  it('raises the transmit interrupt after a character until ICR clears it (2.8.3)', () => {
    enable(TX);
    expect(irq.level).toBe(false);
    uart.write(DR, 4, 65);
    expect(irq.level).toBe(true);
    expect(uart.read(MIS, 4)).toBe(TX);
    uart.write(ICR, 4, TX);
    expect(irq.level).toBe(false);
  });

  it('raises the receive interrupt at the FIFO trigger and the timeout below it (2.8.2, 2.8.4)', () => {
    enable(RX | RT);
    serial.type('abc');
    uart.poll();
    expect(uart.read(RIS, 4) & (RX | RT)).toBe(RT);
    expect(irq.level).toBe(true);
    serial.type('defgh');
    uart.poll();
    expect(uart.read(RIS, 4) & RX).toBe(RX);
    uart.read(DR, 4);
    expect(uart.read(RIS, 4) & (RX | RT)).toBe(RT);
    expect(drain()).toBe('bcdefgh');
    expect(irq.level).toBe(false);
  });

  it('holds 16 characters and lets the rest wait on the line', () => {
    enable();
    serial.type('0123456789abcdefXYZ');
    uart.poll();
    expect(uart.read(FR, 4) & RXFF).toBe(RXFF);
    expect(serial.waiting.length).toBe(3);
    expect(drain()).toBe('0123456789abcdef');
    uart.poll();
    expect(drain()).toBe('XYZ');
  });

  it('keeps an interrupt-driven reader supplied without further polling', () => {
    enable(RX | RT);
    serial.type('x'.repeat(100));
    uart.poll();
    expect(drain()).toBe('x'.repeat(100));
  });

  it('loses nothing that was typed before a driver starts', () => {
    serial.type('root\n');
    uart.poll();
    expect(uart.read(FR, 4) & RXFE).toBe(0);
    uart.write(LCR_H, 4, 0x70);
    uart.write(CR, 4, ENABLED);
    expect(drain()).toBe('');
    uart.write(IMSC, 4, RX | RT);
    expect(drain()).toBe('root\n');
  });

  it('has a depth of one without FIFOs (3.3.7)', () => {
    uart.write(LCR_H, 4, 0x60);
    uart.write(CR, 4, ENABLED);
    serial.type('ab');
    uart.poll();
    expect(uart.read(FR, 4) & (RXFE | RXFF)).toBe(RXFF);
    expect(uart.read(RIS, 4) & RX).toBe(RX);
    expect(uart.read(DR, 4)).toBe(97);
    expect(uart.read(RIS, 4) & RX).toBe(0);
  });

  it('takes no input while its receiver is off', () => {
    uart.write(CR, 4, 0x101);
    serial.type('a');
    uart.poll();
    expect(uart.read(FR, 4) & RXFE).toBe(RXFE);
    expect(serial.waiting.length).toBe(1);
  });

  it('reports a break in DR, RSR and the break interrupt (3.3.1)', () => {
    enable(1 << 9);
    serial.waiting.push(LINE_BREAK);
    uart.poll();
    expect(irq.level).toBe(true);
    expect(uart.read(DR, 4)).toBe(LINE_BREAK);
    expect(uart.read(0x04, 4)).toBe(4);
    uart.write(0x04, 4, 0);
    expect(uart.read(0x04, 4)).toBe(0);
  });

  it('loops back data and modem lines, and overruns a full FIFO (3.3.8)', () => {
    enable();
    uart.write(CR, 4, ENABLED | 0x80 | 0x800);
    for (let i = 0; i < 17; i++) uart.write(DR, 4, 65 + i);
    expect(serial.text).toBe('');
    expect(uart.read(FR, 4) & 7).toBe(1);
    expect(uart.read(RIS, 4) & (1 << 10)).toBe(1 << 10);
    for (let i = 0; i < 15; i++) expect(uart.read(DR, 4)).toBe(65 + i);
    expect(uart.read(DR, 4)).toBe(80 | 0x800);
  });

  it('returns to power-on state at reset', () => {
    enable(TX);
    uart.write(DR, 4, 65);
    uart.reset();
    expect(irq.level).toBe(false);
    expect(uart.read(IMSC, 4)).toBe(0);
    expect(uart.read(CR, 4)).toBe(0x300);
  });

  it('reports unknown registers once and reads them as zero', () => {
    const lines: string[] = [];
    const loud = new Pl011({ line: serial, irq, log: (_level, _source, message) => lines.push(message) });
    expect(loud.read(0x80, 4)).toBe(0);
    loud.read(0x80, 4);
    loud.write(0x90, 4, 0xffffffff);
    expect(lines).toEqual([
      'read of an unknown register at 0x80',
      'write of 0xffffffff to an unknown register at 0x90',
    ]);
  });
});
