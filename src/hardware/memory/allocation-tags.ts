// Allocation tags (Arm ARM D10): one for each 16 bytes of the host's memory, a byte each, and the promise that lets a
// cache know a frame by one tag. Whoever is going to write a frame's tags says so first, by write() or changing(); the
// engine's own stores look at the frame's mark, and come here where it is set.

import { type HostOffset, PAGE_SIZE, TAG_GRANULE } from '../../lib/index.ts';

const TAGS = PAGE_SIZE / TAG_GRANULE;

/** The granules of a frame have different tags, or it is not worth knowing that they have not. */
export const MIXED = -1;

/** What knows frames by one tag. */
export interface UniformTagCache {
  /** The tags of a frame are going to change: no access may count on their being one any more. */
  tagsChanging(frame: HostOffset): void;
}

export interface TagPlaces {
  /** Offset of the first frame, of its tags, and of the marks of all frames. */
  readonly frames: HostOffset;
  readonly tags: number;
  readonly marks: number;
}

export class AllocationTags {
  /** The tag of a byte at host offset h is at bias + (h >>> 4). */
  readonly bias: number;
  /** A byte at markBias + (h >>> 12) is 1 + the tag by which some cache may know that frame, or 0. */
  readonly markBias: number;
  private readonly u8: Uint8Array;
  private readonly u32: Uint32Array;
  private readonly caches = new Set<UniformTagCache>();
  private readonly framesBase: HostOffset;
  /** By frame: 1 + the tag that caches last had to forget, until it is known again. */
  private readonly forgotten: Uint8Array;

  constructor(u8: Uint8Array, u32: Uint32Array, frames: number, places: TagPlaces) {
    this.u8 = u8;
    this.u32 = u32;
    this.framesBase = places.frames;
    this.bias = places.tags - places.frames / TAG_GRANULE;
    this.markBias = places.marks - places.frames / PAGE_SIZE;
    this.forgotten = new Uint8Array(frames);
  }

  /** A cache that lives as long as the memory. */
  addCache(cache: UniformTagCache): void {
    this.caches.add(cache);
  }

  /**
   * The tag that all granules of a frame have, for a cache that will hear when this ends; or MIXED. So it is where the
   * frame comes back with the tag that was forgotten last: its tags are stored again and again, as a function's that
   * tags its own stack, and each time would cost more than knowing them is worth.
   */
  share(frame: HostOffset): number {
    const mark = this.markBias + (frame >>> 12);
    // While it is set, no tag has changed.
    if (this.u8[mark] !== 0) return this.u8[mark] - 1;
    const tag = this.common(frame);
    if (tag === MIXED) return MIXED;
    const number = (frame - this.framesBase) >>> 12;
    const again = this.forgotten[number] === tag + 1;
    this.forgotten[number] = 0;
    if (again) return MIXED;
    this.u8[mark] = tag + 1;
    return tag;
  }

  private common(frame: HostOffset): number {
    const first = (this.bias + (frame >>> 4)) >>> 2;
    const word = this.u32[first];
    if (word !== (word & 15) * 0x0101_0101) return MIXED;
    for (let at = first + 1; at < first + TAGS / 4; at++) if (this.u32[at] !== word) return MIXED;
    return word & 15;
  }

  /** To be called before tags of a frame change. */
  changing(frame: HostOffset): void {
    const mark = this.markBias + (frame >>> 12);
    if (this.u8[mark] === 0) return;
    this.forgotten[(frame - this.framesBase) >>> 12] = this.u8[mark];
    this.u8[mark] = 0;
    for (const cache of this.caches) cache.tagsChanging(frame);
  }

  /** The 256 tags (0..15) of a frame, to be looked at. */
  read(frame: HostOffset): Readonly<Uint8Array> {
    return this.view(frame);
  }

  /** The same, to be written at once: whoever keeps the view must ask again. */
  write(frame: HostOffset): Uint8Array {
    this.changing(frame);
    return this.view(frame);
  }

  private view(frame: HostOffset): Uint8Array {
    const at = this.bias + (frame >>> 4);
    return this.u8.subarray(at, at + TAGS);
  }
}
