// The registry of operand kinds, by the names that rows use.

import { immediateKinds } from './immediates.ts';
import type { Kind } from './kind.ts';
import { memoryKinds } from './memory.ts';
import { registerKinds } from './registers.ts';
import { systemKinds } from './system.ts';
import { vectorKinds, vectorListKind } from './vectors.ts';

const KINDS: ReadonlyMap<string, Kind> = new Map(
  Object.entries({ ...registerKinds, ...immediateKinds, ...memoryKinds, ...vectorKinds, ...systemKinds }),
);

/** Throws where no such kind is known. */
export function kindNamed(name: string): Kind {
  const kind = KINDS.get(name) ?? vectorListKind(name);
  if (!kind) throw new Error(`no operand kind '${name}'`);
  return kind;
}

export { conditionName, conditionNumber } from './immediates.ts';
export { Cursor, type FormatContext, join, type Kind, type ParseContext } from './kind.ts';
