// The three floating-point sizes as encodings and syntax have them, and how scalar and vector registers are read
// and written lane by lane. Nothing here computes.

import type { Code, Type, Value } from '../../../wasm/index.ts';
import type { Insn } from '../../insn.ts';
import { type Row, type RowOptions, row } from '../../row.ts';

export type Bits = 16 | 32 | 64;

export interface Size {
  readonly bits: Bits;
  /** Of a scalar register, and its operand kind in the syntax. */
  readonly letter: 'h' | 's' | 'd';
  /** Bits 23:22 of scalar encodings. */
  readonly ftype: '11' | '00' | '01';
  readonly title: 'half' | 'single' | 'double';
  /** Arrangement of a vector in the syntax, by Q. */
  readonly arrangement: string;
}

export const HALF_SIZE: Size = {
  bits: 16,
  letter: 'h',
  ftype: '11',
  title: 'half',
  arrangement: '{Q?4h|8h}',
};
export const SINGLE_SIZE: Size = {
  bits: 32,
  letter: 's',
  ftype: '00',
  title: 'single',
  arrangement: '{Q?2s|4s}',
};
export const DOUBLE_SIZE: Size = { bits: 64, letter: 'd', ftype: '01', title: 'double', arrangement: '2d' };
export const SIZES: readonly Size[] = [HALF_SIZE, SINGLE_SIZE, DOUBLE_SIZE];

/** The manual lists these instructions alphabetically in C7.2; a row's name is the entry's title. */
export const SECTION = 'C7.2';

/** A row of one size; half precision needs FEAT_FP16. */
export function sized(
  z: Size,
  name: string,
  pattern: string,
  syntax: string,
  semantics: (i: Insn) => void,
  options: RowOptions = {},
): Row {
  const fp16: RowOptions = z.bits === 16 ? { feature: 'FP16' } : {};
  return row(name, pattern, syntax, SECTION, semantics, { simd: true, ...fp16, ...options });
}

/** Of Advanced SIMD instructions, which work on vectors or on the lowest lane alone. */
export type Form = 'vector' | 'scalar';
export const FORMS: readonly Form[] = ['vector', 'scalar'];

/** Bits 31 to 28 of an Advanced SIMD encoding. */
export function prefix(z: Size, form: Form, U: string): string {
  if (form === 'scalar') return `01 ${U} 1`;
  return z.bits === 64 ? `01 ${U} 0` : `0 Q ${U} 0`;
}
/** The registers of a size in the syntax: 's0, s1' or 'v0.4s, v1.4s'. */
export const registers = (z: Size, form: Form, ...names: string[]): string =>
  names.map((r) => (form === 'scalar' ? `{${r}:${z.letter}}` : `{${r}:v}.${z.arrangement}`)).join(', ');
export const shapeOf = (i: Insn, z: Size, form: Form): Shape =>
  form === 'scalar' ? scalarShape(z.bits) : vectorShape(i, z.bits);

/** How many lanes an operation works on; scalar: lane 0, and the rest of the result is zero. */
export interface Shape {
  readonly bits: Bits;
  readonly lanes: number;
  readonly scalar: boolean;
}
export const scalarShape = (bits: Bits): Shape => ({ bits, lanes: 1, scalar: true });
/** By the static field Q; without one all 128 bits. */
export const vectorShape = (i: Insn, bits: Bits): Shape => ({
  bits,
  lanes: (i.f.Q === 0 ? 64 : 128) / bits,
  scalar: false,
});

/** The shapes that WebAssembly has arithmetic for. */
export const NATIVE_SHAPES: readonly Shape[] = [
  scalarShape(32),
  scalarShape(64),
  { bits: 32, lanes: 2, scalar: false },
  { bits: 32, lanes: 4, scalar: false },
  { bits: 64, lanes: 2, scalar: false },
];
/** What WebAssembly computes with for such a shape. */
export const nativeType = ({ bits, scalar }: Shape): Type =>
  scalar ? (bits === 32 ? 'f32' : 'f64') : 'v128';
/** In the names of helpers. */
export const shapeName = ({ bits, lanes, scalar }: Shape): string =>
  scalar ? `scalar${bits}` : `${lanes}x${bits}`;

const LANES = { 16: 'i16x8', 32: 'i32x4', 64: 'i64x2' } as const;
export const integerLanes = (bits: Bits): string => LANES[bits];
export const floatLanes = (bits: 32 | 64): 'f32x4' | 'f64x2' => (bits === 32 ? 'f32x4' : 'f64x2');

/** Lane 0 as an integer: i64 for 64 bits, else i32, unsigned. */
export function lowInteger(c: Code, v: Value, bits: Bits): Value {
  return c.lane(`${LANES[bits]}.extract_lane${bits === 16 ? '_u' : ''}`, 0, v);
}
/** An integer in lane 0, zeros above. */
export function fromInteger(c: Code, n: Value, bits: Bits): Value {
  return c.lane(`${LANES[bits]}.replace_lane`, 0, c.v128(0n), n);
}
/** Lane 0 as f32 or f64. */
export const lowFloat = (c: Code, v: Value, bits: 32 | 64): Value =>
  c.lane(`${floatLanes(bits)}.extract_lane`, 0, v);
/** A float in lane 0, zeros above. */
export const fromFloat = (c: Code, n: Value, bits: 32 | 64): Value =>
  c.lane(`${floatLanes(bits)}.replace_lane`, 0, c.v128(0n), n);

/** The same bits in every lane. */
export function everyLane(c: Code, bits: Bits, n: bigint): Value {
  let low = n;
  for (let width: number = bits; width < 64; width *= 2) low |= low << BigInt(width);
  return c.v128(low);
}
/** The lanes of a shape; the others become zero. */
export function keep(c: Code, shape: Shape, v: Value): Value {
  if (shape.scalar && shape.bits !== 16) return fromFloat(c, lowFloat(c, v, shape.bits), shape.bits);
  const width = shape.bits * shape.lanes;
  return width === 128 ? v : v.and(c.v128((1n << BigInt(width)) - 1n, 0n));
}

/** Changes the sign of every lane of a shape. */
export const negated = (c: Code, shape: Shape, v: Value): Value =>
  onScalar(c, shape, 'neg', v) ??
  v.xor(keep(c, shape, everyLane(c, shape.bits, 1n << BigInt(shape.bits - 1))));
export const magnitude = (c: Code, shape: Shape, v: Value): Value =>
  onScalar(c, shape, 'abs', v) ?? v.and(everyLane(c, shape.bits, (1n << BigInt(shape.bits - 1)) - 1n));
/** WebAssembly changes nothing but the sign, of NaNs too. */
function onScalar(c: Code, { bits, scalar }: Shape, name: 'neg' | 'abs', v: Value): Value | undefined {
  if (!scalar || bits === 16) return undefined;
  return fromFloat(c, lowFloat(c, v, bits).op(`f${bits}.${name}`), bits);
}

/** A lane chosen at run time, in every lane. */
export function splat(i: Insn, r: string, bits: Bits, index: Value): Value {
  return i.element(r, bits, index).op(`${LANES[bits]}.splat`);
}

/** Lane n of the result is lane pick(n) of a, or of b from the number of lanes on. */
export function permute(c: Code, bits: Bits, a: Value, b: Value, pick: (lane: number) => number): Value {
  const width = bits / 8;
  const lanes = Array.from({ length: 16 }, (_, k) => pick(Math.floor(k / width)) * width + (k % width));
  return c.shuffle(a, b, lanes);
}
