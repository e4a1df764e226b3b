// Random cases for floating-point rows: encodings with random fields, registers full of the values that matter
// (zeros, denormals, extremes, infinities, NaNs with payloads, halfway cases) and every mode of FPCR.

import type { Row } from '../../../src/hardware/a64/index.ts';
import type { Case } from '../oracle/case.ts';

/** Deterministic (SplitMix64 folded to 32 bits). */
export class Random {
  private state: bigint;
  constructor(seed: number) {
    this.state = BigInt(seed);
  }
  u64(): bigint {
    this.state = (this.state + 0x9e3779b97f4a7c15n) & 0xffff_ffff_ffff_ffffn;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & 0xffff_ffff_ffff_ffffn;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & 0xffff_ffff_ffff_ffffn;
    return z ^ (z >> 31n);
  }
  /** 0..n-1 */
  below(n: number): number {
    return Number(this.u64() % BigInt(n));
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

const FORMATS = {
  16: { fraction: 10, bias: 15 },
  32: { fraction: 23, bias: 127 },
  64: { fraction: 52, bias: 1023 },
};

/** A number whose exponent and fraction are each likely to be special. */
export function number(r: Random, bits: 16 | 32 | 64): bigint {
  const { fraction, bias } = FORMATS[bits];
  const max = 2 * bias + 1;
  const sign = BigInt(r.below(2));
  const ones = (1n << BigInt(fraction)) - 1n;
  const exponents = [
    () => 0,
    () => max,
    () => 1 + r.below(3),
    () => max - 1 - r.below(3),
    () => bias + r.below(5) - 2,
    () => bias + fraction + r.below(5) - 2,
    () => bias + 28 + r.below(40),
    () => r.below(max + 1),
    () => bias + r.below(24) - 12,
    () => bias + r.below(24) - 12,
  ];
  const fractions = [
    () => 0n,
    () => ones,
    () => 1n << BigInt(r.below(fraction)),
    () => (1n << BigInt(fraction - 1)) | BigInt(r.below(3)),
    () => ones ^ (1n << BigInt(r.below(fraction))),
    () => BigInt(r.below(8)),
    () => r.u64() & ones & ~((1n << BigInt(r.below(fraction))) - 1n),
    () => r.u64() & ones,
    () => r.u64() & ones,
  ];
  const exponent = Math.min(Math.max(r.pick(exponents)(), 0), max);
  return (sign << BigInt(bits - 1)) | (BigInt(exponent) << BigInt(fraction)) | r.pick(fractions)();
}

function register(r: Random, bits: 16 | 32 | 64): bigint {
  let out = 0n;
  for (let at = 0; at < 64; at += bits) out |= number(r, bits) << BigInt(at);
  return out;
}

const integer = (r: Random): bigint => {
  const n = r.u64() >> BigInt(r.below(64));
  return (
    r.pick([
      () => n,
      () => -n & 0xffff_ffff_ffff_ffffn,
      () => (1n << BigInt(r.below(64))) + BigInt(r.below(3)) - 1n,
      () => r.u64(),
    ])() & 0xffff_ffff_ffff_ffffn
  );
};

const FPCR_BITS = [1 << 26, 1 << 25, 1 << 24, 2 << 22, 1 << 22, 1 << 19];
const IXC = 16;

/** Half of all modes are the default, where the native path runs. */
function modes(r: Random): { fpcr: number; fpsr: number } {
  const fpcr = r.below(2) ? 0 : FPCR_BITS.reduce((word, bit) => word | (r.below(2) ? bit : 0), 0);
  return { fpcr, fpsr: r.pick([0, IXC, IXC, 0x9f, 0x0800_0000 | IXC]) };
}

/** An encoding of a row: fixed bits, and random fields for which the row's condition holds. */
export function encoding(r: Random, row: Row): number {
  for (;;) {
    let word = row.pattern.value;
    const fields: Record<string, number> = {};
    for (const f of row.pattern.fields) {
      const n = r.below(2 ** f.width);
      fields[f.name] = n;
      word |= n << f.low;
    }
    if (!row.where || row.where(fields)) return word >>> 0;
  }
}

/** `count` cases of one row with `encodings` different encodings; cases that share one are neighbours. */
export function casesOf(row: Row, count: number, encodings: number, seed: number): Case[] {
  const r = new Random(seed);
  const cases: Case[] = [];
  const each = Math.ceil(count / encodings);
  // The size that the row names; others appear among the operands of conversions anyway.
  const own = /half/.test(row.name) ? 16 : /single/.test(row.name) ? 32 : 64;
  for (let k = 0; k < encodings; k++) {
    const code = [encoding(r, row)];
    for (let n = 0; n < each; n++) {
      const x = BigUint64Array.from({ length: 31 }, () => integer(r));
      const bits = r.below(8) ? own : r.pick([16, 32, 64] as const);
      const v = BigUint64Array.from({ length: 64 }, () => register(r, bits));
      cases.push({ code, x, v, nzcv: r.below(16), ...modes(r) });
    }
  }
  return cases;
}

/**
 * Where QEMU 7.2 is known to be wrong: FJCVTZS says exact of a denormal that was flushed (Arm ARM FPToFixedJS: Z is
 * 0), and the scalar half-precision FCVTZS to fixed point leaves sign bits above the result.
 */
export const referenceIsWrong = (row: Row, c: Case): boolean =>
  row.name === 'FCVTZS (fixed-point, SIMD scalar, half)' ||
  (row.name === 'FJCVTZS' && ((c.fpcr ?? 0) & (1 << 24)) !== 0);

/** The same case with only the registers that its instruction names. */
export function trimmed(c: Case): Case {
  const word = c.code[0] as number;
  const named = [0, 5, 10, 16].map((at) => (word >>> at) & 31);
  // By-element forms may name Rm with four bits.
  named.push((word >>> 16) & 15);
  return {
    ...c,
    x: (c.x as BigUint64Array).map((n, k) => (named.includes(k) ? n : 0n)),
    v: (c.v as BigUint64Array).map((n, k) => (named.includes(k >> 1) ? n : 0n)),
  };
}
