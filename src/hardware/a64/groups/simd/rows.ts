// The shapes that most Advanced SIMD rows have: which lane sizes an instruction takes, how its operands are
// written, and how its result reaches the destination register. Nothing here knows a particular instruction.

import type { Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import type { Fields } from '../../pattern.ts';
import { bytes, keepLow, Lanes } from './lanes.ts';

/** The manual lists Advanced SIMD instructions alphabetically in C7.2; a row's name is the entry's title. */
export const SECTION = 'C7.2';

/** Arrangement by size and Q. */
export const ARRANGEMENT = '{size,Q?8b|16b|4h|8h|2s|4s|1d|2d}';
/** Arrangement of lanes twice as wide, which always fill the register. */
export const WIDE_ARRANGEMENT = '{size?8h|4s|2d|1q}';
/** 'rd.T, rn.T, ...' */
export const vectors = (...registers: string[]): string =>
  registers.map((r) => `{${r}:v}.${ARRANGEMENT}`).join(', ');
/** A scalar register of the width of size, and of twice that. */
export const scalar = (r: string): string => `{size?b|h|s|d}{${r}:n}`;
export const scalars = (...registers: string[]): string => registers.map(scalar).join(', ');
export const wideScalar = (r: string): string => `{size?h|s|d|q}{${r}:n}`;

/** For `where`: lane sizes as letters of 'bhsd'. One 64-bit lane (1d) is not a vector. */
export const vectorSizes = (sizes: string) => (f: Fields) => {
  const { size, Q } = f as { size: number; Q: number };
  return sizes.includes('bhsd'[size] as string) && (size < 3 || Q === 1);
};
export const scalarSizes = (sizes: string) => (f: Fields) =>
  sizes.includes('bhsd'[f.size as number] as string);

/** The lanes that a vector instruction works on. */
export const vectorLanes = (i: Insn, size: number = i.f.size as number): Lanes =>
  new Lanes(i, size, i.f.Q ? 128 : 64, i.f.Q ? 'high' : 'low');
/** The single lane of a scalar instruction. */
export const scalarLane = (i: Insn, size: number = i.f.size as number): Lanes =>
  new Lanes(i, size, 8 << size);

/** Writes the active part of a result; the rest of Rd becomes zero. */
export const setResult = (l: Lanes, v: Value): void => l.i.setV('Rd', keepLow(l.c, v, l.active));

/**
 * Writes wide lanes, truncated to those of `l` (or their upper halves), into the low half of Rd with zeros above,
 * or into the high half, leaving the low one.
 */
export function setNarrowed(l: Lanes, wide: Value, upper = false): void {
  if (l.half === 'low') {
    setResult(l, l.pack(wide, wide, upper));
    return;
  }
  const low = l.i.v('Rd');
  const packed = l.pack(wide, wide, upper);
  l.i.setV(
    'Rd',
    l.c.shuffle(
      low,
      packed,
      bytes((k) => (k < 8 ? k : 16 + k)),
    ),
  );
}
