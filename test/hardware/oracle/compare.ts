// Differential tests: the same cases on our engine and on the reference CPU.
//
//   const failures = compare(cases);           // [] when all agree
//   console.log(failures[0]?.text);            // code, input registers and what differed

import { type EngineDriver, interpreterDriver } from '../engine/driver.ts';
import { type Case, differences, type Result } from './case.ts';
import { runOracle } from './client.ts';

export interface Failure {
  readonly index: number;
  readonly case: Case;
  readonly expected: Result;
  readonly actual: Result;
  readonly text: string;
}

const hex = (n: bigint | number): string => n.toString(16);

function inputs(c: Case): string {
  const x = [...(c.x ?? [])].map((n, k) => (n ? `x${k}=${hex(n)} ` : '')).join('');
  const v: string[] = [];
  for (let k = 0; c.v && k < 32; k++) {
    const [low, high] = [c.v[2 * k] as bigint, c.v[2 * k + 1] as bigint];
    if (low || high) v.push(`v${k}=${hex(high)}:${hex(low).padStart(16, '0')} `);
  }
  return `${x}${v.join('')}nzcv=${c.nzcv ?? 0} fpcr=${hex(c.fpcr ?? 0)} fpsr=${hex(c.fpsr ?? 0)}`;
}

/** Runs cases on an engine and compares with results known; at most `limit` failures. */
export function compareWith(
  cases: readonly Case[],
  expected: readonly Result[],
  driver: EngineDriver = interpreterDriver(),
  limit = 20,
): Failure[] {
  const failures: Failure[] = [];
  for (const [index, c] of cases.entries()) {
    const actual = driver.run(c);
    const found = differences(actual, expected[index] as Result);
    if (found.length === 0) continue;
    const code = c.code.map((word) => hex(word >>> 0).padStart(8, '0')).join(' ');
    const text = `case ${index}: ${code}\n  ${inputs(c)}\n  ${found.join('\n  ')}`;
    failures.push({ index, case: c, expected: expected[index] as Result, actual, text });
    if (failures.length >= limit) break;
  }
  return failures;
}

/** The cases on which our engine and the reference CPU disagree; at most `limit`. */
export function compare(cases: readonly Case[], driver?: EngineDriver, limit?: number): Failure[] {
  return compareWith(cases, runOracle(cases), driver, limit);
}
