// The assembler: labels, comments, data directives and instructions in the syntax of the manual, aliases included.
// Two passes: sizes are known from the text, so the first places labels and the second encodes.

import { Errno } from '../../../lib/index.ts';
import { expandAlias } from './aliases.ts';
import { Cursor, type ParseContext } from './kinds/index.ts';
import { operandsOf, type SourceLine, sourceLines } from './lines.ts';
import { match } from './match.ts';

export type Labels = Readonly<Record<string, bigint | number>>;

export interface Program {
  /** Little-endian, a multiple of 4 bytes. */
  readonly bytes: Uint8Array;
  readonly labels: ReadonlyMap<string, bigint>;
}

const UNITS: Readonly<Record<string, number>> = {
  '.byte': 1,
  '.hword': 2,
  '.short': 2,
  '.2byte': 2,
  '.word': 4,
  '.long': 4,
  '.4byte': 4,
  '.inst': 4,
  '.quad': 8,
  '.xword': 8,
  '.8byte': 8,
};
const STRINGS = ['.ascii', '.asciz', '.string'];
/** Directives that say nothing here: there is one section. */
const IGNORED = new Set(['.text', '.global', '.globl', '.arch', '.cpu', '.type', '.size', '.arch_extension']);

const fail = (line: SourceLine, why: string): never => {
  throw new Errno('EINVAL', `line ${line.number}: ${why}: ${line.text}`);
};

const split = (text: string): [string, string] => {
  const space = text.indexOf(' ');
  return space < 0 ? [text.toLowerCase(), ''] : [text.slice(0, space).toLowerCase(), text.slice(space + 1)];
};

const stringBytes = (line: SourceLine, directive: string, text: string): number[] => {
  if (!/^"(\\.|[^"\\])*"$/.test(text)) fail(line, 'one string in double quotes is wanted');
  const plain = text
    .slice(1, -1)
    .replace(/\\(.)/g, (_, c: string) => ({ n: '\n', t: '\t', r: '\r', 0: '\0' })[c] ?? c);
  const bytes = [...plain].map((c) => c.charCodeAt(0) & 0xff);
  return directive === '.ascii' ? bytes : [...bytes, 0];
};

/** The encoding of one instruction, or undefined. */
function instruction(text: string, context: Pick<ParseContext, 'pc' | 'label'>): number | undefined {
  const direct = match(text, context);
  if (direct !== undefined) return direct;
  const [mnemonic, rest] = split(text);
  for (const candidate of expandAlias(mnemonic, operandsOf(rest))) {
    const word = match(candidate, context);
    if (word !== undefined) return word;
  }
  return undefined;
}

/** Writes a program's bytes; `place` is undefined while only sizes are wanted. */
class Section {
  readonly bytes: number[] = [];
  readonly base: bigint;
  constructor(base: bigint) {
    this.base = base;
  }
  get here(): bigint {
    return this.base + BigInt(this.bytes.length);
  }
  put(n: bigint, bytes: number): void {
    for (let k = 0; k < bytes; k++) this.bytes.push(Number((n >> BigInt(8 * k)) & 0xffn));
  }
  align(to: number): void {
    while (Number(this.here % BigInt(to))) this.bytes.push(0);
  }
}

function pass(
  source: readonly SourceLine[],
  base: bigint,
  known: Map<string, bigint>,
  final: boolean,
): Section {
  const section = new Section(base);
  const label = (name: string): bigint | undefined => known.get(name);
  for (const line of source) {
    for (const name of line.labels) {
      if (!final && known.has(name)) fail(line, `label '${name}' is there already`);
      known.set(name, section.here);
    }
    const [mnemonic, rest] = split(line.text);
    if (mnemonic === '' || IGNORED.has(mnemonic)) continue;
    const context = { pc: section.here, label, fields: {} };
    const expression = (text: string): bigint => {
      const cursor = new Cursor(text);
      const n = cursor.address(context);
      return n === undefined || cursor.rest ? fail(line, `'${text}' has no value`) : n;
    };
    const unit = UNITS[mnemonic];
    if (unit !== undefined) {
      for (const item of operandsOf(rest)) section.put(final ? expression(item) : 0n, unit);
    } else if (STRINGS.includes(mnemonic)) {
      section.bytes.push(...stringBytes(line, mnemonic, rest));
    } else if (mnemonic === '.align' || mnemonic === '.p2align' || mnemonic === '.balign') {
      const n = Number(expression(rest));
      const to = mnemonic === '.balign' ? n : 2 ** n;
      if (!Number.isInteger(Math.log2(to)) || to > 65536)
        fail(line, 'an alignment is a power of two up to 65536');
      section.align(to);
    } else if (['.space', '.skip', '.zero'].includes(mnemonic)) {
      const size = expression(rest);
      if (size < 0n || size > 0x100_0000n) fail(line, 'a space of 0 to 16 MiB is wanted');
      for (let k = 0; k < Number(size); k++) section.bytes.push(0);
    } else if (['.equ', '.set'].includes(mnemonic)) {
      const [name, value] = operandsOf(rest);
      if (name === undefined || value === undefined) return fail(line, 'a name and a value are wanted');
      known.set(name, expression(value));
    } else if (mnemonic.startsWith('.')) {
      fail(line, 'unknown directive');
    } else {
      section.align(4);
      const word = final ? instruction(line.text, { pc: section.here, label }) : 0;
      if (word === undefined) return fail(line, 'no such instruction, or an operand out of range');
      section.put(BigInt(word), 4);
    }
  }
  section.align(4);
  return section;
}

/** Assembles a program to stand at an address (a multiple of 4). Throws EINVAL naming the line. */
export function assembleProgram(source: string, address: bigint | number = 0, labels: Labels = {}): Program {
  const base = BigInt(address);
  if (base & 3n) throw new Errno('EINVAL', 'code stands at a multiple of 4');
  const lines = [...sourceLines(source)];
  const known = new Map(Object.entries(labels).map(([name, at]) => [name, BigInt(at)]));
  pass(lines, base, known, false);
  return { bytes: Uint8Array.from(pass(lines, base, known, true).bytes), labels: known };
}

/** The same as words: `assemble('add x0, x1, #1\nret')`. */
export function assemble(source: string, address: bigint | number = 0, labels: Labels = {}): Uint32Array {
  const { bytes } = assembleProgram(source, address, labels);
  return new Uint32Array(bytes.buffer, 0, bytes.length / 4);
}
