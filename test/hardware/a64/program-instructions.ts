// Single instructions for random programs: any row's, with registers changed so that the program goes on. Some registers
// have a part in it: X20 to X22 count loops, X24 to X27 point into the data, X28 is a small index, X30 the way back.

import {
  allRows,
  completeDecoder,
  fieldsOf,
  type Random,
  type Row,
  randomInstruction,
} from '../../../src/hardware/a64/index.ts';
import { comparableInstruction, comparableRows, isBased, mustAlign, withField } from './cases.ts';
import { excludedEncoding } from './exclusions.ts';

export const NOP = 0xd503201f;
export const COUNTERS = [20, 21, 22] as const;
/** Of the bases, X24 and X25 may move; X25 is anywhere in the data and may have a tag, X26 and X27 are aligned. */
export const BASES = [24, 25, 26, 27] as const;
const STEADY = [26, 27] as const;
export const INDEX = 28;
const SP = 31;
const isReserved = (n: number): boolean => (n >= COUNTERS[0] && n <= INDEX) || n === 30;

/** 'user': what the reference CPU does too; 'all': everything that there is. */
export type Scope = 'user' | 'all';

type Purpose = 'integer' | 'memory' | 'simd' | 'tags';

const isBranch = (row: Row): boolean => row.flow !== undefined && row.flow !== 'leave';

const isTrap = (row: Row): boolean =>
  /^(SVC|HVC|SMC|HLT|BRK|UDF|WFE|WFI|ERET|AUT|LDRA[AB]|M[RS][SR] |MRS|SYS|LDGM|STGM|STZGM)/.test(row.name);

const isTagRow = (row: Row): boolean =>
  row.feature === 'MTE' || row.feature === 'MTE2' || row.feature === 'PAuth';

/** Store exclusives need their own sequences: the reference's monitor and ours differ for strange ones. */
const isExclusive = (row: Row): boolean => /^(LD|ST)A?L?X[RP]/.test(row.name);

function purposeOf(row: Row): Purpose {
  if (isTagRow(row)) return 'tags';
  const { value, mask } = row.pattern;
  if (isBased(value) && isBased((value | ~mask) >>> 0)) return 'memory';
  return row.simd ? 'simd' : 'integer';
}

interface Pool {
  readonly rows: Readonly<Record<Purpose, readonly Row[]>>;
  /** What usually ends a program. */
  readonly traps: readonly Row[];
}

function poolOf(rows: readonly Row[], scope: Scope): Pool {
  const plain = rows.filter((row) => !isBranch(row) && (scope === 'all' || !isExclusive(row)));
  const usable = plain.filter((row) => !isTrap(row));
  const of = (purpose: Purpose): Row[] => usable.filter((row) => purposeOf(row) === purpose);
  return {
    rows: { integer: of('integer'), memory: of('memory'), simd: of('simd'), tags: of('tags') },
    traps: plain.filter(isTrap),
  };
}

const POOLS: Readonly<Record<Scope, Pool>> = {
  user: poolOf(comparableRows, 'user'),
  all: poolOf(
    allRows.filter((row) => !row.without),
    'all',
  ),
};

const SHARES: Readonly<Record<Scope, readonly Purpose[]>> = {
  user: ['integer', 'integer', 'integer', 'memory', 'memory', 'simd', 'simd'],
  all: ['integer', 'integer', 'integer', 'memory', 'memory', 'simd', 'tags'],
};

/** The kind of operand that a register field is, by the row's syntax. */
function kindOf(row: Row, field: string): string {
  for (const [, fields, kind] of row.syntax.matchAll(/\{([^:?}]*):([^}]*)\}/g)) {
    if ((fields as string).split(',').includes(field)) return kind as string;
  }
  return '';
}

const isGeneral = (row: Row, field: string): boolean =>
  !row.simd || /^(r|w|x|xsp|rsp|roffset\d+|post\d+)$/.test(kindOf(row, field));

/** The base of an access: one that suits it, now and then any register where nobody else's memory is in danger. */
function baseFor(word: number, scope: Scope, r: Random): number {
  if (scope === 'all' && r.once(24)) return r.below(32);
  return mustAlign(word) ? r.pick(STEADY) : r.pick([...BASES, SP]);
}

/** Offsets that stay in the data, mostly. */
function withNearOffset(row: Row, word: number, r: Random): number {
  if (r.once(24)) return word;
  const scale = Number(/\{imm12:offset(\d+)\}/.exec(row.syntax)?.[1] ?? 0);
  if (scale > 0) return withField(row, word, 'imm12', r.below(1024 / scale));
  return mustAlign(word) ? withField(row, word, 'imm9', 16 * (r.below(32) - 16)) : word;
}

/** The instruction with its registers changed, or undefined where that makes it another. */
function tame(row: Row, word: number, scope: Scope, r: Random): number | undefined {
  let tamed = word;
  const based = isBased(word) || /^DC .*ZVA/.test(row.name);
  for (const { name } of row.pattern.fields) {
    if (!name.startsWith('R') || !isGeneral(row, name)) continue;
    const n = fieldsOf(row.pattern, tamed)[name] as number;
    const kind = kindOf(row, name);
    const isBase = based && (name === 'Rn' || /^DC/.test(row.name));
    if (isBase) tamed = withField(row, tamed, name, baseFor(word, scope, r));
    else if (/^(roffset|post)/.test(kind))
      tamed = withField(row, tamed, name, r.below(4) && n !== SP ? INDEX : SP);
    else if (isReserved(n)) tamed = withField(row, tamed, name, n & 15);
    else if (n === SP && name === 'Rd' && /sp$/.test(kind)) tamed = withField(row, tamed, name, 29);
  }
  if (based) tamed = withNearOffset(row, tamed, r);
  return completeDecoder().decode(tamed)?.row === row ? tamed : undefined;
}

function instructionOf(row: Row, scope: Scope, r: Random): number | undefined {
  return scope === 'user' ? comparableInstruction(row, r) : randomInstruction(row, r);
}

/** One instruction that passes control on to the next, as a rule. */
export function plainInstruction(scope: Scope, r: Random): { readonly word: number; readonly row: Row } {
  const pool = POOLS[scope];
  for (;;) {
    const row = r.once(250) ? r.pick(pool.traps) : r.pick(pool.rows[r.pick(SHARES[scope])]);
    const word = instructionOf(row, scope, r);
    const tamed = word === undefined ? undefined : tame(row, word, scope, r);
    if (tamed === undefined) continue;
    if (scope === 'all' || !excludedEncoding(row, fieldsOf(row.pattern, tamed))) return { word: tamed, row };
  }
}
