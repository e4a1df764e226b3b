// Arithmetic on the lanes of a vector: WebAssembly's SIMD operations under one name for all lane sizes, with the
// gaps filled (64-bit compares, 8-bit multiplication, ...), and the few ways to combine lanes and registers that
// A64 adds. It follows the Arm ARM's shared pseudocode for vectors (Elem, SignedSat, Reduce) and knows no encoding.

import type { Code, Operand, Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';

export type Sign = 's' | 'u';

const SHAPES = ['i8x16', 'i16x8', 'i32x4', 'i64x2'] as const;
/** Position of FPSR.QC. */
const QC = 27;

/** Byte k of a shuffle's result, as (k) => byte of the first operand (0..15) or of the second (16..31). */
export const bytes = (of: (k: number) => number): number[] => Array.from({ length: 16 }, (_, k) => of(k));

/** `n` repeated in all lanes of 8 << size bits. */
export function replicated(c: Code, size: number, n: number | bigint): Value {
  const bits = 8 << size;
  let low = BigInt.asUintN(bits, BigInt(n));
  for (let width = bits; width < 64; width *= 2) low |= low << BigInt(width);
  return c.v128(low);
}

/** The low `bits` of a vector, zeros above. */
export function keepLow(c: Code, v: Value, bits: number): Value {
  if (bits === 128) return v;
  return v.and(c.v128((1n << BigInt(bits)) - 1n, 0n));
}

/** Lanes of 8 << size bits of an instruction's operands. */
export class Lanes {
  readonly i: Insn;
  readonly c: Code;
  /** log2 of a lane's bytes. */
  readonly size: number;
  /** Bits of a lane. */
  readonly bits: number;
  /** Low bits of the registers that take part: 128, 64, or a scalar's. */
  readonly active: number;
  /** Which half of a narrow operand a widening operation takes. */
  readonly half: 'low' | 'high';
  private readonly shape: string;

  constructor(i: Insn, size: number, active: number, half: 'low' | 'high' = 'low') {
    this.i = i;
    this.c = i.c;
    this.size = size;
    this.bits = 8 << size;
    this.active = active;
    this.half = half;
    this.shape = SHAPES[size] as string;
  }

  /** Of twice the width; all that a widening operation gives is active. */
  wider(): Lanes {
    return new Lanes(this.i, this.size + 1, this.active < 64 ? this.active * 2 : 128, this.half);
  }

  /** A WebAssembly operation of this shape. */
  op(name: string, a: Value, ...rest: Operand[]): Value {
    return a.op(`${this.shape}.${name}`, ...rest);
  }

  /** A constant in every lane. */
  all(n: number | bigint): Value {
    return replicated(this.c, this.size, n);
  }
  zero(): Value {
    return this.c.v128(0n);
  }
  get min(): Value {
    return this.all(1n << BigInt(this.bits - 1));
  }
  get max(): Value {
    return this.all((1n << BigInt(this.bits - 1)) - 1n);
  }
  get ones(): Value {
    return this.c.v128(-1n);
  }

  /** A scalar (i64 for 64-bit lanes, else i32) in every lane. */
  splat(n: Value): Value {
    return n.op(`${this.shape}.splat`);
  }
  /** Lane `k`, unsigned: i64 for 64-bit lanes, else i32. */
  extract(v: Value, k: number): Value {
    return this.c.lane(`${this.shape}.extract_lane${this.size < 2 ? '_u' : ''}`, k, v);
  }
  replace(v: Value, k: number, n: Value): Value {
    return this.c.lane(`${this.shape}.replace_lane`, k, v, n);
  }

  // Lane by lane.

  add = (a: Value, b: Value): Value => this.op('add', a, b);
  sub = (a: Value, b: Value): Value => this.op('sub', a, b);
  neg = (a: Value): Value => this.op('neg', a);
  abs = (a: Value): Value => this.op('abs', a);
  eq = (a: Value, b: Value): Value => this.op('eq', a, b);
  shl = (a: Value, n: Operand): Value => this.op('shl', a, n);
  shr = (sign: Sign, a: Value, n: Operand): Value => this.op(`shr_${sign}`, a, n);
  /** Ones in each negative lane. */
  negative = (a: Value): Value => this.shr('s', a, this.bits - 1);

  mul(a: Value, b: Value): Value {
    if (this.size > 0) return this.op('mul', a, b);
    const high = this.c.v128(0xff00_ff00_ff00_ff00n);
    const even = a.op('i16x8.mul', b);
    const odd = a.op('i16x8.shr_u', 8).op('i16x8.mul', b.and(high));
    return this.choose(high, odd, even);
  }

  gt(sign: Sign, a: Value, b: Value): Value {
    if (this.size < 3) return this.op(`gt_${sign}`, a, b);
    return sign === 's' ? this.op('gt_s', a, b) : this.op('gt_s', a.xor(this.min), b.xor(this.min));
  }
  ge(sign: Sign, a: Value, b: Value): Value {
    if (this.size < 3) return this.op(`ge_${sign}`, a, b);
    return sign === 's' ? this.op('ge_s', a, b) : this.op('ge_s', a.xor(this.min), b.xor(this.min));
  }
  greater(sign: Sign, a: Value, b: Value): Value {
    return this.size < 3 ? this.op(`max_${sign}`, a, b) : this.choose(this.gt(sign, a, b), a, b);
  }
  lesser(sign: Sign, a: Value, b: Value): Value {
    return this.size < 3 ? this.op(`min_${sign}`, a, b) : this.choose(this.gt(sign, a, b), b, a);
  }

  /** Bits of a where mask is one, of b elsewhere. */
  choose = (mask: Value, a: Value, b: Value): Value => a.op('v128.bitselect', b, mask);

  /** (a + b) / 2 without overflow, rounding down. */
  halvingAdd(sign: Sign, a: Value, b: Value): Value {
    return this.add(a.and(b), this.shr(sign, a.xor(b), 1));
  }
  /** (a + b + 1) / 2 without overflow. */
  roundingHalvingAdd(sign: Sign, a: Value, b: Value): Value {
    if (sign === 'u' && this.size < 2) return this.op('avgr_u', a, b);
    return this.sub(a.or(b), this.shr(sign, a.xor(b), 1));
  }
  /** (a - b) / 2 without overflow, rounding down. */
  halvingSub(sign: Sign, a: Value, b: Value): Value {
    return this.sub(this.shr(sign, a.xor(b), 1), b.op('v128.andnot', a));
  }
  absoluteDifference(sign: Sign, a: Value, b: Value): Value {
    return this.sub(this.greater(sign, a, b), this.lesser(sign, a, b));
  }

  /** Right shift by 1..bits. WebAssembly's shift amounts are modulo the lane's bits, so the last bit goes by itself. */
  shiftRight(sign: Sign, a: Value, n: Value): Value {
    if (n.constant !== undefined && Number(n.constant) < this.bits) return this.shr(sign, a, n);
    return this.shr(sign, this.shr(sign, a, n.sub(1)), 1);
  }
  /** The same, rounded to nearest: what was shifted out last is added. */
  shiftRightRounding(sign: Sign, a: Value, n: Value): Value {
    return this.roundLast(sign, this.shr(sign, a, n.sub(1)));
  }
  /** t / 2, rounded up. */
  roundLast(sign: Sign, t: Value): Value {
    return this.add(this.shr(sign, t, 1), t.and(this.all(1)));
  }

  // Widening and narrowing. `this` has the narrow lanes.

  private wideOp(name: string, sign: Sign): string {
    return `${SHAPES[this.size + 1]}.${name}_${this.half}_${this.shape}_${sign}`;
  }
  extend = (sign: Sign, a: Value): Value => a.op(this.wideOp('extend', sign));
  mulLong = (sign: Sign, a: Value, b: Value): Value => a.op(this.wideOp('extmul', sign), b);
  /** Neighbours added into lanes of twice the width. */
  addPairsLong(sign: Sign, a: Value): Value {
    if (this.size < 2) return a.op(`${SHAPES[this.size + 1]}.extadd_pairwise_${this.shape}_${sign}`);
    const low = sign === 'u' ? a.and(this.c.v128(0xffff_ffffn)) : a.op('i64x2.shl', 32).op('i64x2.shr_s', 32);
    return low.op('i64x2.add', a.op(`i64x2.shr_${sign}`, 32));
  }

  /** Truncates the wide lanes of `low` and `high`, or takes their upper halves, into one vector. */
  pack(low: Value, high: Value, upper = false): Value {
    return this.c.shuffle(
      low,
      high,
      bytes((k) => this.packedByte(k, upper)),
    );
  }
  private packedByte(k: number, upper: boolean): number {
    const lane = 1 << this.size;
    return Math.floor(k / lane) * 2 * lane + (k % lane) + (upper ? lane : 0);
  }

  // Saturation.

  /** Sets FPSR.QC where an active bit of `differing` is one. */
  saturated(differing: Value): void {
    const any = keepLow(this.c, differing, this.active).op('v128.any_true');
    this.i.setWord('fpsr', this.i.word('fpsr').or(any.shl(QC)));
  }
  /** The limit on the side of a's sign. */
  limit(a: Value): Value {
    return this.negative(a).xor(this.max);
  }
  /** a clamped to what `bits` bits of the given signedness can hold, with QC; a is signed or not by `from`. */
  clamp(from: Sign, to: Sign, a: Value, bits: number): Value {
    const high = this.all((1n << BigInt(to === 's' ? bits - 1 : bits)) - 1n);
    let result = this.lesser(from, a, high);
    if (from === 's')
      result = this.greater('s', result, this.all(to === 's' ? -(1n << BigInt(bits - 1)) : 0n));
    this.saturated(result.xor(a));
    return result;
  }
  addSaturating(sign: Sign, a: Value, b: Value): Value {
    const sum = this.add(a, b);
    if (this.size < 2) {
      const result = this.op(`add_sat_${sign}`, a, b);
      this.saturated(result.xor(sum));
      return result;
    }
    const over = sign === 's' ? this.negative(a.xor(sum).and(b.xor(sum))) : this.gt('u', a, sum);
    this.saturated(over);
    return sign === 's' ? this.choose(over, this.limit(sum).op('v128.not'), sum) : sum.or(over);
  }
  subSaturating(sign: Sign, a: Value, b: Value): Value {
    const difference = this.sub(a, b);
    if (this.size < 2) {
      const result = this.op(`sub_sat_${sign}`, a, b);
      this.saturated(result.xor(difference));
      return result;
    }
    const over = sign === 's' ? this.negative(a.xor(b).and(a.xor(difference))) : this.gt('u', b, a);
    this.saturated(over);
    return sign === 's'
      ? this.choose(over, this.limit(difference).op('v128.not'), difference)
      : difference.op('v128.andnot', over);
  }

  // Across lanes.

  /** Lanes 0, 2, 4 ... and 1, 3, 5 ... of the active parts of a followed by b. */
  pairs(a: Value, b: Value): [Value, Value] {
    const pick = (odd: number): Value => {
      const lane = 1 << this.size;
      const half = this.active / 16;
      return this.c.shuffle(
        a,
        b,
        bytes((k) => {
          const at = Math.floor((k % half) / lane) * 2 * lane + odd * lane + (k % lane);
          return at + (k % (2 * half) >= half ? 16 : 0);
        }),
      );
    };
    return [pick(0), pick(1)];
  }

  /** Combines all active lanes into lane 0; the others are meaningless. */
  reduce(v: Value, combine: (a: Value, b: Value) => Value): Value {
    let result = v;
    for (let half = this.active / 16; half >= 1 << this.size; half /= 2) {
      const moved = this.c.shuffle(
        result,
        result,
        bytes((k) => (k + half) & 15),
      );
      result = combine(result, moved);
    }
    return result;
  }

  /** A function of scalars (i32, or i64 for 64-bit lanes; unsigned) on every active lane. For what is rare. */
  map(v: Value, f: (n: Value) => Value): Value {
    let result = this.zero();
    for (let k = 0; k < this.active / this.bits; k++) result = this.replace(result, k, f(this.extract(v, k)));
    return result;
  }
}
