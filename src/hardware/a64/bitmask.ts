// Logical immediates (Arm ARM, shared/functions/integer/DecodeBitMasks): an element of 2..64 bits holding a run of
// ones, rotated and replicated.

import type { Value } from '../wasm/index.ts';
import type { Insn } from './insn.ts';

/** The 64-bit mask of N:immr:imms, or undefined where it is reserved. */
export function decodeBitmask(n: number, immr: number, imms: number): bigint | undefined {
  const combined = (n << 6) | (~imms & 63);
  if (combined < 2) return undefined;
  const length = 31 - Math.clz32(combined);
  const size = 1 << length;
  const ones = (imms & (size - 1)) + 1;
  if (ones === size) return undefined;
  const rotate = BigInt(immr & (size - 1));
  const element = (1n << BigInt(ones)) - 1n;
  const limit = (1n << BigInt(size)) - 1n;
  const rotated = ((element >> rotate) | (element << (BigInt(size) - rotate))) & limit;
  let mask = 0n;
  for (let at = 0; at < 64; at += size) mask |= rotated << BigInt(at);
  return mask;
}

/**
 * The immediate of a logical instruction, i32 or i64 by sf. The element size follows from the static field N and
 * the leading bits of imms; ones, rotation and replication are computed.
 */
export function bitmaskImmediate(i: Insn): Value {
  const [immr, imms] = [i.field('immr'), i.field('imms')];
  if (immr.constant !== undefined && imms.constant !== undefined) {
    const mask = decodeBitmask(i.f.N as number, Number(immr.constant), Number(imms.constant)) ?? 0n;
    return i.f.sf ? i.i64(mask) : i.i32(mask & 0xffff_ffffn);
  }
  const mask = i.c.call(
    i.helper('bitmask'),
    immr
      .shl(6)
      .or(imms)
      .or((i.f.N as number) << 12),
  ) as Value;
  return i.f.sf ? mask : mask.wrap();
}
