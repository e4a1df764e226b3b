// What FPCR and FPSR say about whether WebAssembly's arithmetic, which rounds to nearest, flushes nothing and raises no
// flags, may stand for Arm's.

import { STATE } from '../../../cpu/index.ts';
import { FPCR, FPSR } from '../../../fp/index.ts';
import type { Code, FunctionRef, Value } from '../../../wasm/index.ts';

/** What emits floating point: an instruction, or a helper that instructions share. */
export interface FloatContext {
  readonly c: Code;
  /** The state base of the vCPU. */
  readonly cpu: Value;
  helper(name: string): FunctionRef;
  steady(name: string, compute: () => Value): Value;
}

/** A helper's own: the vCPU is its first parameter. */
export const helperContext = (c: Code, helper: FloatContext['helper']): FloatContext => ({
  c,
  cpu: c.param(0),
  helper,
  steady: (_name, compute) => compute(),
});

const ROUNDING_MODE = 3 << FPCR.RMODE_SHIFT;
if (STATE.fpsr !== STATE.fpcr + 4) throw new Error('FPCR and FPSR are read as one i64');

// What an instruction may know of the mode that one before it asked for: only MSR changes FPCR or clears a flag, and
// what says no to Inexact where it might say yes is only slower.
const steadyWord = (i: FloatContext, word: 'fpcr' | 'fpsr'): Value =>
  i.steady(word, () => i.c.load('i32.load', i.cpu, STATE[word], 'state'));
const clear = (i: FloatContext, bits: number): Value =>
  i.steady(`fpcr without ${bits}`, () => steadyWord(i, 'fpcr').and(bits).eqz());

/** i32: nothing is flushed to zero. Enough for what is exact in every rounding mode. */
export const unflushed = (i: FloatContext): Value => clear(i, FPCR.FZ);
/** i32: the same, and rounding is to nearest. */
export const roundsToNearest = (i: FloatContext): Value => clear(i, FPCR.FZ | ROUNDING_MODE);
/** i32: rounding is to nearest; denormals may be flushed. */
export const nearestMode = (i: FloatContext): Value => clear(i, ROUNDING_MODE);
/** i32: half precision is IEEE's, not the alternative format. */
export const ieeeHalf = (i: FloatContext): Value => clear(i, FPCR.AHP);
/** i32: the same as roundsToNearest (or, where `flushing`, with FPCR.FZ set), and Inexact is raised already. */
export const inexactIsKnown = (i: FloatContext, flushing = false): Value =>
  i.steady(`usual${flushing ? ' but flushing' : ''}`, () => {
    const both = i.steady('fpcr and fpsr', () => i.c.load('i64.load', i.cpu, STATE.fpcr, 'state'));
    const known = BigInt(FPSR.IXC) << 32n;
    const looked = BigInt(FPCR.FZ | ROUNDING_MODE) | known;
    return both.and(looked).eq(flushing ? known | BigInt(FPCR.FZ) : known);
  });
/** Nonzero i32: Inexact is raised already. */
export const inexactRaised = (i: FloatContext): Value =>
  i.steady('inexact', () => steadyWord(i, 'fpsr').and(FPSR.IXC));

/** Infinity where a condition (i32 0 or 1) holds, else zero. */
function infinityWhere(condition: Value, bits: 32 | 64): Value {
  const all = condition.neg();
  return bits === 32
    ? all.and(0x7f80_0000n).op('f32.reinterpret_i32')
    : all.sext().and(0x7ff0_0000_0000_0000n).op('f64.reinterpret_i64');
}

/** Infinity where nothing is flushed to zero, else zero: what is at most that in size is no NaN and not flushed. */
export const unflushedLimit = (i: FloatContext, bits: 32 | 64): Value =>
  i.steady(`f${bits} unflushed`, () => infinityWhere(unflushed(i), bits));

/** Infinity in the usual mode (round to nearest, no flushing, Inexact raised), else zero: nothing is below that. */
export function usualLimit(i: FloatContext, type: 'f32' | 'f64' | 'f32x4' | 'f64x2'): Value {
  return i.steady(`${type} limit`, () => {
    const bits = type.startsWith('f32') ? 32 : 64;
    if (type.length > 3) return usualLimit(i, `f${bits}`).op(`${type}.splat`);
    return infinityWhere(inexactIsKnown(i), bits);
  });
}
