import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/hardware/a64/index.ts';
import { EXCEPTION, STATE, TLB } from '../../../src/hardware/cpu/index.ts';
import { operations } from '../../../src/hardware/cpu/operations.ts';
import { registerTable } from '../../../src/hardware/cpu/sysregs/index.ts';
import { RAM, RAM_BYTES, TestMachine } from './machine.ts';

/** Addresses and values that guests in bad faith like. */
const EXTREMES = [
  0n,
  1n,
  0xfffn,
  0x1000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  BigInt(RAM),
  BigInt(RAM + RAM_BYTES - 4),
  0x0080_0000_0000_0000n,
  0x007f_ffff_ffff_ffffn,
  0xff7f_ffff_ffff_f000n,
  0xffff_ffff_ffff_fff8n,
  0xffff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x0000_ffff_ffff_fffcn,
  0xffff_0000_0000_0000n,
];
const STEPS = 30_000;

describe('a guest in bad faith', () => {
  it.each([1, 2, 3])('never makes the CPU throw or reach outside its frames (seed %i)', (seed) => {
    const machine = new TestMachine();
    const { cpu, memory } = machine;
    const random = new Random(seed);
    const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
    const wide = (): bigint => (BigInt(random.u32()) << 32n) | BigInt(random.u32());
    const value = (): bigint => {
      const kind = random.below(4);
      if (kind === 0) return pick(EXTREMES);
      // Something that walks through RAM: a descriptor, a table base, an address.
      if (kind === 1) return BigInt(RAM + random.below(RAM_BYTES)) | (wide() & 0xff70_0000_0000_0fffn);
      return kind === 2 ? BigInt(RAM + random.below(RAM_BYTES)) : wide();
    };
    // RAM full of plausible descriptors.
    for (let at = 0; at < RAM_BYTES / 2; at += 8 * (1 + random.below(64)))
      machine.write64(RAM + at, value() | BigInt(random.below(4)));
    const before = memory.u8.slice(0, 4096);
    for (let n = 0; n < STEPS; n++) {
      const { state } = cpu;
      cpu.prepare();
      const exit = cpu.takeExit();
      if (exit?.kind === 'mmio') cpu.completeMmio(wide());
      cpu.begin(100);
      machine.at(value());
      const what = random.below(10);
      if (what < 3) {
        const row = pick(registerTable);
        state.setX(3, value());
        // Often enough with the MMU on.
        if (row.name === 'SCTLR_EL1' && random.below(2))
          state.setX(3, 0x30c5_0839n | (wide() & 0xff00_0088_0000n));
        cpu.system(0xd500_0003 | (row.key << 5) | (random.below(2) << 21));
      } else if (what < 4) {
        state.setX(3, value());
        cpu.system(0xd500_0003 | (pick(operations).key << 5));
      } else if (what < 5) cpu.system((0xd500_0000 | random.below(1 << 22)) >>> 0);
      else if (what < 6) cpu.exception(random.below(Object.keys(EXCEPTION).length), random.below(65536));
      else if (what < 7) {
        state.pc = value();
        const host = cpu.fetch();
        if (host !== 0) expect(host).toBeGreaterThanOrEqual(memory.framesBase);
      } else {
        state.slowVa = value();
        const descriptor = random.below(1 << 20);
        if (what < 8) cpu.load(descriptor);
        else if (what < 9) cpu.store(descriptor);
        else {
          const host = cpu.probeWrite((descriptor & ~7) | random.below(5));
          if (host !== 0) expect(host).toBeGreaterThanOrEqual(memory.framesBase);
        }
      }
      if (random.below(50) === 0) cpu.setPstate(BigInt(pick([0, 4, 5])) | (wide() & 0xf3c0_1fc0n));
    }
    // Nothing was written below the CPU's own area, and every soft TLB entry leads into RAM.
    expect(Buffer.compare(memory.u8.subarray(0, 4096), before)).toBe(0);
    const [first] = cpu.mmu.tlb.bases as [number];
    for (let at = first; at < first + 3 * TLB.entries * TLB.entryBytes; at += TLB.entryBytes) {
      for (const tag of [TLB.readTag, TLB.writeTag, TLB.execTag]) {
        if (memory.u32[(at + tag + 4) / 4] === 0x0080_0000) continue;
        const host =
          ((memory.u32[(at + tag) / 4] as number) + (memory.u32[(at + TLB.addend) / 4] as number)) >>> 0;
        expect(host).toBeGreaterThanOrEqual(memory.framesBase);
        expect(host).toBeLessThan(memory.framesBase + RAM_BYTES);
      }
    }
    expect(memory.u64[(cpu.base + STATE.x) / 8 + 31]).toBe(0n);
  });
});
