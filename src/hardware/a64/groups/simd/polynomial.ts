// Carry-less multiplication of 8-bit lanes (PMUL, PMULL, PMULL2 of bytes): polynomials over {0, 1}.

import type { Value } from '../../../wasm/index.ts';
import type { Lanes } from './lanes.ts';

/** The low `l.bits` of the product in each lane, where b has 8 bits. */
export function carrylessProduct(l: Lanes, a: Value, b: Value): Value {
  let product = l.zero();
  for (let bit = 0; bit < 8; bit++) {
    const present = l.negative(l.shl(b, l.bits - 1 - bit));
    product = product.xor(l.shl(a, bit).and(present));
  }
  return product;
}

/** The 16-bit products of one half's bytes. */
export const carrylessProductLong = (l: Lanes, a: Value, b: Value): Value =>
  carrylessProduct(l.wider(), l.extend('u', a), l.extend('u', b));
