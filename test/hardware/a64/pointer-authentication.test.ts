// Pointer authentication (FEAT_PAuth2 with FEAT_FPAC; Arm ARM D8.10). The cipher is our own, so no reference CPU can
// be compared with; these are the properties that software relies on.

import { describe, expect, it } from 'vitest';
import { assemble, Random } from '../../../src/hardware/a64/index.ts';
import { Interpreter } from '../../../src/hardware/engine/index.ts';
import { RAM, TestMachine } from '../cpu/machine.ts';

const VECTORS = RAM + 0x8000;
const DATA = BigInt(RAM + 0x4000);
const ENABLED = (1n << 31n) | (1n << 30n) | (1n << 27n) | (1n << 13n);
const KEYS = ['APIA', 'APIB', 'APDA', 'APDB', 'APGA'];

const machine = new TestMachine();
const engine = new Interpreter(machine.memory);

function place(address: number, source: string): void {
  const words = assemble(source, address);
  machine.memory.u8.set(new Uint8Array(words.buffer), machine.memory.framesBase + address - RAM);
}

interface Outcome {
  readonly x: (n: number) => bigint;
  readonly pc: number;
  /** ESR_EL1 where the program ended in an exception. */
  readonly esr: number | undefined;
}

/** Runs a program at EL1 until its HVC; a synchronous exception ends it too. */
function run(source: string, x: Readonly<Record<number, bigint>> = {}, enabled = ENABLED): Outcome {
  const { cpu } = machine;
  place(RAM, `${source}\nhvc #0`);
  place(VECTORS + 0x200, 'hvc #1');
  cpu.reset(BigInt(RAM));
  cpu.writeRegister('VBAR_EL1', BigInt(VECTORS));
  cpu.writeRegister('SCTLR_EL1', cpu.readRegister('SCTLR_EL1') | enabled);
  const keys = new Random(4);
  for (const key of KEYS) {
    cpu.writeRegister(`${key}KeyLo_EL1`, keys.u64());
    cpu.writeRegister(`${key}KeyHi_EL1`, keys.u64());
  }
  for (const [n, value] of Object.entries(x)) cpu.state.setX(Number(n), value);
  for (let turn = 0; turn < 10; turn++) {
    cpu.begin(1000);
    engine.run(cpu);
    if (cpu.takeExit()?.kind === 'hvc') break;
  }
  const faulted = cpu.state.pc === BigInt(VECTORS + 0x204);
  return {
    x: (n) => cpu.state.x(n),
    pc: Number(cpu.state.pc),
    esr: faulted ? Number(cpu.readRegister('ESR_EL1')) : undefined,
  };
}

const POINTERS = [0x4000_1234n, 0xffff_8000_1234_5678n, 0n, 0x0000_ffff_ffff_fff8n];
const EC_PAC_FAIL = 0x1c;

describe.each(['ia', 'ib', 'da', 'db'])('pac%s and its kin', (key) => {
  const index = ['ia', 'ib', 'da', 'db'].indexOf(key);
  const letters = `${key[0]}z${key[1]}`;

  it('authenticate what they signed, and only with the same modifier', () => {
    for (const pointer of POINTERS) {
      const signed = run(`pac${key} x0, x1`, { 0: pointer, 1: 7n }).x(0);
      expect(signed & 0xffff_ffff_ffffn).toBe(pointer & 0xffff_ffff_ffffn);
      expect((signed >> 55n) & 1n).toBe((pointer >> 55n) & 1n);
      expect(run(`aut${key} x0, x1`, { 0: signed, 1: 7n }).x(0)).toBe(pointer);
      const wrong = run(`aut${key} x0, x1`, { 0: signed, 1: 8n });
      expect((wrong.esr as number) >>> 26).toBe(EC_PAC_FAIL);
      // ISS: bit 1 tells data from instruction keys, bit 0 B from A.
      expect((wrong.esr as number) & 3).toBe(index);
      expect(run(`xpac${key[0]} x0`, { 0: signed }).x(0)).toBe(pointer);
    }
  });

  it('have forms with a zero modifier', () => {
    const plain = run(`pac${key} x0, x1`, { 0: 0x4000_1234n, 1: 0n }).x(0);
    expect(run(`pac${letters} x0`, { 0: 0x4000_1234n }).x(0)).toBe(plain);
    expect(run(`aut${letters} x0`, { 0: plain }).x(0)).toBe(0x4000_1234n);
  });

  it('do nothing where SCTLR_EL1 does not enable the key', () => {
    const off = run(`pac${key} x0, x1`, { 0: 0x4000_1234n, 1: 7n }, 0n);
    expect(off.x(0)).toBe(0x4000_1234n);
    expect(run(`aut${key} x0, x1`, { 0: 0xabcd_0000_4000_1234n, 1: 7n }, 0n).x(0)).toBe(
      0xabcd_0000_4000_1234n,
    );
  });
});

describe('pointer authentication of code', () => {
  it('signs differently by key, modifier and pointer', () => {
    const values = new Set<bigint>();
    for (const key of ['ia', 'ib', 'da', 'db']) {
      for (const modifier of [0n, 1n, 1n << 63n]) {
        for (const pointer of POINTERS) values.add(run(`pac${key} x0, x1`, { 0: pointer, 1: modifier }).x(0));
      }
    }
    // 15 bits of each can coincide; hardly many do.
    expect(values.size).toBeGreaterThan(44);
  });

  it.each(['a', 'b'])('has hints for x30 and x17 (key i%s)', (key) => {
    const sp = { 30: 0x4000_0040n, 9: DATA };
    const signed = run(`mov sp, x9\npaci${key}sp`, sp).x(30);
    expect(signed).not.toBe(0x4000_0040n);
    expect(signed).toBe(run(`paci${key} x30, x9`, sp).x(30));
    expect(run(`mov sp, x9\nauti${key}sp`, { 30: signed, 9: DATA }).x(30)).toBe(0x4000_0040n);
    const zero = run(`paci${key}z`, { 30: 0x4000_0040n }).x(30);
    expect(run(`auti${key}z`, { 30: zero }).x(30)).toBe(0x4000_0040n);
    const indirect = run(`paci${key}1716`, { 17: 0x4000_0040n, 16: 5n }).x(17);
    expect(indirect).toBe(run(`paci${key} x0, x1`, { 0: 0x4000_0040n, 1: 5n }).x(0));
    expect(run(`auti${key}1716`, { 17: indirect, 16: 5n }).x(17)).toBe(0x4000_0040n);
    expect(run('xpaclri', { 30: signed }).x(30)).toBe(0x4000_0040n);
  });

  it.each(['a', 'b'])('branches, calls and returns through signed pointers (key i%s)', (key) => {
    const target = { 1: BigInt(RAM + 0x20), 2: 3n, 9: DATA };
    const at = (jump: string, sign = `paci${key} x1, x2`): string =>
      `mov sp, x9\n${sign}\n${jump}\nhvc #2\nnop\nnop\nnop\nnop\nmov x0, #42`;
    expect(run(at(`bra${key} x1, x2`), target).x(0)).toBe(42n);
    expect(run(at(`bra${key}z x1`, `paciz${key} x1`), target).x(0)).toBe(42n);
    const called = run(at(`blra${key} x1, x2`), target);
    expect([called.x(0), called.x(30)]).toEqual([42n, BigInt(RAM + 12)]);
    expect(run(at(`blra${key}z x1`, `paciz${key} x1`), target).x(0)).toBe(42n);
    expect(run(at(`reta${key}`, `mov x30, x1\npaci${key}sp`).replace('nop\n', ''), target).x(0)).toBe(42n);
    expect((run(at(`bra${key} x1, x9`), target).esr as number) >>> 26).toBe(EC_PAC_FAIL);
  });

  it.each(['a', 'b'])('loads through signed pointers (key d%s)', (key) => {
    machine.write64(Number(DATA) + 8, 0x1122_3344_5566_7788n);
    const sign = `pacdz${key} x1`;
    expect(run(`${sign}\nldra${key} x0, [x1, #8]`, { 1: DATA }).x(0)).toBe(0x1122_3344_5566_7788n);
    const back = run(`${sign}\nldra${key} x0, [x1, #8]!`, { 1: DATA });
    expect([back.x(0), back.x(1)]).toEqual([0x1122_3344_5566_7788n, DATA + 8n]);
    const unsigned = run(`ldra${key} x0, [x1, #8]`, { 1: DATA ^ (1n << 50n) });
    expect((unsigned.esr as number) >>> 26).toBe(EC_PAC_FAIL);
  });

  it('makes generic codes in the high half, whatever SCTLR_EL1 says (PACGA)', () => {
    const code = run('pacga x0, x1, x2', { 1: 1n, 2: 2n }, 0n).x(0);
    expect(code & 0xffff_ffffn).toBe(0n);
    expect(code).not.toBe(0n);
    expect(run('pacga x0, x1, x2', { 1: 1n, 2: 3n }).x(0)).not.toBe(code);
    expect(run('pacga x0, x1, x2', { 1: 1n, 2: 2n }).x(0)).toBe(code);
  });
});
