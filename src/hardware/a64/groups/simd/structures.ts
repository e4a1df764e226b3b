// Loads and stores of multiple and single structures (Arm ARM C4.1.94: LD1-LD4, ST1-ST4, LD1R-LD4R and their
// post-index forms). A structure is one element from each of up to four registers, adjacent in memory. Whole blocks
// of 16 bytes move at once and are shuffled between registers.

import type { Code, Value } from '../../../wasm/index.ts';
import type { Insn, MemoryOptions } from '../../insn.ts';
import { type Row, row } from '../../row.ts';
import { baseAddress, spExempt } from '../loads-stores.ts';
import { bytes, keepLow } from './lanes.ts';
import { SECTION } from './rows.ts';

const COUNTS = [1, 2, 3, 4] as const;
type Count = (typeof COUNTS)[number];

/** The register k after Rt, modulo 32. */
const register = (k: number): string => (k ? `Rt+${k}` : 'Rt');

/** The offset or post-index form of an instruction that moves `total` bytes (twice as many with Q, where `byQ`). */
function forms(
  title: string,
  patterns: readonly [string, string],
  syntax: string,
  total: number,
  byQ: boolean,
  access: (i: Insn, address: Value, memory: MemoryOptions) => void,
  options: Parameters<typeof row>[5] = {},
): Row[] {
  const move = (i: Insn, memory: MemoryOptions): Value => {
    const address = baseAddress(i);
    access(i, address, memory);
    return address;
  };
  return [
    row(title, patterns[0], `${syntax}, [{Rn:xsp}]`, SECTION, (i) => void move(i, spExempt(i)), options),
    row(
      `${title} (post-index)`,
      patterns[1],
      `${syntax}, [{Rn:xsp}], {Rm${byQ ? ',Q' : ''}:post${total}}`,
      SECTION,
      (i) => {
        const step = i.select(i.field('Rm').eq(31), i.i64(byQ && i.f.Q ? 2 * total : total), i.x('Rm'));
        const address = move(i, {});
        i.setXsp('Rn', address.add(step));
      },
      options,
    ),
  ];
}

/** Sixteen bytes chosen from several vectors: source byte 16 * k + b is byte b of vector k; -1 is any. */
function gather(c: Code, sources: readonly Value[], source: (k: number) => number): Value {
  const wanted = bytes(source);
  const used = sources.map((v, n) => ({ v, n })).filter(({ n }) => wanted.some((from) => from >> 4 === n));
  const [first, ...others] = used;
  if (!first) throw new Error('a register that nothing is gathered into');
  if (others.length === 0)
    return shuffled(
      c,
      first.v,
      first.v,
      wanted.map((from) => from & 15),
    );
  let result = first.v;
  let placed = wanted.map((from) => (from >> 4 === first.n ? from & 15 : -1));
  for (const { v, n } of others) {
    const lanes = wanted.map((from, k) => (from >> 4 === n ? 16 + (from & 15) : (placed[k] as number)));
    result = shuffled(
      c,
      result,
      v,
      lanes.map((from) => Math.max(from, 0)),
    );
    placed = lanes.map((from, k) => (from >= 0 ? k : -1));
  }
  return result;
}

/** A shuffle, unless it changes nothing. */
const shuffled = (c: Code, a: Value, b: Value, lanes: readonly number[]): Value =>
  lanes.every((from, k) => from === k) ? a : c.shuffle(a, b, lanes);

/** Byte `at` of the structures in memory belongs to this byte (16 * register + byte). */
function interleaved(at: number, count: number, size: number): number {
  const width = 1 << size;
  const element = Math.floor(at / width);
  return 16 * (element % count) + Math.floor(element / count) * width + (at % width);
}

/** The blocks of 16 and perhaps 8 bytes that `total` bytes are. */
const blocks = (total: number): number => Math.ceil(total / 16);

/** Options of store number `n`: the first one sees to it that all others can be done. */
const first = (options: MemoryOptions, n: number, following: number): MemoryOptions =>
  n === 0 && following > 0 ? { ...options, following } : options;

function loadBlocks(i: Insn, address: Value, total: number, memory: MemoryOptions): Value[] {
  return Array.from({ length: blocks(total) }, (_, k) => {
    const at = address.add(16 * k);
    return total - 16 * k >= 16 ? i.load(at, 16, memory) : i.load(at, 8, memory).op('i64x2.splat');
  });
}

function loadStructures(i: Insn, address: Value, count: number, size: number, options: MemoryOptions): void {
  const width = i.f.Q ? 16 : 8;
  const memory = loadBlocks(i, address, count * width, options);
  const home = new Map<number, number>();
  for (let at = 0; at < count * width; at++) home.set(interleaved(at, count, size), at);
  for (let r = 0; r < count; r++) {
    // The upper half of 64-bit registers is cleared below; meanwhile it repeats the lower.
    const v = gather(i.c, memory, (k) => home.get(16 * r + (k % width)) as number);
    i.setV(register(r), keepLow(i.c, v, 8 * width));
  }
}

function storeStructures(i: Insn, address: Value, count: number, size: number, options: MemoryOptions): void {
  const width = i.f.Q ? 16 : 8;
  const total = count * width;
  const registers = Array.from({ length: count }, (_, r) => i.v(register(r)));
  for (let k = 0; k < blocks(total); k++) {
    const v = gather(i.c, registers, (n) => interleaved((16 * k + n) % total, count, size));
    const at = address.add(16 * k);
    if (total - 16 * k >= 16) i.store(at, 16, v, first(options, k, total - 16));
    else i.store(at, 8, i.c.lane('i64x2.extract_lane', 0, v), options);
  }
}

/** LD1 to four registers and ST1 from them: one after the other. */
function loadRegisters(i: Insn, address: Value, count: number, options: MemoryOptions): void {
  if (i.f.Q) {
    const memory = loadBlocks(i, address, 16 * count, options);
    for (const [r, v] of memory.entries()) i.setV(register(r), v);
    return;
  }
  const memory = Array.from({ length: count }, (_, r) => i.load(address.add(8 * r), 8, options));
  for (const [r, n] of memory.entries())
    i.setV(register(r), i.c.lane('i64x2.replace_lane', 0, i.c.v128(0n), n));
}
function storeRegisters(i: Insn, address: Value, count: number, options: MemoryOptions): void {
  for (let r = 0; r < count; r++) {
    const v = i.v(register(r));
    if (i.f.Q) i.store(address.add(16 * r), 16, v, first(options, r, 16 * (count - 1)));
    else {
      const low = i.c.lane('i64x2.extract_lane', 0, v);
      i.store(address.add(8 * r), 8, low, first(options, r, 8 * (count - 1)));
    }
  }
}

/** opcode of LD1 by its registers, and of LD2 to LD4. */
const SEQUENTIAL: Record<Count, string> = { 1: '0111', 2: '1010', 3: '0110', 4: '0010' };
const STRUCTURED: Record<Count, string> = { 1: '', 2: '1000', 3: '0100', 4: '0000' };

const multiple = (load: boolean, count: Count, structured: boolean): Row[] => {
  const [l, title] = load ? [1, 'LD'] : [0, 'ST'];
  const opcode = structured ? STRUCTURED[count] : SEQUENTIAL[count];
  const number = structured ? count : 1;
  const access = (i: Insn, address: Value, memory: MemoryOptions): void => {
    const size = i.f.size as number;
    if (!structured) (load ? loadRegisters : storeRegisters)(i, address, count, memory);
    else (load ? loadStructures : storeStructures)(i, address, count, size, memory);
  };
  // Registers one after the other move alike whatever their lanes.
  const size = structured ? 'size:2' : 'immsize:2';
  const fields = structured ? 'Rt,size,Q' : 'Rt,immsize,Q';
  return forms(
    `${title}${number} (multiple structures, ${count} register${count > 1 ? 's' : ''})`,
    [
      `0 Q 0011000 ${l} 000000 ${opcode} ${size} Rn:5 Rt:5`,
      `0 Q 0011001 ${l} 0 Rm:5 ${opcode} ${size} Rn:5 Rt:5`,
    ],
    `${title.toLowerCase()}${number} {${fields}:list${count}}`,
    8 * count,
    true,
    access,
    structured ? { where: (f) => (f.size as number) < 3 || f.Q === 1 } : {},
  );
};

/** One element: the index is what Q, S and size leave after saying the width. */
const ELEMENTS = [
  { t: 'b', bits: 8, opcode: '00', rest: 'immS immsize:2', sizeBits: 2, index: 'immQ,immS,immsize' },
  { t: 'h', bits: 16, opcode: '01', rest: 'immS immsize:1 0', sizeBits: 1, index: 'immQ,immS,immsize' },
  { t: 's', bits: 32, opcode: '10', rest: 'immS 00', sizeBits: 0, index: 'immQ,immS' },
  { t: 'd', bits: 64, opcode: '10', rest: '0 01', sizeBits: 0, index: 'immQ' },
] as const;
type Element = (typeof ELEMENTS)[number];

const elementIndex = (i: Insn, e: Element): Value => {
  const [q, s] = [i.field('immQ'), e.t === 'd' ? undefined : i.field('immS')];
  const high = s ? q.shl(1).or(s) : q;
  return e.sizeBits ? high.shl(e.sizeBits).or(i.field('immsize')) : high;
};

const single = (load: boolean, count: Count, e: Element): Row[] => {
  const [l, title] = load ? [1, 'LD'] : [0, 'ST'];
  const width = (e.bits / 8) as 1 | 2 | 4 | 8;
  const numbers = Array.from({ length: count }, (_, r) => r);
  const access = (i: Insn, address: Value, memory: MemoryOptions): void => {
    const index = elementIndex(i, e);
    const at = (r: number): Value => address.add(width * r);
    if (!load) {
      for (const r of numbers) {
        const v = i.element(register(r), e.bits, index).zext();
        i.store(at(r), width, v, first(memory, r, width * (count - 1)));
      }
      return;
    }
    const data = numbers.map((r) => i.load(at(r), width, memory));
    for (const [r, n] of data.entries())
      i.setElement(register(r), e.bits, index, e.bits === 64 ? n : n.wrap());
  };
  // Bit 21 and the opcode's lowest bit give the number of registers.
  const [R, o] = [(count - 1) & 1, (count - 1) >> 1];
  const opcode = `${e.opcode}${o}`;
  return forms(
    `${title}${count} (single structure, ${e.t})`,
    [
      `0 immQ 0011010 ${l} ${R} 00000 ${opcode} ${e.rest} Rn:5 Rt:5`,
      `0 immQ 0011011 ${l} ${R} Rm:5 ${opcode} ${e.rest} Rn:5 Rt:5`,
    ],
    `${title.toLowerCase()}${count} {Rt:list${count}.${e.t}}{${e.index}:index}`,
    count * width,
    false,
    access,
  );
};

/** LDnR: one structure, each element in all lanes of its register. */
const SHAPES = ['i8x16', 'i16x8', 'i32x4', 'i64x2'] as const;
const replicate = (count: Count, size: 0 | 1 | 2 | 3): Row[] => {
  const width = (1 << size) as 1 | 2 | 4 | 8;
  const [R, o] = [(count - 1) & 1, (count - 1) >> 1];
  const access = (i: Insn, address: Value, memory: MemoryOptions): void => {
    const data = Array.from({ length: count }, (_, r) => i.load(address.add(width * r), width, memory));
    data.forEach((n, r) => {
      const v = (size === 3 ? n : n.wrap()).op(`${SHAPES[size]}.splat`);
      i.setV(register(r), keepLow(i.c, v, i.f.Q ? 128 : 64));
    });
  };
  const rest = size.toString(2).padStart(2, '0');
  return forms(
    `LD${count}R (${'bhsd'[size]})`,
    [
      `0 Q 0011010 1 ${R} 00000 11${o} 0 ${rest} Rn:5 Rt:5`,
      `0 Q 0011011 1 ${R} Rm:5 11${o} 0 ${rest} Rn:5 Rt:5`,
    ],
    `ld${count}r {Rt,Q:list${count}${'bhsd'[size]}}`,
    count * width,
    false,
    access,
  );
};

export const structureRows: readonly Row[] = [false, true].flatMap((load) => [
  ...COUNTS.flatMap((count) => multiple(load, count, false)),
  ...COUNTS.slice(1).flatMap((count) => multiple(load, count, true)),
  ...COUNTS.flatMap((count) => ELEMENTS.flatMap((e) => single(load, count, e))),
  ...(load
    ? COUNTS.flatMap((count) => ([0, 1, 2, 3] as const).flatMap((size) => replicate(count, size)))
    : []),
]);
