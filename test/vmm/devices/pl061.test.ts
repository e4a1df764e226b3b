import { beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/lib/index.ts';
import { Pl061, PowerKey } from '../../../src/vmm/devices/index.ts';
import { TestClock, TestLine } from './wires.ts';

const DATA = (mask: number): number => mask << 2;
const DIR = 0x400;
const IS = 0x404;
const IBE = 0x408;
const IEV = 0x40c;
const IE = 0x410;
const RIS = 0x414;
const MIS = 0x418;
const IC = 0x41c;

describe('PL061 (DDI 0190B)', () => {
  let irq: TestLine;
  let gpio: Pl061;

  beforeEach(() => {
    irq = new TestLine();
    gpio = new Pl061({ irq, log: silentLog });
  });

  it('masks the data register by address (3.3.1)', () => {
    gpio.write(DIR, 4, 0x0f);
    gpio.write(DATA(0x05), 4, 0xff);
    expect(gpio.read(DATA(0xff), 4)).toBe(0x05);
    expect(gpio.read(DATA(0x04), 4)).toBe(0x04);
    gpio.setInput(7, true);
    expect(gpio.read(DATA(0xff), 4)).toBe(0x85);
    gpio.write(DATA(0xff), 4, 0x00);
    expect(gpio.read(DATA(0xff), 4)).toBe(0x80);
  });

  it('remembers the chosen edge until IC clears it (3.3.4, 3.3.8)', () => {
    gpio.write(IEV, 4, 1 << 3);
    gpio.write(IE, 4, 1 << 3);
    gpio.setInput(3, true);
    expect(irq.level).toBe(true);
    expect(gpio.read(MIS, 4)).toBe(1 << 3);
    gpio.write(IC, 4, 1 << 3);
    expect(irq.level).toBe(false);
    gpio.setInput(3, false);
    expect(gpio.read(RIS, 4)).toBe(0);
  });

  it('takes both edges where IBE says so', () => {
    gpio.write(IBE, 4, 1 << 3);
    gpio.write(IE, 4, 1 << 3);
    for (const level of [true, false]) {
      gpio.setInput(3, level);
      expect(irq.level).toBe(true);
      gpio.write(IC, 4, 0xff);
      expect(irq.level).toBe(false);
    }
  });

  it('follows levels where IS says so (3.3.3)', () => {
    gpio.write(IS, 4, 2);
    gpio.write(IE, 4, 2);
    expect(irq.level).toBe(true);
    gpio.setInput(1, true);
    expect(irq.level).toBe(false);
    gpio.write(IEV, 4, 2);
    expect(irq.level).toBe(true);
    gpio.write(IC, 4, 2);
    expect(irq.level).toBe(true);
  });

  it('keeps what drives its lines over a reset, and nothing else', () => {
    gpio.setInput(0, true);
    gpio.write(IE, 4, 0xff);
    gpio.reset();
    expect(gpio.read(IE, 4)).toBe(0);
    expect(gpio.read(DATA(0xff), 4)).toBe(1);
  });

  it('identifies itself', () => {
    expect([0xfe0, 0xfe4, 0xfe8, 0xfec].map((offset) => gpio.read(offset, 4))).toEqual([
      0x61, 0x10, 0x04, 0x00,
    ]);
  });
});

describe('power key', () => {
  it('is down for longer than a debouncer waits, and then up', () => {
    const clock = new TestClock();
    const levels: boolean[] = [];
    const key = new PowerKey(clock, (level) => levels.push(level));
    key.press();
    clock.advance(50e6);
    expect(levels).toEqual([true]);
    clock.advance(50e6);
    expect(levels).toEqual([true, false]);
  });
});
