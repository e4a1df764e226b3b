// The inlined soft-TLB lookup (cpu/layout.ts, TLB), as interpreter and JIT both emit it.

import { TLB, TLB_INFO_CHECKED } from '../cpu/index.ts';
import type { Code, Value } from '../wasm/index.ts';

export const LOADS = {
  1: 'i64.load8_u',
  2: 'i64.load16_u',
  4: 'i64.load32_u',
  8: 'i64.load',
  16: 'v128.load',
} as const;
export const STORES = {
  1: 'i64.store8',
  2: 'i64.store16',
  4: 'i64.store32',
  8: 'i64.store',
  16: 'v128.store',
} as const;
export type Bytes = keyof typeof LOADS;

/** Offset of the entry that an address selects in the TLB at `tlb`. */
export function tlbEntry(tlb: Value, address: Value): Value {
  return tlb.add(
    address
      .shrU(12)
      .wrap()
      .and(TLB.entries - 1)
      .shl(Math.log2(TLB.entryBytes)),
  );
}

export interface LookupOptions {
  readonly unchecked?: boolean;
  readonly aligned?: boolean;
}

/** i64 that is zero where the entry serves `bytes` bytes at the address for the access that `tag` stands for. */
export function tlbMiss(
  c: Code,
  entry: Value,
  tag: number,
  address: Value,
  bytes: number,
  options: LookupOptions,
): Value {
  const info = c.load('i32.load', entry, TLB.info, 'state').zext();
  const expected = c.load('i64.load', entry, tag, 'state');
  let miss = address
    .add(bytes - 1)
    .xor(expected)
    .and(-4096)
    .shl(info);
  if (!options.unchecked) miss = miss.or(info.and(TLB_INFO_CHECKED));
  if (options.aligned) miss = miss.or(address.and(bytes - 1));
  return miss;
}

/** Host offset of an address that the entry serves. */
export function hostAddress(c: Code, entry: Value, address: Value): Value {
  return address.wrap().add(c.load('i32.load', entry, TLB.addend, 'state'));
}
