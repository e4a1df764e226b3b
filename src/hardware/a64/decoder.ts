// From the rows to a decision tree of small tables: the first level looks at 17 bits, further levels only where
// rows differ elsewhere. What no row claims is UNDEFINED. Building it proves the table free of overlap.

import { type Field, type Fields, fieldsOf } from './pattern.ts';
import type { Row } from './row.ts';

/** A row with its static fields fixed: one handler of the interpreter. */
export interface Variant {
  readonly row: Row;
  readonly fields: Fields;
}

/** All encodings that match (insn & mask) === value belong to `variant`. */
interface Leaf {
  readonly id: number;
  readonly mask: number;
  readonly value: number;
  readonly variant: number;
}

/** Bits the first level looks at: 31:21 and 15:10. */
export const KEY_MASK = 0xffe0fc00 >>> 0;
export const KEY_BITS = 17;
export const keyOf = (insn: number): number => ((insn >>> 21) << 6) | ((insn >>> 10) & 0x3f);

/** A further level: `low` and `width` say which bits index `next`. */
export interface Switch {
  readonly low: number;
  readonly width: number;
  /** Non-negative: a variant. UNDEFINED: none. Else ~index of another switch. */
  readonly next: readonly number[];
}

export const UNDEFINED = 0x7fffffff;

export interface Decoder {
  readonly variants: readonly Variant[];
  /** By keyOf(insn); entries as in Switch.next. */
  readonly root: Int32Array;
  readonly switches: readonly Switch[];
  /** The variant of an encoding, or undefined. */
  decode(insn: number): Variant | undefined;
}

function* combinations(fields: readonly Field[]): Generator<Record<string, number>> {
  const [first, ...rest] = fields;
  if (!first) {
    yield {};
    return;
  }
  for (const others of combinations(rest)) {
    for (let n = 0; n < 1 << first.width; n++) yield { ...others, [first.name]: n };
  }
}

/** The variants of one row and the leaves that lead to them. */
function expand(row: Row, variants: Variant[], leaves: Leaf[]): void {
  const statics = row.pattern.fields.filter((f) => !f.dynamic);
  const looked = row.pattern.fields.filter((f) => f.dynamic && row.whereFields?.includes(f.name));
  const extras = [...combinations(looked)];
  for (const fixed of combinations(statics)) {
    const matching = extras.filter((extra) => !row.where || row.where({ ...fixed, ...extra }));
    if (matching.length === 0) continue;
    const variant = variants.push({ row, fields: fixed }) - 1;
    // Where every value of the fields looked at matches, they need not be tested at all.
    const tested = matching.length === extras.length ? [{}] : matching;
    for (const extra of tested) {
      const known: Fields = { ...fixed, ...extra };
      let { mask, value } = row.pattern;
      for (const f of row.pattern.fields) {
        if (known[f.name] === undefined) continue;
        mask |= ((1 << f.width) - 1) << f.low;
        value |= (known[f.name] as number) << f.low;
      }
      leaves.push({ id: leaves.length, mask: mask >>> 0, value: value >>> 0, variant });
    }
  }
}

/** The first-level keys that a leaf matches. */
function* keysOf(leaf: Leaf): Generator<number> {
  const mask = keyOf(leaf.mask);
  const value = keyOf(leaf.value);
  const free = ~mask & ((1 << KEY_BITS) - 1);
  let bits = 0;
  do {
    yield value | bits;
    bits = (bits - free) & free;
  } while (bits !== 0);
}

/** Builds the decision tree. Throws where two rows claim one encoding. */
export function buildDecoder(rows: readonly Row[]): Decoder {
  const variants: Variant[] = [];
  const leaves: Leaf[] = [];
  for (const row of rows) expand(row, variants, leaves);

  const switches: Switch[] = [];
  const known = new Map<string, number>();

  /** Whose an encoding is: the only claimant's, or that of the row which refines all others. */
  const claimant = (found: ReadonlySet<number>): number => {
    const names = [...found].map((v) => variants[v]?.row.name);
    const winners = [...found].filter((v) =>
      names.every((name) => name === variants[v]?.row.name || name === variants[v]?.row.refines),
    );
    if (found.size > 0 && winners.length !== 1) throw new Error(`rows overlap: ${names.join(' and ')}`);
    return winners[0] ?? UNDEFINED;
  };

  const node = (candidates: readonly Leaf[], tested: number): number => {
    const open = candidates.reduce((m, leaf) => m | leaf.mask, 0) & ~tested;
    if (open === 0) {
      return claimant(new Set(candidates.map((leaf) => leaf.variant)));
    }
    const key = `${tested}:${candidates.map((leaf) => leaf.id).join()}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    // The highest run of undecided bits, at most eight.
    const high = 31 - Math.clz32(open);
    let low = high;
    while (low > 0 && high - low < 7 && (open >>> (low - 1)) & 1) low--;
    const width = high - low + 1;
    const field = ((1 << width) - 1) << low;
    const next: number[] = [];
    for (let n = 0; n < 1 << width; n++) {
      const bits = n << low;
      next.push(
        node(
          candidates.filter((leaf) => ((leaf.value ^ bits) & leaf.mask & field) === 0),
          tested | field,
        ),
      );
    }
    const result = ~(switches.push({ low, width, next }) - 1);
    known.set(key, result);
    return result;
  };

  const cells: (Leaf[] | undefined)[] = new Array(1 << KEY_BITS);
  for (const leaf of leaves) {
    for (const key of keysOf(leaf)) {
      const cell = cells[key];
      if (cell) cell.push(leaf);
      else cells[key] = [leaf];
    }
  }
  const root = new Int32Array(1 << KEY_BITS).fill(UNDEFINED);
  cells.forEach((cell, key) => {
    if (cell) root[key] = node(cell, KEY_MASK);
  });

  const decode = (insn: number): Variant | undefined => {
    let at = root[keyOf(insn)] as number;
    while (at < 0) {
      const { low, width, next } = switches[~at] as Switch;
      at = next[(insn >>> low) & ((1 << width) - 1)] as number;
    }
    return at === UNDEFINED ? undefined : variants[at];
  };
  return { variants, root, switches, decode };
}

/** An encoding taken apart: its row and every field. */
export function decodeFields(decoder: Decoder, insn: number): { row: Row; fields: Fields } | undefined {
  const variant = decoder.decode(insn);
  return variant && { row: variant.row, fields: fieldsOf(variant.row.pattern, insn) };
}
