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
  readonly next: Int32Array;
}

export const UNDEFINED = 0x7fffffff;

/** What decoding does, without the rows that it leads to: plain numbers, which can be kept in a file. */
export interface DecisionTree {
  /** By keyOf(insn); entries as in Switch.next. */
  readonly root: Int32Array;
  readonly switches: readonly Switch[];
}

export interface Decoder extends DecisionTree {
  readonly variants: readonly Variant[];
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

/** The decoder of these rows, by a tree that was built for them before. */
export function decoderWith(tree: DecisionTree, rows: readonly Row[]): Decoder {
  const variants: Variant[] = [];
  for (const row of rows) expand(row, variants, []);
  return decoderOf(variants, tree);
}

/** The decoder of these rows. Throws where two of them claim one encoding. */
export function buildDecoder(rows: readonly Row[]): Decoder {
  const variants: Variant[] = [];
  const leaves: Leaf[] = [];
  for (const row of rows) expand(row, variants, leaves);
  return decoderOf(variants, buildTree(variants, leaves));
}

function decoderOf(variants: readonly Variant[], tree: DecisionTree): Decoder {
  const { root, switches } = tree;
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

function buildTree(variants: readonly Variant[], leaves: readonly Leaf[]): DecisionTree {
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
    let open = 0;
    for (const { mask } of candidates) open |= mask;
    open &= ~tested;
    if (open === 0) {
      const [first, second] = candidates;
      if (first && !second) return first.variant;
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
    const next = Int32Array.from({ length: 1 << width }, (_, n) => {
      const bits = n << low;
      return node(
        candidates.filter((leaf) => ((leaf.value ^ bits) & leaf.mask & field) === 0),
        tested | field,
      );
    });
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
  return { root, switches };
}

/** The tree in one row of numbers: how many switches there are, each one's `low`, `width` and `next`, and the root. */
export function packTree({ root, switches }: DecisionTree): Int32Array {
  return Int32Array.from([
    switches.length,
    ...switches.flatMap(({ low, width, next }) => [low, width, ...next]),
    ...root,
  ]);
}

/** The tree that packTree() packed, which shares its numbers. */
export function unpackTree(words: Int32Array): DecisionTree {
  let at = 1;
  const switches = Array.from({ length: words[0] as number }, (): Switch => {
    const low = words[at] as number;
    const width = words[at + 1] as number;
    const from = at + 2;
    at = from + (1 << width);
    return { low, width, next: words.subarray(from, at) };
  });
  return { root: words.subarray(at), switches };
}

/** An encoding taken apart: its row and every field. */
export function decodeFields(decoder: Decoder, insn: number): { row: Row; fields: Fields } | undefined {
  const variant = decoder.decode(insn);
  return variant && { row: variant.row, fields: fieldsOf(variant.row.pattern, insn) };
}
