// SHA256H, SHA256H2, SHA256SU0, SHA256SU1 (Arm ARM C7.2, FIPS 180-4 6.2): four rounds of SHA-256 at a time, and the
// message schedule.

import type { Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import { type Row, row } from '../../row.ts';
import { bytes, SECTION } from '../simd/index.ts';
import { words } from './sha1.ts';

const lane = (v: Value, k: number): Value => v.code.lane('i32x4.extract_lane', k, v);
const sigma = (n: Value, a: number, b: number, c: number): Value => n.rotr(a).xor(n.rotr(b)).xor(n.rotr(c));

/** (a b c d, e f g h, four words of schedule plus constant) -> the new a b c d, or e f g h. */
const rounds = (second: boolean): BuiltHelper => ({
  params: ['v128', 'v128', 'v128'],
  results: ['v128'],
  build: (code) => {
    const [x, y, w] = [code.param(0), code.param(1), code.param(2)];
    let [a, b, c, d] = [lane(x, 0), lane(x, 1), lane(x, 2), lane(x, 3)];
    let [e, f, g, h] = [lane(y, 0), lane(y, 1), lane(y, 2), lane(y, 3)];
    for (let k = 0; k < 4; k++) {
      const choice = f.xor(g).and(e).xor(g);
      const majority = a.and(b).or(a.or(b).and(c));
      const t = h
        .add(sigma(e, 6, 11, 25))
        .add(choice)
        .add(lane(w, k));
      [h, g, f, e] = [g, f, e, d.add(t)];
      [d, c, b, a] = [c, b, a, t.add(sigma(a, 2, 13, 22)).add(majority)];
    }
    code.return(second ? words(code, [e, f, g, h]) : words(code, [a, b, c, d]));
  },
});

export const sha256Helpers: Helpers<BuiltHelper> = { sha256h: rounds(false), sha256h2: rounds(true) };

const rotateRight = (v: Value, n: number): Value => v.op('i32x4.shr_u', n).or(v.op('i32x4.shl', 32 - n));
const smallSigma = (v: Value, a: number, b: number, shift: number): Value =>
  rotateRight(v, a).xor(rotateRight(v, b)).xor(v.op('i32x4.shr_u', shift));

export const sha256Rows: readonly Row[] = [
  row('SHA256H', '01011110 000 Rm:5 0 100 00 Rn:5 Rd:5', 'sha256h {Rd:q}, {Rn:q}, {Rm:v}.4s', SECTION, (i) =>
    i.setV('Rd', i.c.call(i.helper('sha256h'), i.v('Rd'), i.v('Rn'), i.v('Rm')) as Value),
  ),
  row(
    'SHA256H2',
    '01011110 000 Rm:5 0 101 00 Rn:5 Rd:5',
    'sha256h2 {Rd:q}, {Rn:q}, {Rm:v}.4s',
    SECTION,
    (i) => i.setV('Rd', i.c.call(i.helper('sha256h2'), i.v('Rn'), i.v('Rd'), i.v('Rm')) as Value),
  ),
  row('SHA256SU0', '01011110 00 10100 00010 10 Rn:5 Rd:5', 'sha256su0 {Rd:v}.4s, {Rn:v}.4s', SECTION, (i) => {
    const d = i.v('Rd');
    const next = i.c.shuffle(
      d,
      i.v('Rn'),
      bytes((k) => k + 4),
    );
    i.setV('Rd', smallSigma(next, 7, 18, 3).op('i32x4.add', d));
  }),
  row(
    'SHA256SU1',
    '01011110 000 Rm:5 0 110 00 Rn:5 Rd:5',
    'sha256su1 {Rd:v}.4s, {Rn:v}.4s, {Rm:v}.4s',
    SECTION,
    (i) => {
      const m = i.v('Rm');
      const zero = i.c.v128(0n);
      const next = i.c.shuffle(
        i.v('Rn'),
        m,
        bytes((k) => k + 4),
      );
      const sum = i.v('Rd').op('i32x4.add', next);
      // Words 0 and 1 come from the last of Rm, words 2 and 3 from words 0 and 1. The function of zero is zero.
      const last = i.c.shuffle(
        m,
        zero,
        bytes((k) => k + 8),
      );
      const low = sum.op('i32x4.add', smallSigma(last, 17, 19, 10));
      const first = i.c.shuffle(
        zero,
        low,
        bytes((k) => k + 8),
      );
      i.setV('Rd', low.op('i32x4.add', smallSigma(first, 17, 19, 10)));
    },
  ),
];
