// The syntax notation of rows, taken apart: literal text, operands `{fields:kind}` and choices `{fields?a|b|c}`, whose
// option is the one at the index that the fields' bits make together, the first field highest.

import type { Field } from '../pattern.ts';
import type { Row } from '../row.ts';
import { type Kind, kindNamed } from './kinds/index.ts';

export interface LiteralPart {
  readonly text: string;
}
export interface OperandPart {
  readonly fields: readonly Field[];
  readonly kind: Kind;
}
export interface ChoicePart {
  readonly fields: readonly Field[];
  readonly options: readonly string[];
}
export type Part = LiteralPart | OperandPart | ChoicePart;

/** Throws where a field is not in the pattern or a kind is unknown. */
function parse(row: Row): Part[] {
  const field = (name: string): Field => {
    const found = row.pattern.fields.find((f) => f.name === name);
    if (!found) throw new Error(`${row.name}: syntax names field '${name}', which its pattern lacks`);
    return found;
  };
  const parts: Part[] = [];
  for (const [, inside, text] of row.syntax.matchAll(/\{([^}]*)\}|([^{]+)/g)) {
    if (inside === undefined) {
      parts.push({ text: text as string });
      continue;
    }
    const [, names, mark, rest] = /^([^:?]*)([:?])(.*)$/s.exec(inside) ?? [];
    if (names === undefined || rest === undefined)
      throw new Error(`${row.name}: '{${inside}}' names no kind`);
    const fields = names.split(',').map(field);
    if (mark === '?') parts.push({ fields, options: rest.split('|') });
    else parts.push({ fields, kind: kindNamed(rest) });
  }
  return parts;
}

const known = new WeakMap<Row, readonly Part[]>();

export function syntaxOf(row: Row): readonly Part[] {
  let parts = known.get(row);
  if (!parts) {
    parts = parse(row);
    known.set(row, parts);
  }
  return parts;
}
