// What counts as agreement between our engine and the reference CPU.

import { completeDecoder, decodeFields, disassemble } from '../../../src/hardware/a64/index.ts';
import { type Case, CODE_ADDRESS, differences, type Result, SIGNAL } from '../oracle/index.ts';
import { isMappedInReference, offsetOf } from './cases.ts';

const equal = <T>(a: ArrayLike<T>, b: ArrayLike<T>): boolean => {
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return true;
};

/** Most cases agree, and then no text need be made. */
export const same = (a: Result, b: Result): boolean =>
  a.signal === b.signal &&
  a.pc === b.pc &&
  a.sp === b.sp &&
  a.nzcv === b.nzcv &&
  a.fpcr === b.fpcr &&
  a.fpsr === b.fpsr &&
  equal(a.x, b.x) &&
  equal(a.v, b.v) &&
  (!a.memory || !b.memory || equal(a.memory, b.memory)) &&
  (!a.tags || !b.tags || equal(a.tags, b.tags));

/** Whether a sequence went astray to what only the reference has there: earlier instructions made the address. */
function wentAstray(c: Case, { signal, pc, x, sp }: Result): boolean {
  const word = c.code[Number(pc - BigInt(CODE_ADDRESS)) / 4];
  if (c.code.length === 1 || signal !== SIGNAL.segv || word === undefined) return false;
  const found = decodeFields(completeDecoder(), word);
  const n = found?.fields.Rn;
  if (!found || n === undefined) return false;
  const base = n === 31 ? sp : (x[n] as bigint);
  return isMappedInReference(BigInt.asUintN(56, base + offsetOf(found.row, found.fields, x)));
}

/** Whether both jumped to no instruction: the reference reports the absent page before the misaligned PC. */
const jumpedAstray = (actual: Result, expected: Result): boolean =>
  actual.pc === expected.pc &&
  (actual.pc & 3n) !== 0n &&
  actual.signal === SIGNAL.alignment &&
  expected.signal === SIGNAL.segv;

/** Differences that matter; see AVOIDED_INPUTS for faults. */
export function divergence(c: Case, actual: Result, expected: Result): string[] {
  if (same(actual, expected)) return [];
  // In a sequence an earlier instruction may have moved a base within its 16 bytes: fine with FEAT_LSE2.
  if (c.code.length > 1 && expected.signal === SIGNAL.alignment) return [];
  if (wentAstray(c, actual) || jumpedAstray(actual, expected)) return [];
  const all = differences(actual, expected);
  if (actual.signal !== expected.signal || !c.memory || actual.signal === 0) return all;
  return all.filter((d) => /^(signal|pc)/.test(d));
}

const hex = (n: bigint | number): string => n.toString(16);

/** A case and its differences for a person to read; of the registers, those that some instruction's fields name. */
export function report(c: Case, found: readonly string[]): string {
  const named = new Set(c.code.flatMap((word) => [0, 5, 10, 16].map((low) => (word >>> low) & 31)));
  const code = c.code.map(
    (word, k) => `  ${hex(word >>> 0).padStart(8, '0')}  ${disassemble(word, CODE_ADDRESS + 4 * k)}`,
  );
  const x: string[] = [];
  const v: string[] = [];
  for (const k of [...named].sort((a, b) => a - b)) {
    if (k < 31) x.push(`x${k}=${hex(c.x?.[k] ?? 0n)}`);
    const [low, high] = [c.v?.[2 * k] ?? 0n, c.v?.[2 * k + 1] ?? 0n];
    v.push(`v${k}=${hex(high).padStart(16, '0')}:${hex(low).padStart(16, '0')}`);
  }
  const state = `nzcv=${hex(c.nzcv ?? 0)} fpcr=${hex(c.fpcr ?? 0)} fpsr=${hex(c.fpsr ?? 0)} sp=${hex(c.sp ?? 0n)}`;
  return [...code, `  ${state}`, `  ${x.join(' ')}`, `  ${v.join(' ')}`, ...found.map((d) => `  ${d}`)].join(
    '\n',
  );
}
