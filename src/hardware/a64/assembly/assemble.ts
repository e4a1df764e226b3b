// The assembler: labels, comments, data directives, literal pools and instructions in the syntax of the manual,
// aliases included. Two passes: sizes are known from the text, so the first places labels and the second encodes.

import { Errno } from '../../../lib/index.ts';
import { expandAlias } from './aliases.ts';
import { evaluate, type Names } from './expression.ts';
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
/** Directives that say nothing here: there is one section. */
const IGNORED = new Set(['.text', '.global', '.globl', '.arch', '.cpu', '.type', '.size', '.arch_extension']);
const MAX_SPACE = 0x100_0000n;

const fail: (line: SourceLine, why: string) => never = (line, why) => {
  throw new Errno('EINVAL', `line ${line.number}: ${why}: ${line.text}`);
};

const split = (text: string): [string, string] => {
  const space = text.indexOf(' ');
  return space < 0 ? [text.toLowerCase(), ''] : [text.slice(0, space).toLowerCase(), text.slice(space + 1)];
};

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0' };

const stringBytes = (line: SourceLine, text: string, terminated: boolean): number[] => {
  if (!/^"(\\.|[^"\\])*"$/.test(text)) fail(line, 'one string in double quotes is wanted');
  const plain = text.slice(1, -1).replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
  const bytes = [...plain].map((c) => c.codePointAt(0) as number);
  if (bytes.some((n) => n > 0x7f)) fail(line, 'strings are ASCII');
  return terminated ? [...bytes, 0] : bytes;
};

/** Immediates that are expressions become numbers, so that aliases can reckon with them. */
const folded = (text: string, names: Names): string =>
  text.replace(/#([^,\]]*[^,\]\w.-][^,\]]*|[A-Za-z_][\w.$]*)/g, (whole, expression: string) => {
    const n = expression.startsWith(':') ? undefined : evaluate(expression, names);
    return n === undefined ? whole : `#${n}`;
  });

/** The encoding of one instruction, or undefined. */
function encoding(source: string, names: Names): number | undefined {
  const text = folded(source, names);
  const direct = match(text, names);
  if (direct !== undefined) return direct;
  const [mnemonic, rest] = split(text);
  for (const candidate of expandAlias(mnemonic, operandsOf(rest))) {
    const word = match(candidate, names);
    if (word !== undefined) return word;
  }
  return undefined;
}

/** A value that waits for its literal pool. */
interface Literal {
  readonly line: SourceLine;
  readonly expression: string;
  readonly size: 4 | 8;
}

/** What the first pass finds out and the second needs. */
class Symbols {
  readonly named: Map<string, bigint>;
  /** Places of '1:' and its like, in order; each pass counts them anew. */
  private readonly numbered = new Map<string, bigint[]>();
  private readonly passed = new Map<string, number>();
  readonly literals: bigint[] = [];
  /** The last name that meant nothing. */
  unknown: string | undefined;

  constructor(given: Labels) {
    this.named = new Map(Object.entries(given).map(([name, at]) => [name, BigInt(at)]));
  }

  restart(): void {
    this.passed.clear();
  }

  define(name: string, at: bigint, line: SourceLine, first: boolean): void {
    if (/^\d+$/.test(name)) {
      this.passed.set(name, (this.passed.get(name) ?? 0) + 1);
      if (first) this.numbered.set(name, [...(this.numbered.get(name) ?? []), at]);
      return;
    }
    if (first && this.named.has(name)) fail(line, `label '${name}' is there already`);
    this.named.set(name, at);
  }

  /** '1b' is the last '1:' before here, '1f' the next. */
  lookup = (name: string): bigint | undefined => {
    const [, digits, direction] = /^(\d+)([bf])$/.exec(name) ?? [];
    let found = this.named.get(name);
    if (digits !== undefined) {
      const passed = this.passed.get(digits) ?? 0;
      found = this.numbered.get(digits)?.[direction === 'b' ? passed - 1 : passed];
    }
    if (found === undefined) this.unknown = name;
    return found;
  };
}

/** One run over the source: `first` places labels, the other encodes. */
class Pass {
  readonly bytes: number[] = [];
  private readonly base: bigint;
  private readonly symbols: Symbols;
  private readonly first: boolean;
  private pool: Literal[] = [];
  private literals = 0;

  constructor(base: bigint, symbols: Symbols, first: boolean) {
    this.base = base;
    this.symbols = symbols;
    this.first = first;
    symbols.restart();
  }

  private get here(): bigint {
    return this.base + BigInt(this.bytes.length);
  }
  private get names(): Names {
    return { pc: this.here, label: this.symbols.lookup };
  }
  private put(n: bigint, bytes: number): void {
    for (let k = 0; k < bytes; k++) this.bytes.push(Number((n >> BigInt(8 * k)) & 0xffn));
  }
  private align(to: number): void {
    while (Number(this.here % BigInt(to))) this.bytes.push(0);
  }
  private value(line: SourceLine, expression: string): bigint {
    return evaluate(expression, this.names) ?? fail(line, `'${expression}' has no value`);
  }

  run(lines: Iterable<SourceLine>): this {
    for (const line of lines) {
      const [mnemonic, rest] = split(line.text);
      if (mnemonic !== '' && !mnemonic.startsWith('.')) this.align(4);
      for (const name of line.labels) this.symbols.define(name, this.here, line, this.first);
      if (mnemonic.startsWith('.')) this.directive(line, mnemonic, rest);
      else if (mnemonic !== '') this.instruction(line);
    }
    this.flushPool();
    this.align(4);
    return this;
  }

  private directive(line: SourceLine, name: string, rest: string): void {
    const unit = UNITS[name];
    if (unit !== undefined) {
      for (const item of operandsOf(rest)) this.put(this.first ? 0n : this.value(line, item), unit);
      return;
    }
    switch (name) {
      case '.ascii':
        this.bytes.push(...stringBytes(line, rest, false));
        return;
      case '.asciz':
      case '.string':
        this.bytes.push(...stringBytes(line, rest, true));
        return;
      case '.align':
      case '.p2align':
      case '.balign': {
        const n = Number(this.value(line, rest));
        const to = name === '.balign' ? n : 2 ** n;
        if (!Number.isInteger(Math.log2(to)) || to > 65536)
          fail(line, 'alignments are powers of 2 up to 65536');
        this.align(to);
        return;
      }
      case '.space':
      case '.skip':
      case '.zero': {
        const size = this.value(line, rest);
        if (size < 0n || size > MAX_SPACE) fail(line, 'a space of 0 to 16 MiB is wanted');
        for (let k = 0; k < Number(size); k++) this.bytes.push(0);
        return;
      }
      case '.equ':
      case '.set': {
        const [symbol, value] = operandsOf(rest);
        if (symbol === undefined || value === undefined) fail(line, 'a name and a value are wanted');
        this.symbols.named.set(symbol, this.value(line, value));
        return;
      }
      case '.ltorg':
      case '.pool':
        this.flushPool();
        return;
      default:
        if (!IGNORED.has(name)) fail(line, 'unknown directive');
    }
  }

  private instruction(line: SourceLine): void {
    const [, register, expression] = /^ldr ([wxsd]\d+|[wx]zr|lr|fp), =(.+)$/i.exec(line.text) ?? [];
    let text = line.text;
    if (register !== undefined && expression !== undefined) {
      this.pool.push({ line, expression, size: /^[ws]/i.test(register) ? 4 : 8 });
      text = `ldr ${register}, ${this.symbols.literals[this.literals++] ?? 0}`;
    }
    this.symbols.unknown = undefined;
    const word = this.first ? 0 : encoding(text, this.names);
    if (word === undefined) {
      const { unknown } = this.symbols;
      fail(
        line,
        `no such instruction, or an operand out of range${unknown ? `, or no label '${unknown}'` : ''}`,
      );
    }
    this.put(BigInt(word), 4);
  }

  private flushPool(): void {
    for (const { line, expression, size } of this.pool) {
      this.align(size);
      if (this.first) this.symbols.literals.push(this.here);
      this.put(this.first ? 0n : this.value(line, expression), size);
    }
    this.pool = [];
  }
}

/** Assembles a program to stand at an address (a multiple of 4). Throws EINVAL naming the line. */
export function assembleProgram(source: string, address: bigint | number = 0, labels: Labels = {}): Program {
  const base = BigInt(address);
  if (base & 3n) throw new Errno('EINVAL', 'code stands at a multiple of 4');
  const lines = [...sourceLines(source)];
  const symbols = new Symbols(labels);
  new Pass(base, symbols, true).run(lines);
  const { bytes } = new Pass(base, symbols, false).run(lines);
  return { bytes: Uint8Array.from(bytes), labels: symbols.named };
}

/** The same as words: `assemble('add x0, x1, #1\nret')`. */
export function assemble(source: string, address: bigint | number = 0, labels: Labels = {}): Uint32Array {
  const { bytes } = assembleProgram(source, address, labels);
  return new Uint32Array(bytes.buffer, 0, bytes.length / 4);
}
