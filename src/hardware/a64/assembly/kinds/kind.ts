// What an operand kind is: how fields become text and text becomes fields.

import type { Field, Fields } from '../../pattern.ts';
import { evaluate, type Names } from '../expression.ts';

export interface FormatContext {
  /** All fields of the encoding. */
  readonly fields: Fields;
  /** Address of the instruction. */
  readonly pc: bigint;
}

export interface ParseContext extends Names {
  /** Fields that earlier operands fixed. */
  readonly fields: Fields;
}

/** Fields that a parsed operand fixes. May name more than the operand's own: 'w3' also says sf = 0. */
export type Fixed = Readonly<Record<string, number>>;

export interface Kind {
  readonly format: (fields: readonly Field[], context: FormatContext) => string;
  /** Consumes text; undefined where it is no such operand. */
  readonly parse: (cursor: Cursor, fields: readonly Field[], context: ParseContext) => Fixed | undefined;
}

/** The bits of several fields put together, the first the highest. */
export const join = (fields: readonly Field[], all: Fields): number =>
  fields.reduce((n, f) => n * 2 ** f.width + (all[f.name] as number), 0);

export const totalWidth = (fields: readonly Field[]): number => fields.reduce((n, f) => n + f.width, 0);

/** A number spread over fields, or undefined where it does not fit. */
export function spread(n: number, fields: readonly Field[]): Fixed | undefined {
  if (!Number.isInteger(n) || n < 0 || n >= 2 ** totalWidth(fields)) return undefined;
  const result: Record<string, number> = {};
  let rest = n;
  for (const f of [...fields].reverse()) {
    result[f.name] = rest % 2 ** f.width;
    rest = Math.floor(rest / 2 ** f.width);
  }
  return result;
}

export const signExtend = (n: number, width: number): number => (n >= 2 ** (width - 1) ? n - 2 ** width : n);

/** Spreads a signed number. */
export const spreadSigned = (n: number, fields: readonly Field[]): Fixed | undefined => {
  const half = 2 ** (totalWidth(fields) - 1);
  return n < -half || n >= half ? undefined : spread(n < 0 ? n + 2 * half : n, fields);
};

const NUMBER = /^(-?)\s*(0x[0-9a-f]+|0b[01]+|\d+)(?![\w.])/;

/** A place in a line of assembly, in lower case and in its own spelling (for labels). */
export class Cursor {
  readonly text: string;
  readonly source: string;
  at: number;

  constructor(source: string, at = 0) {
    this.source = source;
    this.text = source.toLowerCase();
    this.at = at;
  }

  take(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  match(pattern: RegExp): RegExpExecArray | undefined {
    const found = pattern.exec(this.text.slice(this.at));
    if (found?.index !== 0) return undefined;
    this.at += found[0].length;
    return found;
  }

  /** A word of letters, digits, '_' and '.'. */
  word(): string | undefined {
    return this.match(/^[a-z_0-9.]+/)?.[0];
  }

  get rest(): string {
    return this.text.slice(this.at);
  }

  /** '#5', '5', '-0x10', ':lo12:label'; the sign '#' is optional. */
  number(context: ParseContext): bigint | undefined {
    const start = this.at;
    this.take('#');
    if (this.take(':lo12:')) {
      const target = this.address(context);
      return target === undefined ? undefined : target & 0xfffn;
    }
    const found = this.match(NUMBER);
    if (!found) {
      this.at = start;
      return undefined;
    }
    const n = BigInt(found[2] as string);
    return found[1] ? -n : n;
  }

  /** The same where it is exact as a number. */
  small(context: ParseContext): number | undefined {
    const n = this.number(context);
    return n === undefined || n > 0xffff_ffff_ffffn || n < -0xffff_ffff_ffffn ? undefined : Number(n);
  }

  /** An expression up to the operand's end: a label, '.', 'table + 8 * 2'. */
  address(context: ParseContext): bigint | undefined {
    const start = this.at;
    this.take('#');
    const length = /,|\]|$/.exec(this.rest)?.index ?? 0;
    const n = evaluate(this.source.slice(this.at, this.at + length), context);
    this.at = n === undefined ? start : this.at + length;
    return n;
  }
}
