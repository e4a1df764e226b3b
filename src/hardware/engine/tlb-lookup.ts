// The inlined soft-TLB lookup (cpu/layout.ts, TLB), as interpreter and JIT both emit it.

import type { BuiltHelper, Helpers, ReachOptions } from '../a64/index.ts';
import {
  STATE,
  TLB,
  TLB_INDEX_FOLD,
  TLB_INFO_CHECKED,
  TLB_INFO_EXEMPT_SHIFT,
  TLB_INFO_TAGS,
  TLB_TAG_CHECKED,
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

/** Where allocation tags are (PhysicalMemory.allocationTags): its bias, and that of the frames' marks. */
export interface TagPlaces {
  readonly tags: Value;
  readonly marks: Value;
}

/** i64 that is zero where the address is a multiple of what the access must be aligned to. */
export function misaligned(c: Code, { aligned, address, bytes }: Lookup): Value {
  return aligned ? address.and((typeof aligned === 'number' ? aligned : bytes) - 1) : c.i64(0);
}

/**
 * i64 that is zero where the entry serves the access, top byte and all, and no tags need a look. Shifted left by the
 * entry's info, it is TLB_TAG_CHECKED shifted, or less, for all accesses that the entry serves, their tags apart.
 */
export function tlbDifference(c: Code, { entry, tag, address, bytes, unchecked }: Lookup): Value {
  const expected = c.load('i64.load', entry, tag, 'state');
  const last = address.add(bytes - 1);
  return unchecked === true ? last.xor(expected).and(-4096) : last.and(-4096).xor(expected);
}

/** i32: the entry does not serve the access, whatever its tags are. */
const tlbMiss = (difference: Value, info: Value): Value => difference.shl(info).gtU(TLB_TAG_CHECKED << 8);

/** i64 that is zero where the access is not checked against allocation tags. */
function tagChecked(c: Code, { info, unchecked }: Lookup): Value {
  if (unchecked === true) return c.i64(0);
  const checked = info.and(TLB_INFO_CHECKED);
  return unchecked ? checked.and(unchecked.zext().sub(1)) : checked;
}

/**
 * Branches to `allowed` where the logical tag of an access is that of the memory at `host`, or is exempt; goes on where
 * not. The entry must serve the access: else there may be no such memory.
 */
function branchWhereTagsAllow(c: Code, lookup: Lookup, host: Value, tagBias: Value, allowed: Label): void {
  const { info, address } = lookup;
  const logical = address.shrU(56).wrap().and(15);
  c.branch(allowed, tagsDiffering(c, lookup, host, logical, tagBias).eqz());
  c.branch(allowed, info.wrap().shrU(logical.or(TLB_INFO_EXEMPT_SHIFT)).and(1));
}

/**
 * Runs `refuse` for an access that one compare did not find, unless the soft TLB serves it and its tags allow it. `refuse`
 * must look again: it is also run where tags differ and PSTATE.TCO says that it does not matter.
 */
export function lookTwice(
  c: Code,
  lookup: Lookup,
  difference: Value,
  host: Value,
  tagBias: Value,
  refuse: () => void,
): void {
  c.scope((allowed) => {
    c.scope((refused) => {
      c.branch(refused, tlbMiss(difference, lookup.info));
      branchWhereTagsAllow(c, lookup, host, tagBias, allowed);
    });
    refuse();
  });
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
  const difference = tlbDifference(c, lookup);
  const unaligned = misaligned(c, lookup);
  c.scope((done) => {
    c.scope((refused) => {
      c.scope((allowed) => {
        c.branch(allowed, difference.or(unaligned).eqz());
        c.branch(refused, tlbMiss(difference, lookup.info).or(unaligned.ne(0)));
        c.branch(allowed, tagChecked(c, lookup).eqz());
        branchWhereTagsAllow(c, lookup, host, tagBias, allowed);
        c.branch(allowed, c.load('i32.load', cpu, STATE.tco, 'state'));
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

/** i32 that is zero where an access of 1 to 64 bytes at a host offset finds this tag alone. */
function tagsDiffering(c: Code, lookup: Lookup, host: Value, logical: Value, tagBias: Value): Value {
  const { bytes, aligned } = lookup;
  if (bytes <= 16) {
    const first = loadTags(c, 'i32.load8_u', host, tagBias).xor(logical);
    return bytes === 1 || (aligned && typeof aligned !== 'number')
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
 * (tlb, address, bytes - 1, which tag, whether the access is exempt from tag checks) -> host offset of an access that the
 * soft TLB serves, or 0. Pages on which accesses are checked serve exempt ones alone.
 */
const lookUp: BuiltHelper = {
  params: ['i32', 'i64', 'i32', 'i32', 'i32'],
  results: ['i32'],
  build: (c) => {
    const [tlb, address] = [c.param(0), c.param(1)];
    const entry = tlbEntry(tlb, address);
    const last = address.add(c.param(2).zext());
    const difference = c.load('i64.load', entry.add(c.param(3)), 0, 'state').xor(last.and(-4096));
    const plainShift = c.load('i64.load8_u', entry, TLB.plainShift, 'state');
    const miss = c.select(
      c.param(4),
      difference.and(-4096).shl(infoOf(c, entry)),
      difference.shl(plainShift),
    );
    c.return(c.select(miss.eqz(), hostAddress(c, entry, address), c.i32(0)));
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
  places: TagPlaces,
): Value {
  const { write, align, tags } = options;
  const tag = write ? TLB.writeTag : TLB.readTag;
  const info = infoOf(c, entry);
  // Marks of the page's data do not matter: tags are looked at here, or about to be stored.
  const lookup: Lookup = { entry, info, tag, address, bytes, aligned: align, unchecked: true };
  const found = c.variable('i32', 0);
  let miss = tlbDifference(c, lookup).shl(info).or(misaligned(c, lookup));
  if (tags) miss = miss.or(info.and(TLB_INFO_TAGS).xor(TLB_INFO_TAGS));
  c.scope((refused) => {
    c.branch(refused, miss.ne(0));
    const host = hostAddress(c, entry, address);
    if (!tags) {
      c.scope((allowed) => {
        c.branch(allowed, info.and(TLB_INFO_CHECKED).eqz());
        branchWhereTagsAllow(c, lookup, host, places.tags, allowed);
        c.branch(allowed, c.load('i32.load', cpu, STATE.tco, 'state'));
        c.branch(refused);
      });
    } else if (write) {
      // Some soft TLB knows the frame by one tag, which it must forget first.
      c.branch(refused, c.load('i32.load8_u', host.shrU(12).add(places.marks), 0, 'guest'));
    }
    found.set(host);
  });
  return found.get();
}
