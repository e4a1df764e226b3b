// Hotter regions, which follow calls into other pages: each program does on the JIT what it does on the interpreter,
// compared wherever a budget ends.

import { describe, expect, it } from 'vitest';
import { assemble, Random } from '../../../src/hardware/a64/index.ts';
import { AF, ATTR, GUARDED } from '../cpu/machine.ts';
import { compare, DATA, DATA_FRAMES, type PagedProgram, TABLE, UNMAPPED, WRITABLE } from './paged-program.ts';

const MAIN = 0x1_0000;
const [F, G, H] = [0x1_1000, 0x1_2000, 0x1_3000];

const setUp = (rounds: number): string => `movz x20, #${rounds}\nmovz x21, #${DATA >> 16}, lsl #16\n`;
const loop = (body: string, rounds = 600): string =>
  `${setUp(rounds)}again: ${body}\nsubs x20, x20, #1\nb.ne again\nhvc #0`;
const framed = (body: string): string => `stp x29, x30, [sp, #-16]!\n${body}\nldp x29, x30, [sp], #16\nret`;

const CALL_F = `bl ${F}`;
const FAULTS_NOW_AND_THEN = `
  movz x11, #${UNMAPPED >> 16}, lsl #16
  tst x20, #63
  csel x11, x11, x21, eq
`;
const [ADD, SUB] = assemble('add x1, x1, #5\nsub x1, x1, #3');

/** A register's value, which moves to it. */
const address = (register: string, value: number): string =>
  `movz ${register}, #${value >>> 16}, lsl #16\nmovk ${register}, #${value & 0xffff}`;
/** Swaps what two pages are mapped to. */
const swap = (a: number, b: number): string => `
  ${address('x10', TABLE)}
  ldr x9, [x10, #${(a >> 12) * 8}]
  movz x11, #${(a ^ b) & 0xffff}
  eor x9, x9, x11
  str x9, [x10, #${(a >> 12) * 8}]
  dsb ish
  movz x9, #${a >> 12}
  tlbi vaae1is, x9
  dsb ish
  isb`;
/** Has an instruction be either of two by turns. */
const rewrite = (at: number): string => `
  tst x20, #64
  ${address('w12', ADD as number)}
  ${address('w13', SUB as number)}
  csel w12, w12, w13, eq
  ${address('x10', WRITABLE + (at & 0xffff))}
  str w12, [x10]
  dc cvau, x10
  dsb ish
  ${address('x11', at)}
  ic ivau, x11
  dsb ish
  isb`;
/** Calls a page through a register, which no region follows. */
const callThrough = (page: number): string => `${address('x15', page)}\nblr x15`;
const SOMETIMES = 'tst x20, #63\nb.ne same';

const PROGRAMS: Record<string, PagedProgram> = {
  'calls nested three deep, with early returns': {
    pages: {
      [MAIN]: loop(CALL_F),
      [F]: framed(`tst x20, #1\nb.eq out\nbl ${G}\nout: add x1, x1, #1`),
      [G]: framed(`str x1, [x21, #8]\ncbz x1, out\nbl ${H}\nout: ldr x2, [x21, #8]\nadd x1, x1, x2`),
      [H]: 'tbz x20, #2, out\nadds x1, x1, x20\nadc x3, x3, x1\nret\nout: eor x1, x1, x20\nret',
    },
  },
  'accesses near each other, some behind the last page': {
    faults: true,
    pages: {
      // Between 8 and 23 bytes before the end of what is mapped.
      [MAIN]: loop(`
        movz x11, #0x1fe9
        add x11, x21, x11
        and x12, x20, #15
        add x11, x11, x12
        ldr x1, [x11]
        str x1, [x11, #-16]
        ldp x2, x3, [x11, #8]
        strb w20, [x11, #7]
        add x13, x11, #4
        ldr w4, [x13, #8]
        mov x14, x13
        str x4, [x14, #-12]
        ldr x5, [x14], #16
        ldrb w6, [x14, #-9]
        stp x5, x6, [x11, #-32]!
        ldr x7, [x11, #40]
        ${CALL_F}`),
      [F]: 'ldr x8, [x11, #24]\nadd x8, x8, x7\nstr x8, [x11, #32]\nret',
    },
  },
  'tail calls': {
    pages: {
      [MAIN]: loop(`${CALL_F}\nadd x4, x4, x1`),
      [F]: `tbz x20, #0, ${F + 12}\nadd x1, x1, #1\nb ${G}\nadd x1, x1, #2\nb ${H}`,
      [G]: `sub x2, x2, x1\nb ${H}`,
      [H]: 'eor x3, x3, x1\nret',
    },
  },
  'returns to elsewhere than after the call': {
    pages: {
      [MAIN]: loop(`${CALL_F}\nadd x5, x5, #1\nadd x6, x6, x5`),
      [F]: framed(`bl ${G}\nadd x7, x7, #1\nadd x8, x8, x7`),
      [G]: 'tst x20, #7\nb.ne out\nadd x30, x30, #4\nout: ret',
    },
  },
  'a page that is mapped elsewhere between calls': {
    pages: {
      [MAIN]: loop(`
        ${CALL_F}
        ${SOMETIMES}
        ${swap(F, G)}
        same: nop`),
      [F]: 'add x1, x1, #5\nret',
      [G]: 'lsl x2, x1, #2\nsub x1, x2, x1\nadd x3, x3, #1\nret',
    },
  },
  'code that is changed in the page of a function': {
    pages: {
      [MAIN]: loop(`
        ${CALL_F}
        ${SOMETIMES}
        ${rewrite(F + 4)}
        same: nop`),
      [F]: 'nop\nadd x1, x1, #5\nret',
    },
  },
  'calls through a register, with state that both change': {
    pages: {
      [MAIN]: loop(`
        cmp x20, #99
        ${callThrough(F)}
        cset x4, hi
        add x5, x5, x4
        fadd d1, d1, d0
        ${callThrough(G)}
        adc x6, x6, x1`),
      [F]: 'add x1, x1, x20\nscvtf d0, x1\ntbz x20, #1, out\ncmp x1, #4\nout: ret',
      [G]: framed(`${callThrough(H)}\nfcvtzs x7, d1`),
      [H]: 'adds x1, x1, x7\nret',
    },
    // FPEN
    prepare: ({ cpu }) => cpu.writeRegister('CPACR_EL1', 3n << 20n),
  },
  'a caller that is mapped elsewhere by what it calls': {
    pages: {
      [MAIN]: loop(`${callThrough(F)}\nadd x1, x1, #1\nadd x2, x2, x1`),
      [F]: `${SOMETIMES}\n${swap(MAIN, H)}\nsame: ret`,
      [H]: loop(`${callThrough(F)}\nadd x1, x1, #7\neor x2, x2, x1`),
    },
  },
  'a page that is mapped elsewhere by another call': {
    pages: {
      [MAIN]: loop(`${CALL_F}\n${callThrough(G)}`),
      [F]: 'add x1, x1, #5\nret',
      [G]: `${SOMETIMES}\n${swap(F, H)}\nsame: ret`,
      [H]: 'lsl x2, x1, #2\nsub x1, x2, x1\nret',
    },
  },
  'a call that sets PAN or clears it': {
    faults: true,
    pages: {
      [MAIN]: loop(`${callThrough(F)}\nldr x1, [x21]\nadd x2, x2, x1\nstr x2, [x21]`),
      [F]: 'tst x20, #32\nb.ne on\nmsr pan, #0\nret\non: msr pan, #1\nret',
    },
    // EL0 may access the data.
    prepare: (_, tables) => tables.map(BigInt(DATA), DATA_FRAMES, AF | ATTR(2) | (1n << 6n)),
  },
  'a caller that is changed by what it calls': {
    pages: {
      [MAIN]: `b ${F}`,
      // The instruction behind the call, which is the sixth of the page.
      [F]: loop(`${callThrough(G)}\nadd x1, x1, #5\nadd x2, x2, x1`),
      [G]: `${SOMETIMES}\n${rewrite(F + 5 * 4)}\nsame: ret`,
    },
  },
  'more calls than are waited for': {
    pages: {
      [MAIN]: loop(`movz x4, #50\n${CALL_F}`, 60),
      [F]: framed(`sub x4, x4, #1\ncbz x4, out\nbl ${F}\nadd x2, x2, x1\nout: add x1, x1, x4`),
    },
  },
  'returns past those that wait': {
    pages: {
      [MAIN]: loop(`${callThrough(F)}\nadd x5, x5, #1`),
      [F]: framed(`mov x16, sp\n${callThrough(G)}\nadd x6, x6, #1`),
      [G]: framed(`${callThrough(H)}\nadd x7, x7, #1`),
      // Now and then back to where F was called from, as longjmp(3) does.
      [H]: 'tst x20, #3\nb.ne out\nmov sp, x16\nldp x29, x30, [sp], #16\nout: ret',
    },
  },
  'flags that are set behind a way out': {
    pages: {
      [MAIN]: `
        ${setUp(600)}
        adr x12, after
        again: sub x20, x20, #1
        tbnz x20, #0, odd
        cbz x20, end
        subs x5, x5, x20
        b again
        odd: br x12
        after: cset x6, mi
        add x7, x7, x6
        b again
        end: hvc #0`,
    },
    regions: 2,
  },
  'exceptions in a function that was called': {
    faults: true,
    pages: {
      [MAIN]: loop(`${FAULTS_NOW_AND_THEN}${CALL_F}\nadd x4, x4, x1`),
      [F]: framed(`add x1, x1, #1\nbl ${G}`),
      [G]: 'add x2, x2, x1\nldr x3, [x11]\nadd x2, x2, x3\nstr x2, [x21]\nret',
    },
  },
  'a guarded page': {
    faults: true,
    pages: {
      [MAIN]: loop(`
        ${CALL_F}
        movz x12, #${F >> 16}, lsl #16
        movk x12, #${(F & 0xffff) + 12}
        tst x20, #15
        add x13, x12, #4
        csel x12, x12, x13, ne
        blr x12`),
      [F]: `add x1, x1, #1\nret\nnop\nbti c\nadd x2, x2, #1\nadd x3, x3, x2\nret`,
    },
    attributes: { [F]: GUARDED },
  },
  'all pages guarded': {
    pages: {
      [MAIN]: loop(`${CALL_F}\nmovz x12, #${F >> 16}, lsl #16\nmovk x12, #${F & 0xffff}\nblr x12`),
      [F]: `bti c\nadd x1, x1, #1\nb ${G}`,
      [G]: 'add x2, x2, x1\nret',
    },
    attributes: { [MAIN]: GUARDED, [F]: GUARDED, [G]: GUARDED },
  },
  'checked accesses in a function that was called': {
    faults: true,
    pages: {
      [MAIN]: loop(`
        movz x13, #0x0500, lsl #48
        tst x20, #31
        movz x14, #0x0600, lsl #48
        csel x13, x13, x14, ne
        orr x11, x21, x13
        ${CALL_F}`),
      [F]: 'ldr x1, [x11, #64]\nadd x1, x1, x20\nstr x1, [x11, #64]\nret',
    },
    // TBI0; ATA and TCF synchronous.
    tcr: 1n << 37n,
    sctlr: (1n << 43n) | (1n << 40n),
    prepare: (machine) => machine.tag(DATA_FRAMES, 4096, 5),
  },
};

describe('a region that follows calls', () => {
  for (const [name, program] of Object.entries(PROGRAMS)) {
    it(`${name}: as the interpreter`, { timeout: 300_000 }, () => {
      const run = compare(program, 1_000_000);
      const { regions } = run.counters;
      expect(run.ended).toBe(true);
      expect(run.registers.x[24] !== 0n).toBe(program.faults ?? false);
      // The loop and what it calls, and the loop once more.
      expect(regions).toBeGreaterThanOrEqual(program.regions ?? 3);
      for (const budget of [5, 11, 97, 1009]) compare(program, budget);
      const r = new Random(7);
      compare(program, () => 1 + r.below(r.below(2) ? 12 : 400));
    });
  }
});

// Random programs: functions call only later ones, so that they end.

const REGISTERS = ['x1', 'x2', 'x3', 'x4', 'x5', 'x6'];

function randomFunction(r: Random, index: number, addresses: readonly number[]): string {
  const lines: string[] = [];
  const register = (): string => r.pick(REGISTERS);
  const counter = `x${27 - index}`;
  const length = 4 + r.below(14);
  const loops = r.below(3) === 0;
  if (loops) lines.push(`movz ${counter}, #${1 + r.below(6)}`, 'back:');
  for (let k = 0; k < length; k++) {
    const [a, b, c] = [register(), register(), register()];
    const offset = 8 * r.below(32);
    const skip = `l${k}`;
    const call = addresses[index + 1 + r.below(3)];
    lines.push(
      ...r.pick([
        [`add ${a}, ${b}, ${c}`],
        [`adds ${a}, ${b}, ${c}`],
        [`subs ${a}, ${b}, ${c}`],
        [`adcs ${a}, ${b}, ${c}`],
        [`ands ${a}, ${b}, ${c}, lsr #3`],
        [`eor ${a}, ${b}, ${c}, ror #9`],
        [`csinc ${a}, ${b}, ${c}, ${r.pick(['eq', 'hi', 'lt', 'vs', 'pl'])}`],
        [`ccmp ${a}, ${b}, #${r.below(16)}, ${r.pick(['ne', 'ge', 'ls'])}`],
        [`ldr ${a}, [x21, #${offset}]`],
        [`str ${a}, [x21, #${offset}]`],
        [`ldrb ${a.replace('x', 'w')}, [x21, #${offset}]`],
        [`b.${r.pick(['eq', 'cs', 'mi', 'gt'])} ${skip}`, `sub ${a}, ${b}, #${r.below(100)}`, `${skip}:`],
        [`tbz ${a}, #${r.below(8)}, ${skip}`, `mul ${a}, ${b}, ${c}`, `${skip}:`],
        [`cbnz ${a}, ${skip}`, `add ${a}, ${a}, #1`, `${skip}:`],
        call === undefined ? ['nop'] : [`bl ${call}`],
      ]),
    );
  }
  if (loops) lines.push(`sub ${counter}, ${counter}, #1`, `cbnz ${counter}, back`);
  return framed(lines.join('\n'));
}

function randomProgram(r: Random): PagedProgram {
  const count = 3 + r.below(3);
  const addresses = Array.from(
    { length: count },
    (_, k) => [MAIN + 0x400, F, F + 0x400, G, G + 0x400][k] as number,
  );
  const pages: Record<number, string> = { [MAIN]: loop(`bl ${addresses[0]}`, 120) };
  for (const [k, at] of addresses.entries()) {
    const page = at & ~0xfff;
    const words = assemble(randomFunction(r, k, addresses), at);
    const before = pages[page] === undefined ? 0 : assemble(pages[page] as string, page).length;
    const fill = 'nop\n'.repeat((at - page) / 4 - before);
    pages[page] =
      `${pages[page] ?? ''}\n${fill}${[...words].map((word) => `.inst 0x${word.toString(16)}`).join('\n')}`;
  }
  return { pages };
}

describe('random programs over several pages', () => {
  it('do the same on both engines, wherever budgets end', { timeout: 600_000 }, () => {
    const r = new Random(1);
    for (let n = 0; n < 25; n++) {
      const program = randomProgram(r);
      compare(program, () => 1 + r.below(r.below(2) ? 40 : 3000), `program ${n}`);
    }
  });
});
