// Functions that base instructions share.

import type { BuiltHelper, Helpers } from './helpers.ts';

/** (N:immr:imms as 13 bits) -> the 64-bit logical immediate; arguments are valid (the decoder saw to it). */
const bitmask: BuiltHelper = {
  params: ['i32'],
  results: ['i64'],
  build: (c) => {
    const packed = c.param(0);
    const imms = packed.and(63);
    const immr = packed.shrU(6).and(63);
    // The element's size is 2^length: the position of the highest zero among N and the inverted imms.
    const length = c.i32(31).sub(packed.shrU(12).shl(6).or(imms.xor(63)).clz());
    const size = c.i32(1).shl(length);
    const levels = size.sub(1);
    const ones = imms.and(levels).add(1);
    const rotate = immr.and(levels).zext();
    const element = c.i64(-1).shrU(c.i32(64).sub(ones).zext());
    const limit = c.i64(-1).shrU(c.i32(64).sub(size).zext());
    const up = size.zext().sub(rotate);
    const rotated = element.shrU(rotate).or(element.shl(up)).and(limit);
    const mask = c.variable('i64', c.select(rotate.eqz(), element, rotated));
    const width = c.variable('i32', size);
    c.scope((done) => {
      c.loop((again) => {
        c.branch(done, width.get().geU(64));
        mask.set(mask.get().or(mask.get().shl(width.get().zext())));
        width.set(width.get().shl(1));
        c.branch(again);
      });
    });
    c.return(mask.get());
  },
};

/**
 * (instruction, BTYPE 1..3) -> whether a branch of that type may land on it in a guarded page (Arm ARM D8.4,
 * FEAT_BTI): BTI with a matching target, PACIASP and PACIBSP for calls, BRK and HLT always.
 */
const landsWell: BuiltHelper = {
  params: ['i32', 'i32'],
  results: ['i32'],
  build: (c) => {
    const insn = c.param(0);
    const btype = c.param(1);
    // BTI is HINT #32 + 2 * targets; bit 0 of targets accepts calls (c), bit 1 jumps (j).
    const isBti = insn.and(0xffffff3f).eq(0xd503241f);
    const targets = insn.shrU(6).and(3);
    const wanted = c.select(btype.eq(2), c.i32(1), c.select(btype.eq(3), c.i32(2), c.i32(3)));
    const isPac = insn.eq(0xd503233f).or(insn.eq(0xd503237f));
    const isTrap = insn.and(0xffe0001f).eq(0xd4200000).or(insn.and(0xffe0001f).eq(0xd4400000));
    c.return(
      isBti
        .and(targets.and(wanted).ne(0))
        .or(isPac.and(btype.ne(3)))
        .or(isTrap),
    );
  },
};

export const baseBuiltHelpers: Helpers<BuiltHelper> = { bitmask, landsWell };
