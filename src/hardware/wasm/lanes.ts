// Shorter ways with the lanes of vectors, for registers that hold one number: a lane that was just put in needs no
// vector, and memory is read and written by lanes.

import type { Code } from './code.ts';
import type { Value } from './value.ts';

/** The operation by which a value was computed, with its immediates. */
const isOp = (v: Value, name: string, lane?: number): boolean =>
  v.source.kind === 'op' &&
  v.source.op.name === name &&
  (lane === undefined || v.source.immediate[0] === lane);

const isZero = (v: Value): boolean => v.source.kind === 'v128' && v.source.bytes.every((byte) => byte === 0);

/** The number that stands in a lane, where a vector was made by putting it there. */
function putIn(v: Value, shape: string, lane: number): Value | undefined {
  if (isOp(v, `${shape}.replace_lane`, lane)) return v.args[1];
  if (shape === 'i64x2' && isOp(v, 'f64x2.replace_lane', lane))
    return (v.args[1] as Value).op('i64.reinterpret_f64');
  if (shape === 'f64x2' && isOp(v, 'i64x2.replace_lane', lane))
    return (v.args[1] as Value).op('f64.reinterpret_i64');
  return undefined;
}

/** What an instruction with a lane immediate gives, where there is a shorter way to it. */
export function shorterLane(
  code: Code,
  name: string,
  lane: number,
  args: readonly Value[],
): Value | undefined {
  const [v, n] = args as [Value, Value?];
  if (!n) return name.endsWith('.extract_lane') ? putIn(v, name.slice(0, 5), lane) : undefined;
  if (name !== 'i64x2.replace_lane' || lane !== 0 || !isZero(v)) return undefined;
  if (isOp(n, 'i64.load')) return code.loadAgain('v128.load64_zero', n);
  return isOp(n, 'i64.load32_u') ? code.loadAgain('v128.load32_zero', n) : undefined;
}

/** A splat of what was just loaded. */
export function shorterSplat(code: Code, name: string, n: Value): Value | undefined {
  if (name === 'i64x2.splat' && isOp(n, 'i64.load')) return code.loadAgain('v128.load64_splat', n);
  const narrow = n.args[0];
  if (name === 'i32x4.splat' && isOp(n, 'i32.wrap_i64') && narrow && isOp(narrow, 'i64.load32_u'))
    return code.loadAgain('v128.load32_splat', narrow);
  return undefined;
}

/** A store of a vector's lowest lane, as the instruction, its immediates after the offset, and what it stores. */
export function laneStore(
  name: string,
  v: Value,
): { readonly name: string; readonly lane: readonly number[]; readonly value: Value } | undefined {
  const bits = name === 'i64.store' ? 64 : name === 'i64.store32' ? 32 : undefined;
  if (!bits) return undefined;
  if (bits === 64 && isOp(v, 'i64.reinterpret_f64'))
    return { name: 'f64.store', lane: [], value: v.args[0] as Value };
  if (!isOp(v, 'i64x2.extract_lane', 0)) return undefined;
  const vector = v.args[0] as Value;
  const single = bits === 32 && putIn(vector, 'f32x4', 0);
  if (single) return { name: 'f32.store', lane: [], value: single };
  return { name: `v128.store${bits}_lane`, lane: [0], value: vector };
}
