import { describe, expect, it } from 'vitest';
import { registerTable } from '../../../src/hardware/cpu/index.ts';
import { AF, mapped, RAM, TestMachine } from './machine.ts';

function disturbed(): TestMachine {
  const { machine, tables } = mapped();
  tables.map(0x1000n, RAM, AF);
  const { cpu } = machine;
  for (let n = 0; n < 31; n++) cpu.state.setX(n, BigInt(n) * 0x1_0000_0001n);
  for (let n = 0; n < 32; n++) cpu.state.setV(n, (BigInt(n) << 64n) | 0xffn);
  for (const r of registerTable) {
    if (r.el1 !== 'rw' || r.name.startsWith('PM') || r.name.startsWith('CNT')) continue;
    if (
      ['SCTLR_EL1', 'TCR_EL1', 'TTBR0_EL1', 'TTBR1_EL1', 'MAIR_EL1', 'OSLSR_EL1', 'SP_EL0'].includes(r.name)
    )
      continue;
    cpu.writeRegister(r.name, 0x0123_4567_89ab_cdefn);
  }
  cpu.setPstate(0xf3c0_1004n);
  cpu.setStackPointer(0, 0xaaan);
  cpu.setStackPointer(1, 0xbbbn);
  machine.ticks = 100;
  cpu.writeRegister('CNTV_CVAL_EL0', 500n);
  cpu.writeRegister('CNTV_CTL_EL0', 1n);
  cpu.writeRegister('PMCNTENSET_EL0', 3n);
  cpu.writeRegister('PMEVTYPER1_EL0', 8n);
  cpu.writeRegister('PMEVCNTR1_EL0', 1234n);
  cpu.state.fpcr = 0x0300_0000;
  cpu.sendEvent();
  return machine;
}

describe('snapshots', () => {
  it('of a restored vCPU equal the original', () => {
    const a = disturbed();
    const saved = a.cpu.save();
    const b = new TestMachine();
    b.ticks = 100;
    b.cpu.restore(saved);
    expect(b.cpu.save()).toEqual(saved);
    expect(b.cpu.stackPointer(0)).toBe(0xaaan);
    expect(b.cpu.state.sp).toBe(0xaaan);
    expect(b.cpu.timer.nextDeadlineTicks()).toBe(500);
  });
  it('hold every register under its architectural name', () => {
    const names = Object.keys(disturbed().cpu.save().systemRegisters);
    expect(names).toEqual(
      expect.arrayContaining([
        'TTBR0_EL1',
        'APIAKeyLo_EL1',
        'DBGBVR5_EL1',
        'CNTP_CVAL_EL0',
        'PMCR_EL0',
        'TFSR_EL1',
      ]),
    );
    expect(names.length).toBeGreaterThan(80);
  });
  it('translate as before', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF);
    machine.write64(RAM, 7n);
    const saved = machine.cpu.save();
    machine.cpu.writeRegister('SCTLR_EL1', 0n);
    machine.cpu.restore(saved);
    expect(machine.load(0x1000n, 3)).toBe(7n);
  });
  it('refuse another version, other features, missing and unknown registers', () => {
    const { cpu } = new TestMachine();
    const saved = cpu.save();
    expect(() => cpu.restore({ ...saved, version: 99 })).toThrow('EINVAL');
    expect(() => cpu.restore({ ...saved, features: { ...saved.features, mte: false } })).toThrow('mte');
    const { TTBR0_EL1: _, ...rest } = saved.systemRegisters;
    expect(() => cpu.restore({ ...saved, systemRegisters: rest })).toThrow('TTBR0_EL1');
    expect(() => cpu.restore({ ...saved, systemRegisters: { ...saved.systemRegisters, FOO: 1n } })).toThrow(
      'FOO',
    );
    expect(() => cpu.restore({ ...saved, pstate: 9n })).toThrow('EINVAL');
  });
});

describe('reset', () => {
  it('starts at EL1h, masked, MMU off, with the arguments in X0 on', () => {
    const m = disturbed();
    m.cpu.reset(0x4008_0000n, 0x4400_0000n, 5n);
    expect(m.cpu.state.pc).toBe(0x4008_0000n);
    expect([m.cpu.state.x(0), m.cpu.state.x(1), m.cpu.state.x(2)]).toEqual([0x4400_0000n, 5n, 0n]);
    expect(m.cpu.pstate).toBe(0x3c5n);
    expect(m.cpu.readRegister('SCTLR_EL1') & 1n).toBe(0n);
    expect(m.cpu.instructions).toBe(0);
    expect(m.fetch(0x4008_0000n)).toBe(0x4008_0000);
    expect(m.cpu.state.fpTrapped).toBe(1);
  });
});
