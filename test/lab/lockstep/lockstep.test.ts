// Lockstep finds what it must: nothing where the engines agree, and a planted fault at its instruction.

import { afterEach, describe, expect, it } from 'vitest';
import { assemble, disassemble } from '../../../src/hardware/a64/index.ts';
import { Jit } from '../../../src/hardware/engine/index.ts';
import type { EngineFactory } from '../../../src/hypervisor/index.ts';
import { copyOnWrite, formatDivergence, lockstep } from '../../../src/lab/lockstep/index.ts';
import { type MachineOptions, memoryBlock } from '../../../src/vmm/index.ts';

const ENTRY = 0x4000_0000;
const TABLE = 0x1000;

/** Translation on, with 1 GiB of Normal memory mapped flat: without it no data access is inlined. */
const MMU_ON = `
  movz x0, #0x1000
  movk x0, #0x4000, lsl #16
  msr ttbr0_el1, x0
  movz x0, #0xff
  msr mair_el1, x0
  movz x0, #0x3519
  movk x0, #0x0080, lsl #16
  movk x0, #2, lsl #32
  msr tcr_el1, x0
  isb
  mrs x0, sctlr_el1
  orr x0, x0, #1
  msr sctlr_el1, x0
  isb
`;

/** An arm64 Image (Documentation/arch/arm64/booting.rst) that holds a program and its table. */
function image(program: string): Uint8Array {
  const words = assemble(`b start\n${'nop\n'.repeat(15)}start: ${MMU_ON}${program}`, ENTRY);
  const bytes = new Uint8Array(8192);
  const view = new DataView(bytes.buffer);
  words.forEach((word, n) => {
    view.setUint32(4 * n, word, true);
  });
  view.setBigUint64(8, 0n, true);
  view.setBigUint64(16, 8192n, true);
  view.setBigUint64(24, 0xan, true);
  view.setUint32(56, 0x644d_5241, true);
  view.setBigUint64(TABLE + 8, 0x4000_0701n, true);
  return bytes;
}

const OFF = 'movz x0, #0x8400, lsl #16\nmovk x0, #8\nhvc #0';

/** Ten thousand rounds of a loop with a call, a store and a load in it. */
const PROGRAM = `
  movz x20, #10000
  movz x21, #0x4030, lsl #16
  mov x1, #1
again:
  add x1, x1, x1, lsl #3
  eor x1, x1, x20
  str x1, [x21]
  bl callee
  ldr x4, [x21]
  sub x5, x4, x20
  subs x20, x20, #1
  b.ne again
  ${OFF}
callee:
  sub x2, x1, #7
  add x3, x2, x20
  ret
`;

const machine = (kernel: string): (() => MachineOptions) => {
  const bytes = image(kernel);
  return () => ({ kernel: bytes, memory: '32M' });
};

const eager = { hot: 10, hotter: 100, batch: 1 };

/** Ends the mistakes of a test. */
let restore = (): void => {};

/** A JIT that takes one instruction for another. */
function mistaking(text: string, other: string): EngineFactory {
  const [word] = assemble(text);
  const [wrong] = assemble(other);
  let mistakes = false;
  return (memory, absent) => {
    const jit = new Jit(memory, absent, eager);
    const { decoder } = jit;
    // Machines of a kind share their decoder.
    if (!mistakes) {
      mistakes = true;
      const { decode } = decoder;
      Object.assign(decoder, { decode: (insn: number) => decode(insn === word ? (wrong as number) : insn) });
      restore = () => Object.assign(decoder, { decode });
    }
    return jit;
  };
}

afterEach(() => restore());

describe('lockstep', () => {
  it('runs a guest to its end where both engines agree', async () => {
    let printed = 0;
    const result = await lockstep({
      machine: machine(PROGRAM),
      output: (bytes) => {
        printed += bytes.length;
        return undefined;
      },
    });
    expect(result).toMatchObject({ divergence: undefined, end: { reason: 'poweroff' } });
    expect(result.instructions).toBe(10_000 * 11 + 21);
    expect(printed).toBe(0);
  });

  it('stops after the instructions that were asked for', async () => {
    const result = await lockstep({ machine: machine('spin: b spin'), instructions: 3_000_000 });
    expect(result).toMatchObject({ divergence: undefined, end: undefined });
    expect(result.instructions).toBeGreaterThanOrEqual(3_000_000);
  });

  it.each([
    ['sub x2, x1, #7', 'add x2, x1, #7', 'x2'],
    ['sub x5, x4, x20', 'add x5, x4, x20', 'x5'],
    ['subs x20, x20, #1', 'sub x20, x20, #1', 'pstate'],
  ])('finds a JIT that takes %s for %s', async (text, other, register) => {
    const { divergence } = await lockstep({ machine: machine(PROGRAM), subject: mistaking(text, other) });
    const shown = divergence && formatDivergence(divergence, disassemble);
    const [first] = divergence?.culprit?.instructions ?? [];
    expect(first?.word, shown).toBe(assemble(text)[0]);
    expect(shown).toMatch(new RegExp(`^${register} .*  <$`, 'm'));
  });

  it('finds what reaches only memory', async () => {
    const program = `
      movz x20, #5000
      movz x21, #0x4030, lsl #16
    again:
      str w20, [x21, #64]
      subs x20, x20, #1
      b.ne again
      ${OFF}`;
    const { divergence } = await lockstep({
      machine: machine(program),
      subject: mistaking('str w20, [x21, #64]', 'strh w20, [x21, #66]'),
    });
    expect(divergence?.memory?.address).toBe(0x4030_0020);
    const [first] = divergence?.culprit?.instructions ?? [];
    expect(first?.word).toBe(assemble('str w20, [x21, #64]')[0]);
  });
});

describe('a disk that keeps writes to itself', () => {
  it('reads what was written, and leaves the image alone', () => {
    const bytes = Uint8Array.from({ length: 10_000 }, (_, n) => n);
    const before = bytes.slice();
    const disk = copyOnWrite(memoryBlock(bytes, true));
    const expected = bytes.slice();
    for (const [offset, length] of [
      [4000, 200],
      [8192, 1808],
      [10, 1],
    ] as const) {
      const from = new Uint8Array(length).fill(length);
      disk.write(offset, from);
      expected.set(from, offset);
    }
    const all = new Uint8Array(10_000);
    disk.read(0, all);
    expect(all).toEqual(expected);
    expect(bytes).toEqual(before);
    expect(disk.readOnly).toBe(false);
  });
});
