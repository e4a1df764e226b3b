import { describe, expect, it } from 'vitest';
import { DONE, LEAVE, plainRegisters, registerTable } from '../../../src/hardware/cpu/index.ts';
import { registerKey } from '../../../src/hardware/cpu/sysregs/index.ts';
import { mapped, TestMachine } from './machine.ts';

const UNDEFINED = 0x0200_0000;
const field = (value: bigint | undefined, at: number) => Number(((value as bigint) >> BigInt(at)) & 15n);
const mrsInsn = (key: number, rt = 0) => 0xd520_0000 | (key << 5) | rt;

describe('the system register table', () => {
  it('has each encoding and each name once', () => {
    expect(new Set(registerTable.map((r) => r.key)).size).toBe(registerTable.length);
    expect(new Set(registerTable.map((r) => r.name)).size).toBe(registerTable.length);
  });
  it('has code or a slot for every access that it allows', () => {
    for (const r of registerTable) {
      const access = r.el1 + r.el0;
      if (access.includes('r')) expect(r.stored || r.read, r.name).toBeTruthy();
      if (access.includes('w')) expect(r.stored || r.write, r.name).toBeTruthy();
      if (r.saved) expect(r.read && (r.write || r.restore), r.name).toBeTruthy();
    }
  });
  it('round-trips every stored register at EL1, within its mask', () => {
    const machine = new TestMachine();
    const special = ['SCTLR_EL1', 'TCR_EL1', 'MDSCR_EL1', 'DBGCLAIMCLR_EL1'];
    for (const r of registerTable) {
      if (!r.stored || r.el1 !== 'rw' || r.write || special.includes(r.name)) continue;
      machine.at(0x1000n);
      machine.msr(r.name, 0xa5a5_5a5a_a5a5_5a5an);
      const want = (0xa5a5_5a5a_a5a5_5a5an & r.mask) | (r.reset & ~r.mask);
      expect(machine.mrs(r.name), r.name).toBe(want);
    }
  });
});

describe('plain registers', () => {
  const names = (what: (r: (typeof plainRegisters)[number]) => boolean) =>
    plainRegisters.filter(what).map((r) => r.name);
  it('are those without side effects', () => {
    expect(names((r) => r.write)).toEqual(
      expect.arrayContaining([
        'TPIDR_EL1',
        'TPIDR_EL0',
        'ELR_EL1',
        'SPSR_EL1',
        'ESR_EL1',
        'FAR_EL1',
        'PAR_EL1',
        'SP_EL0',
      ]),
    );
    expect(names((r) => r.write)).not.toEqual(expect.arrayContaining(['TTBR0_EL1']));
    for (const name of [
      'SCTLR_EL1',
      'TCR_EL1',
      'TTBR1_EL1',
      'MAIR_EL1',
      'VBAR_EL1',
      'CPACR_EL1',
      'MDSCR_EL1',
    ]) {
      expect(
        names((r) => r.write),
        name,
      ).not.toContain(name);
    }
  });
  it('at EL0 are those without a control', () => {
    expect(names((r) => r.el0Read)).toEqual(['TPIDR_EL0', 'TPIDRRO_EL0', 'PMUSERENR_EL0']);
    expect(names((r) => r.el0Write)).toEqual(['TPIDR_EL0']);
  });
  it('SP_EL0 needs SPSel', () => {
    expect(names((r) => r.needsSpsel)).toEqual(['SP_EL0']);
  });
});

describe('identification (Arm ARM D23.2)', () => {
  it('advertises what the CPU has', () => {
    const m = new TestMachine();
    const pfr0 = m.mrs('ID_AA64PFR0_EL1');
    expect([0, 4, 8, 12, 16, 20, 24, 32].map((at) => field(pfr0, at))).toEqual([1, 1, 0, 0, 1, 1, 1, 0]);
    const pfr1 = m.mrs('ID_AA64PFR1_EL1');
    expect([0, 4, 8, 24].map((at) => field(pfr1, at))).toEqual([1, 2, 3, 0]);
    const mmfr0 = m.mrs('ID_AA64MMFR0_EL1');
    expect([0, 4, 20, 24, 28].map((at) => field(mmfr0, at))).toEqual([5, 2, 1, 0, 0]);
    expect(m.mrs('MIDR_EL1')).toBe(0xf0510n);
    expect(m.mrs('MPIDR_EL1')).toBe(0x8000_0000n);
    expect(m.mrs('GMID_EL1')).toBe(6n);
    expect(m.mrs('CTR_EL0')).toBe(0x4_8444_c004n);
    expect(m.mrs('DCZID_EL0')).toBe(4n);
  });
  it('hides features that are off (KVM: MTE and others)', () => {
    const m = new TestMachine({
      features: { mte: false, pauth: false, bti: false, rng: false, gicv3: false, pmu: false },
    });
    expect(field(m.mrs('ID_AA64PFR0_EL1'), 24)).toBe(0);
    expect(m.mrs('ID_AA64PFR1_EL1')).toBe(0x20n);
    expect(field(m.mrs('ID_AA64ISAR0_EL1'), 60)).toBe(0);
    expect(field(m.mrs('ID_AA64ISAR1_EL1'), 8)).toBe(0);
    expect(field(m.mrs('ID_AA64ISAR1_EL1'), 28)).toBe(0);
    expect(field(m.mrs('ID_AA64DFR0_EL1'), 8)).toBe(0);
    expect(field(m.mrs('CLIDR_EL1'), 35)).toBe(0);
    for (const name of [
      'GCR_EL1',
      'RGSR_EL1',
      'TFSR_EL1',
      'TFSRE0_EL1',
      'GMID_EL1',
      'TCO',
      'RNDR',
      'APIAKeyLo_EL1',
      'PMCR_EL0',
    ]) {
      expect(m.mrs(name), name).toBeUndefined();
      expect(m.syndrome.esr, name).toBe(UNDEFINED);
    }
    expect(m.sys(3, 7, 4, 3)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(UNDEFINED);
  });
  it('reads unallocated encodings of the ID space as zero, and nothing else', () => {
    const m = new TestMachine();
    m.cpu.state.setX(0, 1n);
    for (const [crm, op2] of [
      [1, 0],
      [3, 7],
      [4, 4],
      [4, 5],
      [7, 7],
    ] as const) {
      expect(m.cpu.system(mrsInsn(registerKey(3, 0, 0, crm, op2)))).toBe(DONE);
      expect(m.cpu.state.x(0)).toBe(0n);
    }
    expect(m.cpu.system(mrsInsn(registerKey(3, 0, 0, 8, 0)))).toBe(LEAVE);
    expect(m.cpu.system(mrsInsn(registerKey(3, 0, 15, 0, 0)))).toBe(LEAVE);
    expect(m.cpu.system(mrsInsn(registerKey(3, 4, 1, 0, 0)))).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(UNDEFINED);
  });
  it('is UNDEFINED at EL0, for the kernel to emulate', () => {
    const m = new TestMachine();
    m.el(0);
    expect(m.mrs('ID_AA64ISAR0_EL1')).toBeUndefined();
    expect(m.syndrome.esr).toBe(UNDEFINED);
    m.el(0);
    expect(m.cpu.system(mrsInsn(registerKey(3, 0, 0, 4, 7)))).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(UNDEFINED);
  });
  it('refuses writes', () => {
    const m = new TestMachine();
    expect(m.msr('MIDR_EL1', 0n)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(UNDEFINED);
  });
  it('selects the cache that CCSIDR_EL1 describes', () => {
    const m = new TestMachine();
    const [l1, l2, none] = [0n, 2n, 4n].map((select) => {
      m.msr('CSSELR_EL1', select);
      return m.mrs('CCSIDR_EL1') as bigint;
    }) as [bigint, bigint, bigint];
    const bytes = (ccsidr: bigint) =>
      (Number((ccsidr >> 13n) & 0x7fffn) + 1) *
      (Number((ccsidr >> 3n) & 0x3ffn) + 1) *
      2 ** (Number(ccsidr & 7n) + 4);
    expect([bytes(l1), bytes(l2), none]).toEqual([32 << 10, 1 << 20, 0n]);
  });
});

describe('EL0 controls', () => {
  /** ESR of an MRS x0 (or MSR) trapped with EC 0x18. */
  const trapped = (op0: number, op1: number, crn: number, crm: number, op2: number, read: boolean) =>
    (0x6200_0000 | (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | (crm << 1) | (read ? 1 : 0)) >>> 0;
  const clear = (m: TestMachine, ...bits: number[]) => {
    for (const bit of bits) {
      m.cpu.writeRegister('SCTLR_EL1', m.cpu.readRegister('SCTLR_EL1') & ~(1n << BigInt(bit)));
    }
  };

  it('SCTLR.UCT, UMA, DZE and UCI trap with EC 0x18', () => {
    const m = new TestMachine();
    clear(m, 15, 9, 14, 26);
    m.el(0);
    expect(m.mrs('CTR_EL0')).toBeUndefined();
    expect(m.syndrome.esr).toBe(trapped(3, 3, 0, 0, 1, true));
    m.el(0);
    expect(m.mrs('DCZID_EL0')).toBe(0x14n);
    expect(m.mrs('DAIF')).toBeUndefined();
    expect(m.syndrome.esr).toBe(trapped(3, 3, 4, 2, 1, true));
    m.el(0);
    expect(m.cpu.system(0xd503_42df)).toBe(LEAVE); // msr daifset, #2
    expect(m.syndrome.esr).toBe(trapped(0, 3, 4, 2, 6, false) | (31 << 5));
    m.el(0);
    expect(m.sys(3, 7, 4, 1)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(trapped(1, 3, 7, 4, 1, false));
    m.el(0);
    expect(m.sys(3, 7, 5, 1)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(trapped(1, 3, 7, 5, 1, false));
    m.el(0);
    expect(m.sys(0, 8, 7, 0)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(UNDEFINED);
  });

  it('CNTKCTL opens the counters and timers one by one', () => {
    const cases = [
      ['CNTPCT_EL0', 0],
      ['CNTVCT_EL0', 1],
      ['CNTV_CTL_EL0', 8],
      ['CNTP_CVAL_EL0', 9],
    ] as const;
    for (const [name, bit] of cases) {
      const m = new TestMachine();
      m.el(0);
      expect(m.mrs(name), name).toBeUndefined();
      expect(m.syndrome.esr >>> 26, name).toBe(0x18);
      m.cpu.writeRegister('CNTKCTL_EL1', 1n << BigInt(bit));
      m.el(0);
      expect(m.mrs(name), name).toBe(0n);
    }
    const m = new TestMachine();
    m.cpu.writeRegister('CNTKCTL_EL1', 2n);
    m.el(0);
    expect(m.mrs('CNTFRQ_EL0')).toBe(62_500_000n);
    expect(m.msr('CNTFRQ_EL0', 1n)).toBe(LEAVE);
  });

  it('PMUSERENR opens the performance monitors', () => {
    const m = new TestMachine();
    m.el(0);
    expect(m.mrs('PMCCNTR_EL0')).toBeUndefined();
    expect(m.syndrome.esr).toBe(trapped(3, 3, 9, 13, 0, true));
    m.cpu.writeRegister('PMUSERENR_EL0', 4n);
    m.el(0);
    expect(m.mrs('PMCCNTR_EL0')).toBeDefined();
    expect(m.msr('PMCCNTR_EL0', 0n)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(trapped(3, 3, 9, 13, 0, false));
    m.el(0);
    expect(m.mrs('PMUSERENR_EL0')).toBe(4n);
    expect(m.msr('PMUSERENR_EL0', 1n)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(UNDEFINED);
  });

  it('FPCR and FPSR trap with the FP class', () => {
    const m = new TestMachine();
    expect(m.mrs('FPCR')).toBeUndefined();
    expect(m.syndrome.esr).toBe(0x1fe0_0000);
    m.msr('CPACR_EL1', 3n << 20n);
    expect(m.msr('FPCR', 0xffff_ffffn)).toBe(DONE);
    expect(m.mrs('FPCR')).toBe(0x07c8_0000n);
  });
});

describe('random numbers (Arm ARM K14.1)', () => {
  it('follow the seed, or come from the source, which may have none', () => {
    const [a, b] = [new TestMachine({ cpu: { seed: 5n } }), new TestMachine({ cpu: { seed: 5n } })];
    expect(a.mrs('RNDR')).toBe(b.mrs('RNDR'));
    expect(a.mrs('RNDR')).not.toBe(a.mrs('RNDR'));
    const given = [7n, undefined];
    const m = new TestMachine({ cpu: { entropy: () => given.shift() } });
    expect([m.mrs('RNDRRS'), m.cpu.state.nzcv]).toEqual([7n, 0]);
    expect([m.mrs('RNDR'), m.cpu.state.nzcv]).toEqual([0n, 4]);
  });
});

describe('PSTATE fields as registers', () => {
  it('read and write', () => {
    const m = new TestMachine();
    m.msr('NZCV', 0xa000_0000n);
    expect(m.mrs('NZCV')).toBe(0xa000_0000n);
    m.msr('DAIF', 0x140n);
    expect(m.mrs('DAIF')).toBe(0x140n);
    for (const [name, at] of [
      ['PAN', 22],
      ['UAO', 23],
      ['DIT', 24],
      ['TCO', 25],
      ['SSBS', 12],
    ] as const) {
      m.msr(name, 0xffff_ffffn);
      expect(m.mrs(name), name).toBe(1n << BigInt(at));
    }
    expect(m.mrs('CurrentEL')).toBe(4n);
  });
  it('MSR (immediate) sets them', () => {
    const m = new TestMachine();
    const immediate = (op1: number, op2: number, value: number) =>
      m.cpu.system(0xd500_401f | (op1 << 16) | (value << 8) | (op2 << 5));
    const { state } = m.cpu;
    immediate(0, 3, 1);
    immediate(0, 4, 1);
    immediate(3, 1, 1);
    immediate(3, 2, 1);
    immediate(3, 4, 1);
    expect([state.uao, state.pan, state.ssbs, state.dit, state.tco]).toEqual([1, 1, 1, 1, 1]);
    m.msr('DAIF', 0n);
    immediate(3, 6, 5);
    expect(state.daif).toBe(5);
    immediate(3, 7, 4);
    expect(state.daif).toBe(1);
    m.el(0);
    expect(immediate(0, 4, 0)).toBe(LEAVE);
    expect(m.syndrome.esr).toBe(UNDEFINED);
  });
});

describe('registers of the interrupt controller', () => {
  it('are asked outside, at EL1 and with GICv3 only', () => {
    const written: [number, bigint][] = [];
    const external = {
      read: (key: number) => (key === registerKey(3, 0, 12, 12, 0) ? 42n : undefined),
      write: (key: number, value: bigint) => {
        written.push([key, value]);
        return key !== registerKey(3, 0, 12, 12, 7);
      },
    };
    const m = new TestMachine({ cpu: { external } });
    m.at(0x1000n);
    expect(m.cpu.system(mrsInsn(registerKey(3, 0, 12, 12, 0), 5))).toBe(DONE);
    expect(m.cpu.state.x(5)).toBe(42n);
    expect(m.cpu.system(mrsInsn(registerKey(3, 0, 12, 11, 1)))).toBe(LEAVE);
    m.cpu.state.setX(1, 0xf0n);
    expect(m.cpu.system(0xd500_0000 | (registerKey(3, 0, 4, 6, 0) << 5) | 1)).toBe(DONE);
    expect(written).toEqual([[registerKey(3, 0, 4, 6, 0), 0xf0n]]);
    m.el(0);
    expect(m.cpu.system(mrsInsn(registerKey(3, 0, 12, 12, 0)))).toBe(LEAVE);
    const old = new TestMachine({ features: { gicv3: false }, cpu: { external } });
    expect(old.cpu.system(mrsInsn(registerKey(3, 0, 12, 12, 0)))).toBe(LEAVE);
  });
});

describe('cache maintenance (Arm ARM C5.3)', () => {
  it('checks permissions with CM and WnR, skips what is no memory, and reports code', () => {
    const { machine, tables } = mapped();
    const AF = 1n << 10n;
    tables.map(0x1000n, 0x4000_0000, AF);
    tables.map(0x2000n, 0x0900_0000, AF);
    expect(machine.sys(3, 7, 10, 1, 0x1234n)).toBe(DONE);
    expect(machine.sys(3, 7, 14, 1, 0x2000n)).toBe(DONE);
    expect(machine.sys(3, 7, 11, 1, 0x3000n)).toBe(LEAVE);
    expect(machine.syndrome).toMatchObject({ esr: 0x9600_0147, far: 0x3000n });
    machine.sys(3, 7, 5, 1, 0x1040n);
    machine.sys(0, 7, 5, 0);
    expect(machine.codeChanges).toEqual([machine.memory.framesBase, 'all']);
  });
  it('DC ZVA zeroes its block', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, 0x4000_0000, 1n << 10n);
    machine.data(0x4000_0000).fill(0xff);
    expect(machine.sys(3, 7, 4, 1, 0x1077n)).toBe(DONE);
    const data = machine.data(0x4000_0000);
    expect([data[0x3f], data[0x40], data[0x7f], data[0x80]]).toEqual([0xff, 0, 0, 0xff]);
  });
});

describe('address translation (Arm ARM C5.4)', () => {
  it('puts the address or the fault in PAR_EL1', () => {
    const { machine, tables } = mapped();
    const [AF, USER, READ_ONLY] = [1n << 10n, 1n << 6n, 1n << 7n];
    tables.map(0x1000n, 0x4000_2000, AF | READ_ONLY | (3n << 8n));
    tables.map(0x2000n, 0x4000_3000, AF | USER);
    const at = (op2: number, va: bigint, crm = 8) => {
      expect(machine.sys(0, 7, crm, op2, va)).toBe(DONE);
      return machine.cpu.readRegister('PAR_EL1');
    };
    expect(at(0, 0x1234n)).toBe(0xff00_0000_4000_2b80n);
    expect(at(1, 0x1234n)).toBe(0x81fn);
    expect(at(2, 0x1234n)).toBe(0x81fn);
    expect(at(0, 0x5000n)).toBe(0x80fn);
    expect(at(0, 0x2000n) & 1n).toBe(0n);
    machine.msr('PAN', 1n << 22n);
    expect(at(0, 0x2000n, 9)).toBe(0x81fn);
    expect(at(3, 0x2000n) & 0xffff_f001n).toBe(0x4000_3000n);
  });
});
