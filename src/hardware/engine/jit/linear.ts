// Addresses as sums of registers and a distance: what the JIT knows of how accesses lie to one another. It knows values
// of the function being written; nothing of translation.

import type { Value, Variable } from '../../wasm/index.ts';

/** Some variables, each times a factor, and an offset. */
export interface Linear {
  readonly terms: ReadonlyMap<Variable, number>;
  readonly offset: number;
}

/** Distances beyond this are not worth knowing. */
const FAR_AWAY = 2 ** 31;
const NO_TERMS: ReadonlyMap<Variable, number> = new Map();

/** What a variable is as a sum, when it was read at a position. */
export type Meaning = (variable: Variable, position: number) => Linear | undefined;

export const itself = (variable: Variable): Linear => ({ terms: new Map([[variable, 1]]), offset: 0 });

/** A value of 64 bits as a sum; undefined where it is none. */
export function linear(value: Value, meaning: Meaning): Linear | undefined {
  const { source, args } = value;
  if (source.kind === 'variable') return meaning(source.variable, value.position);
  if (source.kind === 'const') {
    const offset = Number(BigInt.asIntN(64, source.value));
    return Math.abs(offset) < FAR_AWAY ? { terms: NO_TERMS, offset } : undefined;
  }
  if (source.kind !== 'op') return undefined;
  const [left, right] = args as [Value, Value];
  switch (source.op.name) {
    case 'i64.add':
    case 'i64.sub': {
      const a = linear(left, meaning);
      const b = a && linear(right, meaning);
      return b && sum(a, b, source.op.name === 'i64.add' ? 1 : -1);
    }
    case 'i64.shl': {
      if (right.constant === undefined || right.constant > 4n) return undefined;
      const a = linear(left, meaning);
      return a && sum({ terms: NO_TERMS, offset: 0 }, a, 1 << Number(right.constant));
    }
    default:
      return undefined;
  }
}

/** a + b * factor */
function sum(a: Linear, b: Linear, factor: number): Linear {
  const terms = new Map(a.terms);
  for (const [variable, times] of b.terms) {
    const all = (terms.get(variable) ?? 0) + times * factor;
    if (all === 0) terms.delete(variable);
    else terms.set(variable, all);
  }
  return { terms, offset: a.offset + b.offset * factor };
}

export function sameTerms(a: Linear, b: Linear): boolean {
  return a.terms.size === b.terms.size && [...a.terms].every(([v, times]) => b.terms.get(v) === times);
}
