// The native path: WebAssembly's own floating point, taken only where its answer and the flags are certain to be Arm's.
// In place stands what is certain of ordinary numbers in the mode that programs compute in; all else that can be known
// without slow.ts is in one helper for each operation, so that no instruction carries it along.

import type { Type, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import type { Insn } from '../../insn.ts';
import { type ExactnessOf, exactnessHelper } from './error-free.ts';
import { type FloatContext, helperContext, inexactIsKnown, roundsToNearest, usualLimit } from './mode.ts';
import { Native, untouched } from './native.ts';
import { NATIVE_SHAPES, nativeType, type Shape, shapeName } from './sizes.ts';
import { exactly, type OperationName } from './slow.ts';

/** The first result whose condition (i32) holds, else the slow one. */
export function firstOf(
  i: FloatContext,
  fast: (accept: (condition: Value, result: Value) => void) => void,
  slow: () => Value,
  type: Type = 'v128',
): Value {
  const out = i.c.variable(type);
  i.c.scope((done) => {
    fast((condition, result) => {
      out.set(result);
      i.c.branch(done, condition);
    });
    out.set(slow());
  });
  return out.get();
}

/** `result` where all conditions (i32) hold, each looked at by a branch of its own, else `otherwise`. */
export function whereAll(
  i: Insn,
  conditions: readonly Value[],
  result: Value,
  otherwise: () => Value,
): Value {
  const { c } = i;
  const out = c.variable(result.type, result);
  const last = conditions[conditions.length - 1] as Value;
  c.scope((done) => {
    c.scope((uncertain) => {
      for (const condition of conditions.slice(0, -1)) c.branch(uncertain, condition.eqz());
      c.branch(done, last);
    });
    out.set(otherwise());
  });
  return out.get();
}

/**
 * What makes a result certain in the usual mode: finite, and `above` a positive number in size. Several conditions for
 * scalars, one for vectors.
 */
export function ordinary(i: Insn, n: Native, r: Value, above?: Value): Value[] {
  const size = n.op('abs', r);
  const finite = n.op('lt', size, usualLimit(i, n.type));
  if (!above) return [n.all(finite)];
  const large = n.op('gt', size, above);
  return n.scalar ? [finite, large] : [n.all(n.both(finite, large))];
}

type Condition = (n: Native, r: Value, a: Value, b: Value) => Value;

/** WebAssembly's operation for one of ours, and when its result may be believed. */
interface NativeOperation {
  readonly native: string;
  readonly accept: Condition;
  /** The same under FPCR.FZ, where that is less often. */
  readonly acceptFlushing?: Condition;
  /** Exact whenever it is accepted. */
  readonly exact?: boolean;
  /** A finite result may be tiny before rounding and inexact. */
  readonly underflows?: boolean;
  /** Where Inexact is not raised yet, results are accepted that are exact by this, or by a helper of this name. */
  readonly exactness?: Condition | ExactnessOf;
  readonly unary?: boolean;
}

const isNumber: Condition = (n, r) => n.isNumber(r);
// A sum that is tiny is exact.
const sum = {
  accept: (n, r) => n.isFinite(r),
  acceptFlushing: ordinaryOrZero,
} satisfies Partial<NativeOperation>;

const NATIVE: Partial<Record<OperationName, NativeOperation>> = {
  // A sum without one operand is the other. To take away the larger one is exact, so both hold only of exact sums.
  add: {
    native: 'add',
    exactness: (n, r, a, b) => n.both(n.op('eq', n.op('sub', r, a), b), n.op('eq', n.op('sub', r, b), a)),
    ...sum,
  },
  sub: {
    native: 'sub',
    exactness: (n, r, a, b) => n.both(n.op('eq', n.op('sub', a, r), b), n.op('eq', n.op('add', r, b), a)),
    ...sum,
  },
  mul: { native: 'mul', exactness: 'mul', accept: product, underflows: true },
  mulx: { native: 'mul', exactness: 'mul', accept: product, underflows: true },
  div: {
    native: 'div',
    exactness: 'div',
    accept: (n, r, a) => n.either(n.isOrdinary(r), n.both(n.isZero(a), n.isZero(r))),
    underflows: true,
  },
  sqrt: { native: 'sqrt', exactness: 'sqrt', accept: isNumber, unary: true },
  max: { native: 'max', accept: isNumber, exact: true },
  min: { native: 'min', accept: isNumber, exact: true },
  maxnm: { native: 'max', accept: isNumber, exact: true },
  minnm: { native: 'min', accept: isNumber, exact: true },
};

function ordinaryOrZero(n: Native, r: Value): Value {
  return n.either(n.isOrdinary(r), n.isZero(r));
}

function product(n: Native, r: Value, a: Value, b: Value): Value {
  return n.either(n.isOrdinary(r), n.both(n.isZero(r), n.either(n.isZero(a), n.isZero(b))));
}

/** All that is known of an operation on natives without slow.ts, and then that. */
function operateAnyhow(
  i: FloatContext,
  name: OperationName,
  operation: NativeOperation,
  shape: Shape,
  operands: readonly Value[],
): Value {
  const { native, accept: believed, acceptFlushing = believed, exact, exactness } = operation;
  const n = new Native(i.c, shape);
  return firstOf(
    i,
    (accept) => {
      const [x, y = x] = operands as [Value, Value?];
      const r = n.op(native, ...(operands as [Value]));
      const certain = n.all(believed(n, r, x, y));
      if (exact) {
        accept(untouched(i, n, ...operands).and(certain), r);
        return;
      }
      accept(inexactIsKnown(i).and(certain), r);
      i.c.if(inexactIsKnown(i, true), () =>
        accept(n.all(acceptFlushing(n, r, x, y)).and(n.areUnflushable(operands)), r),
      );
      if (!exactness) return;
      i.c.if(roundsToNearest(i).and(certain), () => {
        if (typeof exactness === 'function') {
          accept(n.all(exactness(n, r, x, y)), r);
          return;
        }
        const helper = i.helper(exactnessHelper(exactness, n.bits, !n.scalar));
        const kept = (v: Value): Value => (n.scalar ? v : n.leave(v));
        accept(i.c.call(helper, kept(x), kept(y)) as Value, r);
      });
    },
    () => n.enter(exactly(i, name, shape, operands.map(n.leave))),
    n.valueType,
  );
}

const operationHelper = (name: OperationName, shape: Shape): string => `fp_${name}_${shapeName(shape)}`;

/** (cpu, operands) -> result, of natives */
export const operationHelpers: Helpers<BuiltHelper> = Object.fromEntries(
  Object.entries(NATIVE).flatMap(([key, operation]) =>
    NATIVE_SHAPES.map((shape): [string, BuiltHelper] => {
      const name = key as OperationName;
      const operands = operation.unary ? [1] : [1, 2];
      const type = nativeType(shape);
      return [
        operationHelper(name, shape),
        {
          params: ['i32', ...operands.map(() => type)],
          results: [type],
          build: (c, helper) => {
            const values = operands.map((k) => c.param(k));
            c.return(operateAnyhow(helperContext(c, helper), name, operation, shape, values));
          },
        },
      ];
    }),
  ),
);

/** One operation on one or two vectors (or scalars in lane 0). The rest of the result is zero. */
export function operate(i: Insn, name: OperationName, shape: Shape, ...operands: readonly Value[]): Value {
  const operation = NATIVE[name];
  if (!operation || shape.bits === 16) return exactly(i, name, shape, operands);
  const n = new Native(i.c, shape);
  const entered = operands.map(n.enter);
  const r = n.op(operation.native, ...(entered as [Value]));
  const certain = ordinary(i, n, r, operation.underflows ? n.smallestNormal : undefined);
  const anyhow = (): Value => i.c.call(i.helper(operationHelper(name, shape)), i.cpu, ...entered) as Value;
  return n.leave(whereAll(i, certain, r, anyhow));
}
