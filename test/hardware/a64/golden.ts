// Recorded results of the reference CPU for every row, compact: a file holds the rows' names, encodings, and what
// each case changed. Inputs follow from the encoding and the case's number (cases.ts), so recording anew is needed
// when those rules change: `npm run record:isa`. Layout, little-endian, gzip'd:
//
//   per row    name (u8 length, bytes), u8 codes; per code: u8 words, the words (u32), u8 cases, the cases
//   per case   u8 signal, i16 slot where it ended [0x7fff: u64 address], u8 nzcv | SP << 4 | FPSR << 5, [sp u64], [fpsr u32],
//              u8 n and n times (u8 index, u64) of X; the same of V's halves; u16 n and n times (u16 index, u8) of memory
//
// A case with memory that ended in a signal has no registers and no memory (see AVOIDED_INPUTS).

import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Case, CODE_ADDRESS, type Result } from '../oracle/index.ts';
import { seededCase } from './cases.ts';

export const GOLDEN = 'test/golden/isa.bin.gz';

export interface Recorded {
  readonly row: string;
  readonly case: Case;
  readonly expected: Result;
}

const SP = 16;
const FPSR = 32;
const ELSEWHERE = 0x7fff;

/** The seed of a code's k-th case: FNV-1a over the words. */
export function seedOf(code: readonly number[], k: number): number {
  let hash = 0x811c9dc5 ^ k;
  for (const word of code) {
    for (let at = 0; at < 32; at += 8) hash = Math.imul(hash ^ ((word >>> at) & 0xff), 0x01000193);
  }
  return hash >>> 0;
}

/** Bytes that grow. */
export class Writer {
  private bytes = new Uint8Array(1 << 16);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  private reserve(n: number): number {
    if (this.at + n > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    this.at += n;
    return this.at - n;
  }
  u8(n: number): void {
    const at = this.reserve(1);
    this.view.setUint8(at, n);
  }
  u16(n: number): void {
    const at = this.reserve(2);
    this.view.setUint16(at, n, true);
  }
  u32(n: number): void {
    const at = this.reserve(4);
    this.view.setUint32(at, n, true);
  }
  u64(n: bigint): void {
    const at = this.reserve(8);
    this.view.setBigUint64(at, n, true);
  }
  text(s: string): void {
    this.u8(s.length);
    for (const c of s) this.u8(c.charCodeAt(0));
  }
  result(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }
}

class Reader {
  private readonly view: DataView;
  private at = 0;
  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  get done(): boolean {
    return this.at === this.view.byteLength;
  }
  private skip(n: number): number {
    this.at += n;
    return this.at - n;
  }
  u8(): number {
    return this.view.getUint8(this.skip(1));
  }
  u16(): number {
    return this.view.getUint16(this.skip(2), true);
  }
  i16(): number {
    return this.view.getInt16(this.skip(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.skip(4), true);
  }
  u64(): bigint {
    return this.view.getBigUint64(this.skip(8), true);
  }
  text(): string {
    return String.fromCharCode(...Array.from({ length: this.u8() }, () => this.u8()));
  }
}

function writeChanges(w: Writer, after: BigUint64Array, before: BigUint64Array | undefined): void {
  const changed = [...after.keys()].filter((k) => after[k] !== (before?.[k] ?? 0n));
  w.u8(changed.length);
  for (const k of changed) {
    w.u8(k);
    w.u64(after[k] as bigint);
  }
}
function readChanges(r: Reader, before: BigUint64Array): BigUint64Array {
  const after = before.slice();
  for (let n = r.u8(); n > 0; n--) after[r.u8()] = r.u64();
  return after;
}

/** Writes what a case changed. FPCR never changes: instructions that could are excluded. */
export function writeResult(w: Writer, c: Case, r: Result): void {
  w.u8(r.signal);
  const slot = Number(r.pc - BigInt(CODE_ADDRESS)) / 4;
  const near = Number.isInteger(slot) && Math.abs(slot) < ELSEWHERE;
  w.u16(near ? slot & 0xffff : ELSEWHERE);
  if (!near) w.u64(r.pc);
  if (r.signal && c.memory) return;
  const flags = r.nzcv | (r.sp === c.sp ? 0 : SP) | (r.fpsr === c.fpsr ? 0 : FPSR);
  w.u8(flags);
  if (flags & SP) w.u64(r.sp);
  if (flags & FPSR) w.u32(r.fpsr);
  writeChanges(w, r.x, c.x);
  writeChanges(w, r.v, c.v);
  const { memory } = r;
  const changed = memory ? [...memory.keys()].filter((k) => memory[k] !== c.memory?.[k]) : [];
  w.u16(changed.length);
  for (const k of changed) {
    w.u16(k);
    w.u8(memory?.[k] as number);
  }
}

function readResult(r: Reader, c: Case): Result {
  const before = { x: c.x as BigUint64Array, v: c.v as BigUint64Array, sp: c.sp as bigint };
  const signal = r.u8();
  const slot = r.i16();
  const pc = slot === ELSEWHERE ? r.u64() : BigInt(CODE_ADDRESS + 4 * slot);
  const state = { ...before, nzcv: c.nzcv as number, fpcr: c.fpcr as number, fpsr: c.fpsr as number };
  if (signal && c.memory) return { ...state, pc, signal };
  const flags = r.u8();
  const sp = flags & SP ? r.u64() : state.sp;
  const fpsr = flags & FPSR ? r.u32() : state.fpsr;
  const x = readChanges(r, before.x);
  const v = readChanges(r, before.v);
  const memory = c.memory?.slice();
  for (let n = r.u16(); n > 0; n--) (memory as Uint8Array)[r.u16()] = r.u8();
  const result = { ...state, sp, fpsr, x, v, nzcv: flags & 15, pc, signal };
  return memory ? { ...result, memory } : result;
}

export const writeGolden = (w: Writer): void => writeFileSync(GOLDEN, gzipSync(w.result(), { level: 9 }));

export function* readGolden(): Generator<Recorded> {
  const r = new Reader(gunzipSync(readFileSync(GOLDEN)));
  while (!r.done) {
    const row = r.text();
    for (let codes = r.u8(); codes > 0; codes--) {
      const code = Array.from({ length: r.u8() }, () => r.u32());
      const cases = r.u8();
      for (let k = 0; k < cases; k++) {
        const c = seededCase(code, seedOf(code, k));
        yield { row, case: c, expected: readResult(r, c) };
      }
    }
  }
}
