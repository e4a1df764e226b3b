// Carry-less multiplication without an instruction for it, and what is made of it: PMULL of 64 bits (Arm ARM C7.2)
// and CRC32, CRC32C (C6.2). Integer multiplication of numbers that use every fourth bit keeps its carries out of the
// used positions: at most 8 ones of 32-bit numbers meet, and there is room for 15; of 64-bit ones 16 meet only at
// the very top, whose carries are lost. Sixteen such products make a carry-less one.

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import { type Row, row, rows } from '../../row.ts';
import { bytes, SECTION } from '../simd/index.ts';

const EVERY_FOURTH = 0x1111_1111_1111_1111n;
const maskAt = (k: number): bigint => BigInt.asUintN(64, EVERY_FOURTH << BigInt(k));

/** Product classes (i + j mod 4) give the bits of one position class. */
function combine<T>(
  multiply: (i: number, j: number) => T,
  xor: (a: T, b: T) => T,
  mask: (v: T, k: number) => T,
): T {
  const classes = [0, 1, 2, 3].map((k) => {
    const products = [0, 1, 2, 3].map((i) => multiply(i, (k - i) & 3));
    return mask(products.reduce(xor), k);
  });
  return classes.reduce(xor);
}

const xor = (a: Value, b: Value): Value => a.xor(b);

/** Two products of 32 by 32 bits, from lanes 0 and 1 of each operand. */
function product32(c: Code, a: Value, b: Value): Value {
  const masks = [0, 1, 2, 3].map((k) => c.v128(maskAt(k)));
  const part = (v: Value): Value[] => masks.map((mask) => v.and(mask));
  const [x, y] = [part(a), part(b)];
  return combine(
    (i, j) => (x[i] as Value).op('i64x2.extmul_low_i32x4_u', y[j] as Value),
    xor,
    (v, k) => v.and(masks[k] as Value),
  );
}

/** The 128-bit product of the low 64 bits of each operand. */
const product64: BuiltHelper = {
  params: ['v128', 'v128'],
  results: ['v128'],
  build: (c) => {
    const [a, b] = [c.param(0), c.param(1)];
    const swapped = c.shuffle(
      b,
      b,
      bytes((k) => k ^ 4),
    );
    const straight = product32(c, a, b);
    const crossed = product32(c, a, swapped);
    const middle = crossed.xor(
      c.shuffle(
        crossed,
        crossed,
        bytes((k) => k ^ 8),
      ),
    );
    // The middle 64 bits stand at bit 32 of the result.
    const shifted = c.shuffle(
      middle,
      c.v128(0n),
      bytes((k) => (k >= 4 && k < 12 ? k - 4 : 16)),
    );
    c.return(straight.xor(shifted));
  },
};

/** The low 64 bits of the product with a constant. */
function productLow(c: Code, a: Value, constant: bigint): Value {
  const x = [0, 1, 2, 3].map((k) => a.and(maskAt(k)));
  return combine(
    (i, j) => (x[i] as Value).mul(c.i64(constant & maskAt(j))),
    xor,
    (v, k) => v.and(maskAt(k)),
  );
}

/** The inverse of an odd polynomial modulo x^64. */
function inverse(p: bigint): bigint {
  let result = 0n;
  let rest = 1n;
  for (let k = 0n; k < 64n; k++) {
    if ((rest >> k) & 1n) {
      result |= 1n << k;
      rest ^= p << k;
    }
  }
  return result;
}

/**
 * (message, 64 bits) -> its remainder, with a polynomial in the CRC's bit order, lowest bit first. In that order the
 * quotient is the message times the polynomial's inverse modulo x^64, and the remainder what its multiple leaves
 * above 64 bits.
 */
const reduction = (reversed: bigint): BuiltHelper => ({
  params: ['i64'],
  results: ['i32'],
  build: (c) => {
    const polynomial = (reversed << 1n) | 1n;
    const quotient = productLow(c, c.param(0), inverse(polynomial));
    let remainder = c.i64(0);
    for (let k = 1; k <= 32; k++) {
      if ((polynomial >> BigInt(k)) & 1n) remainder = remainder.xor(quotient.shrU(64 - k));
    }
    c.return(remainder.wrap());
  },
});

export const carrylessHelpers: Helpers<BuiltHelper> = {
  pmull64: product64,
  crc32: reduction(0xedb8_8320n),
  crc32c: reduction(0x82f6_3b78n),
};

const crc = (name: 'crc32' | 'crc32c', c: number): Row[] =>
  (['b', 'h', 'w', 'x'] as const).map((letter, size) => {
    const bits = 8 << size;
    return row(
      `${name.toUpperCase()}${letter.toUpperCase()}`,
      `${size === 3 ? 1 : 0} 0 0 11010110 Rm:5 010 ${c} ${size.toString(2).padStart(2, '0')} Rn:5 Rd:5`,
      `${name}${letter} {Rd:w}, {Rn:w}, {Rm:${size === 3 ? 'x' : 'w'}}`,
      'C6.2',
      (i) => {
        const before = i.x('Rn').and(0xffff_ffffn);
        // Zeros in front of a message do not count, so a short one stands at the end of the 64 bits.
        const message = before.xor(i.x('Rm')).shl(64 - bits);
        const remainder = (i.c.call(i.helper(name), message) as Value).zext();
        i.setX('Rd', bits < 32 ? remainder.xor(before.shrU(bits)) : remainder);
      },
    );
  });

/** PMULL takes the low doublewords, PMULL2 the high ones. */
const pmull = row(
  'PMULL, PMULL2 (1q)',
  '0 Q 0 01110 11 1 Rm:5 1110 00 Rn:5 Rd:5',
  'pmull{Q?|2} {Rd:v}.1q, {Rn:v}.{Q?1d|2d}, {Rm:v}.{Q?1d|2d}',
  SECTION,
  (i) => {
    const operand = (r: string): Value => {
      const v = i.v(r);
      return i.f.Q
        ? i.c.shuffle(
            v,
            v,
            bytes((k) => k ^ 8),
          )
        : v;
    };
    i.setV('Rd', i.c.call(i.helper('pmull64'), operand('Rn'), operand('Rm')) as Value);
  },
);

export const pmullRows: readonly Row[] = rows({ feature: 'PMULL' }, [pmull]);
export const crcRows: readonly Row[] = rows({ feature: 'CRC32' }, [...crc('crc32', 0), ...crc('crc32c', 1)]);
