// Golden results: cases with what the reference CPU made of them, as gzip'd JSON lines, so that tests need no
// emulator. A line holds what is not zero of the case, and what the instructions changed.
//
//   RINGFENCE_RECORD=1 npx vitest run test/hardware/fp      records instead of comparing

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Case, CODE_ADDRESS, DATA_ADDRESS, DATA_BYTES, type Result } from './case.ts';
import { runOracle } from './client.ts';
import { compareWith, type Failure } from './compare.ts';

export interface Golden {
  readonly case: Case;
  readonly result: Result;
}

/** Whether this run is to record. */
export const recording = (): boolean => process.env.RINGFENCE_RECORD === '1';

/** Index and hexadecimal value of elements. */
type Sparse = readonly (readonly [number, string])[];

interface Line {
  readonly code: readonly string[];
  readonly x?: Sparse;
  readonly v?: Sparse;
  readonly sp?: string;
  readonly nzcv?: number;
  readonly fpcr?: number;
  readonly fpsr?: number;
  readonly memory?: Sparse;
  readonly after: {
    readonly x?: Sparse;
    readonly v?: Sparse;
    readonly sp?: string;
    readonly nzcv?: number;
    readonly fpcr?: number;
    readonly fpsr?: number;
    readonly memory?: Sparse;
    readonly pc?: string;
    readonly signal?: number;
  };
}

const DEFAULT_SP = BigInt(DATA_ADDRESS + DATA_BYTES / 2);
const text = (n: bigint | number): string => n.toString(16);
const end = (c: Case): bigint => BigInt(CODE_ADDRESS + 4 * c.code.length);

/** Elements that differ from `before` (zeros where there is none); undefined where all are equal. */
function changed(
  after: ArrayLike<bigint | number> | undefined,
  before?: ArrayLike<bigint | number>,
): Sparse | undefined {
  const out: [number, string][] = [];
  for (let k = 0; k < (after?.length ?? 0); k++) {
    const value = (after as ArrayLike<bigint | number>)[k] as bigint | number;
    const old = before?.[k] ?? (typeof value === 'bigint' ? 0n : 0);
    if (value !== old) out.push([k, text(value)]);
  }
  return out.length > 0 ? out : undefined;
}

const differing = <T extends number | bigint>(after: T, before: T): T | undefined =>
  after === before ? undefined : after;
const differingText = (after: bigint, before: bigint): string | undefined =>
  after === before ? undefined : text(after);

/** JSON leaves undefined members out. */
function encode({ case: c, result: r }: Golden): string {
  return JSON.stringify({
    code: c.code.map((word) => text(word >>> 0)),
    x: changed(c.x),
    v: changed(c.v),
    sp: differingText(c.sp ?? DEFAULT_SP, DEFAULT_SP),
    nzcv: differing(c.nzcv ?? 0, 0),
    fpcr: differing(c.fpcr ?? 0, 0),
    fpsr: differing(c.fpsr ?? 0, 0),
    memory: c.memory ? (changed(c.memory) ?? []) : undefined,
    after: {
      x: changed(r.x, c.x),
      v: changed(r.v, c.v),
      sp: differingText(r.sp, c.sp ?? DEFAULT_SP),
      nzcv: differing(r.nzcv, c.nzcv ?? 0),
      fpcr: differing(r.fpcr, c.fpcr ?? 0),
      fpsr: differing(r.fpsr, c.fpsr ?? 0),
      memory: changed(r.memory, c.memory),
      pc: differingText(r.pc, end(c)),
      signal: differing(r.signal, 0),
    },
  });
}

function registers(length: number, sparse: Sparse | undefined, base?: BigUint64Array): BigUint64Array {
  const out = base?.slice() ?? new BigUint64Array(length);
  for (const [k, value] of sparse ?? []) out[k] = BigInt(`0x${value}`);
  return out;
}
function bytes(sparse: Sparse | undefined, base?: Uint8Array): Uint8Array {
  const out = base?.slice() ?? new Uint8Array(DATA_BYTES);
  for (const [k, value] of sparse ?? []) out[k] = Number.parseInt(value, 16);
  return out;
}

function decode(line: string): Golden {
  const l = JSON.parse(line) as Line;
  const { after } = l;
  const c = {
    code: l.code.map((word) => Number.parseInt(word, 16)),
    x: registers(31, l.x),
    v: registers(64, l.v),
    sp: l.sp === undefined ? DEFAULT_SP : BigInt(`0x${l.sp}`),
    nzcv: l.nzcv ?? 0,
    fpcr: l.fpcr ?? 0,
    fpsr: l.fpsr ?? 0,
  };
  const r = {
    x: registers(31, after.x, c.x),
    v: registers(64, after.v, c.v),
    sp: after.sp === undefined ? c.sp : BigInt(`0x${after.sp}`),
    nzcv: after.nzcv ?? c.nzcv,
    fpcr: after.fpcr ?? c.fpcr,
    fpsr: after.fpsr ?? c.fpsr,
    pc: after.pc === undefined ? end(c) : BigInt(`0x${after.pc}`),
    signal: after.signal ?? 0,
  };
  if (!l.memory) return { case: c, result: r };
  const memory = bytes(l.memory);
  return { case: { ...c, memory }, result: { ...r, memory: bytes(after.memory, memory) } };
}

/** Runs cases on the reference CPU and writes a golden file. */
export function record(path: string, cases: readonly Case[]): void {
  const results = runOracle(cases);
  const lines = cases.map((c, k) => encode({ case: c, result: results[k] as Result }));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
}

export function readGolden(path: string): Golden[] {
  const lines = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  return lines.map(decode);
}

/** The golden cases on which an engine (default: the interpreter) differs. */
export function compareWithGolden(path: string, limit?: number): Failure[] {
  const golden = readGolden(path);
  return compareWith(
    golden.map((g) => g.case),
    golden.map((g) => g.result),
    undefined,
    limit,
  );
}
