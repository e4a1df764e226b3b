// Instructions that name a place by its distance - direct branches, literals, ADR - when the code around them changes.

import { completeDecoder, decodeFields, type Fields, type Row } from '../../../src/hardware/a64/index.ts';
import { withField } from './cases.ts';

const FIELDS = [
  ['imm26', 26],
  ['imm19', 19],
  ['imm14', 14],
] as const;

/** The field with the distance in instructions, and its width. ADR's is a multiple of 4 here, so its low bits are zero. */
function distanceField(row: Row, fields: Fields): readonly [string, number] | undefined {
  if (row.name === 'ADR') return fields.immlo === 0 ? ['immhi', 19] : undefined;
  return /:label\d+\}/.test(row.syntax) ? FIELDS.find(([name]) => fields[name] !== undefined) : undefined;
}

/** How many instructions on an instruction's target is; undefined for one without. */
export function distanceOf(word: number): number | undefined {
  const found = decodeFields(completeDecoder(), word);
  const field = found && distanceField(found.row, found.fields);
  if (!field) return undefined;
  const [name, width] = field;
  return ((found.fields[name] as number) << (32 - width)) >> (32 - width);
}

/** The instruction with another target. */
export function withDistance(word: number, distance: number): number {
  const found = decodeFields(completeDecoder(), word);
  const field = found && distanceField(found.row, found.fields);
  if (!field) throw new Error(`${word.toString(16)} names no place`);
  return withField(found.row, word, field[0], distance);
}

/** The code without `count` of its instructions; what went to one of them goes to what follows them. */
export function without(code: readonly number[], from: number, count: number): number[] {
  const moved = (at: number): number => (at <= from ? at : Math.max(from, at - count));
  const left: number[] = [];
  for (const [at, word] of code.entries()) {
    if (at >= from && at < from + count) continue;
    const distance = distanceOf(word);
    left.push(distance === undefined ? word : withDistance(word, moved(at + distance) - moved(at)));
  }
  return left;
}
