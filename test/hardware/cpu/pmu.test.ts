import { describe, expect, it } from 'vitest';
import { EXCEPTION } from '../../../src/hardware/cpu/index.ts';
import { TestMachine } from './machine.ts';

const E = 1n;
const LC = 1n << 6n;
const CYCLES = 1n << 31n;

function setup() {
  const levels: boolean[] = [];
  const m = new TestMachine({ cpu: { pmuLine: (level) => levels.push(level) } });
  const run = (instructions: number): void => {
    m.cpu.prepare();
    m.cpu.begin(instructions);
    m.cpu.state.budget = 0;
    m.cpu.begin(0);
  };
  return { m, run, levels };
}

describe('performance monitors (Arm ARM D13)', () => {
  it('count instructions and cycles while enabled', () => {
    const { m, run } = setup();
    m.msr('PMEVTYPER0_EL0', 8n);
    m.msr('PMEVTYPER1_EL0', 0x11n);
    m.msr('PMCNTENSET_EL0', CYCLES | 1n);
    run(100);
    expect(m.mrs('PMCCNTR_EL0')).toBe(0n);
    m.msr('PMCR_EL0', E);
    run(100);
    expect(m.mrs('PMCCNTR_EL0')).toBe(100n);
    expect(m.mrs('PMEVCNTR0_EL0')).toBe(100n);
    expect(m.mrs('PMEVCNTR1_EL0')).toBe(0n);
    m.msr('PMCNTENCLR_EL0', CYCLES);
    run(50);
    expect(m.mrs('PMCCNTR_EL0')).toBe(100n);
    expect(m.mrs('PMEVCNTR0_EL0')).toBe(150n);
    m.msr('PMCR_EL0', E | 2n | 4n);
    expect([m.mrs('PMCCNTR_EL0'), m.mrs('PMEVCNTR0_EL0')]).toEqual([0n, 0n]);
    expect(m.mrs('PMCR_EL0')).toBe(E | (6n << 11n));
  });
  it('filter by exception level', () => {
    const { m, run } = setup();
    m.msr('PMCCFILTR_EL0', 1n << 31n);
    m.msr('PMCNTENSET_EL0', CYCLES);
    m.msr('PMCR_EL0', E);
    run(10);
    m.cpu.writeRegister('SPSR_EL1', 0n);
    m.cpu.exception(EXCEPTION.eret, 0);
    run(7);
    m.cpu.exception(EXCEPTION.svc, 0);
    run(10);
    expect(m.mrs('PMCCNTR_EL0')).toBe(7n);
  });
  it('overflow: status, interrupt, and a bound on the next run', () => {
    const { m, run, levels } = setup();
    m.msr('PMEVTYPER2_EL0', 8n);
    m.msr('PMEVCNTR2_EL0', 0xffff_fff0n);
    m.msr('PMINTENSET_EL1', 4n);
    m.msr('PMCNTENSET_EL0', 4n);
    m.msr('PMCR_EL0', E | LC);
    expect(m.cpu.prepare()).toBe(16);
    run(20);
    m.cpu.prepare();
    expect(m.mrs('PMOVSCLR_EL0')).toBe(4n);
    expect(m.mrs('PMEVCNTR2_EL0')).toBe(4n);
    expect(levels).toEqual([true]);
    m.msr('PMOVSCLR_EL0', 4n);
    expect(levels).toEqual([true, false]);
  });
  it('are selected through PMSELR, and incremented by software', () => {
    const { m } = setup();
    m.msr('PMSELR_EL0', 3n);
    m.msr('PMXEVTYPER_EL0', 0n);
    m.msr('PMCNTENSET_EL0', 8n);
    m.msr('PMCR_EL0', E);
    m.msr('PMSWINC_EL0', 8n);
    expect(m.mrs('PMXEVCNTR_EL0')).toBe(1n);
    m.msr('PMSELR_EL0', 20n);
    expect(m.mrs('PMXEVCNTR_EL0')).toBe(0n);
    expect(m.mrs('PMCEID0_EL0')).toBe(0x2_0101n);
  });
});
