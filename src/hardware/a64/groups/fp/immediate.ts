// The 8-bit floating-point immediate (Arm ARM VFPExpandImm): sign, 3 exponent bits, 4 fraction bits.

import type { Value } from '../../../wasm/index.ts';
import type { Bits } from './sizes.ts';

/** imm8 (i32) expanded to a number's bits: i64 for double precision, else i32. */
export function expandedImmediate(imm8: Value, bits: Bits): Value {
  const exponentBits = bits === 16 ? 5 : bits === 32 ? 8 : 11;
  const fractionBits = bits - 1 - exponentBits;
  const wide = (v: Value): Value => (bits === 64 ? v.zext() : v);
  const sign = wide(imm8.shrU(7)).shl(bits - 1);
  // The exponent is NOT(b) : b repeated : cd.
  const b = imm8.shrU(6).and(1);
  const repeated = wide(b.neg().and((1 << (exponentBits - 3)) - 1)).shl(fractionBits + 2);
  const top = wide(b.xor(1)).shl(bits - 2);
  const rest = wide(imm8.and(63)).shl(fractionBits - 4);
  return sign.or(top).or(repeated).or(rest);
}
