import { describe, expect, it } from 'vitest';
import { AF, ATTR, DBM, type Granule, MMIO, mapped, PXN, RAM, READ_ONLY, USER, UXN } from './machine.ts';

const VA = 0x1234_5678_9000n;
const DATA_ABORT = 0x9600_0000;
const WNR = 0x40;

describe('stage-1 walk (Arm ARM D8.2)', () => {
  for (const granule of [12, 14, 16] as Granule[]) {
    for (const bits of [48, 39, 36]) {
      const name = `${2 ** (granule - 10)} KiB granule, ${bits}-bit addresses`;
      const va = VA & ((1n << BigInt(bits)) - 1n) & ~0xffffn;
      const high = ~((1n << BigInt(bits)) - 1n) & 0xffff_ffff_ffff_ffffn;
      it(`finds a page in both halves: ${name}`, () => {
        const { machine, tables } = mapped({ granule, bits });
        tables.map(va, RAM + 0x10000, AF);
        machine.write64(RAM + 0x10000 + 0x128, 0x1122_3344_5566_7788n);
        expect(machine.load(va + 0x128n, 3)).toBe(0x1122_3344_5566_7788n);
        expect(machine.load((va | high) + 0x128n, 3)).toBe(0x1122_3344_5566_7788n);
        expect(machine.store(va + 0x130n, 1, 0xabcdn)).toBe(true);
        expect(machine.read64(RAM + 0x10130)).toBe(0xabcdn);
      });
      it(`faults with the level where the walk stops: ${name}`, () => {
        const { machine, tables } = mapped({ granule, bits });
        const at = tables.descriptor(va, 3);
        expect(machine.load(va, 3)).toBeUndefined();
        expect(machine.syndrome).toMatchObject({ esr: DATA_ABORT + 0x07, far: va, elr: 0x1000n });
        machine.write64(at, BigInt(RAM) | AF | 1n);
        expect(machine.load(va, 3)).toBeUndefined();
        expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x07);
        machine.write64(tables.descriptor(va, 2), 0n);
        machine.at(0x1000n);
        expect(machine.store(va, 3, 1n)).toBe(false);
        expect(machine.syndrome.esr).toBe(DATA_ABORT + WNR + 0x06);
      });
      it(`treats addresses outside the range as level 0 translation faults: ${name}`, () => {
        const { machine } = mapped({ granule, bits });
        for (const bad of [
          1n << BigInt(bits),
          1n << 54n,
          high & ~(1n << 56n),
          high & ~(1n << BigInt(bits)),
        ]) {
          expect(machine.load(bad, 3)).toBeUndefined();
          expect(machine.syndrome).toMatchObject({ esr: DATA_ABORT + 0x04, far: bad });
        }
      });
    }
    it(`maps blocks at level 2 with granule ${granule}`, () => {
      const { machine, tables } = mapped({ granule });
      const bytes = 2 ** (granule + granule - 3);
      if (bytes > 16 << 20) {
        // 32 and 512 MiB blocks are larger than RAM: their output address is aligned down to 1 GiB.
        tables.map(0n, RAM, AF, 2);
        machine.write64(RAM + 0x5000, 42n);
        expect(machine.load(0x5000n, 3)).toBe(42n);
        return;
      }
      tables.map(0x20_0000n, RAM + 0x20_0000, AF, 2);
      machine.write64(RAM + 0x20_0000 + 0x1_2340, 42n);
      expect(machine.load(0x21_2340n, 3)).toBe(42n);
    });
  }

  it('maps 1 GiB blocks at level 1 with 4 KiB granules only', () => {
    const four = mapped();
    four.tables.map(0x8000_0000n, RAM, AF, 1);
    four.machine.write64(RAM + 0x12_3450, 7n);
    expect(four.machine.load(0x8012_3450n, 3)).toBe(7n);
    const sixteen = mapped({ granule: 14 });
    sixteen.tables.map(0n, RAM, AF, 1);
    expect(sixteen.machine.load(0n, 3)).toBeUndefined();
    expect(sixteen.machine.syndrome.esr).toBe(DATA_ABORT + 0x05);
  });

  it('raises address size faults beyond TCR.IPS', () => {
    const { machine, tables } = mapped();
    machine.cpu.writeRegister('TCR_EL1', machine.cpu.readRegister('TCR_EL1') & ~(7n << 32n));
    tables.map(0x1000n, RAM, AF | (1n << 33n));
    expect(machine.load(0x1000n, 3)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x03);
    machine.cpu.writeRegister('TTBR0_EL1', 1n << 40n);
    expect(machine.load(0x1000n, 3)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x00);
  });

  it('honours EPD0, EPD1 and E0PD', () => {
    const { machine, tables } = mapped({ tcr: (1n << 7n) | (1n << 56n) });
    tables.map(0x1000n, RAM, AF | USER);
    expect(machine.load(0x1000n, 3)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x04);
    expect(machine.load(0xffff_0000_0000_1000n, 3)).toBe(0n);
    machine.el(0);
    expect(machine.load(0xffff_0000_0000_1000n, 3)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(0x9200_0004);
  });

  it('ignores the top byte of data and code by TBI and TBID', () => {
    const { machine, tables } = mapped({ tcr: 1n << 37n });
    tables.map(0x1000n, RAM, AF);
    machine.write64(RAM, 5n);
    expect(machine.load(0xa500_0000_0000_1000n, 3)).toBe(5n);
    expect(machine.fetch(0xa500_0000_0000_1000n)).toBe(RAM);
    expect(machine.cpu.state.pc).toBe(0x1000n);
    machine.cpu.writeRegister('TCR_EL1', machine.cpu.readRegister('TCR_EL1') | (1n << 51n));
    expect(machine.load(0xa500_0000_0000_1000n, 3)).toBe(5n);
    expect(machine.fetch(0xa500_0000_0000_1000n)).toBeUndefined();
    expect(machine.syndrome).toMatchObject({ esr: 0x8600_0004, far: 0xa500_0000_0000_1000n });
  });

  it('reports an external abort where a table is no memory', () => {
    const { machine, tables } = mapped();
    machine.write64(tables.descriptor(0x1000n, 2), BigInt(MMIO) | 3n);
    expect(machine.load(0x1000n, 3)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x17);
  });

  it('reports a table beyond the address space as a size fault with FAR = IPA', () => {
    const { machine } = mapped();
    machine.cpu.writeRegister('TTBR0_EL1', 1n << 41n);
    expect(machine.store(0x1000n, 3, 0n)).toBe(false);
    expect(machine.syndrome).toMatchObject({ esr: 0x9600_0000, far: 1n << 41n });
  });

  it('leaves, to run again, where the hypervisor has an exit, and counts the instruction once', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF);
    machine.stage2.exiting.add(RAM);
    machine.at(0x4000n);
    const before = machine.cpu.instructions;
    expect(machine.load(0x1000n, 3)).toBeUndefined();
    expect(machine.exit).toEqual({ kind: 'stage2' });
    expect(machine.cpu.state.pc).toBe(0x4000n);
    expect(machine.cpu.instructions).toBe(before);
  });
});

describe('hierarchical attributes (Arm ARM D8.4.1)', () => {
  const attributes = (table: bigint, tcr = 0n) => {
    const { machine, tables } = mapped({ tcr });
    tables.map(0x1000n, RAM, AF | USER, 3, table);
    return machine;
  };
  it('APTable takes away EL0 access and writes', () => {
    const noUser = attributes(1n << 61n);
    noUser.el(0);
    expect(noUser.load(0x1000n, 3)).toBeUndefined();
    const noWrite = attributes(1n << 62n);
    expect(noWrite.load(0x1000n, 3)).toBe(0n);
    expect(noWrite.store(0x1000n, 3, 1n)).toBe(false);
    expect(noWrite.syndrome.esr).toBe(DATA_ABORT + WNR + 0x0f);
  });
  it('UXNTable and PXNTable take away execution', () => {
    const machine = attributes(1n << 60n);
    machine.el(0);
    expect(machine.fetch(0x1000n)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(0x8200_000f);
  });
  it('HPD ignores them', () => {
    const machine = attributes((1n << 61n) | (1n << 62n), 1n << 41n);
    machine.el(0);
    expect(machine.store(0x1000n, 3, 1n)).toBe(true);
  });
});

describe('access flag and dirty state (Arm ARM D8.4.6)', () => {
  it('faults on a clear access flag without TCR.HA', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, 0n);
    expect(machine.load(0x1000n, 3)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x0b);
  });
  it('sets the access flag with TCR.HA, but not where the access is not permitted', () => {
    const { machine, tables } = mapped({ tcr: 1n << 39n });
    const at = tables.map(0x1000n, RAM, READ_ONLY);
    expect(machine.store(0x1000n, 3, 1n)).toBe(false);
    expect(machine.read64(at) & AF).toBe(0n);
    expect(machine.load(0x1000n, 3)).toBe(0n);
    expect(machine.read64(at) & AF).toBe(AF);
  });
  it('makes a clean page dirty at its first write with TCR.HD and DBM', () => {
    const { machine, tables } = mapped({ tcr: (1n << 39n) | (1n << 40n) });
    const at = tables.map(0x1000n, RAM, READ_ONLY | DBM);
    expect(machine.load(0x1000n, 3)).toBe(0n);
    expect(machine.read64(at) & READ_ONLY).toBe(READ_ONLY);
    expect(machine.store(0x1000n, 3, 9n)).toBe(true);
    expect(machine.read64(at) & (READ_ONLY | AF)).toBe(AF);
    expect(machine.load(0x1000n, 3)).toBe(9n);
  });
  it('does not without TCR.HD', () => {
    const { machine, tables } = mapped({ tcr: 1n << 39n });
    tables.map(0x1000n, RAM, READ_ONLY | DBM);
    expect(machine.store(0x1000n, 3, 9n)).toBe(false);
    expect(machine.syndrome.esr).toBe(DATA_ABORT + WNR + 0x0f);
  });
});

describe('permissions (Arm ARM D8.4)', () => {
  const may = (attributes: bigint, el: 0 | 1, sctlr = 0n, pstate = 0) => {
    const { machine, tables } = mapped({ sctlr });
    tables.map(0x1000n, RAM, AF | attributes);
    machine.el(el, pstate);
    const readable = machine.load(0x1000n, 3) !== undefined;
    machine.el(el, pstate);
    const writable = machine.store(0x1000n, 3, 0n);
    machine.el(el, pstate);
    const executable = machine.fetch(0x1000n) !== undefined;
    return `${readable ? 'r' : '-'}${writable ? 'w' : '-'}${executable ? 'x' : '-'}`;
  };
  const PAN = 1 << 22;
  const UAO = 1 << 23;
  const WXN = 1n << 19n;
  const EPAN = 1n << 57n;
  it.each([
    // attributes, EL1, EL0, EL1 with PAN
    ['AP 00', 0n, 'rwx', '--x', 'rwx'],
    ['AP 01', USER, 'rw-', 'rwx', '---'],
    ['AP 10', READ_ONLY, 'r-x', '--x', 'r-x'],
    ['AP 11', READ_ONLY | USER, 'r-x', 'r-x', '--x'],
    ['AP 00, PXN', PXN, 'rw-', '--x', 'rw-'],
    ['AP 01, UXN', USER | UXN, 'rw-', 'rw-', '---'],
    ['AP 11, UXN', READ_ONLY | USER | UXN, 'r-x', 'r--', '--x'],
    ['AP 00, UXN', UXN, 'rwx', '---', 'rwx'],
  ])('%s', (_name, attributes, el1, el0, pan) => {
    expect(may(attributes as bigint, 1)).toBe(el1);
    expect(may(attributes as bigint, 0)).toBe(el0);
    expect(may(attributes as bigint, 1, 0n, PAN)).toBe(pan);
  });
  it('WXN takes execution from what is writable', () => {
    expect(may(0n, 1, WXN)).toBe('rw-');
    expect(may(USER, 0, WXN)).toBe('rw-');
    expect(may(READ_ONLY | USER, 0, WXN)).toBe('r-x');
  });
  it('EPAN makes PAN cover execute-only pages', () => {
    expect(may(READ_ONLY, 1, 0n, PAN)).toBe('r-x');
    expect(may(READ_ONLY, 1, EPAN, PAN)).toBe('--x');
    expect(may(READ_ONLY | UXN, 1, EPAN, PAN)).toBe('r-x');
  });
  it('unprivileged accesses are checked as EL0 unless UAO', () => {
    const { machine, tables } = mapped();
    const UNPRIVILEGED = 8;
    tables.map(0x1000n, RAM, AF);
    tables.map(0x2000n, RAM, AF | USER);
    expect(machine.load(0x1000n, 3, UNPRIVILEGED)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x0f);
    machine.el(1, PAN);
    expect(machine.load(0x2000n, 3, UNPRIVILEGED)).toBe(0n);
    machine.el(1, UAO);
    expect(machine.load(0x1000n, 3, UNPRIVILEGED)).toBe(0n);
    machine.el(1, UAO | PAN);
    expect(machine.load(0x2000n, 3, UNPRIVILEGED)).toBeUndefined();
  });
});

describe('MMU off (Arm ARM D8.2.10)', () => {
  it('maps flat, as Device memory for data', () => {
    const { machine } = mapped();
    machine.cpu.writeRegister('SCTLR_EL1', 0n);
    machine.write64(RAM + 8, 0x77n);
    expect(machine.load(BigInt(RAM + 8), 3)).toBe(0x77n);
    expect(machine.fetch(BigInt(RAM))).toBe(RAM);
    expect(machine.load(BigInt(RAM + 9), 2)).toBeUndefined();
    expect(machine.syndrome).toMatchObject({ esr: DATA_ABORT + 0x21, far: BigInt(RAM + 9) });
    expect(machine.load(1n << 48n, 3)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT);
  });
});

describe('alignment and pages (Arm ARM B2.5)', () => {
  it('splits an access over two pages, all or nothing', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF);
    tables.map(0x2000n, RAM + 0x8000, AF);
    expect(machine.store(0x1ffdn, 3, 0x8877_6655_4433_2211n)).toBe(true);
    expect(machine.load(0x1ffdn, 3)).toBe(0x8877_6655_4433_2211n);
    expect(machine.data(RAM)[0xffd]).toBe(0x11);
    expect(machine.data(RAM + 0x8000)[4]).toBe(0x88);
    tables.map(0x3000n, RAM + 0x9000, AF);
    expect(machine.store(0x3ffdn, 3, 1n)).toBe(false);
    expect(machine.syndrome).toMatchObject({ esr: DATA_ABORT + WNR + 0x07, far: 0x4000n });
    expect(machine.data(RAM + 0x9000)[0xffd]).toBe(0);
  });
  it('checks alignment by SCTLR.A, of exclusives, and of Device memory', () => {
    const { machine, tables } = mapped();
    const ALIGNED = 16;
    tables.map(0x1000n, RAM, AF);
    tables.map(0x2000n, RAM, AF | ATTR(1));
    expect(machine.load(0x1001n, 3)).toBe(0n);
    // FEAT_LSE2: within 16 aligned bytes is enough.
    expect(machine.load(0x1001n, 3, ALIGNED)).toBe(0n);
    expect(machine.load(0x1009n, 3, ALIGNED)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x21);
    expect(machine.load(0x2001n, 1)).toBeUndefined();
    expect(machine.syndrome.esr).toBe(DATA_ABORT + 0x21);
    expect(machine.load(0x2002n, 1)).toBe(0n);
    machine.cpu.writeRegister('SCTLR_EL1', machine.cpu.readRegister('SCTLR_EL1') | 2n);
    expect(machine.load(0x1001n, 3)).toBeUndefined();
  });
});
