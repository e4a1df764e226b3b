// Encoding patterns: 32 bits, some literal, some in named fields.

import type { Value } from '../wasm/index.ts';

/** Values of an encoding's fields, unsigned. */
export type Fields = Readonly<Record<string, number>>;

export interface Field {
  readonly name: string;
  /** Lowest bit. */
  readonly low: number;
  readonly width: number;
  /**
   * Read at run time by the interpreter: registers (R...), immediates (imm...), cond and nzcv. All other fields
   * select a handler each, so that semantics may branch on them in TypeScript.
   */
  readonly dynamic: boolean;
}

export interface Pattern {
  readonly text: string;
  readonly mask: number;
  readonly value: number;
  readonly fields: readonly Field[];
}

const isDynamic = (name: string): boolean => /^(R|imm|cond$|nzcv$)/.test(name);

/** Parses 'sf 0 0 100010 sh imm12:12 Rn:5 Rd:5': bits from 31 down, literal or name[:width]. Throws unless 32 bits. */
export function parsePattern(text: string): Pattern {
  let at = 32;
  let mask = 0;
  let value = 0;
  const fields: Field[] = [];
  for (const token of text.trim().split(/\s+/)) {
    if (/^[01]+$/.test(token)) {
      for (const bit of token) {
        at--;
        mask |= 1 << at;
        if (bit === '1') value |= 1 << at;
      }
      continue;
    }
    const [name, width] = token.split(':') as [string, string | undefined];
    const bits = width === undefined ? 1 : Number(width);
    at -= bits;
    if (fields.some((f) => f.name === name)) throw new Error(`field ${name} twice in '${text}'`);
    fields.push({ name, low: at, width: bits, dynamic: isDynamic(name) });
  }
  if (at !== 0) throw new Error(`'${text}' has ${32 - at} bits`);
  return { text, mask: mask >>> 0, value: value >>> 0, fields };
}

export const extract = (insn: number, f: Field): number =>
  (insn >>> f.low) & (f.width === 32 ? -1 : (1 << f.width) - 1);

/** All fields of an encoding that the pattern matches. */
export function fieldsOf(pattern: Pattern, insn: number): Fields {
  const fields: Record<string, number> = {};
  for (const field of pattern.fields) fields[field.name] = extract(insn, field);
  return fields;
}

/** A field of a pattern as a run-time value, i32, unsigned. */
export function extractField(pattern: Pattern, name: string, insn: Value): Value {
  const f = pattern.fields.find((candidate) => candidate.name === name);
  if (!f) throw new Error(`no field ${name} in '${pattern.text}'`);
  const shifted = insn.shrU(f.low);
  return f.low + f.width === 32 ? shifted : shifted.and((1 << f.width) - 1);
}
