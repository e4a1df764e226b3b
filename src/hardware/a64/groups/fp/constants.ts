// Floating-point constants by their bits: the Code builder's own are integers.

import type { Code, Value } from '../../../wasm/index.ts';

export const floatConstant = (c: Code, bits: 32 | 64, pattern: bigint): Value =>
  bits === 32 ? c.i32(pattern).op('f32.reinterpret_i32') : c.i64(pattern).op('f64.reinterpret_i64');
