// SHA512H, SHA512H2, SHA512SU0, SHA512SU1 (FIPS 180-4 6.4, two rounds at a time) and EOR3, BCAX, RAX1, XAR (for
// SHA-3); Arm ARM C7.2.

import type { Code, Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row, rows } from '../../row.ts';
import { bytes, SECTION } from '../simd/index.ts';

const low = (v: Value): Value => v.code.lane('i64x2.extract_lane', 0, v);
const high = (v: Value): Value => v.code.lane('i64x2.extract_lane', 1, v);
const pair = (c: Code, l: Value, h: Value): Value => c.lane('i64x2.replace_lane', 1, l.op('i64x2.splat'), h);
const sigma = (n: Value, a: number, b: number, c: number): Value => n.rotr(a).xor(n.rotr(b)).xor(n.rotr(c));

const rotateRight = (v: Value, n: Value): Value =>
  v.op('i64x2.shr_u', n).or(v.op('i64x2.shl', v.code.i32(64).sub(n)));
const smallSigma = (v: Value, a: number, b: number, shift: number): Value =>
  rotateRight(v, v.code.i32(a))
    .xor(rotateRight(v, v.code.i32(b)))
    .xor(v.op('i64x2.shr_u', shift));

const three = (title: string, opcode: string, syntax: string, f: (i: Insn) => Value): Row =>
  row(
    title,
    `11001110 011 Rm:5 1 000 ${opcode} Rn:5 Rd:5`,
    `${title.toLowerCase()} ${syntax}`,
    SECTION,
    (i) => i.setV('Rd', f(i)),
  );

/** Rd has the sum so far, Rn g and f, Rm e and d; of two rounds. */
function sha512h(i: Insn): Value {
  const [x, y, w] = [i.v('Rn'), i.v('Rm'), i.v('Rd')];
  const [e, f, g] = [high(y), low(x), high(x)];
  const choose = (a: Value, b: Value, c: Value): Value => b.xor(c).and(a).xor(c);
  const first = choose(e, f, g)
    .add(sigma(e, 14, 18, 41))
    .add(high(w));
  const next = first.add(low(y));
  const second = choose(next, e, f)
    .add(sigma(next, 14, 18, 41))
    .add(low(w));
  return pair(i.c, second, first);
}

/** Rd has the sum so far, Rn c, Rm b and a; of two rounds. */
function sha512h2(i: Insn): Value {
  const [x, y, w] = [i.v('Rn'), i.v('Rm'), i.v('Rd')];
  const [a, b, c] = [low(y), high(y), low(x)];
  const majority = (p: Value, q: Value, r: Value): Value => p.and(q).or(p.or(q).and(r));
  const first = majority(c, b, a)
    .add(sigma(a, 28, 34, 39))
    .add(high(w));
  const second = majority(first, a, b)
    .add(sigma(first, 28, 34, 39))
    .add(low(w));
  return pair(i.c, second, first);
}

const QQ2D = '{Rd:q}, {Rn:q}, {Rm:v}.2d';
const V2D = '{Rd:v}.2d, {Rn:v}.2d, {Rm:v}.2d';

const sha512 = rows({ feature: 'SHA512' }, [
  three('SHA512H', '00', QQ2D, sha512h),
  three('SHA512H2', '01', QQ2D, sha512h2),
  three('SHA512SU1', '10', V2D, (i) =>
    i
      .v('Rd')
      .op('i64x2.add', smallSigma(i.v('Rn'), 19, 61, 6))
      .op('i64x2.add', i.v('Rm')),
  ),
  row('SHA512SU0', '11001110 110 00000 1000 00 Rn:5 Rd:5', 'sha512su0 {Rd:v}.2d, {Rn:v}.2d', SECTION, (i) => {
    const d = i.v('Rd');
    const next = i.c.shuffle(
      d,
      i.v('Rn'),
      bytes((k) => k + 8),
    );
    i.setV('Rd', d.op('i64x2.add', smallSigma(next, 1, 8, 7)));
  }),
]);

const four = (title: string, opcode: string, f: (n: Value, m: Value, a: Value) => Value): Row =>
  row(
    title,
    `11001110 0 ${opcode} Rm:5 0 Ra:5 Rn:5 Rd:5`,
    `${title.toLowerCase()} {Rd:v}.16b, {Rn:v}.16b, {Rm:v}.16b, {Ra:v}.16b`,
    SECTION,
    (i) => i.setV('Rd', f(i.v('Rn'), i.v('Rm'), i.v('Ra'))),
  );

const sha3 = rows({ feature: 'SHA3' }, [
  four('EOR3', '00', (n, m, a) => n.xor(m).xor(a)),
  four('BCAX', '01', (n, m, a) => n.xor(m.op('v128.andnot', a))),
  three('RAX1', '11', V2D, (i) => i.v('Rn').xor(rotateRight(i.v('Rm'), i.i32(63)))),
  row(
    'XAR',
    '11001110 100 Rm:5 imm6:6 Rn:5 Rd:5',
    'xar {Rd:v}.2d, {Rn:v}.2d, {Rm:v}.2d, #{imm6:n}',
    SECTION,
    (i) => i.setV('Rd', rotateRight(i.v('Rn').xor(i.v('Rm')), i.field('imm6'))),
  ),
]);

export const sha512AndSha3Rows: readonly Row[] = [...sha512, ...sha3];
