// Makes test cases for rows of the instruction table: every variant of a row (its static fields), with random
// registers in its dynamic fields and operands that favour the edges of every lane size. Deterministic by seed.

import {
  type Decoder,
  decodeFields,
  type Fields,
  type Row,
  type Variant,
} from '../../../../src/hardware/a64/index.ts';
import { type Case, DATA_ADDRESS, DATA_BYTES } from '../../oracle/case.ts';

const QC = 1 << 27;

/** A small fast generator (xorshift128+ would do; mulberry32 is shorter): numbers below 2^32. */
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
export function operand(next: () => number): bigint {
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

/** An encoding of a variant; registers overlap often. */
export function encoding(variant: Variant, next: () => number): number {
  const { row, fields } = variant;
  let word = row.pattern.value;
  for (const f of row.pattern.fields) {
    const known = fields[f.name];
    let n = known ?? next() % 2 ** f.width;
    if (known === undefined && f.name.startsWith('R') && next() % 3 === 0) n %= 4;
    word |= n << f.low;
  }
  return word >>> 0;
}

export interface Options {
  readonly encodings: number;
  readonly operands: number;
  readonly seed: number;
}

/** Cases for each variant of the rows chosen. */
export function casesFor(
  decoder: Decoder,
  chosen: (row: Row, fields: Fields) => boolean,
  options: Options,
): Case[] {
  const next = random(options.seed);
  const cases: Case[] = [];
  for (const variant of decoder.variants) {
    if (!chosen(variant.row, variant.fields)) continue;
    for (let e = 0; e < options.encodings; e++) {
      const word = encoding(variant, next);
      if (decodeFields(decoder, word)?.row !== variant.row) continue;
      for (let o = 0; o < options.operands; o++) cases.push(oneCase(variant.row, word, next));
    }
  }
  return cases;
}

function oneCase(row: Row, word: number, next: () => number): Case {
  const v = BigUint64Array.from({ length: 64 }, () => operand(next));
  const touchesMemory = row.pattern.fields.some((f) => f.name === 'Rt');
  const address = (): bigint => BigInt(DATA_ADDRESS + (next() % (DATA_BYTES - 128)) + 64);
  const x = BigUint64Array.from({ length: 31 }, () => (touchesMemory ? address() : operand(next)));
  const base = { code: [word], x, v, fpsr: next() % 4 === 0 ? QC : 0 };
  if (!touchesMemory) return base;
  const memory = Uint8Array.from({ length: DATA_BYTES }, () => next());
  return { ...base, memory, sp: address() & ~15n };
}
