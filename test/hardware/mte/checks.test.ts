// Every form of access to memory under tag checking, on both engines, against recorded results of a reference CPU: a
// bare-metal program of 60,000 cases. See docs/MTE.md.

import { describe, expect, it } from 'vitest';
import { deviations } from './deviations.ts';
import { forms } from './forms.ts';
import { readGolden, suiteDigest } from './golden.ts';
import { RESULT_BYTES } from './harness.ts';
import { cases, nameOf } from './image.ts';
import { differencesOf, type Result, resultAt } from './results.ts';
import { type Engine, runSuite } from './runner.ts';
import { type Mode, scenarios } from './scenarios.ts';

const LIMIT = { timeout: 300_000 };
const golden = readGolden();
const SHOWN = 20;

const numbers = new Map(cases.map((c, n) => [nameOf(c), n]));
const used = new Map<string, number>();

/** What a case must do where that is not what the reference does, by the case's number. */
const corrected = new Map<number, Result>();
cases.forEach((c, n) => {
  const reference = resultAt(golden.results, n);
  const like = (name: string, mode: Mode = c.mode): Result => {
    const other = numbers.get(nameOf({ ...c, form: { ...c.form, name }, mode }));
    if (other === undefined) throw new Error(`no case of ${name}`);
    return resultAt(golden.results, other);
  };
  for (const { why, expect: instead } of deviations) {
    const result = instead(c, reference, like);
    if (!result) continue;
    if (differencesOf(reference, result).length > 0) {
      used.set(why, (used.get(why) ?? 0) + 1);
      corrected.set(n, result);
    }
    return;
  }
});

/** What is not as it must be. */
function* wrong(results: Uint8Array): Generator<string> {
  for (const [n, c] of cases.entries()) {
    const bytes = (all: Uint8Array): Buffer =>
      Buffer.from(all.buffer, all.byteOffset + n * RESULT_BYTES, RESULT_BYTES);
    const expected = corrected.get(n);
    if (!expected && bytes(results).equals(bytes(golden.results))) continue;
    const differences = differencesOf(expected ?? resultAt(golden.results, n), resultAt(results, n));
    if (differences.length > 0) yield `${nameOf(c)}: ${differences.join(', ')}`;
  }
}

describe('the tag-check suite', () => {
  it('has every load and store in every scenario, and its recording is of it', () => {
    expect(forms.length).toBeGreaterThan(1500);
    expect(new Set(forms.map((f) => f.name)).size).toBe(forms.length);
    for (const s of scenarios) expect(cases.some((c) => c.scenario === s)).toBe(true);
    expect(golden.digest).toBe(suiteDigest());
  });

  it('saw checks fail, be recorded and pass on the reference', () => {
    const seen = { faults: 0, recorded: 0, passed: 0 };
    cases.forEach((_, n) => {
      const r = resultAt(golden.results, n);
      if ((Number.parseInt(r.esr, 16) & 0x3f) === 0x11) seen.faults++;
      else if (r.tfsr || r.tfsre0) seen.recorded++;
      else seen.passed++;
    });
    expect(Math.min(seen.faults, seen.recorded, seen.passed)).toBeGreaterThan(8000);
  });

  it.each<[Engine, string, boolean]>([
    ['interpreter', 'cold', false],
    ['interpreter', 'warm', true],
    ['jit', 'cold', false],
    ['jit', 'warm', true],
  ])('does what the reference does: %s, pages %s in the soft TLB', LIMIT, (engine, _, warm) => {
    const results = runSuite(engine, warm);
    expect([...wrong(results)].slice(0, SHOWN)).toEqual([]);
  });

  it('needs each exception that it makes for the reference', () => {
    expect(deviations.filter((d) => !used.has(d.why))).toEqual([]);
  });
});
