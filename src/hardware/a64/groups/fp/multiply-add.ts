// Fused multiply-add without hardware for it. Single precision: the product is exact in double, and the sum,
// rounded to odd there, may be rounded again. Double precision: Boldo and Melquiond, "Emulation of FMA and
// correctly rounded sums: proved algorithms using rounding to odd" (IEEE Trans. Computers 57, 2008). Where a step
// might not be exact the answer is NaN, which sends the caller to the exact path.

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper } from '../../helpers.ts';
import type { Insn } from '../../insn.ts';
import { floatConstant } from './constants.ts';
import { f64, isAtMost, isModerate, isZero, twoProduct, twoSum } from './error-free.ts';
import { firstOf, inexactRaised, Native, nearestMode, untouched } from './fast.ts';
import type { Shape } from './sizes.ts';
import { exactly } from './slow.ts';

/** A sum rounded to nearest, moved to the neighbour on the error's side where it is inexact and even. */
function roundedToOdd(c: Code, a: Value, b: Value): { readonly odd: Value; readonly exact: Value } {
  const { sum, error } = twoSum(a, b);
  const bits = sum.op('i64.reinterpret_f64');
  const toward = bits.xor(error.op('i64.reinterpret_f64')).shrS(63).or(1);
  const exact = isZero(c, error);
  const moves = exact.eqz().and(bits.wrap().not());
  return { odd: bits.add(c.select(moves, toward, c.i64(0))).op('f64.reinterpret_i64'), exact };
}

/**
 * (a, b, addend, inexact allowed) -> a * b + addend in single precision, or NaN where that is not certain or Inexact
 * would have to be raised.
 */
export const multiplyAddSingle: BuiltHelper = {
  params: ['f32', 'f32', 'f32', 'i32'],
  results: ['f32'],
  build: (c) => {
    const wide = (k: number): Value => c.param(k).op('f64.promote_f32');
    const { odd, exact } = roundedToOdd(c, f64(wide(0), 'mul', wide(1)), wide(2));
    const result = odd.op('f32.demote_f64');
    const n = new Native(c, { bits: 32, lanes: 1, scalar: true });
    const safe = n.isOrdinary(result).or(isZero(c, odd));
    const same = exact.and(f64(result.op('f64.promote_f32'), 'eq', odd));
    const certain = safe.and(same.or(c.param(3)).ne(0));
    c.return(c.select(certain, result, floatConstant(c, 32, 0x7fc0_0000n)));
  },
};

/** The same in double precision. */
export const multiplyAddDouble: BuiltHelper = {
  params: ['f64', 'f64', 'f64', 'i32'],
  results: ['f64'],
  build: (c) => {
    const [a, b, addend] = [c.param(0), c.param(1), c.param(2)] as [Value, Value, Value];
    const unknown = floatConstant(c, 64, 0x7ff8_0000_0000_0000n);
    c.if(isAtMost(c, addend, 1000).eqz(), () => c.return(unknown));
    c.if(isModerate(c, a).and(isModerate(c, b)).eqz(), () => {
      // Zero times a number is exact, and so is what is added to it.
      const sum = f64(f64(a, 'mul', b), 'add', addend);
      c.return(c.select(isZero(c, a).or(isZero(c, b)), sum, unknown));
    });
    const { product, error } = twoProduct(c, a, b);
    const low = twoSum(addend, error);
    const high = twoSum(product, low.sum);
    const rest = roundedToOdd(c, low.error, high.error);
    const result = twoSum(high.sum, rest.odd);
    c.if(c.param(3).eqz(), () => {
      const exact = rest.exact.and(isZero(c, result.error));
      c.return(c.select(exact, result.sum, unknown));
    });
    c.return(result.sum);
  },
};

/** addend + a * b rounded once, lane by lane. */
export function multiplyAdd(i: Insn, shape: Shape, addend: Value, a: Value, b: Value): Value {
  const slow = (): Value => exactly(i, 'muladd', shape, [addend, a, b]);
  if (shape.bits === 16) return slow();
  const { c } = i;
  const bits = shape.bits;
  const lanes = bits === 32 ? 'f32x4' : 'f64x2';
  const n = new Native(c, shape);
  const helper = i.helper(bits === 32 ? 'fpMultiplyAddSingle' : 'fpMultiplyAddDouble');
  const lane = (v: Value, k: number): Value => c.lane(`${lanes}.extract_lane`, k, v);
  const out = c.variable('v128');
  // The helper costs a few calls, so it is not called in vain.
  c.if(
    nearestMode(i),
    () =>
      out.set(
        firstOf(
          i,
          (accept) => {
            const known = inexactRaised(i);
            let result = c.v128(0n);
            for (let k = 0; k < shape.lanes; k++) {
              const fused = c.call(helper, lane(a, k), lane(b, k), lane(addend, k), known) as Value;
              result = c.lane(`${lanes}.replace_lane`, k, result, fused);
            }
            // Where FPCR.FZ is set the result must not be denormal either.
            const r = n.enter(result);
            const settled = untouched(i, n, n.enter(addend), n.enter(a), n.enter(b), r);
            accept(settled.and(n.all(n.isNumber(r))), result);
          },
          slow,
        ),
      ),
    () => out.set(slow()),
  );
  return out.get();
}
