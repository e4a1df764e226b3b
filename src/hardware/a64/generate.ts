// Random encodings of rows, for tests: every field at random, registers that coincide often, and only what the
// decoder gives back to the row. Knows nothing of operands' values.

import { completeDecoder } from './assembly/disassemble.ts';
import { fieldsOf } from './pattern.ts';
import type { Row } from './row.ts';

/** A deterministic source of numbers. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** 32 bits (mulberry32). */
  u32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** 0..n-1 */
  below(n: number): number {
    return Math.floor((this.u32() / 2 ** 32) * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** True once in n. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }
}

export interface GenerateOptions {
  /** Bits that should be one are, and registers are spread evenly: what an assembler would write. */
  readonly canonical?: boolean;
}

const ATTEMPTS = 2000;

/** Fields that the syntax shows; of the others, imm_... should be ones and the rest zeros. */
const shown = new WeakMap<Row, ReadonlySet<string>>();
function shownFields(row: Row): ReadonlySet<string> {
  let names = shown.get(row);
  if (!names) {
    const groups = row.syntax.matchAll(/\{([^:?}]*)[:?]/g);
    names = new Set([...groups].flatMap((m) => (m[1] as string).split(',')));
    shown.set(row, names);
  }
  return names;
}

/** A valid encoding of a row, or undefined where none was found (a machine with all features has none). */
export function randomInstruction(
  row: Row,
  random: Random,
  options: GenerateOptions = {},
): number | undefined {
  const names = shownFields(row);
  const decoder = completeDecoder();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    let word = row.pattern.value;
    for (const f of row.pattern.fields) {
      let n = random.below(2 ** f.width);
      if (options.canonical) {
        if (f.name.startsWith('imm') && !names.has(f.name))
          n = f.name.startsWith('imm_') ? 2 ** f.width - 1 : 0;
      } else if (f.name.startsWith('R')) {
        // Few registers, so that they coincide; and 31, which is SP or zero.
        const kind = random.below(8);
        if (kind < 3) n &= 3;
        else if (kind === 3) n = 2 ** f.width - 1;
      }
      word |= n << f.low;
    }
    word >>>= 0;
    if (row.where && !row.where(fieldsOf(row.pattern, word))) continue;
    if (decoder.decode(word)?.row === row) return word;
  }
  return undefined;
}
