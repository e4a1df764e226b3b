// The inlined soft-TLB lookup (cpu/layout.ts, TLB), as interpreter and JIT both emit it.

import type { ReachOptions } from '../a64/index.ts';
import { STATE, TLB, TLB_INFO_CHECKED, TLB_INFO_MATCH_SHIFT, TLB_INFO_TAGS } from '../cpu/index.ts';
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
  readonly unchecked?: boolean | Value;
  /** The address must be a multiple of this (true: of the access's size). */
  readonly aligned?: boolean | number;
}

/** What one lookup needs to know: the entry, which of its tags, and the access. */
export interface Lookup extends LookupOptions {
  readonly entry: Value;
  readonly tag: number;
  readonly address: Value;
  readonly bytes: number;
}

const infoOf = (c: Code, entry: Value): Value => c.load('i32.load', entry, TLB.info, 'state').zext();

/** i64 that is zero where the entry serves the access, its tags apart. */
export function tlbMiss(c: Code, { entry, tag, address, bytes, aligned }: Lookup): Value {
  const expected = c.load('i64.load', entry, tag, 'state');
  const miss = address
    .add(bytes - 1)
    .xor(expected)
    .and(-4096)
    .shl(infoOf(c, entry));
  if (!aligned) return miss;
  return miss.or(address.and((aligned === true ? bytes : aligned) - 1));
}

/** i64 that is zero where the access is not checked against allocation tags. */
export function tagChecked(c: Code, { entry, unchecked }: Lookup): Value {
  if (unchecked === true) return c.i64(0);
  const checked = infoOf(c, entry).and(TLB_INFO_CHECKED);
  return unchecked ? checked.and(unchecked.zext().sub(1)) : checked;
}

/**
 * i32 that is zero where a checked access matches the allocation tags of the memory at `host`, or is exempt (TCMA,
 * TCO). The entry must serve it: else there may be no such memory.
 */
export function tagMismatch(c: Code, cpu: Value, lookup: Lookup, host: Value, tagBias: Value): Value {
  const { entry, address, bytes } = lookup;
  const logical = address.shrU(56).wrap().and(15);
  let differ = loadTag(c, host, tagBias).xor(logical);
  for (let at = 16; at < bytes; at += 16) differ = differ.or(loadTag(c, host.add(at), tagBias).xor(logical));
  if (bytes > 1) differ = differ.or(loadTag(c, host.add(bytes - 1), tagBias).xor(logical));
  const mismatch = c.variable('i32', 0);
  c.if(differ, () => {
    const matching = infoOf(c, entry).wrap().shrU(TLB_INFO_MATCH_SHIFT).and(31);
    const counts = c.load('i32.load', cpu, STATE.tco, 'state').eqz();
    mismatch.set(logical.ne(matching).and(counts));
  });
  return mismatch.get();
}

/** Where the tag of the granule at a host offset is. */
export const tagOffset = (host: Value, tagBias: Value): Value => host.shrU(4).add(tagBias);

function loadTag(c: Code, host: Value, tagBias: Value): Value {
  const { constant } = tagBias;
  // An offset in the instruction cannot be negative, as the bias of a large memory is.
  if (constant !== undefined && constant < 1n << 31n) {
    return c.load('i32.load8_u', host.shrU(4), Number(constant), 'guest');
  }
  return c.load('i32.load8_u', tagOffset(host, tagBias), 0, 'guest');
}

/** Host offset of an address that the entry serves. */
export function hostAddress(c: Code, entry: Value, address: Value): Value {
  return address.wrap().add(c.load('i32.load', entry, TLB.addend, 'state'));
}

/** i32: host offset that reach() promises (a64/insn.ts), or 0. */
export function reachOffset(
  c: Code,
  cpu: Value,
  entry: Value,
  address: Value,
  bytes: number,
  options: ReachOptions,
  tagBias: Value,
): Value {
  const { write, align, tags } = options;
  const tag = write ? TLB.writeTag : TLB.readTag;
  const lookup: Lookup = { entry, tag, address, bytes, aligned: align, unchecked: tags };
  const found = c.variable('i32', 0);
  let miss = tlbMiss(c, lookup);
  if (tags) miss = miss.or(infoOf(c, entry).and(TLB_INFO_TAGS).xor(TLB_INFO_TAGS));
  c.if(miss.eqz(), () => {
    const host = hostAddress(c, entry, address);
    found.set(host);
    c.if(tagChecked(c, lookup).ne(0), () => {
      c.if(tagMismatch(c, cpu, lookup, host, tagBias), () => found.set(0));
    });
  });
  return found.get();
}
