// Advanced SIMD permute, extract, table lookup and copy (Arm ARM C4.1.96): instructions that only move lanes.

import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, row } from '../../row.ts';
import { bytes, keepLow, replicated } from './lanes.ts';
import { SECTION, scalarLane, setResult, vectorLanes, vectorSizes, vectors } from './rows.ts';

/** A permutation of the lanes of Rn (0..n-1) and Rm (n..2n-1), n lanes a register: result lane -> source lane. */
function permutation(title: string, opcode: string, source: (lane: number, n: number) => number): Row {
  return row(
    title,
    `0 Q 001110 size:2 0 Rm:5 0 ${opcode} 10 Rn:5 Rd:5`,
    `${title.toLowerCase()} ${vectors('Rd', 'Rn', 'Rm')}`,
    SECTION,
    (i) => {
      const l = vectorLanes(i);
      const n = l.active / l.bits;
      const width = l.bits / 8;
      const lanes = bytes((k) => {
        const from = source(Math.floor(k / width) % n, n);
        return (from >= n ? 16 : 0) + (from % n) * width + (k % width);
      });
      setResult(l, i.c.shuffle(i.v('Rn'), i.v('Rm'), lanes));
    },
    { where: vectorSizes('bhsd') },
  );
}

const permutations: readonly Row[] = [1, 2].flatMap((part) => {
  const odd = part - 1;
  return [
    permutation(`UZP${part}`, `${odd}01`, (lane) => 2 * lane + odd),
    permutation(`TRN${part}`, `${odd}10`, (lane, n) => (lane & ~1) + odd + (lane & 1) * n),
    permutation(`ZIP${part}`, `${odd}11`, (lane, n) => (lane >> 1) + odd * (n / 2) + (lane & 1) * n),
  ];
});

const IOTA = { low: 0x0706_0504_0302_0100n, high: 0x0f0e_0d0c_0b0a_0908n };

/** Sixteen bytes from position imm4 of `low` followed by `high`. */
function bytesFrom(i: Insn, low: Value, high: Value, position: Value): Value {
  if (position.constant !== undefined) {
    const from = Number(position.constant);
    return i.c.shuffle(
      low,
      high,
      bytes((k) => k + from),
    );
  }
  const index = i.c.v128(IOTA.low, IOTA.high).op('i8x16.add', position.op('i8x16.splat'));
  // A swizzle gives zero for indices from 16 up.
  const upper = high.op('i8x16.swizzle', index.op('i8x16.sub', replicated(i.c, 0, 16)));
  return low.op('i8x16.swizzle', index).or(upper);
}

const extract: readonly Row[] = [
  row(
    'EXT (8 bytes)',
    '0 0 101110 00 0 Rm:5 0 0 imm3:3 0 Rn:5 Rd:5',
    'ext {Rd:v}.8b, {Rn:v}.8b, {Rm:v}.8b, #{imm3:n}',
    SECTION,
    (i) => {
      const both = i.c.shuffle(
        i.v('Rn'),
        i.v('Rm'),
        bytes((k) => (k < 8 ? k : k + 8)),
      );
      i.setV('Rd', keepLow(i.c, bytesFrom(i, both, both, i.field('imm3')), 64));
    },
  ),
  row(
    'EXT (16 bytes)',
    '0 1 101110 00 0 Rm:5 0 imm4:4 0 Rn:5 Rd:5',
    'ext {Rd:v}.16b, {Rn:v}.16b, {Rm:v}.16b, #{imm4:n}',
    SECTION,
    (i) => i.setV('Rd', bytesFrom(i, i.v('Rn'), i.v('Rm'), i.field('imm4'))),
  ),
];

/** TBL and TBX: bytes of a table of one to four registers; TBX leaves what is out of range. */
const lookups: readonly Row[] = [1, 2, 3, 4].flatMap((count) =>
  ['TBL', 'TBX'].map((title, keeps) =>
    row(
      `${title} (${count})`,
      `0 Q 001110 00 0 Rm:5 0 ${(count - 1).toString(2).padStart(2, '0')} ${keeps} 00 Rn:5 Rd:5`,
      `${title.toLowerCase()} {Rd:v}.{Q?8b|16b}, {Rn:list${count}.16b}, {Rm:v}.{Q?8b|16b}`,
      SECTION,
      (i) => {
        const l = vectorLanes(i, 0);
        const index = i.v('Rm');
        const parts = Array.from({ length: count }, (_, k) =>
          i.v(k ? `Rn+${k}` : 'Rn').op('i8x16.swizzle', k ? l.sub(index, l.all(16 * k)) : index),
        );
        const found = parts.reduce((a, b) => a.or(b));
        const outside = l.ge('u', index, l.all(16 * count));
        setResult(l, keeps ? l.choose(outside, i.v('Rd'), found) : found);
      },
    ),
  ),
);

/** imm5 of the copy instructions: the element's size is its lowest one bit, the index what is above. */
const COPIES = [
  { t: 'b', size: 0, bits: 8, index: 'imm4:4 1', name: 'imm4', source: 'immsource:4', pair: '8b|16b' },
  {
    t: 'h',
    size: 1,
    bits: 16,
    index: 'imm3:3 10',
    name: 'imm3',
    source: 'immsource:3 immignored:1',
    pair: '4h|8h',
  },
  {
    t: 's',
    size: 2,
    bits: 32,
    index: 'imm2:2 100',
    name: 'imm2',
    source: 'immsource:2 immignored:2',
    pair: '2s|4s',
  },
  {
    t: 'd',
    size: 3,
    bits: 64,
    index: 'imm1:1 1000',
    name: 'imm1',
    source: 'immsource:1 immignored:3',
    pair: '1d|2d',
  },
] as const;

const copies: readonly Row[] = COPIES.flatMap(({ t, size, bits, index, name, source, pair }) => {
  const only2d = t === 'd' ? { where: (f: Readonly<Record<string, number>>) => f.Q === 1 } : {};
  const general = (i: Insn): Value => (size === 3 ? i.x('Rn') : i.x('Rn').wrap());
  const kind = t === 'd' ? 'x' : 'w';
  const element = `{Rn:v}.${t}{${name}:index}`;
  const result = [
    row(
      `DUP (element, vector, ${t})`,
      `0 Q 0 01110000 ${index} 0 0000 1 Rn:5 Rd:5`,
      `dup {Rd:v}.{Q?${pair}}, ${element}`,
      SECTION,
      (i) => {
        const l = vectorLanes(i, size);
        setResult(l, l.splat(i.element('Rn', bits, i.field(name))));
      },
      only2d,
    ),
    row(
      `DUP (element, scalar, ${t})`,
      `01 0 11110000 ${index} 0 0000 1 Rn:5 Rd:5`,
      `dup {Rd:${t}}, ${element}`,
      SECTION,
      (i) => {
        const l = scalarLane(i, size);
        setResult(l, l.splat(i.element('Rn', bits, i.field(name))));
      },
    ),
    row(
      `DUP (general, ${t})`,
      `0 Q 0 01110000 imm${5 - size - 1}:${5 - size - 1} 1${'0'.repeat(size)} 0 0001 1 Rn:5 Rd:5`,
      `dup {Rd:v}.{Q?${pair}}, {Rn:${kind}}`,
      SECTION,
      (i) => {
        const l = vectorLanes(i, size);
        setResult(l, l.splat(general(i)));
      },
      only2d,
    ),
    row(
      `INS (general, ${t})`,
      `0 1 0 01110000 ${index} 0 0011 1 Rn:5 Rd:5`,
      `ins {Rd:v}.${t}{${name}:index}, {Rn:${kind}}`,
      SECTION,
      (i) => i.setElement('Rd', bits, i.field(name), general(i)),
    ),
    row(
      `INS (element, ${t})`,
      `0 1 1 01110000 ${index} 0 ${source} 1 Rn:5 Rd:5`,
      `ins {Rd:v}.${t}{${name}:index}, {Rn:v}.${t}{immsource:index}`,
      SECTION,
      (i) => i.setElement('Rd', bits, i.field(name), i.element('Rn', bits, i.field('immsource'))),
    ),
    row(
      `UMOV (${t})`,
      `0 ${t === 'd' ? 1 : 0} 0 01110000 ${index} 0 0111 1 Rn:5 Rd:5`,
      `umov {Rd:${kind}}, ${element}`,
      SECTION,
      (i) => i.setX('Rd', i.element('Rn', bits, i.field(name)).zext()),
    ),
  ];
  if (t === 'd') return result;
  // To W from bytes and halfwords, to X from words as well.
  const widths = t === 's' ? [1] : [0, 1];
  return [
    ...result,
    ...widths.map((x) =>
      row(
        `SMOV (${t} to ${x ? 'x' : 'w'})`,
        `0 ${x} 0 01110000 ${index} 0 0101 1 Rn:5 Rd:5`,
        `smov {Rd:${x ? 'x' : 'w'}}, ${element}`,
        SECTION,
        (i) => {
          const n = i.element('Rn', bits, i.field(name)).signExtend(bits);
          i.setX('Rd', x ? n.sext() : n.zext());
        },
      ),
    ),
  ];
});

export const permuteRows: readonly Row[] = [...permutations, ...extract, ...lookups, ...copies];
