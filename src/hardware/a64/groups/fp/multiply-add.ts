// Fused multiply-add without hardware for it. Single precision: the product is exact in double, and the sum there may
// be rounded again unless it lies halfway. Double precision: where the rounding of the product cannot show in the sum,
// the sum is the answer; otherwise the product's exact error is added too (Dekker), and what even that leaves open is
// computed by rounding to odd (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms
// using rounding to odd", IEEE Trans. Computers 57, 2008). What none of them knows takes the exact path.

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import type { Insn } from '../../insn.ts';
import { floatConstant } from './constants.ts';
import {
  f64,
  isAtMost,
  isModerate,
  isWithin,
  isZero,
  power,
  productError,
  twoProduct,
  twoSum,
} from './error-free.ts';
import { firstOf, ordinary, whereAll } from './fast.ts';
import { type FloatContext, helperContext, inexactIsKnown, inexactRaised, nearestMode } from './mode.ts';
import { Native, untouched } from './native.ts';
import { everyLane, keep, NATIVE_SHAPES, nativeType, permute, type Shape, shapeName } from './sizes.ts';
import { exactly } from './slow.ts';

/** The bits of a double that a single does not have, and of these the first. */
const BEYOND_SINGLE = 0x1fff_ffffn;
const HALFWAY = 0x1000_0000n;

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
 * Returns a * b + addend from the function being built where that is certain, Inexact or not: by the rounded sum of the
 * rounded product and what both roundings left out.
 */
function returnBySum(c: Code, a: Value, b: Value, addend: Value): void {
  const product = f64(a, 'mul', b);
  // Small enough to have no overflow in what follows, large enough for its error to be a number.
  c.if(isWithin(c, product, -900, 1000).and(isAtMost(c, addend, 1000)), () => {
    const { sum, error } = twoSum(product, addend);
    const { upper, lower } = productError(a, b, product);
    // Both errors are below 2^-52 of sum and product; their sum is good to 2^-104.
    const rest = f64(f64(error, 'add', lower), 'add', upper);
    const size = f64(f64(sum, 'abs'), 'add', f64(product, 'abs'));
    const margin = f64(size, 'mul', power(c, -100));
    const up = f64(sum, 'add', f64(rest, 'add', margin));
    const down = f64(sum, 'add', f64(rest, 'sub', margin));
    c.if(f64(up, 'eq', down), () => c.return(up));
    // Where nothing was lost in one of the two steps, the other rounds once.
    const lost = f64(upper, 'add', lower);
    c.if(isZero(c, lost), () => c.return(sum));
    // The halves of the largest numbers overflow.
    c.if(isZero(c, error).and(f64(lost, 'eq', lost)), () => c.return(f64(sum, 'add', lost)));
  });
}

/**
 * (a, b, addend, inexact allowed) -> a * b + addend in double precision, or NaN where that is not certain or Inexact
 * would have to be raised.
 */
const fuseDouble: BuiltHelper = {
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
    const exact = rest.exact.and(isZero(c, result.error)).or(c.param(3));
    c.return(c.select(exact, result.sum, unknown));
  },
};

/** Two lanes of single precision as doubles: from lane 0 or from lane 2. */
function pair(c: Code, v: Value, from: number): Value {
  const low = from === 0 ? v : permute(c, 64, v, v, () => 1);
  return low.op('f64x2.promote_low_f32x4');
}

/** Two lanes of a * b + addend as doubles, which a second rounding makes the results where they are certain. */
function fusePair(
  c: Code,
  inexact: Value,
  from: number,
  [a, b, addend]: readonly [Value, Value, Value],
): { readonly singles: Value; readonly certain: Value } {
  const n = new Native(c, { bits: 64, lanes: 2, scalar: false });
  const product = n.op('mul', pair(c, a, from), pair(c, b, from));
  const third = pair(c, addend, from);
  const sum = n.op('add', product, third);
  const singles = sum.op('f32x4.demote_f64x2_zero');
  // One of the two differences is exact, so both are right only where the sum is.
  const exactSum = n.both(
    n.op('eq', n.op('sub', sum, product), third),
    n.op('eq', n.op('sub', sum, third), product),
  );
  const exact = n.both(exactSum, n.op('eq', singles.op('f64x2.promote_low_f32x4'), sum));
  const size = n.op('abs', sum);
  const inRange = n.both(
    n.op('gt', size, n.power(-126)),
    n.op('le', size, n.pattern(0x47ef_ffff_e000_0000n)),
  );
  const halfway = sum
    .op('v128.and', everyLane(c, 64, BEYOND_SINGLE))
    .op('i64x2.eq', everyLane(c, 64, HALFWAY));
  const once = n.either(exactSum, halfway.op('v128.not'));
  const rounded = n.both(n.both(inRange, once), inexact);
  return { singles, certain: n.either(exact, rounded) };
}

/** What the lanes of a shape are in single precision, and (i32) whether they are certain. */
function fuseSingles(
  i: FloatContext,
  shape: Shape,
  operands: readonly [Value, Value, Value],
): { readonly result: Value; readonly certain: Value } {
  const { c } = i;
  const inexact = inexactRaised(i).ne(0).zext().neg().op('i64x2.splat');
  const low = fusePair(c, inexact, 0, operands);
  if (shape.lanes < 4) {
    const n = new Native(c, { bits: 64, lanes: shape.lanes, scalar: false });
    return { result: keep(c, shape, low.singles), certain: n.all(low.certain) };
  }
  const high = fusePair(c, inexact, 2, operands);
  const result = permute(c, 64, low.singles, high.singles, (lane) => lane * 2);
  return { result, certain: low.certain.op('v128.and', high.certain).op('i64x2.all_true') };
}

/** The same in double precision. */
function fuseDoubles(
  i: FloatContext,
  shape: Shape,
  operands: readonly [Value, Value, Value],
): { readonly result: Value; readonly certain: Value } {
  const { c } = i;
  const n = new Native(c, { ...shape, scalar: false });
  const inexact = inexactRaised(i);
  let result = c.v128(0n);
  for (let k = 0; k < shape.lanes; k++) {
    const [a, b, addend] = operands.map((v) => c.lane('f64x2.extract_lane', k, v)) as [Value, Value, Value];
    const fused = c.call(i.helper('fpFuseDouble'), a, b, addend, inexact) as Value;
    result = c.lane('f64x2.replace_lane', k, result, fused);
  }
  return { result, certain: n.all(n.isNumber(result)) };
}

/** All that is known without slow.ts, and then that. */
function multiplyAddAnyhow(i: FloatContext, shape: Shape, ...natives: readonly Value[]): Value {
  const { c } = i;
  const { enter, leave } = new Native(c, shape);
  const [addend, a, b] = natives.map(leave) as [Value, Value, Value];
  const n = new Native(c, { ...shape, scalar: false });
  const result = firstOf(
    i,
    (accept) =>
      c.if(nearestMode(i), () => {
        const fuse = shape.bits === 32 ? fuseSingles : fuseDoubles;
        const { result, certain } = fuse(i, shape, [a, b, addend]);
        // Where FPCR.FZ is set the result must not be denormal either.
        accept(certain.and(untouched(i, n, addend, a, b, result)), result);
      }),
    () => exactly(i, 'muladd', shape, [addend, a, b]),
  );
  return enter(result);
}

const multiplyAddHelper = (shape: Shape): string => `fpMultiplyAdd_${shapeName(shape)}`;

export const multiplyAddHelpers: Helpers<BuiltHelper> = {
  fpFuseDouble: fuseDouble,
  ...Object.fromEntries(
    NATIVE_SHAPES.map((shape): [string, BuiltHelper] => [
      multiplyAddHelper(shape),
      {
        params: ['i32', nativeType(shape), nativeType(shape), nativeType(shape)],
        results: [nativeType(shape)],
        build: (c, helper) => {
          const i = helperContext(c, helper);
          if (shape.scalar && shape.bits === 64) {
            c.if(inexactIsKnown(i), () => returnBySum(c, c.param(2), c.param(3), c.param(1)));
          }
          c.return(multiplyAddAnyhow(i, shape, c.param(1), c.param(2), c.param(3)));
        },
      },
    ]),
  ),
};

/** The sum of a number and a product that is rounded first, and what makes it certain to be the fused one. */
function sumOfRounded(
  i: Insn,
  n: Native,
  addend: Value,
  a: Value,
  b: Value,
): { readonly result: Value; readonly certain: readonly Value[] } {
  const product = n.op('mul', a, b);
  // More than the product's error, and less than what it takes to underflow where the result is large.
  const margin = n.op('mul', product, n.power(-52));
  const up = n.op('add', addend, n.op('add', product, margin));
  const down = n.op('add', addend, n.op('sub', product, margin));
  const same = n.op('eq', up, down);
  const range = ordinary(i, n, up, n.power(-900));
  return { result: up, certain: [n.all(same), ...range] };
}

/** A scalar in single precision, where a sum in double precision is not halfway between two numbers. */
function singleOfDouble(
  i: Insn,
  n: Native,
  addend: Value,
  a: Value,
  b: Value,
): { readonly result: Value; readonly certain: readonly Value[] } {
  const [x, y, z] = [a, b, addend].map((v) => v.op('f64.promote_f32')) as [Value, Value, Value];
  const sum = f64(f64(x, 'mul', y), 'add', z);
  const result = sum.op('f32.demote_f64');
  const open = sum.op('i64.reinterpret_f64').and(BEYOND_SINGLE).ne(HALFWAY);
  return { result, certain: [open, ...ordinary(i, n, result, n.smallestNormal)] };
}

/** addend + a * b rounded once, lane by lane. */
export function multiplyAdd(i: Insn, shape: Shape, addend: Value, a: Value, b: Value): Value {
  if (shape.bits === 16) return exactly(i, 'muladd', shape, [addend, a, b]);
  const n = new Native(i.c, shape);
  const natives = [addend, a, b].map(n.enter) as [Value, Value, Value];
  const anyhow = (): Value => i.c.call(i.helper(multiplyAddHelper(shape)), i.cpu, ...natives) as Value;
  if (shape.bits === 32 && !shape.scalar) return anyhow();
  const native = shape.bits === 64 ? sumOfRounded : singleOfDouble;
  const { result, certain } = native(i, n, ...natives);
  return n.leave(whereAll(i, certain, result, anyhow));
}
