// The region JIT against recorded results and against the interpreter: whatever runs, runs the same.

import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/hardware/a64/generate.ts';
import { assemble } from '../../../src/hardware/a64/index.ts';
import { Jit } from '../../../src/hardware/engine/index.ts';
import { randomSequence, seededCase } from '../a64/cases.ts';
import { divergence, report } from '../a64/differential.ts';
import { readGolden } from '../a64/golden.ts';
import { CODE_ADDRESS, differences } from '../oracle/index.ts';
import { EngineDriver, interpreterDriver } from './driver.ts';

/** Compiles everything at its first arrival. */
function jitDriver(): { driver: EngineDriver; jits: readonly Jit[] } {
  const jits: Jit[] = [];
  const driver = new EngineDriver((memory) => {
    const jit = new Jit(memory, undefined, { hot: 1, batch: 1 });
    jits.push(jit);
    return jit;
  });
  return { driver, jits };
}

describe('the region JIT', () => {
  it('does what the reference CPU did, for every row', { timeout: 300_000 }, () => {
    const { driver, jits } = jitDriver();
    const failures: string[] = [];
    let n = 0;
    for (const { row, case: c, expected } of readGolden()) {
      // Compiling is slow beside running: some cases of every row are enough here.
      if (n++ % 6 !== 0) continue;
      const found = divergence(c, driver.run(c), expected);
      if (found.length > 0 && failures.length < 5) failures.push(`${row}\n${report(c, found)}`);
    }
    expect(failures).toEqual([]);
    expect(jits[0]?.counters.regions).toBeGreaterThan(1000);
  });

  it('runs sequences with branches as the interpreter does', { timeout: 120_000 }, () => {
    const { driver } = jitDriver();
    const reference = interpreterDriver();
    const r = new Random(20);
    const failures: string[] = [];
    for (let n = 0; n < 1500 && failures.length < 3; n++) {
      const c = seededCase(randomSequence(r), n);
      const found = differences(driver.run(c), reference.run(c));
      if (found.length > 0) failures.push(report(c, found));
    }
    expect(failures).toEqual([]);
  });

  it('lets go of regions where there is no room, and goes on', () => {
    const jits: Jit[] = [];
    const driver = new EngineDriver((memory) => {
      const jit = new Jit(memory, undefined, { hot: 1, batch: 2, regions: 8 });
      jits.push(jit);
      return jit;
    });
    // Forty functions in turn, three times: many more than there is room for.
    const functions = Array.from({ length: 40 }, (_, k) => `f${k}: add x0, x0, #${k}\neor x1, x1, x0\nret`);
    const calls = functions.map((_, k) => `bl f${k}`);
    const source = ['mov x20, #3', `again: ${calls.join('\n')}`, 'subs x20, x20, #1', 'b.ne again', 'b end'];
    const code = [...assemble([...source, ...functions, 'end: nop'].join('\n'), CODE_ADDRESS)];
    const c = { code, x: new BigUint64Array(31) };
    for (let round = 0; round < 3; round++)
      expect(differences(driver.run(c), interpreterDriver().run(c))).toEqual([]);
    expect(jits[0]?.counters.evicted).toBeGreaterThan(40);
  });

  it('keeps loops, calls and nested branches in structured code', () => {
    const { driver } = jitDriver();
    const code = [...assemble(LOOPS, CODE_ADDRESS)];
    const c = { code, x: BigUint64Array.from({ length: 31 }, (_, k) => BigInt(k)) };
    expect(differences(driver.run(c), interpreterDriver().run(c))).toEqual([]);
  });
});

/** A nested loop with a conditional inside. */
const LOOPS = `
  outer: add x0, x0, #1
  inner: subs x9, x9, #1
  csinc x3, x3, x3, ne
  b.hi inner
  cmp x0, #5
  b.ne outer
  adcs x4, x3, x0
  mov x5, x4
`;
