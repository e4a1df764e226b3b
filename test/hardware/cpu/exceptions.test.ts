import { describe, expect, it } from 'vitest';
import { DONE, EXCEPTION, LEAVE } from '../../../src/hardware/cpu/index.ts';
import { AF, mapped, RAM, type TestMachine, USER } from './machine.ts';

const VBAR = 0xffff_0000_0000_8000n;
const NZCV = 0xf000_0000;
const TCO = 1 << 25;
const DIT = 1 << 24;
const UAO = 1 << 23;
const PAN = 1 << 22;
const SSBS = 1 << 12;
const EL1H = 5;
const EL1T = 4;

function at(pstate: number, pc = 0x1000n): TestMachine {
  const { machine } = mapped();
  machine.cpu.setPstate(BigInt(pstate >>> 0));
  machine.at(pc);
  return machine;
}

describe('exception entry (Arm ARM D1.3)', () => {
  it.each([
    ['EL0', 0, 0x400n],
    ['EL1 with SP_EL0', EL1T, 0x000n],
    ['EL1 with SP_EL1', EL1H, 0x200n],
  ])('vectors from %s', (_name, mode, offset) => {
    const m = at(mode);
    expect(m.cpu.exception(EXCEPTION.svc, 0x1234)).toBe(LEAVE);
    expect(m.cpu.state.pc).toBe(VBAR + offset);
    expect(m.syndrome).toMatchObject({ esr: 0x5600_1234, elr: 0x1004n, spsr: mode });
    expect(m.cpu.pstate & 0xfn).toBe(5n);
  });

  it('saves all of PSTATE and sets what the target needs', () => {
    const pstate = (NZCV | DIT | UAO | PAN | SSBS | (2 << 6)) >>> 0;
    const m = at(pstate);
    m.cpu.state.nzcv = 15;
    m.cpu.exception(EXCEPTION.svc, 0);
    expect(m.syndrome.spsr).toBe(pstate);
    // SPAN is set out of reset, so PAN stays; DSSBS is clear; TCO and DAIF are set; DIT stays.
    expect(m.cpu.pstate).toBe(BigInt((NZCV | TCO | DIT | PAN | (15 << 6) | EL1H) >>> 0));
  });

  it('sets PAN without SCTLR.SPAN, and SSBS by DSSBS', () => {
    const m = at(0);
    m.cpu.writeRegister('SCTLR_EL1', (m.cpu.readRegister('SCTLR_EL1') & ~(1n << 23n)) | (1n << 44n));
    m.cpu.exception(EXCEPTION.undefined, 0);
    expect(m.cpu.pstate & BigInt(PAN | SSBS)).toBe(BigInt(PAN | SSBS));
  });

  it('keeps TCO clear without MTE', () => {
    const { machine } = mapped({ features: { mte: false } });
    machine.cpu.exception(EXCEPTION.svc, 0);
    expect(machine.cpu.pstate & BigInt(TCO)).toBe(0n);
  });

  it('banks the stack pointer', () => {
    const m = at(0);
    m.cpu.setStackPointer(1, 0x1111n);
    m.cpu.setStackPointer(0, 0x2222n);
    expect(m.cpu.state.sp).toBe(0x2222n);
    m.cpu.exception(EXCEPTION.svc, 0);
    expect(m.cpu.state.sp).toBe(0x1111n);
    expect(m.mrs('SP_EL0')).toBe(0x2222n);
    m.cpu.state.setX(1, 0n);
    expect(m.cpu.system(0xd500_40bf)).toBe(DONE); // msr spsel, #0
    expect(m.cpu.state.sp).toBe(0x2222n);
    expect(m.mrs('SP_EL0')).toBeUndefined();
    expect(m.syndrome.esr).toBe(0x0200_0000);
  });

  it.each([
    ['undefined', EXCEPTION.undefined, 0, 0x0200_0000],
    ['brk', EXCEPTION.brk, 0x800, 0xf200_0800],
    ['hlt', EXCEPTION.hlt, 0xf000, 0x0200_0000],
    ['fpTrap', EXCEPTION.fpTrap, 0, 0x1fe0_0000],
    ['branchTarget', EXCEPTION.branchTarget, 2, 0x3600_0002],
    ['pacFail', EXCEPTION.pacFail, 1, 0x7200_0001],
    ['spAlignment', EXCEPTION.spAlignment, 0, 0x9a00_0000],
    ['illegalState', EXCEPTION.illegalState, 0, 0x3a00_0000],
    ['pcAlignment', EXCEPTION.pcAlignment, 0, 0x8a00_0000],
    ['hvc at EL0', EXCEPTION.hvc, 0, 0x0200_0000],
    ['smc at EL0', EXCEPTION.smc, 0, 0x0200_0000],
    ['eret at EL0', EXCEPTION.eret, 0, 0x0200_0000],
  ])('%s has its syndrome', (_name, kind, imm, esr) => {
    const m = at(0);
    expect(m.cpu.exception(kind, imm)).toBe(LEAVE);
    expect(m.syndrome).toMatchObject({ esr, elr: 0x1000n });
    expect(m.exit).toBeUndefined();
  });

  it('keeps BTYPE in SPSR for the classes that own it, else clears it', () => {
    const kept = at(2 << 10);
    kept.cpu.exception(EXCEPTION.branchTarget, 2);
    expect(kept.syndrome.spsr).toBe(2 << 10);
    const cleared = at(2 << 10);
    cleared.cpu.exception(EXCEPTION.svc, 0);
    expect(cleared.syndrome.spsr).toBe(0);
    expect(cleared.cpu.state.btype).toBe(0);
  });

  it('reports instruction aborts at PC and PC alignment faults with FAR', () => {
    const m = at(0);
    expect(m.fetch(0x7_0000n)).toBeUndefined();
    expect(m.syndrome).toMatchObject({ esr: 0x8200_0004, far: 0x7_0000n, elr: 0x7_0000n });
    m.cpu.setPstate(5n);
    expect(m.fetch(0x7_0000n)).toBeUndefined();
    expect(m.syndrome.esr).toBe(0x8600_0004);
    expect(m.fetch(0x7_0002n)).toBeUndefined();
    expect(m.syndrome).toMatchObject({ esr: 0x8a00_0000, far: 0x7_0002n, elr: 0x7_0002n });
  });

  it('reports a misaligned PC without the top byte that code addresses ignore (AArch64.BranchAddr)', () => {
    const TBI = 3n << 37n;
    const { machine } = mapped({ tcr: TBI });
    for (const [target, address] of [
      [0x5a00_0000_0007_0002n, 0x7_0002n],
      [0x5aff_ffff_ffff_0001n, 0xffff_ffff_ffff_0001n],
    ] as const) {
      machine.at(target);
      machine.cpu.exception(EXCEPTION.pcAlignment, 0);
      expect(machine.syndrome).toMatchObject({ esr: 0x8a00_0000, far: address, elr: address });
      machine.cpu.setPstate(0n);
    }
  });
});

describe('exception return (Arm ARM D1.4)', () => {
  it('restores what entry saved', () => {
    const pstate = (NZCV | TCO | DIT | UAO | PAN | SSBS | (3 << 10) | (5 << 6)) >>> 0;
    const m = at(pstate, 0x5550n);
    m.cpu.exception(EXCEPTION.branchTarget, 3);
    m.cpu.state.exclusive = 1;
    m.at(VBAR);
    expect(m.cpu.exception(EXCEPTION.eret, 0)).toBe(LEAVE);
    expect(m.cpu.pstate).toBe(BigInt(pstate));
    expect(m.cpu.state.pc).toBe(0x5550n);
    expect(m.cpu.state.exclusive).toBe(0);
  });

  it.each([
    ['AArch32', 0x10],
    ['EL2', 8],
    ['EL3', 12],
    ['a reserved mode', 2],
    ['EL0 with SP_EL1', 1],
  ])('to %s is illegal: EL stays, IL is set, and the next instruction faults', (_name, mode) => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF);
    machine.cpu.writeRegister('SPSR_EL1', BigInt((NZCV | mode) >>> 0));
    machine.cpu.writeRegister('ELR_EL1', 0x1000n);
    machine.cpu.exception(EXCEPTION.eret, 0);
    expect(machine.cpu.pstate & 0xfn).toBe(5n);
    expect(machine.cpu.state.nzcv).toBe(15);
    expect(machine.cpu.state.il).toBe(1);
    expect(machine.fetch(0x1000n)).toBeUndefined();
    expect(machine.syndrome).toMatchObject({ esr: 0x3a00_0000, elr: 0x1000n });
    expect(machine.syndrome.spsr & (1 << 20)).not.toBe(0);
    expect(machine.cpu.state.il).toBe(0);
  });

  it('selects the soft TLBs and the traps of the new EL', () => {
    const { machine } = mapped();
    const { state, mmu } = machine.cpu;
    const [user, pan, kernel] = mmu.tlb.bases;
    expect([state.tlb, state.tlbUnprivileged]).toEqual([kernel, user]);
    machine.msr('PAN', BigInt(PAN));
    expect(state.tlb).toBe(pan);
    machine.msr('UAO', BigInt(UAO));
    expect(state.tlbUnprivileged).toBe(pan);
    machine.msr('CPACR_EL1', 1n << 20n);
    expect(state.fpTrapped).toBe(0);
    machine.cpu.writeRegister('SPSR_EL1', 0n);
    machine.cpu.exception(EXCEPTION.eret, 0);
    expect([state.tlb, state.tlbUnprivileged, state.fpTrapped]).toEqual([user, user, 1]);
  });
});

describe('interrupts (Arm ARM D1.3.6)', () => {
  it('are taken when the line is up and PSTATE lets them through', () => {
    const m = at(EL1H | (3 << 6));
    m.cpu.setInterruptLines(true, true);
    expect(m.cpu.pendingInterrupt()).toBe(false);
    m.cpu.prepare();
    expect(m.cpu.state.pc).toBe(0x1000n);
    // msr daifclr, #2 leaves with PC after it
    expect(m.cpu.system(0xd503_42ff)).toBe(LEAVE);
    expect(m.cpu.state.pc).toBe(0x1004n);
    m.cpu.prepare();
    expect(m.cpu.state.pc).toBe(VBAR + 0x280n);
    expect(m.syndrome).toMatchObject({ elr: 0x1004n, spsr: EL1H | (1 << 6) });
    m.cpu.prepare();
    expect(m.cpu.state.pc).toBe(VBAR + 0x280n);
  });
  it('FIQ goes to its own vector', () => {
    const m = at(0);
    m.cpu.setInterruptLines(false, true);
    m.cpu.prepare();
    expect(m.cpu.state.pc).toBe(VBAR + 0x500n);
    expect(m.mrs('ISR_EL1')).toBe(0x40n);
  });
});

describe('waiting and calls (Arm ARM D1.6)', () => {
  it('WFI exits unless a line is up', () => {
    const m = at(EL1H | (15 << 6));
    expect(m.cpu.exception(EXCEPTION.wfi, 0)).toBe(LEAVE);
    expect(m.exit).toEqual({ kind: 'wfi', event: false });
    expect(m.cpu.state.pc).toBe(0x1004n);
    m.cpu.setInterruptLines(true, false);
    expect(m.cpu.exception(EXCEPTION.wfi, 0)).toBe(DONE);
  });
  it('WFE takes an event', () => {
    const m = at(EL1H);
    m.cpu.sendEvent();
    expect(m.cpu.exception(EXCEPTION.wfe, 0)).toBe(DONE);
    expect(m.cpu.exception(EXCEPTION.wfe, 0)).toBe(LEAVE);
    expect(m.exit).toEqual({ kind: 'wfi', event: true });
  });
  it('WFI and WFE at EL0 trap by SCTLR.nTWI and nTWE', () => {
    const m = at(0);
    m.cpu.writeRegister('SCTLR_EL1', m.cpu.readRegister('SCTLR_EL1') & ~((1n << 16n) | (1n << 18n)));
    m.cpu.exception(EXCEPTION.wfi, 0);
    expect(m.syndrome).toMatchObject({ esr: 0x07e0_0000, elr: 0x1000n });
    m.cpu.setPstate(0n);
    m.cpu.exception(EXCEPTION.wfe, 0);
    expect(m.syndrome.esr).toBe(0x07e0_0001);
  });
  it('HVC and SMC at EL1 are exits after the instruction', () => {
    const m = at(EL1H);
    m.cpu.exception(EXCEPTION.hvc, 3);
    expect(m.exit).toEqual({ kind: 'hvc', imm: 3 });
    expect(m.cpu.state.pc).toBe(0x1004n);
    m.at(0x2000n);
    m.cpu.exception(EXCEPTION.smc, 0);
    expect(m.exit).toEqual({ kind: 'smc', imm: 0 });
    expect(m.cpu.prepare()).toBe(Infinity);
  });
});

describe('injected aborts (KVM, FACTS B)', () => {
  it('have the syndromes of an external abort at EL1 and EL0', () => {
    const m = at(EL1H);
    m.cpu.injectDataAbort(0x10, 0xabcn);
    expect(m.syndrome).toMatchObject({ esr: 0x9600_0010, far: 0xabcn, elr: 0x1000n });
    const user = at(0);
    user.cpu.injectInstructionAbort(0x10, 0xabcn);
    expect(user.syndrome.esr).toBe(0x8200_0010);
  });
  it('are what the guest gets for code in MMIO', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, 0x0900_0000, AF | USER);
    machine.el(0);
    expect(machine.fetch(0x1000n)).toBeUndefined();
    expect(machine.syndrome).toMatchObject({ esr: 0x8200_0010, far: 0x1000n });
  });
});
