// The native path: WebAssembly's own floating point, taken only where its answer and the flags are certain to be
// Arm's, with slow.ts behind it. WebAssembly rounds to nearest and raises no flags, so FPCR must say that, where it
// flushes to zero there must be nothing to flush, and where a result is not known to be exact FPSR.IXC must be set
// already, as it soon is in programs that compute.

import { STATE } from '../../../cpu/index.ts';
import { FPCR, FPSR } from '../../../fp/index.ts';
import type { Code, Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { floatConstant } from './constants.ts';
import { type ExactnessOf, exactnessHelper } from './error-free.ts';
import { everyLane, floatLanes, fromFloat, keep, lowFloat, type Shape } from './sizes.ts';
import { exactly, type OperationName } from './slow.ts';

const ROUNDING_MODE = 3 << FPCR.RMODE_SHIFT;
if (STATE.fpsr !== STATE.fpcr + 4) throw new Error('FPCR and FPSR are read as one i64');

/** i32: nothing is flushed to zero. Enough for what is exact in every rounding mode. */
const unflushed = (i: Insn): Value => i.word('fpcr').and(FPCR.FZ).eqz();
/** i32: the same, and rounding is to nearest. */
export const roundsToNearest = (i: Insn): Value =>
  i
    .word('fpcr')
    .and(FPCR.FZ | ROUNDING_MODE)
    .eqz();
/** i32: rounding is to nearest; denormals may be flushed. */
export const nearestMode = (i: Insn): Value => i.word('fpcr').and(ROUNDING_MODE).eqz();
/** i32: the same (or, where `flushing`, with FPCR.FZ set), and Inexact need not be raised any more. */
export function inexactIsKnown(i: Insn, flushing = false): Value {
  const both = i.c.load('i64.load', i.cpu, STATE.fpcr, 'state');
  const known = BigInt(FPSR.IXC) << 32n;
  const looked = BigInt(FPCR.FZ | ROUNDING_MODE) | known;
  return both.and(looked).eq(flushing ? known | BigInt(FPCR.FZ) : known);
}
/** i32: Inexact is raised already. */
export const inexactRaised = (i: Insn): Value => i.word('fpsr').and(FPSR.IXC);

/** The first result whose condition (i32) holds, else the slow one. */
export function firstOf(
  i: Insn,
  fast: (accept: (condition: Value, result: Value) => void) => void,
  slow: () => Value,
): Value {
  const out = i.c.variable('v128');
  i.c.scope((done) => {
    fast((condition, result) => {
      out.set(result);
      i.c.branch(done, condition);
    });
    out.set(slow());
  });
  return out.get();
}

interface Limits {
  readonly infinity: bigint;
  /** The smallest normal number. */
  readonly smallest: bigint;
}
const LIMITS: Record<32 | 64, Limits> = {
  32: { infinity: 0x7f80_0000n, smallest: 0x0080_0000n },
  64: { infinity: 0x7ff0_0000_0000_0000n, smallest: 0x0010_0000_0000_0000n },
};

/** Operations on the scalars or vectors of one format under the same names. */
export class Native {
  readonly c: Code;
  readonly bits: 32 | 64;
  readonly scalar: boolean;
  private readonly shape: Shape;

  constructor(c: Code, shape: Shape) {
    if (shape.bits === 16) throw new Error('WebAssembly has no half precision');
    this.c = c;
    this.shape = shape;
    this.bits = shape.bits;
    this.scalar = shape.scalar;
  }

  /** A register's value as this computes with it, and back. */
  enter = (v: Value): Value => (this.scalar ? lowFloat(this.c, v, this.bits) : v);
  leave = (v: Value): Value => (this.scalar ? fromFloat(this.c, v, this.bits) : keep(this.c, this.shape, v));

  private get prefix(): string {
    return this.scalar ? `f${this.bits}` : floatLanes(this.bits);
  }
  op(name: string, a: Value, ...rest: Value[]): Value {
    return a.op(`${this.prefix}.${name}`, ...rest);
  }
  pattern(n: bigint): Value {
    return this.scalar ? floatConstant(this.c, this.bits, n) : everyLane(this.c, this.bits, n);
  }
  get zero(): Value {
    return this.pattern(0n);
  }

  // Conditions: i32 0 or 1 for scalars, masks of lanes for vectors.
  private logical(name: 'and' | 'or', a: Value, b: Value): Value {
    return this.scalar ? a[name](b) : a.op(`v128.${name}`, b);
  }
  both = (a: Value, b: Value): Value => this.logical('and', a, b);
  either = (a: Value, b: Value): Value => this.logical('or', a, b);
  isZero = (a: Value): Value => this.op('eq', a, this.zero);
  isNumber = (a: Value): Value => this.op('eq', a, a);
  isFinite = (a: Value): Value => this.op('lt', this.op('abs', a), this.pattern(LIMITS[this.bits].infinity));
  /** Finite and above the smallest normal number, so surely not tiny before rounding. */
  isOrdinary(a: Value): Value {
    const { infinity, smallest } = LIMITS[this.bits];
    const size = this.op('abs', a);
    return this.both(
      this.op('lt', size, this.pattern(infinity)),
      this.op('gt', size, this.pattern(smallest)),
    );
  }
  /** Zero or normal: what flushing leaves alone. */
  isUnflushable(a: Value): Value {
    const normal = this.op('ge', this.op('abs', a), this.pattern(LIMITS[this.bits].smallest));
    return this.either(normal, this.isZero(a));
  }
  /** The same of all lanes of several operands, as i32. */
  areUnflushable(operands: readonly Value[]): Value {
    return operands
      .map((a) => this.all(this.isUnflushable(a)))
      .reduce((all, condition) => all.and(condition));
  }
  /** A condition that holds in all lanes of the shape, as i32. */
  all(condition: Value): Value {
    if (this.scalar) return condition;
    const used = this.shape.bits * this.shape.lanes;
    const rest = this.c.v128(used < 64 ? -1n << BigInt(used) : 0n, -1n);
    const lanes = used === 128 ? condition : condition.op('v128.or', rest);
    return lanes.op(`${this.bits === 32 ? 'i32x4' : 'i64x2'}.all_true`);
  }
}

/** i32: FPCR.FZ is clear, or finds none of these operands denormal. */
export function untouched(i: Insn, n: Native, ...operands: readonly Value[]): Value {
  const result = i.c.variable('i32', unflushed(i));
  i.c.if(result.get().eqz(), () => result.set(n.areUnflushable(operands)));
  return result.get();
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
}

const NATIVE: Partial<Record<OperationName, NativeOperation>> = {
  // A sum that is tiny is exact.
  add: { native: 'add', accept: (n, r) => n.isFinite(r), acceptFlushing: ordinaryOrZero },
  sub: { native: 'sub', accept: (n, r) => n.isFinite(r), acceptFlushing: ordinaryOrZero },
  mul: { native: 'mul', accept: product },
  mulx: { native: 'mul', accept: product },
  div: {
    native: 'div',
    accept: (n, r, a) => n.either(n.isOrdinary(r), n.both(n.isZero(a), n.isZero(r))),
  },
  sqrt: { native: 'sqrt', accept: (n, r) => n.isNumber(r) },
  max: { native: 'max', accept: (n, r) => n.isNumber(r), exact: true },
  min: { native: 'min', accept: (n, r) => n.isNumber(r), exact: true },
  maxnm: { native: 'max', accept: (n, r) => n.isNumber(r), exact: true },
  minnm: { native: 'min', accept: (n, r) => n.isNumber(r), exact: true },
};

/** Where Inexact is not raised yet, results are accepted that are exact by this. */
const NATIVE_EXACTNESS: Partial<Record<OperationName, ExactnessOf>> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  mulx: 'mul',
  div: 'div',
  sqrt: 'sqrt',
};

function ordinaryOrZero(n: Native, r: Value): Value {
  return n.either(n.isOrdinary(r), n.isZero(r));
}

function product(n: Native, r: Value, a: Value, b: Value): Value {
  return n.either(n.isOrdinary(r), n.both(n.isZero(r), n.either(n.isZero(a), n.isZero(b))));
}

/** One operation on one or two vectors (or scalars in lane 0). The rest of the result is zero. */
export function operate(i: Insn, name: OperationName, shape: Shape, a: Value, b?: Value): Value {
  const operands = b ? [a, b] : [a];
  const known = NATIVE[name];
  if (!known || shape.bits === 16) return exactly(i, name, shape, operands);
  const n = new Native(i.c, shape);
  return firstOf(
    i,
    (accept) => {
      const x = n.enter(a);
      const y = b ? n.enter(b) : x;
      const r = b ? n.op(known.native, x, y) : n.op(known.native, x);
      const certain = n.all(known.accept(n, r, x, y));
      if (known.exact) {
        accept(untouched(i, n, x, y).and(certain), n.leave(r));
        return;
      }
      accept(inexactIsKnown(i).and(certain), n.leave(r));
      i.c.if(inexactIsKnown(i, true), () => {
        const ordinary = n.all((known.acceptFlushing ?? known.accept)(n, r, x, y));
        accept(ordinary.and(n.areUnflushable(b ? [x, y] : [x])), n.leave(r));
      });
      const exactness = NATIVE_EXACTNESS[name];
      if (!exactness) return;
      i.c.if(roundsToNearest(i).and(certain), () => {
        const helper = i.helper(exactnessHelper(exactness, n.bits, !n.scalar));
        const kept = (v: Value): Value => (n.scalar ? v : n.leave(v));
        accept(i.c.call(helper, kept(x), kept(y)) as Value, n.leave(r));
      });
    },
    () => exactly(i, name, shape, operands),
  );
}
