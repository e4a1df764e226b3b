// URECPE and URSQRTE: 9-bit estimates of 1/x and 1/sqrt(x) of 32-bit fixed-point numbers (Arm ARM,
// shared/functions/float/recipestimate and recipsqrtestimate).

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import type { Lanes } from './lanes.ts';

/** (2^19 / (2a + 1) + 1) / 2 of the top 9 bits a; numbers below 1/2 give all ones. */
function buildReciprocal(c: Code): Value {
  const x = c.param(0);
  const a = x.shrU(23).shl(1).or(1);
  const estimate = c
    .i32(1 << 19)
    .divU(a)
    .add(1)
    .shrU(1);
  return c.select(x.geU(0x8000_0000), estimate.shl(23), c.i32(-1));
}

/**
 * The pseudocode counts b up from 512 while a * (b + 1)^2 < 2^28, so b + 1 is the least integer not below
 * sqrt(2^28 / a). In double precision that is exact: where the root is not an integer it is at least 2^-30 away.
 */
function buildReciprocalRoot(c: Code): Value {
  const x = c.param(0);
  const top = x.shrU(23);
  const a = c.select(top.ltU(256), top.shl(1).or(1), top.shrU(1).shl(1).add(1).shl(1));
  const quotient = c
    .constant('i32', 1 << 28)
    .op('f64.convert_i32_u')
    .op('f64.div', a.op('f64.convert_i32_u'));
  const least = quotient.op('f64.sqrt').op('f64.ceil').op('i32.trunc_sat_f64_u');
  const estimate = least.shrU(1);
  return c.select(x.geU(0x4000_0000), estimate.shl(23), c.i32(-1));
}

export const estimateHelpers: Helpers<BuiltHelper> = {
  urecpe: { params: ['i32'], results: ['i32'], build: (c) => c.return(buildReciprocal(c)) },
  ursqrte: { params: ['i32'], results: ['i32'], build: (c) => c.return(buildReciprocalRoot(c)) },
};

export const reciprocalEstimate = (l: Lanes, a: Value, helper: 'urecpe' | 'ursqrte'): Value =>
  l.map(a, (x) => l.c.call(l.i.helper(helper), x) as Value);
