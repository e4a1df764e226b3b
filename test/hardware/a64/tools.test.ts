// The tools of the differential tests themselves: what generates cases, and what notices a difference.

import { describe, expect, it } from 'vitest';
import {
  allRows,
  assemble,
  completeDecoder,
  decodeFields,
  disassemble,
  Random,
  type Row,
  randomInstruction,
} from '../../../src/hardware/a64/index.ts';
import { interpreterDriver } from '../engine/driver.ts';
import { CODE_ADDRESS, DATA_ADDRESS, DATA_BYTES, type Result, SIGNAL } from '../oracle/index.ts';
import { codeOf, comparableRows, randomLoop, randomSequence, seededCase } from './cases.ts';
import { divergence, report } from './differential.ts';
import { excludedEncoding } from './exclusions.ts';

const rowOf = (name: string): Row => {
  const row = allRows.find((r) => r.name === name);
  if (!row) throw new Error(`no row ${name}`);
  return row;
};

describe('random instructions', () => {
  it('decode to their row, follow from the seed and take every register', () => {
    const row = rowOf('ADD (shifted register)');
    const words = (seed: number): (number | undefined)[] => {
      const random = new Random(seed);
      return Array.from({ length: 500 }, () => randomInstruction(row, random));
    };
    expect(words(1)).toEqual(words(1));
    expect(words(1)).not.toEqual(words(2));
    for (const word of words(1)) expect(completeDecoder().decode(word as number)?.row).toBe(row);
    expect(new Set(words(1).map((word) => (word as number) & 31)).size).toBe(32);
  });

  it('avoid what is CONSTRAINED UNPREDICTABLE', () => {
    const random = new Random(3);
    for (const name of ['LDP (post-index, x)', 'STXR (x)', 'LDR (pre-index, w)']) {
      for (let n = 0; n < 300; n++) {
        for (const word of codeOf(rowOf(name), random) ?? []) {
          const found = decodeFields(completeDecoder(), word);
          expect(found && excludedEncoding(found.row, found.fields)).toBe(false);
        }
      }
    }
  });
});

describe('random cases', () => {
  const run = (name: string, count: number): Result[] => {
    const random = new Random(5);
    return Array.from({ length: count }, () => {
      const code = codeOf(rowOf(name), random) as number[];
      return interpreterDriver().run(seededCase(code, random.u32()));
    });
  };

  it.each([
    'LDR (register offset, x)',
    'STP (pre-index, x)',
    'LDADDAL (x)',
    'LD4 (multiple structures, 4 registers)',
  ])('mostly reach the data page, and sometimes fault: %s', (name) => {
    const signals = run(name, 400).map((r) => r.signal);
    expect(signals.filter((s) => s === SIGNAL.none).length).toBeGreaterThan(280);
    expect(signals.filter((s) => s === SIGNAL.segv).length).toBeGreaterThan(3);
  });

  it('let exclusive stores succeed and fail', () => {
    const random = new Random(6);
    const statuses = Array.from({ length: 200 }, () => {
      const code = codeOf(rowOf('STXR (x)'), random) as number[];
      const status = ((code.at(-1) as number) >>> 16) & 31;
      const r = interpreterDriver().run(seededCase(code, random.u32()));
      return r.signal || status === 31 ? undefined : r.x[status];
    });
    expect(statuses.filter((s) => s === 0n).length).toBeGreaterThan(30);
    expect(statuses.filter((s) => s === 1n).length).toBeGreaterThan(30);
  });

  it('branch to where the test can see it', () => {
    for (const name of ['B', 'CBZ', 'TBNZ', 'BR', 'BLR']) {
      for (const { pc, signal } of run(name, 50)) {
        expect([SIGNAL.none, SIGNAL.breakpoint, SIGNAL.segv]).toContain(signal);
        expect(Number(pc) - CODE_ADDRESS).toBeLessThan(64);
      }
    }
  });

  it('of sequences end, whatever they are made of', () => {
    const random = new Random(7);
    for (let n = 0; n < 300; n++) {
      const code = randomSequence(random);
      expect(code.length).toBeGreaterThanOrEqual(2);
      expect(code.length).toBeLessThanOrEqual(8);
      expect(interpreterDriver().run(seededCase(code, n)).signal).not.toBe(SIGNAL.endless);
    }
  });

  it('of loops end, and run their bodies more than once', () => {
    const random = new Random(9);
    const counters = Array.from({ length: 200 }, (_, n) => {
      const r = interpreterDriver().run(seededCase(randomLoop(random), n));
      expect(r.signal).not.toBe(SIGNAL.endless);
      return r.signal === SIGNAL.none ? r.x[20] : undefined;
    });
    expect(counters.filter((n) => n === 0n).length).toBeGreaterThan(100);
  });

  it('exist for every row that is compared', () => {
    const random = new Random(8);
    const missing = comparableRows.filter((row) => codeOf(row, random) === undefined);
    expect(missing.map((row) => row.name)).toEqual([]);
  });
});

describe('the comparison', () => {
  const code = [...assemble('adds x0, x1, x2\nstr x0, [x3]')];
  const c = {
    ...seededCase(code, 1),
    x: BigUint64Array.from({ length: 31 }, (_, k) => (k === 3 ? BigInt(DATA_ADDRESS) : BigInt(k))),
    memory: new Uint8Array(DATA_BYTES),
  };
  const result = interpreterDriver().run(c);

  it('finds nothing between equal results', () => {
    expect(divergence(c, result, interpreterDriver().run(c))).toEqual([]);
  });

  it.each<[string, Partial<Result>, RegExp]>([
    ['a register', { x: result.x.with(5, 99n) }, /^x5/],
    ['half a vector register', { v: result.v.with(9, 99n) }, /^v4\.d\[1\]/],
    ['flags', { nzcv: result.nzcv ^ 1 }, /^nzcv/],
    ['SP', { sp: result.sp + 16n }, /^sp/],
    ['FPSR', { fpsr: result.fpsr ^ 1 }, /^fpsr/],
    ['a byte of memory', { memory: (result.memory as Uint8Array).with(4000, 1) }, /^memory\[4000\]/],
    ['where it ended', { pc: result.pc + 4n }, /^pc/],
    ['a signal', { signal: SIGNAL.undefined }, /^signal/],
  ])('sees a difference in %s, and reports it with the code', (_, change, text) => {
    const found = divergence(c, { ...result, ...change }, result);
    expect(found[0]).toMatch(text);
    expect(report(c, found)).toContain(disassemble(code[0] as number));
  });
});
