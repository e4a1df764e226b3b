// Fused multiply-add as instructions, which WebAssembly has no operation for, beside the exact arithmetic: operands
// whose product and addend are near each other, cancel, meet halfway between two numbers or at the ends of the range.

import { describe, expect, it } from 'vitest';
import { assemble, Random } from '../../../src/hardware/a64/index.ts';
import { Environment, type Format, formatOf, multiplyAdd } from '../../../src/hardware/fp/index.ts';
import { interpreterDriver } from '../engine/driver.ts';
import { CODE_ADDRESS } from '../oracle/index.ts';

const CASES = 6000;
const FRACTION = { 32: 23, 64: 52 } as const;
const BIAS = { 32: 127, 64: 1023 } as const;
type Bits = 32 | 64;

const number = (bits: Bits, sign: number, exponent: number, fraction: bigint): bigint => {
  const top = BigInt(Math.min(Math.max(exponent + BIAS[bits], 0), 2 * BIAS[bits]));
  const ones = (1n << BigInt(FRACTION[bits])) - 1n;
  return (BigInt(sign) << BigInt(bits - 1)) | (top << BigInt(FRACTION[bits])) | (fraction & ones);
};

/** A fraction, of which many end in zeros or are next to a power of two. */
function fraction(r: Random, bits: Bits): bigint {
  const width = FRACTION[bits];
  return r.pick([r.u64(), r.u64(), r.u64() << BigInt(r.below(width)), 0n, 1n, -1n, BigInt(r.below(8))]);
}

/** Factors of some size, and an addend at a distance from their product. */
function operands(r: Random, bits: Bits): [bigint, bigint, bigint] {
  const width = FRACTION[bits];
  const range = BIAS[bits];
  const at = r.pick([
    0,
    0,
    0,
    r.below(40) - 20,
    r.below(2 * range) - range,
    range - r.below(8),
    -range + r.below(2 * width),
  ]);
  const first = r.pick([0, r.below(16) - 8, r.below(range) - (range >> 1)]);
  const distance = r.pick([
    0,
    0,
    1,
    -1,
    r.below(8) - 4,
    width + r.below(6) - 3,
    -width - r.below(6) + 3,
    r.below(4 * width) - 2 * width,
  ]);
  const make = (exponent: number): bigint => number(bits, r.below(2), exponent, fraction(r, bits));
  return [make(first), make(at - first), make(at + distance)];
}

/** The product rounded, and its neighbours, as addends of the other sign: what is left is the product's error. */
function cancelling(r: Random, bits: Bits, format: Format): [bigint, bigint, bigint] {
  const [a, b] = operands(r, bits);
  const product = multiplyAdd(format, new Environment(0), 0n, a, b);
  return [a, b, product ^ (1n << BigInt(bits - 1)) ^ BigInt(r.below(3))];
}

describe('fused multiply-add', () => {
  for (const bits of [32, 64] as const) {
    const kind = bits === 64 ? 'd' : 's';
    const instructions = {
      scalar: `fmadd ${kind}0, ${kind}1, ${kind}2, ${kind}3`,
      vector: `mov v0.16b, v3.16b\nfmla v0.${128 / bits}${kind}, v1.${128 / bits}${kind}, v2.${128 / bits}${kind}`,
    };
    for (const [name, source] of Object.entries(instructions)) {
      it(`${name}, ${bits} bits: rounds once and raises what it must`, { timeout: 60_000 }, () => {
        const format = formatOf(bits);
        const r = new Random(bits);
        const code = [...assemble(source, CODE_ADDRESS)];
        const lanes = name === 'scalar' ? 1 : 128 / bits;
        for (let n = 0; n < CASES; n++) {
          const fpsr = r.pick([0, 0x10, 0x10, 0x10]);
          const fpcr = r.below(8) === 0 ? 1 << 24 : 0;
          const v = new BigUint64Array(64);
          const environment = new Environment(fpcr);
          const expected = [0n, 0n];
          for (let lane = 0; lane < lanes; lane++) {
            const [a, b, addend] = r.below(4) ? operands(r, bits) : cancelling(r, bits, format);
            const word = (lane * bits) >> 6;
            const shift = BigInt((lane * bits) & 63);
            for (const [k, operand] of [a, b, addend].entries()) {
              v[2 * (k + 1) + word] = (v[2 * (k + 1) + word] as bigint) | (operand << shift);
            }
            expected[word] =
              (expected[word] as bigint) | (multiplyAdd(format, environment, addend, a, b) << shift);
          }
          const result = interpreterDriver().run({ code, v, fpcr, fpsr });
          const found = [result.v[0], result.v[1], result.fpsr];
          const wanted = [expected[0], expected[1], fpsr | environment.flags];
          if (found.some((value, k) => value !== wanted[k])) {
            expect({ operands: [...v.subarray(2, 8)], fpcr, fpsr, found }).toEqual({ found: wanted });
          }
        }
      });
    }
  }
});
