// From the text of one instruction to its encoding: rows are found by mnemonic, their syntax is matched part by part.

import type { Field, Fields } from '../pattern.ts';
import type { Row } from '../row.ts';
import { allRows } from '../table.ts';
import type { Names } from './expression.ts';
import { Cursor } from './kinds/index.ts';
import { type Part, syntaxOf } from './syntax.ts';

type Known = Readonly<Record<string, number>>;

/** What a row's text begins with, up to the first space or operand, for every choice within. */
function heads(parts: readonly Part[]): string[] {
  let found = [''];
  for (const part of parts) {
    if ('kind' in part) break;
    if ('options' in part) {
      found = found.flatMap((head) => part.options.map((option) => head + option));
      continue;
    }
    const space = part.text.indexOf(' ');
    const text = space < 0 ? part.text : part.text.slice(0, space);
    found = found.map((head) => head + text);
    if (space >= 0) break;
  }
  return found;
}

let index: Map<string, Row[]> | undefined;

function rowsByHead(): Map<string, Row[]> {
  if (index) return index;
  index = new Map();
  for (const row of allRows) {
    for (const head of new Set(heads(syntaxOf(row)))) {
      const list = index.get(head);
      if (list) list.push(row);
      else index.set(head, [row]);
    }
  }
  return index;
}

/** Adds fields; undefined where one is known to differ. */
function merge(known: Known, more: Known): Known | undefined {
  for (const [name, n] of Object.entries(more)) if ((known[name] ?? n) !== n) return undefined;
  return { ...known, ...more };
}

/** Fixes the fields that the option of a choice stands for. */
function choose(fields: readonly Field[], option: number): Known {
  const result: Record<string, number> = {};
  let rest = option;
  for (const f of [...fields].reverse()) {
    result[f.name] = rest & ((1 << f.width) - 1);
    rest >>= f.width;
  }
  return result;
}

/** The fields of every way in which the rest of the text matches the rest of the syntax. */
function* matches(
  parts: readonly Part[],
  k: number,
  cursor: Cursor,
  fields: Known,
  names: Names,
): Generator<Known> {
  const part = parts[k];
  if (!part) {
    if (cursor.rest === '') yield fields;
    return;
  }
  const from = cursor.at;
  if ('text' in part) {
    // The number sign before an immediate is optional.
    const bare = part.text.endsWith('#') && cursor.text[from + part.text.length - 1] !== '#';
    if (cursor.take(bare ? part.text.slice(0, -1) : part.text)) {
      yield* matches(parts, k + 1, cursor, fields, names);
    }
  } else if ('kind' in part) {
    const parsed = part.kind.parse(cursor, part.fields, { ...names, fields });
    const merged = parsed && merge(fields, parsed);
    if (merged) yield* matches(parts, k + 1, cursor, merged, names);
  } else {
    for (const [option, text] of part.options.entries()) {
      const merged = merge(fields, choose(part.fields, option));
      if (merged && cursor.take(text)) yield* matches(parts, k + 1, cursor, merged, names);
      cursor.at = from;
    }
  }
  cursor.at = from;
}

/** Values of fields that the text does not tell: bits that should be one (imm_...) are, others the first that are valid. */
function complete(row: Row, known: Known): Fields | undefined {
  const open = row.pattern.fields.filter((f) => known[f.name] === undefined);
  const fill = (k: number, fields: Known): Fields | undefined => {
    const f = open[k];
    if (!f) return !row.where || row.where(fields) ? fields : undefined;
    if (f.name.startsWith('imm_')) return fill(k + 1, { ...fields, [f.name]: 2 ** f.width - 1 });
    for (let n = 0; n < 2 ** f.width; n++) {
      const found = fill(k + 1, { ...fields, [f.name]: n });
      if (found) return found;
    }
    return undefined;
  };
  return fill(0, known);
}

export function encode(row: Row, fields: Fields): number {
  let word = row.pattern.value;
  for (const f of row.pattern.fields) word |= (fields[f.name] as number) << f.low;
  return word >>> 0;
}

/** The encoding of one instruction's text in canonical spelling, or undefined where no row has it. */
export function match(text: string, names: Names): number | undefined {
  const space = text.indexOf(' ');
  const mnemonic = (space < 0 ? text : text.slice(0, space)).toLowerCase();
  const rows = rowsByHead();
  const candidates = rows.get(mnemonic) ?? (mnemonic.startsWith('b.') ? rows.get('b.') : undefined) ?? [];
  for (const row of candidates) {
    for (const known of matches(syntaxOf(row), 0, new Cursor(text), {}, names)) {
      const fields = complete(row, known);
      if (fields) return encode(row, fields);
    }
  }
  return undefined;
}
