// Examples that the standards themselves give, through the instructions.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { interpreterDriver } from '../../engine/driver.ts';
import type { Result } from '../../oracle/index.ts';

/** Registers as bytes, V0 first. */
function run(code: readonly number[], registers: readonly Uint8Array[], x: readonly bigint[] = []): Result {
  const v = new BigUint64Array(64);
  registers.forEach((bytes, k) => {
    v.set(new BigUint64Array(bytes.slice().buffer), 2 * k);
  });
  const general = new BigUint64Array(31);
  general.set(x);
  return interpreterDriver().run({ code, v, x: general });
}
const bytesOf = (r: Result, register: number): Uint8Array =>
  new Uint8Array(r.v.slice(2 * register, 2 * register + 2).buffer);
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const AESE = 0x4e284820; // aese v0.16b, v1.16b
const AESD = 0x4e285820; // aesd v0.16b, v1.16b
const AESMC = 0x4e286800; // aesmc v0.16b, v0.16b
const AESIMC = 0x4e287800; // aesimc v0.16b, v0.16b

describe('AES (FIPS 197, appendix B, round 1)', () => {
  const key = fromHex('2b7e151628aed2a6abf7158809cf4f3c');
  const input = fromHex('3243f6a8885a308d313198a2e0370734');
  const shifted = 'd4bf5d30e0b452aeb84111f11e2798e5';
  const mixed = '046681e5e0cb199a48f8d37a2806264c';

  it('AESE adds the key, substitutes and shifts rows', () => {
    expect(hex(bytesOf(run([AESE], [input, key]), 0))).toBe(shifted);
  });
  it('AESMC mixes columns', () => {
    expect(hex(bytesOf(run([AESE, AESMC], [input, key]), 0))).toBe(mixed);
  });
  it('AESIMC and AESD undo it', () => {
    const zero = new Uint8Array(16);
    const back = bytesOf(run([AESIMC, AESD], [fromHex(mixed), zero]), 0);
    expect(hex(back.map((n, k) => n ^ (key[k] as number)))).toBe(hex(input));
  });
});

describe('CRC32 (C6.2)', () => {
  // The polynomial's usual check: '123456789', all ones before and inverted after.
  const check = (byteInstruction: number, wordInstruction: number): string => {
    const text = Buffer.from('123456789');
    const first = run([wordInstruction], [], [0xffff_ffffn, text.readBigUInt64LE(0)]).x[0] as bigint;
    const last = run([byteInstruction], [], [first, BigInt(text[8] as number)]).x[0] as bigint;
    return (~last & 0xffff_ffffn).toString(16);
  };
  it('uses 0x04C11DB7', () => expect(check(0x1ac14000, 0x9ac14c00)).toBe('cbf43926'));
  it('CRC32C uses 0x1EDC6F41', () => expect(check(0x1ac15000, 0x9ac15c00)).toBe('e3069283'));
});

describe('SHA-256 (FIPS 180-4, 6.2)', () => {
  // FIPS 180-4, 4.2.2: the fractions of the cube roots of the first primes; 5.3.3: of the square roots.
  const primes = Array.from({ length: 400 }, (_, n) => n).filter(
    (n) => n > 1 && Array.from({ length: n }, (_, d) => d).every((d) => d < 2 || n % d !== 0),
  );
  const fraction = (root: number): number => Math.floor((root % 1) * 2 ** 32);
  const constants = primes.slice(0, 64).map((p) => fraction(Math.cbrt(p)));
  const initial = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  const vector = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);
  const words = (r: Result, register: number): number[] => [...new Uint32Array(bytesOf(r, register).buffer)];

  it('hashes one block with SHA256H, SHA256H2, SHA256SU0 and SHA256SU1', () => {
    const block = new DataView(new ArrayBuffer(64));
    block.setUint32(0, 0x61626380); // 'abc' and the bit that follows a message
    block.setUint32(60, 24);
    const schedule = Array.from({ length: 16 }, (_, k) => block.getUint32(4 * k));
    // sha256su0 v0.4s, v1.4s; sha256su1 v0.4s, v2.4s, v3.4s
    const extend = [0x5e282820, 0x5e036040];
    while (schedule.length < 64) {
      const at = schedule.length - 16;
      const four = [0, 4, 8, 12].map((k) => vector(schedule.slice(at + k, at + k + 4)));
      schedule.push(...words(run(extend, four), 0));
    }
    // mov v3.16b, v0.16b; sha256h q0, q1, v2.4s; sha256h2 q1, q3, v2.4s
    const round = [0x4ea01c03, 0x5e024020, 0x5e025061];
    let [abcd, efgh] = [initial.slice(0, 4), initial.slice(4)];
    for (let k = 0; k < 64; k += 4) {
      const sum = [0, 1, 2, 3].map((n) => ((schedule[k + n] as number) + (constants[k + n] as number)) >>> 0);
      const r = run(round, [vector(abcd), vector(efgh), vector(sum)]);
      [abcd, efgh] = [words(r, 0), words(r, 1)];
    }
    const digest = [...abcd, ...efgh].map((n, k) =>
      ((n + (initial[k] as number)) >>> 0).toString(16).padStart(8, '0'),
    );
    expect(digest.join('')).toBe(createHash('sha256').update('abc').digest('hex'));
  });
});
