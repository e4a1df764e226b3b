// SHA1C, SHA1P, SHA1M, SHA1H, SHA1SU0, SHA1SU1 (Arm ARM C7.2, FIPS 180-4 6.1): four rounds of SHA-1 at a time, and
// the message schedule.

import type { Code, Value } from '../../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../../helpers.ts';
import { type Row, row } from '../../row.ts';
import { bytes, SECTION } from '../simd/index.ts';

type Choice = (b: Value, c: Value, d: Value) => Value;

const choose: Choice = (b, c, d) => c.xor(d).and(b).xor(d);
const parity: Choice = (b, c, d) => b.xor(c).xor(d);
const majority: Choice = (b, c, d) => b.and(c).or(b.or(c).and(d));

const lane = (v: Value, k: number): Value => v.code.lane('i32x4.extract_lane', k, v);

/** Four words as a vector. */
export function words(c: Code, n: readonly [Value, Value, Value, Value]): Value {
  return [1, 2, 3].reduce(
    (v, k) => c.lane('i32x4.replace_lane', k, v, n[k] as Value),
    n[0].op('i32x4.splat'),
  );
}

/** (a b c d, e, four words of schedule plus constant) -> the new a b c d. */
const rounds = (f: Choice): BuiltHelper => ({
  params: ['v128', 'i32', 'v128'],
  results: ['v128'],
  build: (code) => {
    const [x, w] = [code.param(0), code.param(2)];
    let [a, b, c, d] = [lane(x, 0), lane(x, 1), lane(x, 2), lane(x, 3)];
    let e = code.param(1);
    for (let k = 0; k < 4; k++) {
      const next = e
        .add(a.rotl(5))
        .add(f(b, c, d))
        .add(lane(w, k));
      [e, d, c, b, a] = [d, c, b.rotl(30), a, next];
    }
    code.return(words(code, [a, b, c, d]));
  },
});

export const sha1Helpers: Helpers<BuiltHelper> = {
  sha1c: rounds(choose),
  sha1p: rounds(parity),
  sha1m: rounds(majority),
};

const hash = (title: string, opcode: string): Row =>
  row(
    title,
    `01011110 000 Rm:5 0 ${opcode} 00 Rn:5 Rd:5`,
    `${title.toLowerCase()} {Rd:q}, {Rn:s}, {Rm:v}.4s`,
    SECTION,
    (i) => {
      const result = i.c.call(i.helper(title.toLowerCase()), i.v('Rd'), lane(i.v('Rn'), 0), i.v('Rm'));
      i.setV('Rd', result as Value);
    },
  );

const rotateLeft = (v: Value, n: number): Value => v.op('i32x4.shl', n).or(v.op('i32x4.shr_u', 32 - n));

export const sha1Rows: readonly Row[] = [
  hash('SHA1C', '000'),
  hash('SHA1P', '001'),
  hash('SHA1M', '010'),
  row(
    'SHA1SU0',
    '01011110 000 Rm:5 0 011 00 Rn:5 Rd:5',
    'sha1su0 {Rd:v}.4s, {Rn:v}.4s, {Rm:v}.4s',
    SECTION,
    (i) => {
      const d = i.v('Rd');
      const middle = i.c.shuffle(
        d,
        i.v('Rn'),
        bytes((k) => k + 8),
      );
      i.setV('Rd', middle.xor(d).xor(i.v('Rm')));
    },
  ),
  row('SHA1H', '01011110 00 10100 00000 10 Rn:5 Rd:5', 'sha1h {Rd:s}, {Rn:s}', SECTION, (i) => {
    const n = lane(i.v('Rn'), 0).rotl(30);
    i.setV('Rd', i.c.lane('i32x4.replace_lane', 0, i.c.v128(0n), n));
  }),
  row('SHA1SU1', '01011110 00 10100 00001 10 Rn:5 Rd:5', 'sha1su1 {Rd:v}.4s, {Rn:v}.4s', SECTION, (i) => {
    const zero = i.c.v128(0n);
    const next = i.c.shuffle(
      i.v('Rn'),
      zero,
      bytes((k) => k + 4),
    );
    const t = rotateLeft(i.v('Rd').xor(next), 1);
    // The last word needs the first of this very result.
    const first = i.c.shuffle(
      zero,
      rotateLeft(t, 1),
      bytes((k) => (k < 12 ? k : k + 4)),
    );
    i.setV('Rd', t.xor(first));
  }),
];
