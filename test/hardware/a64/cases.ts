// Test cases for the differential tests: code for a row or of several, and a machine state that gives its operands a
// meaning: edge numbers of every size, floating-point specials, bases that reach the data page, branches that land
// near. A case follows from its code and a seed, so that recordings need no inputs.

import {
  allRows,
  completeDecoder,
  decodeFields,
  type Fields,
  fieldsOf,
  Random,
  type Row,
  randomInstruction,
} from '../../../src/hardware/a64/index.ts';
import { type Case, CODE_ADDRESS, DATA_ADDRESS, DATA_BYTES } from '../oracle/index.ts';
import { excludedEncoding, excludedRow } from './exclusions.ts';

/** Rows that differential tests cover. */
export const comparableRows: readonly Row[] = allRows.filter((row) => !row.without && !excludedRow(row));

// Pools of operands: registers are copied from them, which is cheaper than making each number.

const POOL = 4096;

/** A floating-point number of a format whose exponent and fraction are each likely to be special. */
function floatingPoint(r: Random, fraction: number, bias: number): bigint {
  const max = 2 * bias + 1;
  const ones = (1n << BigInt(fraction)) - 1n;
  const exponent = r.pick([
    0,
    0,
    max,
    1 + r.below(3),
    max - 1 - r.below(3),
    bias + r.below(5) - 2,
    bias + fraction + r.below(5) - 2,
    Math.min(max, bias + 28 + r.below(40)),
    r.below(max + 1),
    bias + r.below(24) - 12,
    bias + r.below(24) - 12,
  ]);
  const bit = 1n << BigInt(r.below(fraction));
  const f = r.pick([
    0n,
    0n,
    ones,
    bit,
    (1n << BigInt(fraction - 1)) | BigInt(r.below(3)),
    ones ^ bit,
    BigInt(r.below(8)),
    r.u64() & ones & -bit,
    r.u64() & ones,
    r.u64() & ones,
  ]);
  const sign = BigInt(r.below(2)) << BigInt(fraction + (max === 31 ? 5 : max === 255 ? 8 : 11));
  return sign | (BigInt(Math.max(exponent, 0)) << BigInt(fraction)) | f;
}

const FORMATS = { 16: [10, 15], 32: [23, 127], 64: [52, 1023] } as const;

function lanes(bits: number, make: () => bigint): bigint {
  let out = 0n;
  for (let at = 0; at < 64; at += bits) out |= BigInt.asUintN(bits, make()) << BigInt(at);
  return out;
}

const EDGES = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0xfen, 0x40n, 0x81n];

/** An integer lane: an edge of its size, a small number or anything. */
function integerLane(r: Random, bits: number): bigint {
  const low = (1n << BigInt(bits - 8)) - 1n;
  return r.pick([
    (r.pick(EDGES) << BigInt(bits - 8)) | (r.below(2) ? low : 0n),
    BigInt(r.below(70)),
    -BigInt(r.below(70)),
    (1n << BigInt(r.below(bits))) + BigInt(r.below(3)) - 1n,
    r.u64() >> BigInt(r.below(64)),
    r.u64(),
  ]);
}

/** Where the reference's own program and stack are: a stray access there would find something, or break it. */
export const isMappedInReference = (n: bigint): boolean =>
  (n >= 0x3f_0000n && n < 0x500_0000n) || (n >= 0x40_0000_0000n && n < 0x60_0000_0000n);
const low = (n: bigint): bigint => n & 0xffff_ffffn;

const pool = (seed: number, make: (r: Random) => bigint): BigUint64Array => {
  const r = new Random(seed);
  return BigUint64Array.from({ length: POOL }, () => {
    const n = BigInt.asUintN(64, make(r));
    return isMappedInReference(n) || isMappedInReference(low(n)) ? 0n : n;
  });
};

const integers = pool(1, (r) =>
  r.below(3) ? integerLane(r, r.below(2) ? 64 : 32) : lanes(32, () => integerLane(r, 32)),
);
const vectors = {
  16: pool(2, (r) => lanes(16, () => floatingPoint(r, ...FORMATS[16]))),
  32: pool(3, (r) => lanes(32, () => floatingPoint(r, ...FORMATS[32]))),
  64: pool(4, (r) => lanes(64, () => floatingPoint(r, ...FORMATS[64]))),
  integer: pool(5, (r) => {
    const bits = 8 << r.below(4);
    return lanes(bits, () => integerLane(r, bits));
  }),
} as const;
const bytes = Uint8Array.from(
  { length: 2 * DATA_BYTES },
  (
    (r) => () =>
      r.u32()
  )(new Random(6)),
);

function registersFrom(source: BigUint64Array, count: number, r: Random): BigUint64Array {
  const from = r.below(POOL - count);
  const out = source.slice(from, from + count);
  // Pairs of neighbours would come again with each slice.
  for (let k = 0; k < 8; k++) out[r.below(count)] = source[r.below(POOL)] as bigint;
  return out;
}

function vectorRegisters(row: Row | undefined, r: Random): BigUint64Array {
  const name = row?.name ?? '';
  const own = /half/.test(name) ? 16 : /single/.test(name) ? 32 : /double/.test(name) ? 64 : 'integer';
  const kind = r.below(4) ? own : r.pick([16, 32, 64, 'integer'] as const);
  return registersFrom(vectors[kind], 64, r);
}

/** X0 to X30, V0 to V31, flags and the data, of operands that mean something. */
export function randomState(
  r: Random,
): Required<Pick<Case, 'x' | 'v' | 'nzcv' | 'fpcr' | 'fpsr' | 'memory'>> {
  const from = r.below(DATA_BYTES);
  return {
    x: registersFrom(integers, 31, r),
    v: vectorRegisters(undefined, r),
    nzcv: r.below(16),
    fpcr: randomFpcr(r),
    fpsr: r.pick(FPSR_STATES),
    memory: bytes.slice(from, from + DATA_BYTES),
  };
}

const FPCR_BITS = [1 << 26, 1 << 25, 1 << 24, 2 << 22, 1 << 22, 1 << 19];
const FZ = 1 << 24;
const FPSR_STATES = [0, 0x10, 0x10, 0x9f, 0x0800_0010, 0x0800_0000];

const randomFpcr = (r: Random): number =>
  r.below(2) ? FPCR_BITS.reduce((bits, bit) => bits | (r.below(2) ? bit : 0), 0) : 0;

const signExtend = (n: number, width: number): number => (n >= 2 ** (width - 1) ? n - 2 ** width : n);

/** Loads and stores by a base register (C4.1.94): all but literals. */
export const isBased = (word: number): boolean =>
  ((word >>> 25) & 5) === 4 && (word & 0x3b000000) >>> 0 !== 0x18000000;

/** Atomic, exclusive and ordered accesses: inputs align them to 16 bytes, or have them cross such a boundary. */
export const mustAlign = (word: number): boolean =>
  (word & 0x3f000000) >>> 0 === 0x08000000 ||
  (word & 0x3b200c00) >>> 0 === 0x38200000 ||
  (word & 0x3f200c00) >>> 0 === 0x19000000;

/** LDAPR, whose alignment the reference does not check. */
const isLoadAcquirePc = (word: number): boolean => (word & 0x3ffffc00) >>> 0 === 0x38bfc000;

/** What an addressing form adds to the base before the access, given the index register. */
export function offsetOf(row: Row, f: Fields, x: BigUint64Array): bigint {
  const [, form, scale] = /\{(?:imms9,)?imm(?:12|9|7):(s|soffset|offset)(\d*)\}\]/.exec(row.syntax) ?? [];
  if (form !== undefined) {
    const unit = Number(scale || 1);
    if (f.imm12 !== undefined) return BigInt(f.imm12 * unit);
    if (f.imm9 !== undefined) return BigInt(signExtend(f.imm9, 9) * unit);
    return BigInt(signExtend(f.imm7 as number, 7) * unit);
  }
  const indexed = /:roffset(\d+)\}/.exec(row.syntax)?.[1];
  if (indexed === undefined) return 0n;
  const m = f.Rm === 31 ? 0n : (x[f.Rm as number] as bigint);
  const extended = f.option === 2 ? BigInt.asUintN(32, m) : f.option === 6 ? BigInt.asIntN(32, m) : m;
  return f.S ? extended * BigInt(indexed) : extended;
}

const codeAddress = (slot: number): bigint => BigInt(CODE_ADDRESS + 4 * slot);

/** A state in which to run code, from a seed. */
export function seededCase(code: readonly number[], seed: number): Case {
  const r = new Random(seed);
  const decoder = completeDecoder();
  const decoded = code.map((word) => decodeFields(decoder, word));
  const x = registersFrom(integers, 31, r);
  const v = vectorRegisters(decoded.find((d) => d?.row.simd)?.row, r);
  const nzcv = r.below(16);
  let fpcr = randomFpcr(r);
  if (decoded.some((d) => d?.row.name === 'FJCVTZS')) fpcr &= ~FZ;
  const fpsr = r.pick(FPSR_STATES);
  let sp = BigInt(DATA_ADDRESS + DATA_BYTES / 2);
  let memory: Uint8Array | undefined;
  for (const [slot, d] of decoded.entries()) {
    if (!d) continue;
    const { row, fields } = d;
    const word = code[slot] as number;
    const from = r.below(DATA_BYTES);
    if (isBased(word) && fields.Rn !== undefined) {
      memory ??= bytes.slice(from, from + DATA_BYTES);
      // Now and then across the page's end, or in its unmapped neighbour.
      let at = 64 + r.below(DATA_BYTES - 256);
      if (r.once(16)) at = r.below(DATA_BYTES + 64) - 32;
      else if (r.once(40)) at = DATA_BYTES + r.below(DATA_BYTES);
      if (mustAlign(word)) at = isLoadAcquirePc(word) || r.below(8) ? at & ~15 : at | 15;
      else if (r.below(2)) at &= ~15;
      // An index register far away would make the base's arithmetic pointless.
      const rm = fields.Rm;
      if (/:roffset/.test(row.syntax) && rm !== undefined && rm !== 31) {
        x[rm] = BigInt.asUintN(64, BigInt(r.below(4096) - 2048) | (r.below(2) ? 0xabcd_0000_0000n : 0n));
        if (fields.option === 3 || fields.option === 7)
          x[rm] = BigInt.asUintN(64, BigInt(r.below(512) - 256));
      }
      const base = BigInt.asUintN(64, BigInt(DATA_ADDRESS + at) - offsetOf(row, fields, x));
      if (fields.Rn === 31) sp = mustAlign(word) ? base : base & ~15n;
      else x[fields.Rn] = r.once(20) ? BigInt.asUintN(64, base ^ (BigInt(r.below(256)) << 56n)) : base;
    } else if (/^(BR|BLR|RET)\b/.test(row.name)) {
      const n = fields.Rn ?? Number(/\d+$/.exec(row.name)?.[0]);
      if (n !== 31) x[n] = codeAddress(slot + 1 + r.below(3));
    }
  }
  const state = { code, x, v, sp, nzcv, fpcr, fpsr };
  return memory ? { ...state, memory } : state;
}

/** Sets the bits of a field. */
export function withField(row: Row, word: number, name: string, n: number): number {
  const f = row.pattern.fields.find((g) => g.name === name);
  if (!f) return word;
  const mask = 2 ** f.width - 1;
  return ((word & ~(mask << f.low)) | ((n & mask) << f.low)) >>> 0;
}

/** Branches forward within the code or just past it, and literals that are its words or the filling behind. */
function retarget(row: Row, word: number, slot: number, count: number, r: Random): number {
  const label = /\{(imm\d+):label(?:14|19|26)\}/.exec(row.syntax)?.[1];
  if (label === undefined) return word;
  if (!/literal/.test(row.name)) {
    const to = r.once(20) ? -1 : slot + 1 + r.below(count - slot + 2);
    return withField(row, word, label, to - slot);
  }
  // The slot behind the code differs between engines: it ends the case.
  const words = /, q\)/.test(row.name) ? 4 : /, [xd]\)/.test(row.name) && !/RSW/.test(row.name) ? 2 : 1;
  const to = count >= words && r.below(2) ? r.below(count - words + 1) : count + 1 + r.below(20);
  return withField(row, word, label, to - slot);
}

const CLREX = 0xd5033f5f;
const NOP = 0xd503201f;

/** One instruction of a row that may be compared, or undefined. */
export function comparableInstruction(row: Row, r: Random): number | undefined {
  for (let attempt = 0; attempt < 50; attempt++) {
    const word = randomInstruction(row, r);
    if (word === undefined) return undefined;
    if (!excludedEncoding(row, fieldsOf(row.pattern, word))) return word;
  }
  return undefined;
}

const isStoreExclusive = (word: number): boolean =>
  (word & 0x3fc00000) >>> 0 === 0x08000000 || (word & 0xbfe00000) >>> 0 === 0x88200000;

/** Code about one row: its instruction, with what it needs around it. */
export function codeOf(row: Row, r: Random): number[] | undefined {
  const word = comparableInstruction(row, r);
  if (word === undefined) return undefined;
  if (isStoreExclusive(word)) {
    // A monitor may be left over from an earlier case of the same process.
    if (r.below(3) === 0) return [CLREX, word];
    const base = (word >>> 5) & 31;
    const other = [1, 2, 3].filter((n) => n !== base) as [number, number];
    const load = (((word | (1 << 22) | (31 << 16)) & ~(31 | (31 << 10))) >>> 0) | other[0] | (other[1] << 10);
    return [CLREX, load >>> 0, word];
  }
  const literal = /literal/.test(row.name);
  if (!literal) return [retarget(row, word, 0, 1, r)];
  const nops = r.below(4);
  const code = [word, ...Array.from({ length: nops }, () => NOP)];
  code[0] = retarget(row, word, 0, code.length, r);
  return code;
}

/**
 * Rows that sequences take. Not register branches, whose targets earlier instructions may change, exclusives, which
 * need their own sequences, nor LDAPR, whose base must stay aligned.
 */
const sequential = comparableRows.filter(
  (row) => !/^(BR|BLR|RET|BRK|UDF|LDAPR[BH]?)\b|^(LD|ST)A?L?X[RP]/.test(row.name),
);
const inSequences = new Set(sequential);

const LONGEST_SEQUENCE = 8;

/** Two to eight instructions of any rows, or around one. */
export function randomSequence(r: Random, row?: Row): number[] {
  const count = 2 + r.below(LONGEST_SEQUENCE - 1);
  const rows = Array.from({ length: count }, () => r.pick(sequential));
  if (row && inSequences.has(row)) rows[r.below(count)] = row;
  return rows.map((choice, slot) => {
    const word = comparableInstruction(choice, r);
    return word === undefined ? NOP : retarget(choice, word, slot, count, r);
  });
}

/** Whether a word may name a register in one of its usual places. */
const mayName = (word: number, register: number): boolean =>
  [0, 5, 10, 16].some((low) => ((word >>> low) & 31) === register);

const COUNTER = 20;

/** A body of two to five instructions that runs up to forty times; it leaves the loop's counter alone. */
export function randomLoop(r: Random): number[] {
  const length = 2 + r.below(4);
  const end = length + 3;
  const body = Array.from({ length }, (_, k) => {
    const row = r.pick(sequential);
    const word = comparableInstruction(row, r);
    if (word === undefined || mayName(word, COUNTER)) return NOP;
    // A branch past the count would never end.
    return retarget(row, word, k + 1, /literal/.test(row.name) ? end : length - 1, r);
  });
  const start = 0x52800000 | ((1 + r.below(40)) << 5) | COUNTER; // movz w20, #n
  const count = 0x51000400 | (COUNTER << 5) | COUNTER; // sub w20, w20, #1
  const again = 0x35000000 | ((-(length + 1) & 0x7ffff) << 5) | COUNTER; // cbnz w20, body
  return [start, ...body, count, again].map((word) => word >>> 0);
}
