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

export const baseBuiltHelpers: Helpers<BuiltHelper> = { bitmask };
