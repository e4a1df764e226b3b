// What the harness wrote down of a case, decoded.

import { RESULT_BYTES } from './harness.ts';

export interface Result {
  readonly esr: string;
  readonly far: string;
  /** Where the exception was, from the form's start: behind its SVC where the form completed. */
  readonly elr: number;
  readonly spsr: string;
  readonly tfsr: number;
  readonly tfsre0: number;
  readonly base: string;
  readonly sp: string;
  /** X registers in bits 30:0 and vector registers in 63:32 that changed. */
  readonly changed: string;
  /** Bytes of the window that changed. */
  readonly memory: string;
  /** Tags of the window's granules, the first one last. */
  readonly tags: string;
  /** Of X registers, vector registers and the window. */
  readonly hashes: string;
}

export function resultAt(bytes: Uint8Array, n: number): Result {
  const view = new DataView(bytes.buffer, bytes.byteOffset + n * RESULT_BYTES, RESULT_BYTES);
  const word = (k: number): bigint => view.getBigUint64(8 * k, true);
  const hex = (value: bigint): string => value.toString(16);
  const state = word(2);
  const tags = word(11);
  return {
    esr: hex(word(0)),
    far: hex(word(1)),
    elr: Number(state & 0xffn),
    spsr: hex(state >> 32n),
    tfsr: Number((state >> 8n) & 0xffn),
    tfsre0: Number((state >> 16n) & 0xffn),
    base: hex(word(3)),
    sp: hex(word(4)),
    changed: hex(word(6)),
    memory: hex((word(10) << 128n) | (word(9) << 64n) | word(8)),
    tags: hex(tags & 0xffff_ffff_ffffn),
    hashes: [word(5), word(7), tags >> 48n].map(hex).join(' '),
  };
}

/** Fields in which two results differ: 'esr 96000011 | 56000000'. */
export const differencesOf = (expected: Result, actual: Result): string[] =>
  (Object.keys(expected) as (keyof Result)[])
    .filter((key) => expected[key] !== actual[key])
    .map((key) => `${key} ${expected[key]} | ${actual[key]}`);
