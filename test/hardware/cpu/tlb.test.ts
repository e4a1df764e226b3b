import { describe, expect, it } from 'vitest';
import { DONE, INVALID_TAG, LEAVE, TLB, TLB_INFO_GUARDED } from '../../../src/hardware/cpu/index.ts';
import {
  AF,
  ATTR,
  DBM,
  GUARDED,
  mapped,
  NOT_GLOBAL,
  RAM,
  READ_ONLY,
  type TestMachine,
  USER,
} from './machine.ts';
import { softHit } from './soft-hit.ts';

const [EL0, PAN, EL1] = [0, 1, 2];
const hostOf = (m: TestMachine, ipa: number) => m.memory.framesBase + (ipa - RAM);

describe('soft TLB entries', () => {
  it('serve exactly what the page allows', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM + 0x3000, AF | READ_ONLY);
    machine.load(0x1010n, 3);
    expect(softHit(machine, EL1, 0x1ff8n, 8, TLB.readTag)).toBe(hostOf(machine, RAM + 0x3ff8));
    expect(softHit(machine, EL1, 0x1ff9n, 8, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL1, 0x1000n, 1, TLB.writeTag)).toBeUndefined();
    expect(softHit(machine, EL1, 0x1000n, 4, TLB.execTag)).toBe(hostOf(machine, RAM + 0x3000));
    expect(softHit(machine, PAN, 0x1000n, 1, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL0, 0x1000n, 1, TLB.readTag)).toBeUndefined();
  });
  it('never write to clean pages or where stage 2 says no', () => {
    const { machine, tables } = mapped({ tcr: (1n << 39n) | (1n << 40n) });
    tables.map(0x1000n, RAM, AF | READ_ONLY | DBM);
    machine.load(0x1000n, 3);
    expect(softHit(machine, EL1, 0x1000n, 1, TLB.writeTag)).toBeUndefined();
    machine.store(0x1000n, 3, 0n);
    expect(softHit(machine, EL1, 0x1000n, 1, TLB.writeTag)).toBeDefined();
    tables.map(0x2000n, RAM + 0x1000, AF);
    machine.stage2.readOnly.add(RAM + 0x1000);
    machine.load(0x2000n, 3);
    expect(softHit(machine, EL1, 0x2000n, 1, TLB.readTag)).toBeDefined();
    expect(softHit(machine, EL1, 0x2000n, 1, TLB.writeTag)).toBeUndefined();
  });
  it('are not made for Device memory', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF | ATTR(1));
    machine.load(0x1000n, 3);
    expect(softHit(machine, EL1, 0x1000n, 1, TLB.readTag)).toBeUndefined();
  });
  it('ignore the top byte where TBI says so', () => {
    const { machine, tables } = mapped({ tcr: 1n << 37n });
    tables.map(0x1000n, RAM, AF);
    machine.load(0x0b00_0000_0000_1000n, 3);
    expect(softHit(machine, EL1, 0x0700_0000_0000_1000n, 1, TLB.readTag)).toBe(hostOf(machine, RAM));
  });
  it('never run code at an address with a tag byte', () => {
    const { machine, tables } = mapped({ tcr: 1n << 37n });
    tables.map(0x1000n, RAM, AF);
    const tagged = 0x0b00_0000_0000_1000n;
    machine.load(tagged, 3);
    expect(machine.cpu.mmu.tlb.mayExecute(EL1, 0x1000, 0)).toBe(true);
    expect(machine.cpu.mmu.tlb.mayExecute(EL1, 0x1000, 0x0b00_0000)).toBe(false);
  });
  it('say which pages are guarded', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF | GUARDED);
    machine.fetch(0x1000n);
    const at = (machine.cpu.mmu.tlb.bases[EL1] as number) + TLB.entryBytes;
    expect((machine.memory.u32[(at + TLB.info) / 4] as number) & TLB_INFO_GUARDED).not.toBe(0);
  });
  it('hold no address when empty, not even INVALID_TAG itself', () => {
    const { machine } = mapped();
    for (let page = 0n; page < 1024n; page++) {
      for (const offset of [0n, 0xff9n]) {
        expect(softHit(machine, EL1, INVALID_TAG + (page << 12n) + offset, 8, TLB.readTag)).toBeUndefined();
      }
    }
  });
});

describe('TLB invalidation (Arm ARM D8.13)', () => {
  const VAE1 = [0, 8, 7, 1] as const;
  const setup = (attributes = 0n) => {
    const { machine, tables } = mapped({ tcr: 1n << 36n });
    machine.cpu.writeRegister('TTBR0_EL1', BigInt(tables.root) | (7n << 48n));
    const at = tables.map(0x1000n, RAM, AF | attributes);
    tables.map(0x2000n, RAM + 0x2000, AF | attributes);
    machine.write64(RAM, 1n);
    machine.write64(RAM + 0x1000, 2n);
    machine.fetch(0x2000n);
    machine.load(0x1000n, 3);
    const remap = (): void => machine.write64(at, BigInt(RAM + 0x1000) | AF | attributes | 3n);
    return { machine, tables, remap };
  };
  const cached = (m: TestMachine) => softHit(m, EL1, 0x1000n, 8, TLB.readTag) !== undefined;

  it.each([
    ['VMALLE1', 0, 0n],
    ['VAE1', 1, (7n << 48n) | 1n],
    ['ASIDE1', 2, 7n << 48n],
    ['VAAE1', 3, 1n],
    ['VALE1', 5, (7n << 48n) | 1n],
    ['VAALE1', 7, 1n],
  ])('TLBI %s and its IS form drop a page of the address space', (_name, op2, xt) => {
    for (const crm of [7, 3]) {
      const { machine, remap } = setup(NOT_GLOBAL);
      expect(cached(machine)).toBe(true);
      remap();
      machine.sys(0, 8, crm, op2, xt);
      expect(cached(machine)).toBe(false);
      expect(machine.load(0x1000n, 3)).toBe(2n);
    }
  });

  it('by address leaves other pages, and the code that runs', () => {
    const { machine } = setup();
    expect(machine.sys(...VAE1, (7n << 48n) | 1n)).toBe(DONE);
    expect(softHit(machine, EL1, 0x2000n, 4, TLB.execTag)).toBeDefined();
    expect(machine.sys(...VAE1, (7n << 48n) | 2n)).toBe(LEAVE);
    expect(machine.cpu.state.pc).toBe(0x2004n);
  });

  it('of one address in a block drops all of the block', () => {
    const { machine, tables } = mapped();
    tables.map(0x4000_0000n, RAM, AF, 2);
    machine.load(0x4000_5000n, 3);
    machine.load(0x4001_7000n, 3);
    machine.sys(...VAE1, 0x4010_0n);
    expect(softHit(machine, EL1, 0x4000_5000n, 8, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL1, 0x4001_7000n, 8, TLB.readTag)).toBeUndefined();
  });

  it('of another ASID leaves this address space', () => {
    const { machine } = setup(NOT_GLOBAL);
    machine.sys(0, 8, 7, 2, 8n << 48n);
    expect(cached(machine)).toBe(true);
  });

  it('tells the other vCPUs by the IS forms only', () => {
    const told: string[] = [];
    const { machine } = mapped({
      cpu: {
        others: {
          dropAll: () => told.push('all'),
          dropAsid: (asid) => told.push(`asid ${asid}`),
          dropAddress: (low, high, asid) => told.push(`${high.toString(16)}:${low.toString(16)} ${asid}`),
        },
      },
    });
    machine.sys(0, 8, 7, 0);
    expect(told).toEqual([]);
    machine.sys(0, 8, 3, 0);
    machine.sys(0, 8, 3, 2, 5n << 48n);
    machine.sys(0, 8, 3, 1, (5n << 48n) | 0xfff_ffff_5678n);
    machine.sys(0, 8, 3, 3, 0x1234_5678n);
    expect(told).toEqual(['all', 'asid 5', 'ffffff:f5678000 5', '123:45678000 -1']);
  });
});

describe('changes of address space', () => {
  const setup = () => {
    const { machine, tables } = mapped({ tcr: 1n << 36n });
    const { cpu } = machine;
    cpu.writeRegister('TTBR0_EL1', BigInt(tables.root) | (1n << 48n));
    tables.map(0x1000n, RAM, AF | USER | NOT_GLOBAL);
    const high = 0xffff_0000_0000_2000n;
    tables.map(0x2000n, RAM, AF);
    machine.load(0x1000n, 3);
    machine.load(high, 3);
    return { machine, tables, high };
  };
  it('TTBR0 drops the lower half and keeps the upper', () => {
    const { machine, tables, high } = setup();
    machine.msr('TTBR0_EL1', BigInt(tables.root) | (1n << 48n));
    expect(softHit(machine, EL1, 0x1000n, 8, TLB.readTag)).toBeDefined();
    machine.msr('TTBR0_EL1', BigInt(tables.root + 0x1000) | (1n << 48n));
    expect(softHit(machine, EL1, 0x1000n, 8, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL1, high, 8, TLB.readTag)).toBeDefined();
  });
  it('an ASID in TTBR1 (TCR.A1) drops what is not global', () => {
    const { machine, tables, high } = setup();
    const { cpu } = machine;
    cpu.writeRegister('TCR_EL1', cpu.readRegister('TCR_EL1') | (1n << 22n));
    machine.load(0x1000n, 3);
    machine.load(high, 3);
    machine.msr('TTBR1_EL1', BigInt(tables.root) | (9n << 48n));
    expect(softHit(machine, EL1, 0x1000n, 8, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL1, high, 8, TLB.readTag)).toBeDefined();
  });
  it('another TTBR1 base, SCTLR or TCR drops everything', () => {
    const { machine, high } = setup();
    machine.msr('TTBR1_EL1', BigInt(RAM));
    expect(softHit(machine, EL1, high, 8, TLB.readTag)).toBeUndefined();
  });
});

describe('what the hypervisor drops', () => {
  it('all entries of a frame, wherever it is mapped', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF | USER);
    tables.map(0x5000n, RAM, AF | USER);
    tables.map(0x6000n, RAM + 0x1000, AF | USER);
    for (const va of [0x1000n, 0x5000n, 0x6000n]) machine.load(va, 3);
    machine.load(0x1000n, 3, 8);
    machine.cpu.dropFrame(machine.memory.offsetOf(machine.memory.frameAt(machine.memory.framesBase)));
    expect(softHit(machine, EL1, 0x1000n, 8, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL0, 0x1000n, 8, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL1, 0x5000n, 8, TLB.readTag)).toBeUndefined();
    expect(softHit(machine, EL1, 0x6000n, 8, TLB.readTag)).toBeDefined();
  });
  it('the permission to write, of every page', () => {
    const { machine, tables } = mapped();
    tables.map(0x1000n, RAM, AF);
    machine.load(0x1000n, 3);
    machine.cpu.dropWrites();
    expect(softHit(machine, EL1, 0x1000n, 8, TLB.writeTag)).toBeUndefined();
    expect(softHit(machine, EL1, 0x1000n, 8, TLB.readTag)).toBeDefined();
  });
});
