// WebAssembly's floating-point operations on the scalars or vectors of one format under the same names, and what can be
// asked of their operands and results.

import type { Code, Type, Value } from '../../../wasm/index.ts';
import { floatConstant } from './constants.ts';
import { type FloatContext, unflushed } from './mode.ts';
import { everyLane, floatLanes, fromFloat, keep, lowFloat, nativeType, type Shape } from './sizes.ts';

interface Limits {
  readonly infinity: bigint;
  /** The smallest normal number. */
  readonly smallest: bigint;
}
const LIMITS: Record<32 | 64, Limits> = {
  32: { infinity: 0x7f80_0000n, smallest: 0x0080_0000n },
  64: { infinity: 0x7ff0_0000_0000_0000n, smallest: 0x0010_0000_0000_0000n },
};

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

  /** What it computes with: a scalar's number, or a register. */
  get valueType(): Type {
    return nativeType(this.shape);
  }
  get type(): 'f32' | 'f64' | 'f32x4' | 'f64x2' {
    return this.scalar ? `f${this.bits}` : floatLanes(this.bits);
  }
  op(name: string, a: Value, ...rest: Value[]): Value {
    return a.op(`${this.type}.${name}`, ...rest);
  }
  pattern(n: bigint): Value {
    return this.scalar ? floatConstant(this.c, this.bits, n) : everyLane(this.c, this.bits, n);
  }
  /** 2^exponent. */
  power(exponent: number): Value {
    return this.pattern(this.bits === 32 ? BigInt(exponent + 127) << 23n : BigInt(exponent + 1023) << 52n);
  }
  get zero(): Value {
    return this.pattern(0n);
  }
  get smallestNormal(): Value {
    return this.pattern(LIMITS[this.bits].smallest);
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
    const size = this.op('abs', a);
    return this.both(
      this.op('lt', size, this.pattern(LIMITS[this.bits].infinity)),
      this.op('gt', size, this.smallestNormal),
    );
  }
  /** Zero or normal: what flushing leaves alone. */
  isUnflushable(a: Value): Value {
    return this.either(this.op('ge', this.op('abs', a), this.smallestNormal), this.isZero(a));
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
export function untouched(i: FloatContext, n: Native, ...operands: readonly Value[]): Value {
  const result = i.c.variable('i32', unflushed(i));
  i.c.if(result.get().eqz(), () => result.set(n.areUnflushable(operands)));
  return result.get();
}
