// Conversions and roundings as functions on vectors, native where that is certain, else exact: integers and fixed
// point, integral values, and between formats. The scalar and vector rows both use them.

import { ROUND, type Rounding } from '../../../fp/index.ts';
import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { firstOf } from './fast.ts';
import { halfToSingle, singleToHalf } from './half.ts';
import { inexactIsKnown, inexactRaised, nearestMode, roundsToNearest } from './mode.ts';
import { Native, untouched } from './native.ts';
import {
  type Bits,
  fromFloat,
  fromInteger,
  keep,
  lowFloat,
  lowInteger,
  type Shape,
  scalarShape,
} from './sizes.ts';
import { exactly, exactlyFixed, type FixedPoint, packRounding } from './slow.ts';

/** a rounded to an integral value by WebAssembly's instructions; 'fpcr' stands for round to nearest. */
function integral(n: Native, a: Value, rounding: Rounding | 'fpcr'): Value {
  switch (rounding) {
    case ROUND.up:
      return n.op('ceil', a);
    case ROUND.down:
      return n.op('floor', a);
    case ROUND.zero:
      return n.op('trunc', a);
    case ROUND.tieAway: {
      const truncated = n.op('trunc', a);
      const rest = n.op('abs', n.op('sub', a, truncated));
      const half = n.pattern(n.bits === 32 ? 0x3f00_0000n : 0x3fe0_0000_0000_0000n);
      const one = n.pattern(n.bits === 32 ? 0x3f80_0000n : 0x3ff0_0000_0000_0000n);
      const sign = n.pattern(1n << BigInt(n.bits - 1));
      if (!n.scalar) {
        const unit = a.and(sign).op('v128.or', one);
        const away = n.op('add', truncated, unit).op('v128.bitselect', truncated, n.op('ge', rest, half));
        // Minus zero comes from what was negative.
        return away.or(a.and(sign));
      }
      const away = n.op('add', truncated, n.op('copysign', one, a));
      return n.op('copysign', n.c.select(n.op('ge', rest, half), away, truncated), a);
    }
    default:
      return n.op('nearest', a);
  }
}

/** FRINT*: `exact` raises Inexact (FRINTX). */
export function roundIntegral(
  i: Insn,
  shape: Shape,
  a: Value,
  rounding: Rounding | 'fpcr',
  exact: boolean,
): Value {
  const slow = (): Value => exactly(i, exact ? 'roundExact' : 'round', shape, [a], packRounding(rounding));
  if (shape.bits === 16) return slow();
  const n = new Native(i.c, shape);
  return firstOf(
    i,
    (accept) => {
      const x = n.enter(a);
      const r = integral(n, x, rounding);
      const settled = untouched(i, n, x);
      const environment = rounding === 'fpcr' ? settled.and(nearestMode(i)) : settled;
      const known = exact
        ? n
            .all(n.op('eq', r, x))
            .or(inexactRaised(i))
            .ne(0)
        : i.i32(1);
      accept(environment.and(n.all(n.isNumber(r))).and(known), n.leave(r));
    },
    slow,
  );
}

/** FRINT32* and FRINT64*. */
export const roundWidth = (
  i: Insn,
  shape: Shape,
  a: Value,
  width: 32 | 64,
  rounding: Rounding | 'fpcr',
): Value => exactly(i, width === 32 ? 'round32' : 'round64', shape, [a], packRounding(rounding));

/** A power of two as a number's bits. */
const power = (bits: 32 | 64, exponent: number, sign = 0n): bigint =>
  bits === 32
    ? (sign << 31n) | (BigInt(exponent + 127) << 23n)
    : (sign << 63n) | (BigInt(exponent + 1023) << 52n);

/** 2^exponent (i32, known at run time) in one lane or all. */
function powerOfTwo(n: Native, exponent: Value): Value {
  if (n.bits === 32) {
    const bits = exponent.add(127).shl(23);
    return n.scalar ? bits.op('f32.reinterpret_i32') : bits.op('i32x4.splat');
  }
  const bits = exponent.add(1023).zext().shl(52);
  return n.scalar ? bits.op('f64.reinterpret_i64') : bits.op('i64x2.splat');
}

/** Numbers that are known to fit, as integers: WebAssembly converts vectors of 32-bit lanes and scalars. */
function truncated(n: Native, shape: Shape, r: Value, { width, unsigned }: FixedPoint): Value {
  const { c } = n;
  const sign = unsigned ? 'u' : 's';
  if (n.scalar) return fromInteger(c, r.op(`i${width}.trunc_sat_f${n.bits}_${sign}`), width);
  if (n.bits === 32) return keep(c, shape, r.op(`i32x4.trunc_sat_f32x4_${sign}`));
  let out = c.v128(0n);
  for (let k = 0; k < shape.lanes; k++) {
    const lane = c.lane('f64x2.extract_lane', k, r).op(`i64.trunc_sat_f64_${sign}`);
    out = c.lane('i64x2.replace_lane', k, out, lane);
  }
  return out;
}

/** FPToFixed, lane by lane; a scalar's integer may be of another width. `fraction` (i32): bits after the point. */
export function toFixedLanes(i: Insn, shape: Shape, v: Value, fixed: FixedPoint, fraction?: Value): Value {
  const slow = (): Value => exactlyFixed(i, 'toFixed', shape, v, fixed, fraction);
  const { rounding, unsigned, width } = fixed;
  if (shape.bits === 16 || rounding === 'fpcr') return slow();
  const n = new Native(i.c, shape);
  return firstOf(
    i,
    (accept) => {
      // Scaling up is exact, or overflows and does not fit.
      const x = fraction ? n.op('mul', n.enter(v), powerOfTwo(n, fraction)) : n.enter(v);
      const r = integral(n, x, rounding);
      // Both limits are powers of two, or zero: exact in either format.
      const low = unsigned ? n.zero : n.pattern(power(n.bits, width - 1, 1n));
      const high = n.pattern(power(n.bits, unsigned ? width : width - 1));
      const fits = n.all(n.both(n.op('ge', r, low), n.op('lt', r, high)));
      const exact = n.all(n.op('eq', r, x)).or(inexactRaised(i));
      accept(untouched(i, n, n.enter(v)).and(fits).and(exact.ne(0)), truncated(n, shape, r, fixed));
    },
    slow,
  );
}

/** The same to a general register: i32 or i64 by its width. */
export function toInteger(i: Insn, bits: Bits, v: Value, fixed: FixedPoint, fraction?: Value): Value {
  return lowInteger(i.c, toFixedLanes(i, scalarShape(bits), v, fixed, fraction), fixed.width);
}

/** FixedToFP of an integer (i32 or i64) to a scalar in lane 0. */
export function fromIntegerValue(
  i: Insn,
  bits: Bits,
  integer: Value,
  unsigned: boolean,
  fraction?: Value,
): Value {
  const width = integer.type === 'i64' ? 64 : 32;
  const slow = (): Value => {
    const fixed: FixedPoint = { width, unsigned, rounding: 'fpcr' };
    return exactlyFixed(i, 'fromFixed', scalarShape(bits), fromInteger(i.c, integer, width), fixed, fraction);
  };
  if (bits === 16) return slow();
  const n = new Native(i.c, scalarShape(bits));
  const sign = unsigned ? 'u' : 's';
  const whole = integer.op(`f${bits}.convert_i${width}_${sign}`);
  const converted = n.leave(fraction ? n.op('mul', whole, powerOfTwo(n, fraction.neg())) : whole);
  if (bits === 64 && width === 32) return converted;
  return firstOf(
    i,
    (accept) => accept(isShort(integer, bits, unsigned).or(inexactIsKnown(i)), converted),
    slow,
  );
}

/** Whether an integer has no more bits than the fraction of a format, so that its conversion is exact. */
function isShort(integer: Value, bits: 32 | 64, unsigned: boolean): Value {
  const top = integer.type === 'i64' ? 63 : 31;
  const size = unsigned ? integer : integer.xor(integer.shrS(top));
  return size.shrU(bits === 32 ? 24 : 53).eqz();
}

/** FixedToFP, lane by lane. */
export function fromFixedLanes(i: Insn, shape: Shape, v: Value, unsigned: boolean, fraction?: Value): Value {
  const { c } = i;
  const { bits, lanes } = shape;
  const fixed: FixedPoint = { width: bits, unsigned, rounding: 'fpcr' };
  const slow = (): Value => exactlyFixed(i, 'fromFixed', shape, v, fixed, fraction);
  if (bits === 16) return slow();
  if (shape.scalar) return fromIntegerValue(i, bits, lowInteger(c, v, bits), unsigned, fraction);
  const n = new Native(c, shape);
  const scaled = (whole: Value): Value =>
    n.leave(fraction ? n.op('mul', whole, powerOfTwo(n, fraction.neg())) : whole);
  const sign = unsigned ? 'u' : 's';
  return firstOf(
    i,
    (accept) => {
      if (bits === 32) {
        accept(inexactIsKnown(i), scaled(v.op(`f32x4.convert_i32x4_${sign}`)));
        return;
      }
      let out = c.v128(0n);
      let short = c.i32(1);
      for (let k = 0; k < lanes; k++) {
        const integer = c.lane('i64x2.extract_lane', k, v);
        short = short.and(isShort(integer, 64, unsigned));
        out = c.lane('f64x2.replace_lane', k, out, integer.op(`f64.convert_i64_${sign}`));
      }
      accept(short.or(inexactIsKnown(i)), scaled(out));
    },
    slow,
  );
}

/** FCVT between two scalar formats. */
export function convertFormat(i: Insn, from: Bits, to: Bits, v: Value): Value {
  const slow = (): Value => exactly(i, 'convert', scalarShape(from), [v], to);
  const { c } = i;
  if (from === 32 && to === 64) {
    return firstOf(
      i,
      (accept) => {
        const x = lowFloat(c, v, 32);
        const settled = untouched(i, new Native(c, scalarShape(32)), x);
        accept(settled.and(x.op('f32.eq', x)), fromFloat(c, x.op('f64.promote_f32'), 64));
      },
      slow,
    );
  }
  if (from === 64 && to === 32) {
    return firstOf(
      i,
      (accept) => {
        const x = lowFloat(c, v, 64);
        const r = x.op('f32.demote_f64');
        const exact = r.op('f64.promote_f32').op('f64.eq', x);
        const ordinary = new Native(c, scalarShape(32)).isOrdinary(r);
        const certain = exact.and(roundsToNearest(i)).or(ordinary.and(inexactIsKnown(i)));
        accept(certain, fromFloat(c, r, 32));
        const source = new Native(c, scalarShape(64));
        const flushing = ordinary.and(source.isUnflushable(x));
        accept(flushing.and(inexactIsKnown(i, true)), fromFloat(c, r, 32));
      },
      slow,
    );
  }
  if (from === 16 && to === 32) return halfToSingle(i, scalarShape(16), v);
  if (from === 32 && to === 16) return singleToHalf(i, scalarShape(32), v);
  return slow();
}
