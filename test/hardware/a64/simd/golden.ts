// Recorded results of the reference CPU: one JSON line a case, with the encoding, the seed of its inputs
// (generate.ts) and what the instruction changed. The file is gzip'd and needs no QEMU to be checked against.

import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Case, CODE_ADDRESS, type Result } from '../../oracle/index.ts';
import { seededCase } from './generate.ts';

/** Numbers are hexadecimal text. */
interface Line {
  readonly row: string;
  readonly code: string;
  readonly seed: number;
  /** By index: V registers by 64-bit half, X registers, bytes of memory. */
  readonly v?: Record<string, string> | undefined;
  readonly x?: Record<string, string> | undefined;
  readonly memory?: Record<string, number> | undefined;
  readonly sp?: string | undefined;
  readonly fpsr?: string | undefined;
  readonly signal?: number | undefined;
}

export interface Recorded {
  readonly row: string;
  readonly case: Case;
  readonly expected: Result;
}

function changed(after: BigUint64Array, before: BigUint64Array): Record<string, string> | undefined {
  const entries = [...after].flatMap((n, k) => (n === before[k] ? [] : [[k, n.toString(16)] as const]));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

export function toLine(row: string, word: number, seed: number, c: Case, r: Result): string {
  const { x, v, memory } = c;
  if (!x || !v) throw new Error('a case without registers');
  const bytes = [...(r.memory ?? [])].flatMap((n, k) => (n === memory?.[k] ? [] : [[k, n] as const]));
  const line: Line = {
    row,
    code: word.toString(16),
    seed,
    v: changed(r.v, v),
    x: changed(r.x, x),
    memory: bytes.length > 0 ? Object.fromEntries(bytes) : undefined,
    sp: c.sp !== undefined && r.sp !== c.sp ? r.sp.toString(16) : undefined,
    fpsr: r.fpsr !== c.fpsr ? r.fpsr.toString(16) : undefined,
    signal: r.signal || undefined,
  };
  return JSON.stringify(line);
}

const DEFAULT_SP = 0x6000_0800n;

function fromLine(text: string): Recorded {
  const line = JSON.parse(text) as Line;
  const word = Number.parseInt(line.code, 16);
  const c = seededCase(word, line.seed);
  const apply = (before: BigUint64Array, changes: Record<string, string> = {}): BigUint64Array => {
    const after = before.slice();
    for (const [k, n] of Object.entries(changes)) after[Number(k)] = BigInt(`0x${n}`);
    return after;
  };
  const memory = c.memory?.slice();
  for (const [k, n] of Object.entries(line.memory ?? {})) (memory as Uint8Array)[Number(k)] = n;
  const signal = line.signal ?? 0;
  const expected: Result = {
    x: apply(c.x as BigUint64Array, line.x),
    v: apply(c.v as BigUint64Array, line.v),
    sp: line.sp !== undefined ? BigInt(`0x${line.sp}`) : (c.sp ?? DEFAULT_SP),
    nzcv: 0,
    fpcr: 0,
    fpsr: line.fpsr !== undefined ? Number.parseInt(line.fpsr, 16) : (c.fpsr as number),
    pc: BigInt(CODE_ADDRESS + (signal ? 0 : 4)),
    signal,
    ...(memory ? { memory } : {}),
  };
  return { row: line.row, case: c, expected };
}

export const writeGolden = (path: string, lines: readonly string[]): void =>
  writeFileSync(path, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));

export const readGolden = (path: string): Recorded[] =>
  gunzipSync(readFileSync(path)).toString().trimEnd().split('\n').map(fromLine);
