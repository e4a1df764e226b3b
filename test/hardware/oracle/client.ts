// Runs cases on the reference CPU: builds oracle.c once (aarch64-linux-gnu-gcc -static), starts it under
// qemu-aarch64 -cpu max and exchanges binary records. Needs both programs, so tests that must run anywhere use
// recorded golden results instead.
//
//   const [result] = runOracle([{ code: [0x8b020020], x: BigUint64Array.of(0n, 1n, 2n, ...) }]);
//
// About 100,000 cases a second where neighbouring cases share their code, 20,000 where each has its own.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Case, CODE_ADDRESS, DATA_ADDRESS, DATA_BYTES, MAX_INSTRUCTIONS, type Result } from './case.ts';

/** struct state: x[31], sp, v[64], pc (u64), then nzcv, fpcr, fpsr, signal (u32). */
const STATE_SIZE = 792;
/** flags, count, code[MAX_INSTRUCTIONS] (u32), then the state. */
const HEADER_SIZE = 8 + 4 * MAX_INSTRUCTIONS;
const REQUEST_SIZE = HEADER_SIZE + STATE_SIZE;
const HAS_MEMORY = 1;
const SAME_CODE = 2;
/** Cases sent to one process: bounds the buffers to some 20 MB (100 MB with memory). */
const BATCH = 20_000;

/** Tests, and scripts bundled elsewhere, run from the project's root. */
const source = 'test/hardware/oracle/oracle.c';

/** Whether this machine can build and run the oracle. */
export function oracleAvailable(): boolean {
  const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
  return has('qemu-aarch64') && has('aarch64-linux-gnu-gcc');
}

/** The program, built on first use and kept in the temporary folder under its source's hash. */
function oracleProgram(): string {
  const text = readFileSync(source);
  const folder = join(tmpdir(), 'ringfence-oracle');
  const path = join(folder, createHash('sha256').update(text).digest('hex').slice(0, 16));
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const fresh = `${path}.${process.pid}`;
  const link = `-Wl,--defsym=code_page=${CODE_ADDRESS}`;
  execFileSync('aarch64-linux-gnu-gcc', ['-static', '-O2', link, '-x', 'c', '-o', fresh, '-'], {
    input: text,
  });
  renameSync(fresh, path);
  return path;
}

const sameCode = (a: Case | undefined, b: Case): boolean =>
  a !== undefined && a.code.length === b.code.length && a.code.every((word, k) => word === b.code[k]);

function encode(cases: readonly Case[]): Uint8Array {
  const memories = cases.filter((c) => c.memory).length;
  const bytes = new Uint8Array(4 + cases.length * REQUEST_SIZE + memories * DATA_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, cases.length, true);
  let at = 4;
  cases.forEach((c, n) => {
    if (c.code.length < 1 || c.code.length > MAX_INSTRUCTIONS)
      throw new RangeError(`1 to ${MAX_INSTRUCTIONS} instructions`);
    view.setUint32(at, (c.memory ? HAS_MEMORY : 0) | (sameCode(cases[n - 1], c) ? SAME_CODE : 0), true);
    view.setUint32(at + 4, c.code.length, true);
    for (const [k, word] of c.code.entries()) view.setUint32(at + 8 + 4 * k, word, true);
    at += HEADER_SIZE;
    if (c.x) bytes.set(new Uint8Array(c.x.buffer, c.x.byteOffset, 31 * 8), at);
    view.setBigUint64(at + 248, c.sp ?? BigInt(DATA_ADDRESS + DATA_BYTES / 2), true);
    if (c.v) bytes.set(new Uint8Array(c.v.buffer, c.v.byteOffset, 64 * 8), at + 256);
    view.setUint32(at + 776, c.nzcv ?? 0, true);
    view.setUint32(at + 780, c.fpcr ?? 0, true);
    view.setUint32(at + 784, c.fpsr ?? 0, true);
    at += STATE_SIZE;
    if (c.memory) {
      bytes.set(c.memory.subarray(0, DATA_BYTES), at);
      at += DATA_BYTES;
    }
  });
  return bytes;
}

function decode(output: Uint8Array, cases: readonly Case[]): Result[] {
  const bytes = output.slice();
  const view = new DataView(bytes.buffer);
  let at = 0;
  return cases.map((c) => {
    const start = at;
    at += STATE_SIZE;
    const state = {
      x: new BigUint64Array(bytes.buffer, start, 31),
      sp: view.getBigUint64(start + 248, true),
      v: new BigUint64Array(bytes.buffer, start + 256, 64),
      pc: view.getBigUint64(start + 768, true),
      nzcv: view.getUint32(start + 776, true),
      fpcr: view.getUint32(start + 780, true),
      fpsr: view.getUint32(start + 784, true),
      signal: view.getUint32(start + 788, true),
    };
    if (!c.memory) return state;
    at += DATA_BYTES;
    return { ...state, memory: bytes.subarray(at - DATA_BYTES, at) };
  });
}

/** The results of all cases, in order. Throws where the oracle cannot be built or dies. */
export function runOracle(cases: readonly Case[]): Result[] {
  const program = oracleProgram();
  const results: Result[] = [];
  for (let from = 0; from < cases.length; from += BATCH) {
    const batch = cases.slice(from, from + BATCH);
    const { status, stdout, stderr, signal } = spawnSync('qemu-aarch64', ['-cpu', 'max', program], {
      input: encode(batch),
      maxBuffer: batch.length * (STATE_SIZE + DATA_BYTES) + 1,
    });
    if (status !== 0) throw new Error(`the oracle ended with ${status ?? signal}: ${stderr}`);
    results.push(...decode(stdout, batch));
  }
  return results;
}
