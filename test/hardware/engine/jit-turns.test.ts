// Hot loops, in which the lookups of one turn serve several: each program does on the JIT what it does on the interpreter,
// over pages that lie apart in the host, that end, and that cannot be written.

import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/hardware/a64/index.ts';
import { AF, READ_ONLY as AP_READ_ONLY, ATTR, USER } from '../cpu/machine.ts';
import { compare, DATA_FRAMES, DATA_PAGES, type PagedProgram } from './paged-program.ts';

const MAIN = 0x1_0000;
const PAGE = 4096;
/** Where all pages of the data are mapped, in another order than their frames'; what follows is not. */
const STREAM = 0xa_0000;
const ORDER = [3, 1, 6, 0, 7, 2, 5, 4];
/** The page of these that cannot be written, and the one that EL0 may not access. */
const READ_ONLY = 5;
const UNPRIVILEGED = 2;
const END = STREAM + DATA_PAGES * PAGE;
const FPEN = 3n << 20n;

const address = (register: string, value: number): string =>
  `movz ${register}, #${value >>> 16}, lsl #16\nmovk ${register}, #${value & 0xffff}`;
/** A loop that runs `turns` times, several times over from the same registers; `tail` is behind the program. */
const loop = ({ setUp, body, turns, tail = '' }: Loop): string => `
  movz x20, #3
  outer: ${setUp}
  movz x19, #${turns}
  again: ${body}
  subs x19, x19, #1
  b.ne again
  add x23, x23, x0
  eor x23, x23, x23, ror #7
  subs x20, x20, #1
  b.ne outer
  hvc #0
  ${tail}`;

interface Loop {
  readonly setUp: string;
  readonly body: string;
  readonly turns: number;
  readonly faults?: boolean;
  readonly tail?: string;
}

const LOOPS: Record<string, Loop> = {
  'a copy by pairs': {
    setUp: `${address('x1', STREAM + 8)}\n${address('x2', STREAM + 3 * PAGE + 24)}`,
    body: 'ldp x3, x4, [x1], #16\nadd x0, x0, x3\nstp x3, x4, [x2], #16',
    turns: 450,
  },
  'pairs that are stored a turn after they were loaded, as the C library copies': {
    setUp: `${address('x1', STREAM + 8)}
      ${address('x2', STREAM + 3 * PAGE + 24)}
      ldp x3, x4, [x1]
      ldp x5, x6, [x1, #16]`,
    body: `stp x3, x4, [x2]
      ldp x3, x4, [x1, #32]
      stp x5, x6, [x2, #16]
      ldp x5, x6, [x1, #48]!
      add x2, x2, #32`,
    turns: 240,
  },
  'pairs, up to where the second of two stores faults': {
    faults: true,
    setUp: `${address('x1', STREAM)}
${address('x2', STREAM + (READ_ONLY - 1) * PAGE + 3200)}
movz x3, #9`,
    body: `stp x3, x4, [x2]
      ldp x3, x4, [x1]
      ldp x5, x6, [x1, #16]
      stp x5, x6, [x2, #256]
      add x1, x1, #32
      add x2, x2, #32`,
    turns: 36,
  },
  'a pair that is only stored, and a way out that takes one apart': {
    setUp: `${address('x1', STREAM + 24)}
${address('x2', STREAM + 3 * PAGE + 24)}
movz x3, #77
movz x4, #99`,
    body: `stp x3, x4, [x2, #16]
      ldp x5, x6, [x1]
      ldrb w7, [x1], #16
      cmp w7, #250
      b.hs apart
      stp x5, x6, [x2], #32
      back: nop`,
    tail: 'apart: add x3, x3, x5\nsub x4, x6, x4\nb back',
    turns: 240,
  },
  'registers that are no pair: in two of them, in another order, alone, with zero, with themselves, of vectors':
    {
      setUp: `${address('x1', STREAM + 8)}
${address('x2', STREAM + 3 * PAGE + 8)}`,
      body: `ldp x3, x4, [x1]
      stp x4, x3, [x2]
      ldp x5, x6, [x1, #16]
      stp x5, x7, [x2, #16]
      ldp x6, x7, [x1, #32]
      ldp x8, x9, [x1, #48]
      add x0, x0, x9
      stp x8, x9, [x2, #32]
      ldp x16, x17, [x1, #104]
      stp x16, x17, [x2, #104]
      eor x0, x0, x16
      ldp x10, xzr, [x1, #64]
      stp xzr, x10, [x2, #48]
      stp x11, x11, [x2, #64]
      ldp d12, d13, [x1, #72]
      stp d12, d13, [x2, #80]
      add x12, x12, #3
      add x13, x13, #5
      ldp w14, w15, [x1, #88]
      stp w14, w15, [x2, #96]
      add x1, x1, #16
      add x2, x2, #16`,
      turns: 200,
    },
  'a copy with vectors, 64 bytes a turn': {
    setUp: `${address('x1', STREAM)}\n${address('x2', STREAM + 3 * PAGE - 32)}`,
    body: `ldp q0, q1, [x1]
      ldp q2, q3, [x1, #32]
      add x1, x1, #64
      stp q0, q1, [x2]
      stp q2, q3, [x2, #32]
      add x2, x2, #64`,
    turns: 120,
  },
  'a copy that runs down': {
    setUp: `${address('x1', STREAM + 3 * PAGE)}\n${address('x2', STREAM + 4 * PAGE + 1024)}`,
    body: 'ldr x3, [x1, #-8]!\nadd x0, x0, x3\nstur x3, [x2, #-8]\nsub x2, x2, #8',
    turns: 900,
  },
  'unprivileged stores': {
    setUp: address('x1', STREAM + 100),
    body: 'sttr x19, [x1]\nadd x1, x1, #8',
    turns: 1500,
    faults: true,
  },
  'unprivileged accesses, and others ahead of them': {
    setUp: address('x1', STREAM),
    body: 'ldtr x3, [x1]\nadd x0, x0, x3\nstr x0, [x1, #64]\nadd x1, x1, #64',
    turns: 200,
    faults: true,
  },
  'indexed, by bytes': {
    setUp: `${address('x1', STREAM + 77)}\nmovz x2, #0`,
    body: 'ldrb w3, [x1, x2]\nadd x0, x0, x3\nadd x2, x2, #1\nstrb w0, [x1, x2]',
    turns: 2500,
  },
  'indexed, scaled, and another loop-invariant address': {
    setUp: `${address('x1', STREAM + 16)}\n${address('x5', STREAM + PAGE - 8)}\nmovz x2, #0`,
    body: 'ldr x3, [x1, x2, lsl #3]\nldr x4, [x5]\nadd x0, x3, x4\nstr x0, [x5]\nadd x2, x2, #3',
    turns: 600,
  },
  'more than a page a turn, and less than one backwards': {
    setUp: `${address('x1', STREAM + 8)}\n${address('x2', STREAM + 7 * PAGE)}\nmovz x6, #0x1808`,
    body: 'ldr x3, [x1]\nldr x4, [x2]\nadd x0, x3, x4\nadd x1, x1, #1, lsl #12\nadd x1, x1, #40\nsub x2, x2, #0xff0',
    turns: 7,
  },
  'accesses that are not aligned, over the ends of pages': {
    setUp: `${address('x1', STREAM + 1)}\n${address('x2', STREAM + 2 * PAGE + 3)}`,
    body: 'ldr x3, [x1, #5]\nadd x1, x1, #9\nadd x0, x0, x3\nstr x0, [x2]\nadd x2, x2, #7',
    turns: 1000,
  },
  'up to the end of what is mapped, and on': {
    faults: true,
    setUp: address('x1', END - 256),
    body: 'ldr x3, [x1], #8\nadd x0, x0, x3',
    turns: 60,
  },
  'from pages that can be read on to one that cannot be written': {
    faults: true,
    setUp: address('x1', STREAM + (READ_ONLY - 1) * PAGE + 3000),
    body: 'ldr x3, [x1, #8]\nadd x0, x0, x3\nstr x0, [x1]\nadd x1, x1, #256',
    turns: 20,
  },
  'read ahead into a page that cannot be written': {
    faults: true,
    setUp: address('x1', STREAM + (READ_ONLY - 1) * PAGE),
    body: 'ldr x3, [x1, #1024]\nadd x0, x0, x3\nstr x0, [x1]\nldr x4, [x1, #1032]\nadd x1, x1, #512',
    turns: 16,
  },
  'three registers that change places': {
    setUp: `${address('x1', STREAM + 40)}\n${address('x2', STREAM + 400)}\n${address('x5', STREAM + 2 * PAGE)}`,
    body: 'ldr x3, [x1]\nadd x0, x0, x3\nstr x0, [x1, #8]\nmov x4, x1\nmov x1, x2\nmov x2, x5\nadd x5, x4, #16',
    turns: 700,
  },
  'two registers that change places': {
    setUp: `${address('x1', STREAM + 40)}\n${address('x2', STREAM + 2 * PAGE + 40)}`,
    body: 'ldr x3, [x1]\nadd x0, x0, x3\nmov x4, x1\nadd x1, x2, #8\nmov x2, x4\nstr x0, [x1]',
    turns: 700,
  },
  'a register that moves twice': {
    setUp: address('x1', STREAM),
    body: 'ldr x3, [x1], #24\nadd x0, x0, x3\nstr x0, [x1, #-16]!\nmov x5, x1\nldr x4, [x5, #32]\nadd x0, x0, x4',
    turns: 1000,
  },
  'a register that comes from memory': {
    setUp: `${address('x1', STREAM)}\n${address('x7', STREAM)}`,
    body: 'ldr x3, [x1]\nldr x4, [x1, #8]\nadd x0, x4, x3\nand x3, x3, #0xff0\nadd x1, x7, x3\nstr x0, [x7, #16]',
    turns: 900,
  },
  'now and then an access that faults, by a register from memory': {
    faults: true,
    setUp: `${address('x1', STREAM + 8)}\n${address('x7', END - 4000)}\nmovz x9, #5`,
    body: `add x0, x0, x9
      ldr x3, [x1], #8
      and x4, x3, #0xff8
      ldr x5, [x7, x4]
      add x0, x0, x5
      add x9, x3, x19`,
    turns: 1500,
  },
  'a turn of two blocks that ends with a jump': {
    setUp: `${address('x1', STREAM + 8)}\nmovz x2, #0`,
    body: `ldr w3, [x1, x2, lsl #2]
      add x0, x0, x3
      add x2, x2, #1
      cmp x2, #1500
      b.eq out
      eor x0, x0, x0, ror #3
      str w0, [x1, x2, lsl #2]
      b again
      out: nop`,
    turns: 1,
  },
  'two ways out, in either block': {
    setUp: `${address('x1', STREAM + 40)}\n${address('x2', STREAM + 3 * PAGE + 7)}`,
    body: `ldrb w3, [x1], #1
      cmp w3, #250
      b.hs much
      ldrb w4, [x2], #1
      add x0, x0, x4
      strb w0, [x1, #-1]
      back: nop`,
    tail: 'much: add x0, x0, #11\nadd x1, x1, #3\nb back',
    turns: 2500,
  },
  'a way back from the middle, and one that goes round': {
    setUp: address('x1', STREAM + 4),
    body: `ldr x3, [x1], #16
      add x0, x0, x3
      tbnz x3, #0, again
      str x0, [x1, #-8]
      tbnz x3, #1, aside
      ldr x4, [x1, #24]
      eor x0, x0, x4`,
    tail: 'aside: sub x0, x0, #5\nb again',
    turns: 100,
  },
  'a block before its first, with accesses that fault in the second': {
    faults: true,
    setUp: `${address('x1', STREAM + 8)}\n${address('x7', END - 4000)}\nmovz x9, #5`,
    body: `b first
      second: and x4, x3, #0xff8
      ldr x5, [x7, x4]
      add x0, x0, x5
      add x9, x3, x19
      sub x19, x19, #1
      first: add x0, x0, x9
      ldr x3, [x1], #8
      cmp x19, #2
      b.hi second`,
    turns: 1500,
  },
  'registers of three blocks, of which each is a way out': {
    setUp: `${address('x1', STREAM + 4)}\nmovz x5, #1\nfmov d1, x5`,
    body: `ldrb w3, [x1], #3
      tst x3, #0x3f
      b.eq out
      add x5, x5, x3
      fmov d1, x5
      tst x3, #0x7e
      b.eq out
      eor x0, x0, x5
      strb w0, [x1]
      sub x19, x19, #1
      cmp x19, #5
      b.hi again
      out: fmov x6, d1
      add x0, x0, x6
      eor x0, x0, x5, ror #5`,
    turns: 2000,
  },
  'flags from one block for the next': {
    setUp: address('x1', STREAM + 4),
    body: `ldr x3, [x1], #8
      subs x4, x3, x0
      tbnz x4, #5, out
      adc x0, x0, x3
      ccmp x0, x4, #3, hi
      cset x5, vs
      out: adc x0, x0, x5`,
    turns: 900,
  },
  // An access that the first turn does not make tells nothing of where it would be.
  'an exclusive store to page 0 that fails for a while': {
    setUp: 'movz x1, #0x100\nmovz x6, #0x800',
    body: 'ldxr x3, [x1]\nadd x0, x0, x3\nstxr w4, x0, [x6]\nadd x0, x0, x4\nadd x1, x1, #8',
    turns: 480,
  },
  'atomic additions': {
    setUp: address('x1', STREAM + 2 * PAGE - 64),
    body: 'ldadd x19, x3, [x1]\nadd x0, x0, x3\nadd x1, x1, #8',
    turns: 40,
  },
};

const program = (made: Loop): PagedProgram => ({
  faults: made.faults ?? false,
  pages: { [MAIN]: loop(made) },
  prepare: (machine, tables) => {
    machine.cpu.writeRegister('CPACR_EL1', FPEN);
    const r = new Random(3);
    tables.map(0n, DATA_FRAMES, AF | ATTR(2) | USER);
    for (const [k, frame] of ORDER.entries()) {
      const attributes =
        AF | ATTR(2) | (k === UNPRIVILEGED ? 0n : USER) | (k === READ_ONLY ? AP_READ_ONLY : 0n);
      tables.map(BigInt(STREAM + k * PAGE), DATA_FRAMES + frame * PAGE, attributes);
      machine.data(DATA_FRAMES + frame * PAGE).forEach((_, n, bytes) => {
        bytes[n] = r.below(256);
      });
    }
  },
});

describe('a hot loop', () => {
  for (const [name, made] of Object.entries(LOOPS)) {
    it(`${name}: as the interpreter`, { timeout: 300_000 }, () => {
      const run = compare(program(made), 1_000_000);
      expect(run.ended).toBe(true);
      expect(run.registers.x[24] !== 0n).toBe(made.faults ?? false);
      expect(run.counters.regions).toBeGreaterThanOrEqual(1);
      for (const budget of [7, 97, 1009]) compare(program(made), budget);
      const r = new Random(7);
      compare(program(made), () => 1 + r.below(r.below(2) ? 12 : 3000));
    });
  }
});

const PAIRS = ['x3, x4', 'x5, x6', 'x7, x8', 'x9, x10'];

/** A loop over two streams that mostly moves pairs, some of whose registers it also uses in other ways. */
function randomLoop(r: Random): Loop {
  const oneOf = (choices: readonly string[]): string => choices[r.below(choices.length)] as string;
  const tail: string[] = [];
  const instruction = (k: number): string => {
    const base = oneOf(['x1', 'x2']);
    const pair = oneOf(PAIRS);
    const [first, second] = pair.split(', ') as [string, string];
    const place = oneOf([`[${base}], #16`, `[${base}, #8]!`, `[${base}, #${8 * r.below(12)}]`]);
    switch (r.below(10)) {
      case 0:
        return `eor x0, x0, ${first}`;
      case 1:
        return `ldr ${second}, [${base}, #24]`;
      case 2:
        return `stp ${second}, ${first}, ${place}`;
      case 3:
        tail.push(`out${k}: add x0, x0, ${second}\neor ${first}, ${first}, #1\nb back${k}`);
        return `tbnz ${first}, #${r.below(8)}, out${k}\nback${k}: nop`;
      case 4:
      case 5:
      case 6:
        return `ldp ${pair}, ${place}`;
      default:
        return `stp ${pair}, ${place}`;
    }
  };
  const body = Array.from({ length: 2 + r.below(8) }, (_, k) => instruction(k));
  return {
    setUp: [
      address('x1', STREAM + r.below(64)),
      address('x2', STREAM + 3 * PAGE + r.below(64)),
      ...PAIRS.join(', ')
        .split(', ')
        .map((x, k) => `movz ${x}, #${1000 + k}`),
    ].join('\n'),
    body: [...body, 'add x1, x1, #16', 'add x2, x2, #16'].join('\n'),
    turns: 100 + r.below(150),
    faults: true,
    tail: tail.join('\n'),
  };
}

// Pairs that are held together while a loop runs, beside such as must not be. RINGFENCE_LOOPS=N makes more of them.
describe('random hot loops', () => {
  const loops = Number(process.env.RINGFENCE_LOOPS ?? 40);
  it(`${loops} of them: as the interpreter`, { timeout: 10_000_000 }, () => {
    for (let seed = 0; seed < loops; seed++) {
      const r = new Random(seed);
      const made = randomLoop(r);
      expect(compare(program(made), 1_000_000).ended, made.body).toBe(true);
      compare(program(made), () => 1 + r.below(r.below(2) ? 12 : 3000));
    }
  });
});
