import { describe, expect, it } from 'vitest';
import {
  MEM_ATOMIC,
  MEM_TAG,
  MEM_TAG_BLOCK,
  MEM_TAG_ZERO,
  MEM_UNCHECKED,
  MEM_UNPRIVILEGED,
  TLB,
  TLB_INFO_CHECKED,
} from '../../../src/hardware/cpu/index.ts';
import { hostOffset } from '../../../src/lib/index.ts';
import { AF, ATTR, mapped, RAM, type TestMachine, USER } from './machine.ts';

const ATA = 1n << 43n;
const ATA0 = 1n << 42n;
const TCF = (mode: number) => BigInt(mode) << 40n;
const TCF0 = (mode: number) => BigInt(mode) << 38n;
const TBI = 3n << 37n;
const [SYNC, ASYNC, ASYMMETRIC] = [1, 2, 3];
const tagged = (tag: number, va: bigint) => (BigInt(tag) << 56n) | va;
const HIGH = 0xf0ff_0000_0000_1000n & 0x00ff_ffff_ffff_ffffn;

function setup(sctlr: bigint, tcr = 0n): TestMachine {
  const { machine, tables } = mapped({ tcr: TBI | tcr, sctlr });
  tables.map(0x1000n, RAM, AF | USER | ATTR(2));
  tables.map(0x2000n, RAM + 0x1000, AF | USER | ATTR(2));
  machine.tag(RAM, 0x1000, 5);
  machine.tag(RAM + 0x20, 16, 7);
  machine.tag(RAM + 0x1000, 0x1000, 5);
  machine.cpu.state.tco = 0;
  return machine;
}

describe('tag checks (Arm ARM D10.4)', () => {
  it('fault synchronously with the address of the granule', () => {
    const m = setup(ATA | TCF(SYNC));
    expect(m.load(tagged(5, 0x1010n), 3)).toBe(0n);
    expect(m.load(tagged(6, 0x1010n), 3)).toBeUndefined();
    expect(m.syndrome).toMatchObject({ esr: 0x9600_0011, far: tagged(6, 0x1010n) });
    m.cpu.state.tco = 0;
    expect(m.store(tagged(5, 0x101cn), 3, -1n)).toBe(false);
    expect(m.syndrome).toMatchObject({ esr: 0x9600_0051, far: tagged(5, 0x1020n) });
    expect(m.read64(RAM + 0x18)).toBe(0n);
    m.cpu.state.tco = 0;
    expect(m.store(tagged(5, 0x1ffcn), 3, -1n)).toBe(true);
  });
  it('are served by the soft TLB with its checked bit, hit or miss', () => {
    const m = setup(ATA | TCF(SYNC));
    for (let turn = 0; turn < 2; turn++) expect(m.load(tagged(5, 0x1000n), 3)).toBe(0n);
    const at = (m.cpu.mmu.tlb.bases[2] as number) + TLB.entryBytes;
    expect((m.memory.u32[(at + TLB.info) / 4] as number) & TLB_INFO_CHECKED).not.toBe(0);
    expect(m.load(tagged(4, 0x1000n), 3)).toBeUndefined();
  });
  it('are recorded asynchronously, by half of the address space', () => {
    const m = setup(ATA | TCF(ASYNC));
    expect(m.load(tagged(6, 0x1000n), 3)).toBe(0n);
    expect(m.store(tagged(6, 0x1000n), 3, 1n)).toBe(true);
    expect(m.cpu.readRegister('TFSR_EL1')).toBe(1n);
    expect(m.load(HIGH | tagged(1, 0n), 3)).toBe(1n);
    expect(m.cpu.readRegister('TFSR_EL1')).toBe(3n);
    expect(m.cpu.readRegister('TFSRE0_EL1')).toBe(0n);
  });
  it('fault loads and record stores in asymmetric mode; a read-modify-write is a load too', () => {
    const m = setup(ATA | TCF(ASYMMETRIC));
    expect(m.load(tagged(6, 0x1000n), 3)).toBeUndefined();
    m.cpu.state.tco = 0;
    expect(m.store(tagged(6, 0x1000n), 3, 1n)).toBe(true);
    expect(m.cpu.readRegister('TFSR_EL1')).toBe(1n);
    m.cpu.state.slowVa = tagged(6, 0x1000n);
    expect(m.cpu.probeWrite(3 | MEM_ATOMIC)).toBe(0);
    expect(m.syndrome.esr).toBe(0x9600_0011);
  });
  it('follow the privilege of the access', () => {
    const m = setup(ATA0 | TCF0(SYNC));
    expect(m.load(tagged(6, 0x1000n), 3)).toBe(0n);
    expect(m.load(tagged(6, 0x1000n), 3, MEM_UNPRIVILEGED)).toBeUndefined();
    expect(m.syndrome.esr).toBe(0x9600_0011);
    m.el(0);
    expect(m.load(tagged(6, 0x1000n), 3)).toBeUndefined();
    expect(m.syndrome.esr).toBe(0x9200_0011);
    const async = setup(ATA0 | TCF0(ASYNC));
    async.el(0);
    expect(async.load(tagged(6, 0x1000n), 3)).toBe(0n);
    expect(async.cpu.readRegister('TFSRE0_EL1')).toBe(1n);
  });
  it('do not happen with TCO, TCMA, an unchecked instruction, untagged memory, or without ATA or TBI', () => {
    const m = setup(ATA | TCF(SYNC), (1n << 57n) | (1n << 58n));
    m.cpu.state.tco = 1;
    expect(m.load(tagged(6, 0x1000n), 3)).toBe(0n);
    m.cpu.state.tco = 0;
    expect(m.load(0x1000n, 3)).toBe(0n);
    expect(m.load(HIGH | tagged(15, 0n), 3)).toBe(0n);
    expect(m.load(tagged(6, 0x1000n), 3, MEM_UNCHECKED)).toBe(0n);
    expect(m.load(tagged(15, 0x1000n), 3)).toBeUndefined();
    expect(setup(TCF(SYNC)).load(tagged(6, 0x1000n), 3)).toBe(0n);
    const untagged = setup(ATA | TCF(SYNC));
    untagged.stage2.tagged = false;
    expect(untagged.load(tagged(6, 0x1000n), 3)).toBe(0n);
    const { machine, tables } = mapped({ sctlr: ATA | TCF(SYNC) });
    tables.map(0x1000n, RAM, AF | ATTR(2));
    machine.tag(RAM, 16, 3);
    machine.cpu.state.tco = 0;
    expect(machine.load(0x1000n, 3)).toBe(0n);
  });
});

describe('tag accesses (Arm ARM C6.2, LDG, STG and others)', () => {
  it('load and store tags, aligned down or faulting', () => {
    const m = setup(ATA);
    expect(m.load(0x1028n, 4, MEM_TAG)).toBe(7n);
    expect(m.store(0x1030n, 4, 9n, MEM_TAG)).toBe(true);
    expect(m.load(0x1030n, 4, MEM_TAG)).toBe(9n);
    expect(m.store(0x1038n, 4, 9n, MEM_TAG)).toBe(false);
    expect(m.syndrome).toMatchObject({ esr: 0x9600_0061, far: 0x1038n });
  });
  it('store two granules over a page end, and zero data', () => {
    const m = setup(ATA);
    m.write64(RAM + 0xff0, 1n);
    m.write64(RAM + 0x1008, 1n);
    expect(m.store(0x1ff0n, 5, 3n, MEM_TAG | MEM_TAG_ZERO)).toBe(true);
    expect([m.load(0x1ff0n, 4, MEM_TAG), m.load(0x2000n, 4, MEM_TAG), m.load(0x2010n, 4, MEM_TAG)]).toEqual([
      3n,
      3n,
      5n,
    ]);
    expect([m.read64(RAM + 0xff0), m.read64(RAM + 0x1008)]).toEqual([0n, 0n]);
  });
  it.each([
    ['second', 0x3000n, 2, 0],
    ['first', 0x4000n, 0, 2],
  ])('over a page end, keep to the page with tags where the %s has none', (_, va, first, second) => {
    const { machine: m, tables } = mapped({ tcr: TBI, sctlr: ATA });
    tables.map(va, RAM, AF | ATTR(first));
    tables.map(va + 0x1000n, RAM + 0x1000, AF | ATTR(second));
    m.tag(RAM, 0x2000, 5);
    m.write64(RAM + 0xff0, 1n);
    m.write64(RAM + 0x1000, 1n);
    expect(m.store(va + 0xff0n, 5, 3n, MEM_TAG | MEM_TAG_ZERO)).toBe(true);
    const tagsOf = (frame: number): Uint8Array =>
      m.memory.tags(m.memory.frameAt(hostOffset(m.memory.framesBase + 0x1000 * frame)));
    expect([tagsOf(0).at(-1), tagsOf(1).at(0)]).toEqual(first === 2 ? [3, 5] : [5, 3]);
    expect([m.read64(RAM + 0xff0), m.read64(RAM + 0x1000)]).toEqual([0n, 0n]);
  });
  it('move blocks of tags', () => {
    const m = setup(ATA);
    expect(m.load(0x1000n, 7, MEM_TAG | MEM_TAG_BLOCK)).toBe(0x5555_5555_5555_5755n);
    expect(m.store(0x1100n, 7, 0xfedc_ba98_7654_3210n, MEM_TAG | MEM_TAG_BLOCK)).toBe(true);
    expect(m.load(0x1130n, 4, MEM_TAG)).toBe(3n);
    expect(m.load(0x1100n, 7, MEM_TAG | MEM_TAG_BLOCK)).toBe(0xfedc_ba98_7654_3210n);
  });
  it('read zero and write nothing without ATA, and still fault', () => {
    const m = setup(0n);
    expect(m.load(0x1020n, 4, MEM_TAG)).toBe(0n);
    expect(m.store(0x1020n, 4, 9n, MEM_TAG)).toBe(true);
    expect(m.memory.tags(m.memory.frameAt(m.memory.framesBase))[2]).toBe(7);
    expect(m.store(0x9000n, 4, 9n, MEM_TAG)).toBe(false);
    expect(m.syndrome.esr).toBe(0x9600_0047);
  });
  it('DC GVA sets the tags of a block, DC GZVA also its data', () => {
    const m = setup(ATA);
    m.write64(RAM + 0x40, 5n);
    m.sys(3, 7, 4, 3, tagged(11, 0x1040n));
    expect([m.load(0x1070n, 4, MEM_TAG), m.read64(RAM + 0x40)]).toEqual([11n, 5n]);
    m.sys(3, 7, 4, 4, tagged(12, 0x1040n));
    expect([m.load(0x1070n, 4, MEM_TAG), m.read64(RAM + 0x40)]).toEqual([12n, 0n]);
    expect(m.load(0x1080n, 4, MEM_TAG)).toBe(5n);
  });
});
