// Random programs of 1 to 64 instructions on the JIT, eager and far, against the interpreter: the bounded part of
// `npm run fuzz:isa -- --programs`. And the tools that the fuzzer rests on.

import { describe, expect, it } from 'vitest';
import { assemble, completeDecoder } from '../../../src/hardware/a64/index.ts';
import { PROGRAM_LIMIT, ProgramComparison } from '../a64/compare-programs.ts';
import { report } from '../a64/differential.ts';
import { programSeed, randomProgram } from '../a64/program.ts';
import { distanceOf, without } from '../a64/relocate.ts';
import { shrink } from '../a64/shrink.ts';
import { CODE_ADDRESS, SIGNAL } from '../oracle/index.ts';

const PROGRAMS = 300;
const programs = Array.from({ length: PROGRAMS }, (_, k) => randomProgram(programSeed(1, k)));
const comparison = new ProgramComparison();

describe('random programs', () => {
  it.each(['jit', 'far'])(
    'do on the engine %s what they do on the interpreter, wherever budgets end',
    (engine) => {
      for (const program of programs) {
        const failure = comparison.compare(program, engine);
        if (!failure) continue;
        const small = shrink(
          program.case,
          (c) => comparison.compare({ ...program, case: c }, engine) !== undefined,
        );
        const found = comparison.compare({ ...program, case: small }, engine)?.differences ?? [];
        expect.fail(`program 0x${program.seed.toString(16)}, ${failure.schedule}:\n${report(small, found)}`);
      }
    },
  );

  it('are worth running: long and short, mostly to their end, through most of their instructions', () => {
    const lengths = new Set(programs.map((program) => program.case.code.length));
    expect(Math.min(...lengths)).toBeLessThan(4);
    expect(Math.max(...lengths)).toBe(64);
    expect(lengths.size).toBeGreaterThan(55);
    let [ended, executed] = [0, 0];
    for (const program of programs) {
      const driver = comparison.driver('interpreter', program);
      driver.start(program.case);
      if (driver.advance(PROGRAM_LIMIT) && driver.result().signal === SIGNAL.none) ended++;
      executed += driver.executed;
    }
    expect(ended / PROGRAMS).toBeGreaterThan(0.6);
    expect(executed / PROGRAMS).toBeGreaterThan(100);
  });

  it('have every kind of instruction', () => {
    const rows = new Set(
      programs.flatMap(({ case: { code } }) => code.map((word) => completeDecoder().decode(word)?.row)),
    );
    const names = [...rows].map((row) => row?.name ?? '');
    const features = new Set([...rows].map((row) => row?.feature));
    for (const kind of [
      /^B\.cond$/,
      /^CBN?Z$/,
      /^TBN?Z$/,
      /^B$/,
      /^BL$/,
      /^BLR$/,
      /^BR/,
      /^RET$/,
      /^BRAA$/,
      /^RETAA$/,
    ])
      expect(names, String(kind)).toContainEqual(expect.stringMatching(kind));
    for (const kind of [
      /^LDP .*post-index/,
      /^STP .*pre-index/,
      /^LDXR/,
      /^STXP/,
      /^LDADD/,
      /^CASP/,
      /^LD4/,
      /^STG /,
    ])
      expect(names, String(kind)).toContainEqual(expect.stringMatching(kind));
    for (const feature of ['FP16', 'LSE', 'MTE', 'PAuth', 'FlagM', 'AES'])
      expect(features).toContain(feature);
  });

  it('follow from their seeds', () => {
    expect(randomProgram(0xbdad903)).toEqual(randomProgram(0xbdad903));
    expect(new Set(programs.map(({ seed }) => seed)).size).toBe(PROGRAMS);
  });
});

describe('shrinking a program', () => {
  const code = (text: string): number[] => [...assemble(text, CODE_ADDRESS)];

  it('moves what branches over an instruction that goes', () => {
    const before = code('b.eq end\nadd x0, x0, #1\nback: nop\ntbz x1, #3, back\nldr x2, end\nend: nop');
    expect(without(before, 1, 1)).toEqual(
      code('b.eq end\nback: nop\ntbz x1, #3, back\nldr x2, end\nend: nop'),
    );
    expect(without(before, 2, 2)).toEqual(code('b.eq end\nadd x0, x0, #1\nldr x2, end\nend: nop'));
    expect(before.map(distanceOf)).toEqual([5, undefined, undefined, -1, 1, undefined]);
  });

  it('leaves what the failure needs', () => {
    const text = 'movz x5, #7\nb.ne end\nmul x0, x1, x2\nadd x3, x3, #1\nadds x4, x5, x6\nend: nop';
    const [mul, adds] = code('mul x0, x1, x2\nadds x4, x5, x6') as [number, number];
    const x = BigUint64Array.from({ length: 31 }, (_, k) => BigInt(k));
    const small = shrink(
      { code: code(text), x, nzcv: 5 },
      (c) => c.code.includes(mul) && c.code.includes(adds) && c.x?.[6] === 6n,
    );
    expect(small.code).toEqual([mul, adds]);
    expect([...(small.x ?? [])].filter((n) => n !== 0n)).toEqual([6n]);
    expect(small.nzcv).toBe(0);
  });
});
