// Floating point in regions, which know its mode from one instruction to the next: loops over special numbers in which
// the mode, or what is raised, changes, do on the JIT what they do on the interpreter.

import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/hardware/a64/index.ts';
import { DATA, DATA_FRAMES, type PagedProgram, Run } from './paged-program.ts';

const MAIN = 0x1_0000;
const ROUNDS = 1500;
const NUMBERS = 256;

/** Every flag and NaN reaches x6 (results), x7 (flags and conditions) or x8 (FPSR). */
const keep = (...registers: string[]): string =>
  registers.map((r) => `fmov x5, ${r}\neor x6, x5, x6, ror #5\n`).join('');
const CONDITIONS = ['eq', 'cs', 'mi', 'vs', 'hi', 'ge', 'gt', 'ne', 'cc', 'pl', 'vc', 'ls', 'lt', 'le']
  .map((condition) => `cset x5, ${condition}\neor x7, x5, x7, ror #3\n`)
  .join('');

const SCALARS = `
  fadd d3, d0, d1
  fmul d4, d3, d2
  fmadd d5, d0, d1, d2
  fmsub d6, d1, d2, d4
  fnmadd d7, d1, d1, d1
  fdiv d16, d0, d2
  fsqrt d17, d1
  fmax d18, d0, d1
  fneg d19, d5
  fabs d20, d16
  fcsel d21, d19, d20, mi
  ${keep('d3', 'd4', 'd5', 'd6', 'd7', 'd16', 'd17', 'd18', 'd19', 'd20', 'd21')}
  fadd s3, s0, s1
  fmadd s4, s0, s1, s2
  fnmsub s5, s1, s2, s3
  fmul s6, s3, s4
  str s6, [x21, #2048]
  ldr s7, [x21, #2048]
  str d5, [x21, #2056]
  ldr d16, [x21, #2056]
  ${keep('d3', 'd4', 'd5', 'd6', 'd7', 'd16')}
`;
const VECTORS = `
  mov v3.d[1], v1.d[0]
  mov v4.d[1], v0.d[0]
  fadd v16.4s, v3.4s, v4.4s
  fmla v16.4s, v3.4s, v4.4s
  fmls v4.2s, v3.2s, v0.2s
  fmul v5.2d, v3.2d, v4.2d
  fmla v5.2d, v3.2d, v3.2d
  ext v6.16b, v16.16b, v16.16b, #8
  ext v7.16b, v5.16b, v5.16b, #8
  ${keep('d16', 'd4', 'd5', 'd6', 'd7')}
`;
const COMPARISONS = `
  fcmp d0, d1
  ${CONDITIONS}
  b.lt less
  fcmpe d2, #0.0
  ${CONDITIONS}
  less: mrs x5, nzcv
  eor x7, x5, x7, ror #3
  fcmp s1, s2
  b.ls not
  add x7, x7, #1
  not: fccmp d1, d2, #5, vc
  ${CONDITIONS}
`;

/** x1 is random; d0, d1 and d2 are numbers of the table at x21. */
const loop = (body: string, mode: string, status: number): string => `
  movz x9, #0x30, lsl #16
  msr cpacr_el1, x9
  isb
  movz x21, #${DATA >> 16}, lsl #16
  movz x1, #12345
  movz x20, #${ROUNDS}
  movz x9, #${status}
  msr fpsr, x9
  again:
  eor x1, x1, x1, lsl #13
  eor x1, x1, x1, lsr #7
  eor x1, x1, x1, lsl #17
  and x2, x1, #0x7f8
  ldr d0, [x21, x2]
  ubfx x3, x1, #20, #8
  ldr d1, [x21, x3, lsl #3]
  ubfx x4, x1, #32, #8
  ldr d2, [x21, x4, lsl #3]
  ${mode}
  ${body}
  mrs x5, fpsr
  eor x8, x5, x8, ror #9
  subs x20, x20, #1
  b.ne again
  hvc #0
`;

/** In one round of 16, between two instructions that may be in one block. */
const nowAndThen = (change: string): string => `
  fadd d22, d0, d1
  fmadd d23, d0, d1, d2
  tst x1, #0xf00
  b.ne same
  ${change}
  same: fmul d22, d22, d1
  ${keep('d22', 'd23')}
`;

const MODES: Record<string, string> = {
  'the mode stays as it is': '',
  'FPSR is cleared': nowAndThen('msr fpsr, xzr'),
  'FPSR.IXC is cleared or set': nowAndThen('ubfx x9, x1, #50, #1\nlsl x9, x9, #4\nmsr fpsr, x9'),
  'FPCR says how to round, to flush and what NaNs become': nowAndThen(
    'ubfx x9, x1, #40, #4\nlsl x9, x9, #22\nmsr fpcr, x9',
  ),
  'FPCR.FZ is set and cleared': nowAndThen('ubfx x9, x1, #40, #1\nlsl x9, x9, #24\nmsr fpcr, x9'),
};

/** A double, or two singles, of which many are special, equal or near. */
function special(r: Random): bigint {
  if (r.below(3) === 0) return special32(r) | (special32(r) << 32n);
  const exponent = r.pick([
    0,
    0,
    2047,
    1,
    2,
    2046,
    1023,
    1023,
    1024,
    1020 + r.below(8),
    970,
    500,
    r.below(2048),
  ]);
  const low = r.pick([0n, 0n, 1n, (1n << 52n) - 1n, 1n << 51n, 1n << 28n, r.u64(), r.u64()]);
  return (BigInt(r.below(2)) << 63n) | (BigInt(exponent) << 52n) | (low & ((1n << 52n) - 1n));
}
function special32(r: Random): bigint {
  const exponent = r.pick([0, 0, 255, 1, 254, 127, 127, 128, 124 + r.below(8), 100, r.below(256)]);
  const low = r.pick([0n, 0n, 1n, 0x7f_ffffn, 1n << 22n, 1n << 11n, r.u64(), r.u64()]);
  return (BigInt(r.below(2)) << 31n) | (BigInt(exponent) << 23n) | (low & 0x7f_ffffn);
}
/** What neither rounds nor is special, so that Inexact is never raised. */
const integer = (r: Random): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, r.below(1 << 12) - 2048);
  return view.getBigUint64(0);
};
const integers32 = (r: Random): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  for (const at of [0, 4]) view.setFloat32(at, r.below(64) - 32);
  return view.getBigUint64(0);
};

const NUMBERS_OF: Record<string, (r: Random) => bigint> = {
  'special numbers': special,
  'integers in double precision': integer,
  'integers in single precision': integers32,
};

function compare(program: PagedProgram): void {
  const [jit, interpreter] = [new Run(program, 'jit'), new Run(program, 'interpreter')];
  while (!interpreter.ended) {
    for (const run of [jit, interpreter]) run.run(20_011);
    expect(jit.registers).toEqual(interpreter.registers);
    expect(jit.ended).toBe(interpreter.ended);
  }
  expect(jit.counters.regions).toBeGreaterThan(0);
}

describe('floating point in loops', () => {
  for (const [body, source] of Object.entries({ SCALARS, VECTORS, COMPARISONS })) {
    for (const [mode, change] of Object.entries(MODES)) {
      for (const [numbers, make] of Object.entries(NUMBERS_OF)) {
        it(`${body.toLowerCase()}, ${mode}, ${numbers}: as the interpreter`, () => {
          const r = new Random(7);
          const table = BigUint64Array.from({ length: NUMBERS }, () => make(r));
          for (const status of [0, 0x10]) {
            compare({
              pages: { [MAIN]: loop(source, change, status) },
              prepare: (machine) => machine.data(DATA_FRAMES).set(new Uint8Array(table.buffer)),
            });
          }
        });
      }
    }
  }
});
