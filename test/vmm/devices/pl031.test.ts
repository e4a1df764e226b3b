import { beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/lib/index.ts';
import { Pl031 } from '../../../src/vmm/devices/index.ts';
import { TestClock, TestLine } from './wires.ts';

const DR = 0x00;
const MR = 0x04;
const LR = 0x08;
const CR = 0x0c;
const IMSC = 0x10;
const RIS = 0x14;
const MIS = 0x18;
const ICR = 0x1c;
const SECOND = 1e9;

describe('PL031 (DDI 0224C)', () => {
  let clock: TestClock;
  let irq: TestLine;
  let rtc: Pl031;

  beforeEach(() => {
    clock = new TestClock();
    irq = new TestLine();
    rtc = new Pl031({ clock, irq, log: silentLog });
  });

  it('counts the seconds of the clock it is given', () => {
    expect(rtc.read(DR, 4)).toBe(1_000_000);
    clock.advance(2.5 * SECOND);
    expect(rtc.read(DR, 4)).toBe(1_000_002);
    expect(rtc.read(CR, 4)).toBe(1);
  });

  it('goes on from what LR loads (3.3.3)', () => {
    rtc.write(LR, 4, 0xffff_ffff);
    expect(rtc.read(DR, 4)).toBe(0xffff_ffff);
    expect(rtc.read(LR, 4)).toBe(0xffff_ffff);
    clock.advance(SECOND);
    expect(rtc.read(DR, 4)).toBe(0);
  });

  it('raises the interrupt when the counter reaches MR (3.3.2)', () => {
    clock.advance(0.25 * SECOND);
    rtc.write(IMSC, 4, 1);
    rtc.write(MR, 4, 1_000_002);
    clock.advance(1.74 * SECOND);
    expect(irq.level).toBe(false);
    clock.advance(0.01 * SECOND);
    expect(irq.level).toBe(true);
    expect(rtc.read(MIS, 4)).toBe(1);
    rtc.write(ICR, 4, 1);
    expect(irq.level).toBe(false);
  });

  it('remembers a masked match in RIS', () => {
    rtc.write(MR, 4, 1_000_001);
    clock.advance(SECOND);
    expect(irq.level).toBe(false);
    expect(rtc.read(RIS, 4)).toBe(1);
    rtc.write(IMSC, 4, 1);
    expect(irq.level).toBe(true);
  });

  it('follows a new time with its alarm', () => {
    rtc.write(IMSC, 4, 1);
    rtc.write(MR, 4, 2_000_000);
    rtc.write(LR, 4, 1_999_999);
    clock.advance(SECOND);
    expect(irq.level).toBe(true);
  });

  it('forgets the alarm at reset', () => {
    rtc.write(IMSC, 4, 1);
    rtc.write(MR, 4, 1_000_001);
    rtc.reset();
    clock.advance(5 * SECOND);
    expect(rtc.read(RIS, 4)).toBe(0);
  });

  it('identifies itself', () => {
    expect([0xfe0, 0xfe4, 0xfe8, 0xfec].map((offset) => rtc.read(offset, 4))).toEqual([
      0x31, 0x10, 0x04, 0x00,
    ]);
  });
});
