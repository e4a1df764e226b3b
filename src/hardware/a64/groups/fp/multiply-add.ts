// Fused multiply-add without hardware for it. Single precision: the product is exact in double, and the sum,
// rounded to odd there, may be rounded again. Double precision: Boldo and Melquiond, "Emulation of FMA and
// correctly rounded sums: proved algorithms using rounding to odd" (IEEE Trans. Computers 57, 2008). Where a step
// might not be exact the answer is NaN, which sends the caller to the exact path.

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper } from '../../helpers.ts';
import type { Insn } from '../../insn.ts';
import { firstOf, floatConstant, inexactIsKnown, Native } from './fast.ts';
import type { Shape } from './sizes.ts';
import { exactly } from './slow.ts';

const f64 = (a: Value, name: string, ...rest: Value[]): Value => a.op(`f64.${name}`, ...rest);

/** Knuth's TwoSum: a + b as the rounded sum and its exact error. */
function twoSum(a: Value, b: Value): { readonly sum: Value; readonly error: Value } {
  const sum = f64(a, 'add', b);
  const bRounded = f64(sum, 'sub', a);
  const aRounded = f64(sum, 'sub', bRounded);
  return { sum, error: f64(f64(a, 'sub', aRounded), 'add', f64(b, 'sub', bRounded)) };
}

/** Dekker's splitting into two halves of 26 bits. */
function split(c: Code, a: Value): { readonly high: Value; readonly low: Value } {
  const scaled = f64(a, 'mul', floatConstant(c, 64, 0x41a0_0000_0200_0000n));
  const high = f64(scaled, 'sub', f64(scaled, 'sub', a));
  return { high, low: f64(a, 'sub', high) };
}

/** Dekker's product: a * b as the rounded product and its exact error. */
export function twoProduct(c: Code, a: Value, b: Value): { readonly product: Value; readonly error: Value } {
  const product = f64(a, 'mul', b);
  const x = split(c, a);
  const y = split(c, b);
  const first = f64(f64(x.high, 'mul', y.high), 'sub', product);
  const second = f64(first, 'add', f64(x.high, 'mul', y.low));
  const third = f64(second, 'add', f64(x.low, 'mul', y.high));
  return { product, error: f64(third, 'add', f64(x.low, 'mul', y.low)) };
}

/** A sum rounded to nearest, moved to the neighbour on the error's side where it is inexact and even. */
function roundedToOdd(c: Code, a: Value, b: Value): Value {
  const { sum, error } = twoSum(a, b);
  const bits = sum.op('i64.reinterpret_f64');
  const toward = bits.xor(error.op('i64.reinterpret_f64')).shrS(63).or(1);
  const inexact = f64(error, 'ne', floatConstant(c, 64, 0n)).zext();
  const moves = inexact.and(bits.not());
  return bits.add(c.select(moves.wrap(), toward, c.i64(0))).op('f64.reinterpret_i64');
}

/** (a, b, addend) -> a * b + addend in single precision, or NaN where that is not certain. */
export const multiplyAddSingle: BuiltHelper = {
  params: ['f32', 'f32', 'f32'],
  results: ['f32'],
  build: (c) => {
    const wide = (k: number): Value => c.param(k).op('f64.promote_f32');
    const sum = roundedToOdd(c, f64(wide(0), 'mul', wide(1)), wide(2));
    const result = sum.op('f32.demote_f64');
    const n = new Native(c, { bits: 32, lanes: 1, scalar: true });
    const certain = n.isOrdinary(result).or(f64(sum, 'eq', floatConstant(c, 64, 0n)));
    c.return(c.select(certain, result, floatConstant(c, 32, 0x7fc0_0000n)));
  },
};

/** The same in double precision. */
export const multiplyAddDouble: BuiltHelper = {
  params: ['f64', 'f64', 'f64'],
  results: ['f64'],
  build: (c) => {
    const [a, b, addend] = [c.param(0), c.param(1), c.param(2)] as [Value, Value, Value];
    const zero = floatConstant(c, 64, 0n);
    const power = (exponent: number): Value => floatConstant(c, 64, BigInt(exponent + 1023) << 52n);
    const unknown = floatConstant(c, 64, 0x7ff8_0000_0000_0000n);
    // Then every partial product is a multiple of 2^-1064 and below 2^962: nothing underflows or overflows.
    const moderate = (v: Value): Value =>
      f64(f64(v, 'abs'), 'le', power(480)).and(f64(f64(v, 'abs'), 'ge', power(-480)));
    c.if(f64(f64(addend, 'abs'), 'le', power(1000)).eqz(), () => c.return(unknown));
    c.if(moderate(a).and(moderate(b)).eqz(), () => {
      // Zero times a number is exact, and so is what is added to it.
      const product = f64(a, 'mul', b);
      const simple = f64(a, 'eq', zero).or(f64(b, 'eq', zero));
      c.return(c.select(simple, f64(product, 'add', addend), unknown));
    });
    const { product, error } = twoProduct(c, a, b);
    const low = twoSum(addend, error);
    const high = twoSum(product, low.sum);
    c.return(f64(high.sum, 'add', roundedToOdd(c, low.error, high.error)));
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
    inexactIsKnown(i),
    () =>
      out.set(
        firstOf(
          i,
          (accept) => {
            let result = c.v128(0n);
            for (let k = 0; k < shape.lanes; k++) {
              const fused = c.call(helper, lane(a, k), lane(b, k), lane(addend, k)) as Value;
              result = c.lane(`${lanes}.replace_lane`, k, result, fused);
            }
            accept(n.all(n.isNumber(n.enter(result))), result);
          },
          slow,
        ),
      ),
    () => out.set(slow()),
  );
  return out.get();
}
