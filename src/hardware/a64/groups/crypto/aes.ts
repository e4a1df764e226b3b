// AESE, AESD, AESMC and AESIMC (Arm ARM C7.2, FIPS 197): one round's steps on the 16 bytes of a state, column after
// column. The S-box is computed from its definition and looked up sixteen bytes of it at a time.

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row } from '../../row.ts';
import { bytes, replicated, SECTION } from '../simd/index.ts';

/** Multiplication by x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
const timesX = (n: number): number => ((n << 1) ^ (n & 0x80 ? 0x11b : 0)) & 0xff;

const rotate8 = (n: number, by: number): number => ((n << by) | (n >> (8 - by))) & 0xff;

/** FIPS 197, 5.1.1: inversion, then an affine map over the bits. */
function substitutionBox(): Uint8Array {
  // Powers of the generator x + 1 reach every element but 0.
  const power = new Uint8Array(255);
  const log = new Uint8Array(256);
  let n = 1;
  for (let k = 0; k < 255; k++) {
    power[k] = n;
    log[n] = k;
    n ^= timesX(n);
  }
  return Uint8Array.from({ length: 256 }, (_, value) => {
    const inverse = value === 0 ? 0 : (power[(255 - (log[value] as number)) % 255] as number);
    return [1, 2, 3, 4].reduce((sum, by) => sum ^ rotate8(inverse, by), inverse ^ 0x63);
  });
}

const SBOX = substitutionBox();
const INVERSE_SBOX = new Uint8Array(256);
SBOX.forEach((to, from) => {
  INVERSE_SBOX[to] = from;
});

/** Each byte replaced by the table's. A swizzle gives zero for indices of 16 and more, so the parts just add up. */
function substitute(c: Code, v: Value, table: Uint8Array): Value {
  const view = new DataView(table.buffer);
  const parts: Value[] = [];
  for (let k = 0, index = v; k < 16; k++, index = index.op('i8x16.sub', replicated(c, 0, 16))) {
    const part = c.v128(view.getBigUint64(16 * k, true), view.getBigUint64(16 * k + 8, true));
    parts.push(part.op('i8x16.swizzle', index));
  }
  return parts.reduce((a, b) => a.xor(b));
}

/** Row r (bytes r, r + 4, ...) rotated by r columns. */
const shiftRows = (v: Value, by: 1 | -1): Value =>
  v.code.shuffle(
    v,
    v,
    bytes((k) => (k + 4 * by * (k & 3)) & 15),
  );

/** Each column rotated by `n` bytes. */
const rotateColumns = (v: Value, n: number): Value =>
  v.code.shuffle(
    v,
    v,
    bytes((k) => (k & ~3) | ((k + n) & 3)),
  );

const doubled = (c: Code, v: Value): Value =>
  v.op('i8x16.shl', 1).xor(v.op('i8x16.shr_s', 7).and(replicated(c, 0, 0x1b)));

/** 2 3 1 1 as a circulant: 2(a + b) + b + c + d. */
function mixColumns(c: Code, v: Value): Value {
  const next = rotateColumns(v, 1);
  const pair = v.xor(next);
  return doubled(c, pair).xor(next).xor(rotateColumns(pair, 2));
}

/** 14 11 13 9 is 2 3 1 1 times 5 0 4 0. */
function inverseMixColumns(c: Code, v: Value): Value {
  const fourfold = doubled(c, doubled(c, v.xor(rotateColumns(v, 2))));
  return mixColumns(c, v.xor(fourfold));
}

const unary = (build: (c: Code, v: Value) => Value): BuiltHelper => ({
  params: ['v128'],
  results: ['v128'],
  build: (c) => c.return(build(c, c.param(0))),
});

export const aesHelpers: Helpers<BuiltHelper> = {
  'aes.encrypt': unary((c, v) => substitute(c, shiftRows(v, 1), SBOX)),
  'aes.decrypt': unary((c, v) => substitute(c, shiftRows(v, -1), INVERSE_SBOX)),
};

const call = (i: Insn, name: string, v: Value): Value => i.c.call(i.helper(name), v) as Value;

const aes = (title: string, opcode: string, f: (i: Insn) => Value): Row =>
  row(
    title,
    `01001110 00 10100 ${opcode} 10 Rn:5 Rd:5`,
    `${title.toLowerCase()} {Rd:v}.16b, {Rn:v}.16b`,
    SECTION,
    (i) => i.setV('Rd', f(i)),
  );

export const aesRows: readonly Row[] = [
  aes('AESE', '00100', (i) => call(i, 'aes.encrypt', i.v('Rd').xor(i.v('Rn')))),
  aes('AESD', '00101', (i) => call(i, 'aes.decrypt', i.v('Rd').xor(i.v('Rn')))),
  aes('AESMC', '00110', (i) => mixColumns(i.c, i.v('Rn'))),
  aes('AESIMC', '00111', (i) => inverseMixColumns(i.c, i.v('Rn'))),
];
