// Vector element indices and lists of vector registers, 'list' and its parameters: list2 (arrangement by the fields
// size and Q), list2.16b or list2.b (fixed), list2b (of one letter, chosen by Q).

import type { Field, Fields } from '../../pattern.ts';
import { join, type Kind, spread } from './kind.ts';

const index: Kind = {
  format: (f, { fields }) => `[${join(f, fields)}]`,
  parse: (cursor, f) => {
    const n = cursor.match(/^\[(\d+)\]/)?.[1];
    return n === undefined ? undefined : spread(Number(n), f);
  },
};

const ARRANGEMENTS = ['8b', '16b', '4h', '8h', '2s', '4s', '1d', '2d'];

/** Arrangement text by fields, and the fields by text. */
interface Arrangement {
  readonly format: (f: readonly Field[], fields: Fields) => string;
  readonly parse: (text: string, f: readonly Field[]) => Record<string, number> | undefined;
}

const chosenFrom = (list: readonly string[]): Arrangement => ({
  format: (f, fields) => list[join(f, fields)] as string,
  parse: (text, f) => spread(list.indexOf(text), f),
});
const fixed = (name: string): Arrangement => ({
  format: () => name,
  parse: (text) => (text === name ? {} : undefined),
});

const registerList = (count: number, arrangement: Arrangement): Kind => ({
  format: ([first, ...rest], { fields }) => {
    const n = fields[(first as Field).name] as number;
    const how = arrangement.format(rest, fields);
    const names = Array.from({ length: count }, (_, k) => `v${(n + k) & 31}.${how}`);
    // More than two consecutive registers that do not wrap around are written as a range.
    if (count > 2 && n + count <= 32) return `{${names[0]}-${names[count - 1]}}`;
    return `{${names.join(', ')}}`;
  },
  parse: (cursor, [first, ...rest]) => {
    const inside = cursor.match(/^\{([^}]*)\}/)?.[1];
    if (inside === undefined) return undefined;
    const [from, to] = inside.split(/ ?- ?/);
    const range = to !== undefined;
    const items = (range ? [from as string, to] : inside.split(/, ?/)).map((t) =>
      /^v(\d+)\.(\w+)$/.exec(t.trim()),
    );
    const head = items[0];
    if (!head || items.some((item) => !item || item[2] !== head[2] || Number(item[1]) > 31)) return undefined;
    const numbers = items.map((item) => Number(item?.[1]));
    const n = numbers[0] as number;
    const length = range ? (((numbers[1] as number) - n) & 31) + 1 : numbers.length;
    if (length !== count || (!range && numbers.some((m, k) => m !== ((n + k) & 31)))) return undefined;
    const how = arrangement.parse(head[2] as string, rest);
    return how && { ...how, [(first as Field).name]: n };
  },
});

/** The kind of a name like 'list2', 'list3.16b' or 'list1d'. */
export function vectorListKind(name: string): Kind | undefined {
  const [, count, dot, letter] = /^list([1-4])(?:\.(\w+)|([bhsd]))?$/.exec(name) ?? [];
  if (count === undefined) return undefined;
  if (dot !== undefined) return registerList(Number(count), fixed(dot));
  const list = letter === undefined ? ARRANGEMENTS : ARRANGEMENTS.filter((a) => a.endsWith(letter));
  return registerList(Number(count), chosenFrom(list));
}

export const vectorKinds: Readonly<Record<string, Kind>> = { index };
