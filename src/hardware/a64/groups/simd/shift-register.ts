// Shifts of each lane by the signed low byte of another lane (SSHL and its family): left where positive, right
// where negative. WebAssembly shifts all lanes by one amount, so a lane's own shift is made of fixed ones, one for
// each bit of the amount.

import type { Code, FunctionRef, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import { type Lanes, replicated, type Sign } from './lanes.ts';

const SHAPES = ['i8x16', 'i16x8', 'i32x4'] as const;
const KINDS = ['shl', 'shr_s', 'shr_u'] as const;
type Kind = (typeof KINDS)[number];

/** (v, n) -> v with each lane shifted by the lane of n, unsigned; n of the lane's bits and more shift everything out. */
function buildShift(c: Code, kind: Kind, size: number): Value {
  const bits = 8 << size;
  const [v, amounts] = [c.param(0), c.param(1)];
  const splat = (k: number): Value => replicated(c, size, k);
  if (size === 3) {
    let result = v;
    for (const k of [0, 1]) {
      const n = c.lane('i64x2.extract_lane', k, amounts);
      const x = c.lane('i64x2.extract_lane', k, v);
      const all = kind === 'shr_s' ? x.shrS(63) : c.i64(0);
      result = c.lane('i64x2.replace_lane', k, result, c.select(n.ltU(64), x.op(`i64.${kind}`, n), all));
    }
    return result;
  }
  const shape = SHAPES[size] as string;
  const n = kind === 'shr_s' ? amounts.op(`${shape}.min_u`, splat(bits - 1)) : amounts;
  let result = v;
  for (let bit = 0; 1 << bit < bits; bit++) {
    const mask = n.op(`${shape}.shl`, bits - 1 - bit).op(`${shape}.shr_s`, bits - 1);
    result = result.op(`${shape}.${kind}`, 1 << bit).op('v128.bitselect', result, mask);
  }
  return kind === 'shr_s' ? result : result.and(n.op(`${shape}.lt_u`, splat(bits)));
}

const helperName = (kind: Kind, size: number): string => `lanes.${kind}.${8 << size}`;

export const shiftHelpers: Helpers<BuiltHelper> = Object.fromEntries(
  KINDS.flatMap((kind) =>
    [0, 1, 2, 3].map((size) => [
      helperName(kind, size),
      {
        params: ['v128', 'v128'],
        results: ['v128'],
        build: (c: Code, _: (name: string) => FunctionRef) => c.return(buildShift(c, kind, size)),
      } satisfies BuiltHelper,
    ]),
  ),
);

/** `mode`: r rounds right shifts, q saturates left ones. */
export function shiftByRegister(
  l: Lanes,
  sign: Sign,
  a: Value,
  b: Value,
  mode: '' | 'r' | 'q' | 'qr',
): Value {
  const call = (kind: Kind, v: Value, n: Value): Value =>
    l.c.call(l.i.helper(helperName(kind, l.size)), v, n) as Value;
  const right: Kind = `shr_${sign}`;
  const amount = l.shr('s', l.shl(b, l.bits - 8), l.bits - 8);
  const toRight = l.negative(amount);
  const up = amount.op('v128.andnot', toRight);
  const down = l.neg(amount).and(toRight);

  const left = call('shl', a, up);
  let leftResult = left;
  if (mode.includes('q')) {
    const lost = l
      .eq(call(right, left, up), a)
      .op('v128.not')
      .op('v128.andnot', toRight);
    l.saturated(lost);
    leftResult = l.choose(lost, sign === 's' ? l.limit(a) : l.ones, left);
  }
  // A rounding shift leaves the last bit to the rounding; its amount is at least 1 where it counts.
  const rightResult = mode.includes('r')
    ? l.roundLast(sign, call(right, a, l.sub(down, l.all(1)).and(toRight)))
    : call(right, a, down);
  return l.choose(toRight, rightResult, leftResult);
}
