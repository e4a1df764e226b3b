// Comparisons: natively where both operands are numbers and neither would be flushed to zero; else exactly, as NaNs may
// raise a flag.

import type { Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import { floatNzcv, type Insn } from '../../insn.ts';
import { floatConstant } from './constants.ts';
import { firstOf, whereAll } from './fast.ts';
import { type FloatContext, helperContext, unflushedLimit } from './mode.ts';
import { Native, untouched } from './native.ts';
import { type Bits, lowInteger, type Shape, scalarShape } from './sizes.ts';
import { exactly, type OperationName } from './slow.ts';

const wide = (v: Value): Value => (v.type === 'f32' ? v.op('f64.promote_f32') : v);

/** A number that compares with zero as NZCV (i32) says of a comparison. */
function comparedWithZero(i: FloatContext, nzcv: Value): Value {
  const { c } = i;
  const constant = (bits: bigint): Value => floatConstant(c, 64, bits);
  const ordered = c.select(nzcv.eq(0b0110), constant(0n), constant(0x3ff0_0000_0000_0000n));
  const less = c.select(nzcv.eq(0b1000), constant(0xbff0_0000_0000_0000n), ordered);
  return c.select(nzcv.eq(0b0011), constant(0x7ff8_0000_0000_0000n), less);
}

const compareHelper = (bits: 32 | 64): string => `fpCompare${bits}`;

/** (cpu, first, second, quiet NaNs signal) -> what compares with zero as first does with second. */
export const compareHelpers: Helpers<BuiltHelper> = Object.fromEntries(
  ([32, 64] as const).map((bits): [string, BuiltHelper] => [
    compareHelper(bits),
    {
      params: ['i32', `f${bits}`, `f${bits}`, 'i32'],
      results: ['f64'],
      build: (c, helper) => {
        const i = helperContext(c, helper);
        const [a, b] = [c.param(1), c.param(2)];
        const shape = scalarShape(bits);
        const n = new Native(c, shape);
        const natively = n
          .isNumber(a)
          .and(n.isNumber(b))
          .and(untouched(i, n, a, b));
        c.if(natively, () => c.return(comparedWithZero(i, floatNzcv(wide(a), wide(b)))));
        const nzcv = exactly(i, 'compare', shape, [n.leave(a), n.leave(b)], c.param(3));
        c.return(comparedWithZero(i, lowInteger(c, nzcv, 32)));
      },
    },
  ]),
);

/** Two doubles that compare as the scalars do; flags are raised as for FCMP or (`signaling`) FCMPE. */
function compared(
  i: Insn,
  bits: 32 | 64,
  a: Value,
  b: Value | 'zero',
  signaling: boolean,
): readonly [Value, Value] {
  const { c } = i;
  const n = new Native(c, scalarShape(bits));
  const x = n.enter(a);
  const y = b === 'zero' ? n.zero : n.enter(b);
  const zero = floatConstant(c, 64, 0n);
  const second = c.variable('f64', wide(y));
  const limit = unflushedLimit(i, bits);
  const certain = (b === 'zero' ? [x] : [x, y]).map((v) => n.op('le', n.op('abs', v), limit));
  const first = whereAll(i, certain, wide(x), () => {
    second.set(zero);
    return c.call(i.helper(compareHelper(bits)), i.cpu, x, y, signaling ? 1 : 0) as Value;
  });
  return [first, b === 'zero' ? zero : second.get()];
}

/** FCMP and FCMPE: sets NZCV. */
export function compareScalars(i: Insn, bits: Bits, a: Value, b: Value | 'zero', signaling: boolean): void {
  if (bits === 16) i.setNzcv(comparedScalars(i, bits, a, b, signaling));
  else i.floatFlags(...compared(i, bits, a, b, signaling));
}

/** The same as NZCV (i32). */
export function comparedScalars(i: Insn, bits: Bits, a: Value, b: Value | 'zero', signaling: boolean): Value {
  if (bits !== 16) return floatNzcv(...compared(i, bits, a, b, signaling));
  const second = b === 'zero' ? i.c.v128(0n) : b;
  const nzcv = exactly(i, 'compare', scalarShape(bits), [a, second], signaling ? 1 : 0);
  return lowInteger(i.c, nzcv, 32);
}

/** FCMEQ and others: masks, lane by lane. `absolute`: FACGE and FACGT. */
export function compareLanes(
  i: Insn,
  shape: Shape,
  test: 'eq' | 'ge' | 'gt',
  a: Value,
  b: Value,
  absolute = false,
): Value {
  const { c } = i;
  const slow = (): Value => exactly(i, `${absolute ? 'ac' : 'cm'}${test}` as OperationName, shape, [a, b]);
  if (shape.bits === 16) return slow();
  // Comparing scalars as vectors is as cheap, and the result is a mask either way.
  const n = new Native(c, { ...shape, scalar: false });
  return firstOf(
    i,
    (accept) => {
      const [x, y] = absolute ? [n.op('abs', a), n.op('abs', b)] : [a, b];
      const numbers = n.all(n.both(n.isNumber(x), n.isNumber(y)));
      accept(untouched(i, n, a, b).and(numbers), n.leave(n.op(test, x, y)));
    },
    slow,
  );
}
