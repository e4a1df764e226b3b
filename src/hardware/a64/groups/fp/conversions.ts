// Conversions and roundings as functions on vectors, native where that is certain, else exact: integers and fixed
// point, integral values, and between formats. The scalar and vector rows both use them.

import { ROUND, type Rounding } from '../../../fp/index.ts';
import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import {
  firstOf,
  floatConstant,
  inexactIsKnown,
  inexactRaised,
  Native,
  roundsToNearest,
  unflushed,
} from './fast.ts';
import { fromFloat, fromInteger, lowFloat, lowInteger, type Shape, scalarShape } from './sizes.ts';
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
      const environment = exact ? inexactIsKnown(i) : rounding === 'fpcr' ? roundsToNearest(i) : unflushed(i);
      accept(environment.and(n.all(n.isNumber(r))), n.leave(r));
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

/** FPToFixed of a scalar in lane 0; the integer (i32 or i64 by its width) comes back. */
export function toInteger(i: Insn, bits: 16 | 32 | 64, v: Value, fixed: FixedPoint, fraction?: Value): Value {
  const shape = scalarShape(bits);
  const width = fixed.width as 32 | 64;
  const slow = (): Value => exactlyFixed(i, 'toFixed', shape, v, fixed, fraction);
  if (bits === 16 || fraction || fixed.rounding === 'fpcr') return lowInteger(i.c, slow(), width);
  const { rounding, unsigned } = fixed;
  const n = new Native(i.c, shape);
  const result = firstOf(
    i,
    (accept) => {
      const x = n.enter(v);
      const r = integral(n, x, rounding);
      // Both limits are powers of two, or zero: exact in either format.
      const power = (exponent: number, sign = 0n): Value =>
        n.pattern(
          bits === 32
            ? (sign << 31n) | (BigInt(exponent + 127) << 23n)
            : (sign << 63n) | (BigInt(exponent + 1023) << 52n),
        );
      const low = unsigned ? n.zero : power(width - 1, 1n);
      const fits = n.op('ge', r, low).and(n.op('lt', r, power(unsigned ? width : width - 1)));
      const exact = n.op('eq', r, x).or(inexactRaised(i));
      const integer = r.op(`i${width}.trunc_sat_f${bits}_${unsigned ? 'u' : 's'}`);
      accept(unflushed(i).and(fits).and(exact), fromInteger(i.c, integer, width));
    },
    slow,
  );
  return lowInteger(i.c, result, width);
}

/** FixedToFP of an integer (i32 or i64) to a scalar in lane 0. */
export function fromIntegerValue(
  i: Insn,
  bits: 16 | 32 | 64,
  integer: Value,
  unsigned: boolean,
  fraction?: Value,
): Value {
  const width = integer.type === 'i64' ? 64 : 32;
  const shape = scalarShape(bits);
  const slow = (): Value => {
    const fixed: FixedPoint = { width, unsigned, rounding: 'fpcr' };
    return exactlyFixed(i, 'fromFixed', shape, fromInteger(i.c, integer, width), fixed, fraction);
  };
  if (bits === 16 || fraction) return slow();
  const sign = unsigned ? 'u' : 's';
  const converted = integer.op(`f${bits}.convert_i${width}_${sign}`);
  if (bits === 64 && width === 32) return fromFloat(i.c, converted, 64);
  return firstOf(
    i,
    (accept) => {
      // Integers of no more bits than the fraction holds are exact.
      const shift = bits === 32 ? 24 : 53;
      const small = unsigned
        ? integer.shrU(shift).eqz()
        : integer
            .xor(integer.shrS(width - 1))
            .shrU(shift)
            .eqz();
      accept(small.or(inexactIsKnown(i)), fromFloat(i.c, converted, bits));
    },
    slow,
  );
}

/** FCVT between two scalar formats. */
export function convertFormat(i: Insn, from: 16 | 32 | 64, to: 16 | 32 | 64, v: Value): Value {
  const slow = (): Value => exactly(i, 'convert', scalarShape(from), [v], to);
  const { c } = i;
  if (from === 32 && to === 64) {
    return firstOf(
      i,
      (accept) => {
        const x = lowFloat(c, v, 32);
        accept(unflushed(i).and(x.op('f32.eq', x)), fromFloat(c, x.op('f64.promote_f32'), 64));
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
      },
      slow,
    );
  }
  return slow();
}

/** FCMP and FCMPE: NZCV as i32. Unordered operands take the exact path, where signaling NaNs raise a flag. */
export function compareScalars(
  i: Insn,
  bits: 16 | 32 | 64,
  a: Value,
  b: Value | 'zero',
  signaling: boolean,
): Value {
  const { c } = i;
  const second = b === 'zero' ? c.v128(0n) : b;
  const slow = (): Value => {
    const flags = exactly(i, 'compare', scalarShape(bits), [a, second], signaling ? 1 : 0);
    return lowInteger(c, flags, 32);
  };
  if (bits === 16) return slow();
  const out = c.variable('i32');
  const x = lowFloat(c, a, bits);
  const y = b === 'zero' ? floatConstant(c, bits, 0n) : lowFloat(c, b, bits);
  const test = (name: string): Value => x.op(`f${bits}.${name}`, y);
  const less = test('lt');
  const equal = test('eq');
  const ordered = less.or(equal).or(test('gt'));
  c.if(
    ordered.and(unflushed(i)),
    () => out.set(c.select(less, c.i32(0b1000), c.select(equal, c.i32(0b0110), c.i32(0b0010)))),
    () => out.set(slow()),
  );
  return out.get();
}
