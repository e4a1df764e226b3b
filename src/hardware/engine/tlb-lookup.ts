// The inlined soft-TLB lookup (cpu/layout.ts, TLB), as interpreter and JIT both emit it.

import type { BuiltHelper, Helpers, ReachOptions } from '../a64/index.ts';
import {
  STATE,
  TLB,
  TLB_INDEX_FOLD,
  TLB_INFO_CHECKED,
  TLB_INFO_MATCH_SHIFT,
  TLB_INFO_TAGS,
} from '../cpu/index.ts';
import type { Code, Label, Value } from '../wasm/index.ts';

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
  const low = address.wrap();
  const index = low
    .shrU(12)
    .add(low.shrU(TLB_INDEX_FOLD))
    .and(TLB.entries - 1);
  return tlb.add(index.shl(Math.log2(TLB.entryBytes)));
}

export interface LookupOptions {
  readonly unchecked?: boolean | Value;
  /** The address must be a multiple of this, or else of the access's size. */
  readonly aligned?: boolean | 'ordered' | number;
}

/** What one lookup needs to know: the entry and its info (i64), which of its tags, and the access. */
export interface Lookup extends LookupOptions {
  readonly entry: Value;
  readonly info: Value;
  readonly tag: number;
  readonly address: Value;
  readonly bytes: number;
}

/** The entry's info, loaded once for all that look at it. */
export const infoOf = (c: Code, entry: Value): Value => c.load('i32.load', entry, TLB.info, 'state').zext();

/** i64 that is zero where the entry serves the access, its tags apart. */
export function tlbMiss(c: Code, { entry, info, tag, address, bytes, aligned }: Lookup): Value {
  const expected = c.load('i64.load', entry, tag, 'state');
  const miss = address
    .add(bytes - 1)
    .xor(expected)
    .and(-4096)
    .shl(info);
  if (!aligned) return miss;
  return miss.or(address.and((typeof aligned === 'number' ? aligned : bytes) - 1));
}

/**
 * i64 that is zero where the entry serves the access, top byte and all, and no tags need a look. Shifted left by the
 * entry's info it is zero for all accesses that the entry serves without a look at tags (TLB_TAG_CHECKED).
 */
export function tlbDifference(c: Code, { entry, tag, address, bytes, unchecked }: Lookup): Value {
  const expected = c.load('i64.load', entry, tag, 'state');
  const last = address.add(bytes - 1);
  return unchecked === true ? last.xor(expected).and(-4096) : last.and(-4096).xor(expected);
}

/** i64 that is zero where the access is not checked against allocation tags. */
export function tagChecked(c: Code, { info, unchecked }: Lookup): Value {
  if (unchecked === true) return c.i64(0);
  const checked = info.and(TLB_INFO_CHECKED);
  return unchecked ? checked.and(unchecked.zext().sub(1)) : checked;
}

/**
 * Branches to `allowed` where the tags of a checked access match those of the memory at `host`, or it is exempt (TCMA,
 * TCO); goes on where they do not. The entry must serve the access: else there may be no such memory.
 */
export function branchWhereTagsAllow(
  c: Code,
  cpu: Value,
  lookup: Lookup,
  host: Value,
  tagBias: Value,
  allowed: Label,
): void {
  const { info, address, bytes } = lookup;
  const logical = address.shrU(56).wrap().and(15);
  c.branch(allowed, tagsDiffering(c, host, bytes, logical, tagBias).eqz());
  c.branch(allowed, logical.eq(info.wrap().shrU(TLB_INFO_MATCH_SHIFT).and(31)));
  c.branch(allowed, c.load('i32.load', cpu, STATE.tco, 'state'));
}

/** Runs `direct` where the soft TLB serves the access and its tags allow it, else `slow`. */
export function branchByHit(
  c: Code,
  cpu: Value,
  lookup: Lookup,
  host: Value,
  tagBias: Value,
  direct: () => void,
  slow: () => void,
): void {
  const miss = tlbMiss(c, lookup);
  const checked = tagChecked(c, lookup);
  c.scope((done) => {
    c.scope((refused) => {
      c.scope((allowed) => {
        c.branch(allowed, miss.or(checked).eqz());
        c.branch(refused, miss.ne(0));
        branchWhereTagsAllow(c, cpu, lookup, host, tagBias, allowed);
        c.branch(refused);
      });
      direct();
      c.branch(done);
    });
    slow();
  });
}

/** Where the tag of the granule at a host offset is. */
export const tagOffset = (host: Value, tagBias: Value): Value => host.shrU(4).add(tagBias);

/** i32 that is zero where `bytes` (1 to 64) at a host offset all have this tag. */
function tagsDiffering(c: Code, host: Value, bytes: number, logical: Value, tagBias: Value): Value {
  if (bytes <= 16) {
    const first = loadTags(c, 'i32.load8_u', host, tagBias).xor(logical);
    return bytes === 1
      ? first
      : first.or(loadTags(c, 'i32.load8_u', host.add(bytes - 1), tagBias).xor(logical));
  }
  if (bytes > 32) {
    const first = loadTags(c, 'i64.load', host, tagBias);
    const unlike = first.xor(logical.zext().mul(0x0101_0101_0101_0101n));
    const granules = host
      .and(15)
      .add(bytes + 15)
      .shrU(4);
    return unlike.shl(c.i32(8).sub(granules).shl(3).zext()).ne(0);
  }
  const differ = loadTags(c, 'i32.load', host, tagBias).xor(logical.mul(0x01010101));
  // Two granules, or three where the first byte is not the first of its granule.
  const third = host.and(15).add(31).and(32);
  return differ.and(third.mul(0xff0000 / 32).or(0xffff));
}

function loadTags(c: Code, name: string, host: Value, tagBias: Value): Value {
  const { constant } = tagBias;
  // An offset in the instruction cannot be negative, as the bias of a large memory is.
  if (constant !== undefined && constant < 1n << 31n) {
    return c.load(name, host.shrU(4), Number(constant), 'guest');
  }
  return c.load(name, tagOffset(host, tagBias), 0, 'guest');
}

/**
 * (tlb, address, bytes - 1, which tag, which bits of the tag matter) -> host offset of an access that the soft TLB serves
 * without a look at tags, or 0.
 */
const lookUp: BuiltHelper = {
  params: ['i32', 'i64', 'i32', 'i32', 'i64'],
  results: ['i32'],
  build: (c) => {
    const [tlb, address] = [c.param(0), c.param(1)];
    const entry = tlbEntry(tlb, address);
    const last = address.add(c.param(2).zext());
    const difference = c
      .load('i64.load', entry.add(c.param(3)), 0, 'state')
      .xor(last.and(-4096))
      .and(c.param(4))
      .shl(infoOf(c, entry));
    c.return(c.select(difference.eqz(), hostAddress(c, entry, address), c.i32(0)));
  },
};

export const lookupHelpers: Helpers<BuiltHelper> = { lookUp };

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
  const info = infoOf(c, entry);
  const lookup: Lookup = { entry, info, tag, address, bytes, aligned: align };
  const found = c.variable('i32', 0);
  let miss = tlbMiss(c, lookup);
  if (tags) miss = miss.or(info.and(TLB_INFO_TAGS).xor(TLB_INFO_TAGS));
  c.scope((refused) => {
    c.branch(refused, miss.ne(0));
    const host = hostAddress(c, entry, address);
    if (!tags) {
      c.scope((allowed) => {
        c.branch(allowed, tagChecked(c, lookup).eqz());
        branchWhereTagsAllow(c, cpu, lookup, host, tagBias, allowed);
        c.branch(refused);
      });
    }
    found.set(host);
  });
  return found.get();
}
