// Flags, computed only when used: the JIT keeps what the last flag-setting instruction worked on, and its kind, and
// makes NZCV of it where somebody looks.

import { type BuiltHelper, floatNzcv, type Helpers, type Insn } from '../../a64/index.ts';
import { STATE } from '../../cpu/index.ts';
import type { Value } from '../../wasm/index.ts';

/** What the two kept values mean. Values of 32-bit operations are kept sign-extended. 0: nothing is kept. */
export const FLAGS = {
  /** The first value is NZCV. */
  packed: 1,
  /** C and V are clear; N and Z are those of the first value. */
  logic: 2,
  /** The flags of first - second. */
  sub64: 3,
  sub32: 4,
  /** The flags of first + second. */
  add64: 5,
  add32: 6,
  /** The flags of comparing two doubles, by their bits. */
  float: 7,
} as const;
export type FlagsKind = (typeof FLAGS)[keyof typeof FLAGS];

const pack = (n: Value, z: Value, c: Value, v: Value): Value => n.shl(3).or(z.shl(2)).or(c.shl(1)).or(v);

const numberOf = (bits: Value): Value => bits.op('f64.reinterpret_i64');

/** NZCV, i32, of a kind that is known. */
export function packedFlags(kind: FlagsKind, a: Value, b: Value): Value {
  const none = a.code.i32(0);
  if (kind === FLAGS.packed) return a.wrap();
  if (kind === FLAGS.logic) return pack(a.shrU(63).wrap(), a.eqz(), none, none);
  if (kind === FLAGS.float) return floatNzcv(numberOf(a), numberOf(b));
  const narrow = kind === FLAGS.sub32 || kind === FLAGS.add32;
  const [x, y] = narrow ? [a.wrap(), b.wrap()] : [a, b];
  const top = narrow ? 31 : 63;
  if (kind === FLAGS.sub64 || kind === FLAGS.sub32) {
    const d = x.sub(y);
    const v = x.xor(y).and(x.xor(d)).shrU(top).wrap();
    return pack(d.shrU(top).wrap(), d.eqz(), x.geU(y), v);
  }
  const sum = x.add(y);
  const v = x.xor(sum).and(y.xor(sum)).shrU(top).wrap();
  return pack(sum.shrU(top).wrap(), sum.eqz(), sum.ltU(x), v);
}

/** (kind, first, second) -> NZCV, where the kind is known only at run time. */
const flagsOf: BuiltHelper = {
  params: ['i32', 'i64', 'i64'],
  results: ['i32'],
  build: (c) => {
    const [kind, a, b] = [c.param(0), c.param(1), c.param(2)];
    for (const candidate of Object.values(FLAGS)) {
      c.if(kind.eq(candidate), () => c.return(packedFlags(candidate, a, b)));
    }
    c.return(c.i32(0));
  },
};

/** (cpu) -> NZCV, which STATE may hold as what it was computed from; from then on it holds NZCV itself. */
const settleFlags: BuiltHelper = {
  params: ['i32'],
  results: ['i32'],
  build: (c, helper) => {
    const cpu = c.param(0);
    const kind = c.load('i32.load', cpu, STATE.flagsKind, 'state');
    c.if(kind, () => {
      const [a, b] = [STATE.flagsA, STATE.flagsB].map((at) => c.load('i64.load', cpu, at, 'state')) as [
        Value,
        Value,
      ];
      c.store('i32.store', cpu, STATE.nzcv, c.call(helper('flagsOf'), kind, a, b) as Value, 'state');
      c.store('i32.store', cpu, STATE.flagsKind, 0, 'state');
    });
    c.return(c.load('i32.load', cpu, STATE.nzcv, 'state'));
  },
};

export const flagHelpers: Helpers<BuiltHelper> = { flagsOf, settleFlags };

/**
 * Whether condition `cond` (0..15) holds after a - b or for a logical result, without NZCV; undefined where the
 * kind gives no shorter way.
 */
export function conditionOf(i: Insn, kind: FlagsKind, a: Value, b: Value, cond: number): Value | undefined {
  const base = cond >> 1;
  if (base === 7) return i.i32(1);
  const negate = (cond & 1) === 1;
  if (kind === FLAGS.float) return floatConditionOf(numberOf(a), numberOf(b), base, negate);
  const choose = (holds: Value, fails: Value): Value => (negate ? fails : holds);
  if (kind === FLAGS.sub64 || kind === FLAGS.sub32) {
    switch (base) {
      case 0:
        return choose(a.eq(b), a.ne(b));
      case 1:
        return choose(a.geU(b), a.ltU(b));
      case 4:
        return choose(a.gtU(b), a.leU(b));
      case 5:
        return choose(a.geS(b), a.ltS(b));
      case 6:
        return choose(a.gtS(b), a.leS(b));
      case 2: {
        const d = kind === FLAGS.sub32 ? a.wrap().sub(b.wrap()) : a.sub(b);
        return choose(d.ltS(0), d.geS(0));
      }
      default:
        return undefined;
    }
  }
  if (kind === FLAGS.logic) {
    switch (base) {
      case 0:
        return choose(a.eqz(), a.ne(0));
      case 2:
      case 5:
        // N, and N = V with V clear: 'mi' holds where 'ge' fails.
        return (base === 2) === !negate ? a.ltS(0) : a.geS(0);
      case 6:
        return choose(a.gtS(0), a.leS(0));
      default:
        return choose(i.i32(0), i.i32(1));
    }
  }
  return undefined;
}

/** The same after a comparison of two doubles, which may not be ordered. */
function floatConditionOf(a: Value, b: Value, base: number, negate: boolean): Value {
  const test = (name: string, not: boolean): Value => {
    const holds = a.op(`f64.${name}`, b);
    return not === negate ? holds : holds.eqz();
  };
  switch (base) {
    case 0:
      return test('eq', false);
    case 1:
      return test('lt', true);
    case 2:
      return test('lt', false);
    case 4:
      return test('le', true);
    case 5:
      return test('ge', false);
    case 6:
      return test('gt', false);
    default: {
      const ordered = a.op('f64.eq', a).and(b.op('f64.eq', b));
      return negate ? ordered : ordered.eqz();
    }
  }
}
