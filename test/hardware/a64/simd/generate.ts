// Makes test cases for rows of the instruction table: every variant of a row (its static fields), with random
// registers in its dynamic fields and operands that favour the edges of every lane size. A case follows from its
// encoding and a seed alone, so that recordings need not hold their inputs.

import { type Decoder, decodeFields, type Row, type Variant } from '../../../../src/hardware/a64/index.ts';
import { type Case, DATA_ADDRESS, DATA_BYTES } from '../../oracle/index.ts';

const QC = 1 << 27;

/** Numbers below 2^32, by a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

const EDGES = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0xfen, 0x40n, 0x81n];

/** 64 bits whose lanes of some size are edges: 0, 1, the extremes and their neighbours; or random. */
function operand(next: () => number): bigint {
  const wide = (BigInt(next()) << 32n) | BigInt(next());
  const kind = next() % 8;
  if (kind < 3) return wide;
  if (kind === 3) return wide & 0x0303_0303_0303_0303n;
  const size = 8 << (next() % 4);
  let result = 0n;
  for (let at = 0; at < 64; at += size) {
    const edge = EDGES[next() % EDGES.length] as bigint;
    // Edges of a byte stand at the top of the lane, ones or zeros below.
    const low = next() % 2 ? (1n << BigInt(size - 8)) - 1n : 0n;
    const lane = next() % 4 === 0 ? wide >> BigInt(at) : (edge << BigInt(size - 8)) | low;
    result |= BigInt.asUintN(size, lane) << BigInt(at);
  }
  return result;
}

/** An encoding of a variant; registers coincide often. */
function encoding({ row, fields }: Variant, next: () => number): number {
  let word = row.pattern.value;
  for (const f of row.pattern.fields) {
    const known = fields[f.name];
    let n = known ?? next() % 2 ** f.width;
    if (known === undefined && f.name.startsWith('R') && next() % 3 === 0) n %= 4;
    word |= n << f.low;
  }
  return word >>> 0;
}

/** Top-level encoding index (C4.1): loads and stores have bit 27 set and bit 25 clear. */
const touchesMemory = (word: number): boolean => ((word >>> 25) & 5) === 4;

/** One instruction with operands by a seed; a load or store finds addresses in all X registers. */
export function seededCase(word: number, seed: number): Case {
  const next = random(seed);
  const v = BigUint64Array.from({ length: 64 }, () => operand(next));
  const fpsr = next() % 4 === 0 ? QC : 0;
  if (!touchesMemory(word)) {
    return { code: [word], v, fpsr, x: BigUint64Array.from({ length: 31 }, () => operand(next)) };
  }
  const address = (): bigint => BigInt(DATA_ADDRESS + 64 + (next() % (DATA_BYTES - 128)));
  const x = BigUint64Array.from({ length: 31 }, address);
  const memory = Uint8Array.from({ length: DATA_BYTES }, next);
  return { code: [word], v, fpsr, x, memory, sp: address() & ~15n };
}

export interface Options {
  /** Encodings of each variant, and operands for each encoding. */
  readonly encodings: number;
  readonly operands: number;
  readonly seed: number;
}

/** The encodings and seeds of cases for every variant of the rows chosen. */
export function choose(
  decoder: Decoder,
  chosen: ReadonlySet<Row>,
  options: Options,
): { readonly row: Row; readonly word: number; readonly seed: number }[] {
  const next = random(options.seed);
  const result = [];
  for (const variant of decoder.variants) {
    if (!chosen.has(variant.row)) continue;
    for (let e = 0; e < options.encodings; e++) {
      const word = encoding(variant, next);
      if (decodeFields(decoder, word)?.row !== variant.row) continue;
      for (let o = 0; o < options.operands; o++) result.push({ row: variant.row, word, seed: next() });
    }
  }
  return result;
}
