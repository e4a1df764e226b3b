import { describe, expect, it } from 'vitest';
import { EXCEPTION, LEAVE, NO_DEBUG } from '../../../src/hardware/cpu/index.ts';
import { AF, ATTR, MMIO, mapped, RAM, READ_ONLY, Tables, type TestMachine, USER } from './machine.ts';

const SS = 1 << 21;
const D = 1 << 9;
const MDSCR_SS = 1n;
const KDE = 1n << 13n;
const MDE = 1n << 15n;
const CODE = 0x1000n;

function setup(mdscr: bigint): TestMachine {
  const { machine, tables } = mapped();
  tables.map(CODE, RAM, AF | USER | READ_ONLY);
  tables.map(0x2000n, RAM + 0x1000, AF | USER);
  tables.map(0x3000n, RAM + 0x2000, AF);
  machine.msr('OSLAR_EL1', 0n);
  machine.msr('MDSCR_EL1', mdscr);
  return machine;
}

/** ERET to CODE with a PSTATE, as a debugger's kernel does. */
function returnTo(m: TestMachine, spsr: number): void {
  m.cpu.writeRegister('SPSR_EL1', BigInt(spsr >>> 0));
  m.cpu.writeRegister('ELR_EL1', CODE);
  m.at(0x3000n);
  expect(m.cpu.exception(EXCEPTION.eret, 0)).toBe(LEAVE);
}

/** What the engine does for one instruction that completes. */
function run(m: TestMachine): void {
  m.cpu.begin(1);
  const { state } = m.cpu;
  expect(m.fetch(state.pc)).toBeDefined();
  state.pc += 4n;
}

describe('software step (Arm ARM D2.12)', () => {
  it('runs one instruction, then raises the exception with a valid syndrome', () => {
    const m = setup(MDSCR_SS);
    returnTo(m, SS);
    expect(m.cpu.state.ss).toBe(1);
    expect(m.cpu.prepare()).toBe(1);
    run(m);
    m.cpu.prepare();
    expect(m.syndrome).toMatchObject({ esr: 0xcb00_0022, elr: CODE + 4n, spsr: 0 });
    expect(m.cpu.state.el).toBe(1);
    expect(m.cpu.prepare()).toBe(Infinity);
  });
  it('raises it at once where SPSR.SS is clear', () => {
    const m = setup(MDSCR_SS);
    returnTo(m, 0);
    m.cpu.prepare();
    expect(m.syndrome).toMatchObject({ esr: 0xca00_0022, elr: CODE });
  });
  it('is over when the stepped instruction takes an exception, which SVC ends and a fault repeats', () => {
    const m = setup(MDSCR_SS);
    returnTo(m, SS);
    m.cpu.prepare();
    m.cpu.begin(1);
    m.at(CODE);
    m.cpu.exception(EXCEPTION.svc, 0);
    expect(m.syndrome.spsr & SS).toBe(0);
    m.cpu.prepare();
    expect(m.syndrome.esr).toBe(0x5600_0000);
    const fault = setup(MDSCR_SS);
    returnTo(fault, SS);
    fault.cpu.prepare();
    fault.cpu.begin(1);
    fault.at(CODE);
    fault.load(0x9000n, 3);
    expect(fault.syndrome.spsr & SS).toBe(SS);
  });
  it('at EL1 needs KDE and PSTATE.D clear; the OS lock ends it', () => {
    const m = setup(MDSCR_SS | KDE);
    m.cpu.setPstate(BigInt(5 | D));
    returnTo(m, SS | 5);
    expect(m.cpu.prepare()).toBe(1);
    const masked = setup(MDSCR_SS | KDE);
    returnTo(masked, SS | 5 | D);
    expect(masked.cpu.prepare()).toBe(Infinity);
    const locked = setup(MDSCR_SS);
    locked.msr('OSLAR_EL1', 1n);
    returnTo(locked, SS);
    expect(locked.cpu.prepare()).toBe(Infinity);
    expect(locked.cpu.readRegister('OSLSR_EL1')).toBe(0xan);
  });
  it('does not count an instruction that has to run again', () => {
    const m = setup(MDSCR_SS);
    returnTo(m, SS);
    m.cpu.prepare();
    m.cpu.begin(1);
    m.at(CODE);
    m.stage2.exiting.add(RAM + 0x1000);
    m.load(0x2000n, 3);
    expect(m.exit).toEqual({ kind: 'stage2' });
    expect(m.cpu.prepare()).toBe(1);
    expect(m.cpu.state.ss).toBe(1);
    run(m);
    m.cpu.prepare();
    expect(m.syndrome.esr).toBe(0xcb00_0022);
  });
});

describe('software step over MMIO', () => {
  it('steps once, when the access has been answered', () => {
    const m = setup(MDSCR_SS);
    const tables = new Tables(m, 12, 48, RAM + (8 << 20));
    tables.map(0x5000n, MMIO, AF | USER | ATTR(1));
    tables.map(CODE, RAM, AF | USER | READ_ONLY);
    m.msr('TTBR0_EL1', BigInt(tables.root));
    returnTo(m, SS);
    expect(m.cpu.prepare()).toBe(1);
    m.cpu.begin(1);
    m.at(CODE);
    expect(m.load(0x5000n, 2)).toBeUndefined();
    expect(m.exit).toMatchObject({ kind: 'mmio' });
    m.cpu.completeMmio(5n);
    expect(m.cpu.prepare()).toBe(1);
    m.cpu.begin(1);
    expect(m.load(0x5000n, 2)).toBe(5n);
    m.cpu.state.pc = CODE + 4n;
    m.cpu.prepare();
    expect(m.syndrome).toMatchObject({ esr: 0xcb00_0022, elr: CODE + 4n });
  });
});

describe('breakpoints (Arm ARM D2.8)', () => {
  const ENABLED = 1n | (0xfn << 5n);
  const [AT_EL1, AT_EL0] = [1n << 1n, 2n << 1n];
  const step = (m: TestMachine, pc: bigint): number => {
    m.cpu.state.pc = pc;
    const allowed = m.cpu.prepare();
    m.cpu.begin(allowed === 1 ? 1 : 100);
    return allowed;
  };

  it('stop before the instruction, on pages that are run slowly, at the EL that they name', () => {
    const m = setup(MDE);
    m.msr('DBGBVR0_EL1', CODE + 8n);
    m.msr('DBGBCR0_EL1', ENABLED | AT_EL0);
    m.el(0);
    expect(step(m, 0x2000n)).toBe(Infinity);
    // Arriving from elsewhere: fetch() gives the run loop the word.
    expect(m.fetch(CODE)).toBeUndefined();
    expect(m.cpu.state.pc).toBe(CODE);
    expect(step(m, CODE)).toBe(1);
    expect(m.fetch(CODE)).toBe(RAM);
    expect(step(m, CODE + 8n)).toBe(1);
    expect(m.fetch(CODE + 8n)).toBeUndefined();
    expect(m.syndrome).toMatchObject({ esr: 0xc200_0022, elr: CODE + 8n });
    m.cpu.setPstate(5n);
    step(m, CODE + 8n);
    expect(m.fetch(CODE + 8n)).toBe(RAM + 8);
  });
  it('at EL1 need KDE and PSTATE.D clear', () => {
    const m = setup(MDE | KDE);
    m.msr('DBGBVR1_EL1', 0x3000n);
    m.msr('DBGBCR1_EL1', ENABLED | AT_EL1);
    m.cpu.setPstate(5n);
    step(m, 0x3000n);
    expect(m.fetch(0x3000n)).toBeUndefined();
    expect(m.syndrome.esr).toBe(0xc600_0022);
    // Entry masked PSTATE.D.
    step(m, 0x3000n);
    expect(m.fetch(0x3000n)).toBeDefined();
  });
  it('linked to a context match it as well', () => {
    const m = setup(MDE);
    m.msr('DBGBVR0_EL1', CODE);
    m.msr('DBGBCR0_EL1', ENABLED | AT_EL0 | (5n << 16n) | (1n << 20n));
    m.msr('DBGBVR5_EL1', 77n);
    m.msr('DBGBCR5_EL1', ENABLED | AT_EL0 | (3n << 20n));
    m.el(0);
    step(m, CODE);
    expect(m.fetch(CODE)).toBe(RAM);
    m.cpu.writeRegister('CONTEXTIDR_EL1', 77n);
    step(m, CODE);
    expect(m.fetch(CODE)).toBeUndefined();
  });
});

describe('watchpoints (Arm ARM D2.10)', () => {
  const control = (bas: bigint, lsc: bigint, pac = 3n) => 1n | (pac << 1n) | (lsc << 3n) | (bas << 5n);
  const [LOADS, STORES] = [1n, 2n];

  it('match selected bytes, direction and privilege', () => {
    const m = setup(MDE | KDE);
    m.msr('DBGWVR0_EL1', 0x2008n);
    m.msr('DBGWCR0_EL1', control(0xf0n, STORES));
    m.cpu.setPstate(5n);
    m.at(CODE);
    expect(m.load(0x2008n, 3)).toBe(0n);
    expect(m.store(0x2008n, 2, 1n)).toBe(true);
    expect(m.store(0x200cn, 0, 1n)).toBe(false);
    expect(m.syndrome).toMatchObject({ esr: 0xd600_0062, far: 0x200cn, elr: CODE });
    m.msr('DBGWCR0_EL1', control(0xf0n, LOADS, 2n));
    m.cpu.setPstate(5n);
    expect(m.load(0x200cn, 2)).toBe(0n);
    m.el(0);
    expect(m.load(0x200cn, 2)).toBeUndefined();
    expect(m.syndrome.esr).toBe(0xd200_0022);
  });
  it('with MASK cover a range', () => {
    const m = setup(MDE | KDE);
    m.msr('DBGWVR0_EL1', 0x2000n);
    m.msr('DBGWCR0_EL1', control(0xffn, STORES) | (8n << 24n));
    m.cpu.setPstate(5n);
    expect(m.store(0x20fcn, 3, 0n)).toBe(false);
    m.cpu.setPstate(5n);
    expect(m.store(0x2100n, 3, 0n)).toBe(true);
  });
});

describe('a debugger outside the guest', () => {
  it('gets breakpoints, steps, BRK and watchpoints as exits, unseen by the guest', () => {
    const m = setup(0n);
    m.cpu.setPstate(5n);
    m.cpu.setGuestDebug({ ...NO_DEBUG, breakpoints: [0x3008n] });
    m.cpu.state.pc = 0x3008n;
    expect(m.cpu.prepare()).toBe(0);
    expect(m.exit).toEqual({ kind: 'debug', cause: 'breakpoint', address: 0x3008n });

    m.cpu.setGuestDebug({ ...NO_DEBUG, step: true });
    expect(m.cpu.prepare()).toBe(1);
    run(m);
    expect(m.cpu.prepare()).toBe(0);
    expect(m.exit).toEqual({ kind: 'debug', cause: 'step', address: 0x300cn });

    m.cpu.setGuestDebug({ ...NO_DEBUG, softwareBreakpoints: true });
    m.at(0x3000n);
    m.cpu.exception(EXCEPTION.brk, 0);
    expect(m.exit).toEqual({ kind: 'debug', cause: 'breakpoint', address: 0x3000n });
    expect(m.cpu.state.pc).toBe(0x3000n);

    m.cpu.setGuestDebug({
      ...NO_DEBUG,
      watchpoints: [{ address: 0x2002n, bytes: 1, read: false, write: true }],
    });
    expect(m.load(0x2000n, 3)).toBe(0n);
    expect(m.store(0x2000n, 3, 1n)).toBe(false);
    expect(m.exit).toEqual({ kind: 'debug', cause: 'watchpoint', address: 0x2002n });
    expect(m.read64(RAM + 0x1000)).toBe(0n);
    m.cpu.setGuestDebug(NO_DEBUG);
    expect(m.store(0x2000n, 3, 1n)).toBe(true);
    expect(m.cpu.prepare()).toBe(Infinity);
  });
});
