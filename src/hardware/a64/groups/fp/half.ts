// Half precision to single and back on four lanes at once, with integer operations: WebAssembly has no such format.
// The alternative format (FPCR.AHP), NaNs, and results that overflow or are denormal take the exact path.

import type { Code, Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { firstOf } from './fast.ts';
import { ieeeHalf, inexactRaised, roundsToNearest } from './mode.ts';
import { everyLane, keep, type Shape } from './sizes.ts';
import { exactly } from './slow.ts';

const all = (c: Code, n: bigint): Value => everyLane(c, 32, n);
const and = (a: Value, b: Value): Value => a.op('v128.and', b);
const or = (a: Value, b: Value): Value => a.op('v128.or', b);

/** Lanes beyond a shape's become zero, so that they never stand in the way. */
const used = (i: Insn, shape: Shape, v: Value): Value => keep(i.c, shape, v);

/** The low lanes of a shape (bits 16): single-precision numbers. Exact in every mode. */
export function halfToSingle(i: Insn, shape: Shape, v: Value): Value {
  const { c } = i;
  return firstOf(
    i,
    (accept) => {
      const wide = used(i, shape, v).op('i32x4.extend_low_i16x8_u');
      const size = and(wide, all(c, 0x7fffn));
      const sign = and(wide, all(c, 0x8000n)).op('i32x4.shl', 16);
      // Moved into place the exponent is 112 too small; the multiplication is exact, for denormals too.
      const scaled = size.op('i32x4.shl', 13).op('f32x4.mul', all(c, BigInt(127 + 112) << 23n));
      const infinite = size.op('i32x4.eq', all(c, 0x7c00n));
      const number = all(c, 0x7f80_0000n).op('v128.bitselect', scaled, infinite);
      const certain = size.op('i32x4.gt_s', all(c, 0x7c00n)).op('v128.any_true').eqz();
      accept(ieeeHalf(i).and(certain), or(number, sign));
    },
    () => exactly(i, 'convert', shape, [v], 32),
  );
}

/** The lanes of a shape (bits 32) as half-precision numbers in the low 64 bits. */
export function singleToHalf(i: Insn, shape: Shape, v: Value): Value {
  const { c } = i;
  return firstOf(
    i,
    (accept) => {
      const bits = used(i, shape, v);
      const size = and(bits, all(c, 0x7fff_ffffn));
      const isZero = size.op('i32x4.eq', c.v128(0n));
      // From the smallest normal half to just below what rounds to infinity.
      const fits = and(
        size.op('i32x4.ge_s', all(c, 0x3880_0000n)),
        size.op('i32x4.lt_s', all(c, 0x477f_f000n)),
      );
      const odd = and(size.op('i32x4.shr_u', 13), all(c, 1n));
      const rounded = size.op('i32x4.add', odd).op('i32x4.add', all(c, 0xfffn));
      const half = rounded.op('i32x4.sub', all(c, 0x3800_0000n)).op('i32x4.shr_u', 13);
      const sign = and(bits.op('i32x4.shr_u', 16), all(c, 0x8000n));
      const result = or(half.op('v128.andnot', isZero), sign);
      const certain = or(fits, isZero).op('i32x4.all_true');
      const exact = and(size, all(c, 0x1fffn)).op('v128.any_true').eqz();
      const known = exact.or(inexactRaised(i)).ne(0);
      accept(
        roundsToNearest(i).and(ieeeHalf(i)).and(certain).and(known),
        result.op('i16x8.narrow_i32x4_u', c.v128(0n)),
      );
    },
    () => exactly(i, 'convert', shape, [v], 16),
  );
}
