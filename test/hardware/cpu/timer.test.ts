import { describe, expect, it } from 'vitest';
import { LEAVE } from '../../../src/hardware/cpu/index.ts';
import { TestMachine } from './machine.ts';

describe('generic timer (Arm ARM D12.2)', () => {
  it('raises its line when the count reaches CVAL, and says so in CTL', () => {
    const m = new TestMachine();
    const { cpu } = m;
    m.ticks = 1000;
    m.msr('CNTV_CVAL_EL0', 1500n);
    expect(cpu.timer.nextDeadlineTicks()).toBe(Infinity);
    expect(m.msr('CNTV_CTL_EL0', 1n)).toBe(LEAVE);
    expect(cpu.timer.nextDeadlineTicks()).toBe(1500);
    expect(m.mrs('CNTV_CTL_EL0')).toBe(1n);
    m.ticks = 1499;
    cpu.timer.update();
    expect(m.lines).toEqual([]);
    m.ticks = 1500;
    cpu.timer.update();
    expect(m.lines).toEqual(['virtual up']);
    expect(m.mrs('CNTV_CTL_EL0')).toBe(5n);
    m.msr('CNTV_CTL_EL0', 3n);
    expect(m.lines).toEqual(['virtual up', 'virtual down']);
    expect(m.mrs('CNTV_CTL_EL0')).toBe(7n);
  });
  it('TVAL is signed and relative', () => {
    const m = new TestMachine();
    m.ticks = 5000;
    m.msr('CNTP_TVAL_EL0', 100n);
    expect(m.mrs('CNTP_CVAL_EL0')).toBe(5100n);
    m.ticks = 5200;
    expect(m.mrs('CNTP_TVAL_EL0')).toBe(0xffff_ff9cn);
    m.msr('CNTP_TVAL_EL0', 0xffff_ffffn);
    expect(m.mrs('CNTP_CVAL_EL0')).toBe(5199n);
    m.msr('CNTP_CTL_EL0', 1n);
    expect(m.lines).toEqual(['physical up']);
  });
  it('the virtual count has its own offset', () => {
    const m = new TestMachine();
    m.ticks = 5000;
    m.cpu.timer.virtual.offset = 4000;
    expect(m.mrs('CNTVCT_EL0')).toBe(1000n);
    expect(m.mrs('CNTPCT_EL0')).toBe(5000n);
    m.msr('CNTV_CVAL_EL0', 1500n);
    m.msr('CNTV_CTL_EL0', 1n);
    expect(m.cpu.timer.nextDeadlineTicks()).toBe(5500);
  });
  it('a compare value of all ones never fires', () => {
    const m = new TestMachine();
    m.msr('CNTV_CVAL_EL0', 0xffff_ffff_ffff_ffffn);
    m.msr('CNTV_CTL_EL0', 1n);
    m.ticks = 2 ** 52;
    m.cpu.timer.update();
    expect(m.lines).toEqual([]);
  });
});
