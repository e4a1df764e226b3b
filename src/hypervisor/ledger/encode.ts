// The whole state of a ledger as one short string: equal strings behave alike. Frames are renamed in the order in
// which a fixed walk meets them, so that states that differ only in which frame is which are one state to a model
// checker. Content is not in it, except whether a frame is all zero.

import { frameNumber } from '../../lib/index.ts';
import { FRAME_VIEWED } from './frames.ts';
import type { Ledger } from './ledger.ts';
import { FIRST_HANDLE } from './states.ts';
import { View } from './view.ts';

export function encode(ledger: Ledger): string {
  const { frames, memory } = ledger;
  const names = new Map<number, number>();
  const name = (frame: number): number => {
    let n = names.get(frame);
    if (n === undefined) {
      n = names.size;
      names.set(frame, n);
    }
    return n;
  };
  const out: string[] = [];
  for (const holder of ledger.holders.values()) {
    const pages: string[] = [];
    holder.eachFrame((page, frame) =>
      pages.push(`${page}:${name(frame)}${holder.privateTo(page) === 0 ? '' : 'p'}`),
    );
    out.push(`H${holder.id}=${pages.join(',')}`);
  }
  for (const guest of ledger.guests.values()) {
    const entries: string[] = [];
    guest.table.each((gfn, entry) => {
      // Bits 19:0 are the frame, which has a name here.
      entries.push(
        `${gfn}:${(entry >>> 20).toString(16)}${(entry >>> 20) & 1 ? `@${name(entry & 0xf_ffff)}` : ''}`,
      );
    });
    out.push(`G${guest.handle - FIRST_HANDLE}${guest.isDying ? 'd' : ''}=${entries.join(',')}`);
  }
  for (const view of ledger.caches.views) {
    if (!(view instanceof View)) continue;
    const cached: string[] = [];
    view.eachCached((page, offset, writable) =>
      cached.push(`${page}:${name(memory.frameAt(offset))}${writable ? 'w' : ''}`),
    );
    out.push(`V=${cached.sort().join(',')}`);
  }
  for (const part of ledger.encoders) out.push(part(name));
  // Frames that nothing above leads to but that are in use (orphans, the hypervisor's) come last.
  for (let frame = 0; frame < frames.touched; frame++) {
    if (frames.refs[frame] + frames.pins[frame] + frames.lent[frame] + frames.owner[frame] > 0) name(frame);
  }
  for (const frame of names.keys()) {
    const zero = memory.data(frameNumber(frame)).every((byte) => byte === 0) ? 'z' : '';
    out.push(
      `${frames.owner[frame]}.${frames.state[frame]}.${frames.flags[frame] & ~FRAME_VIEWED}.${frames.lent[frame]}.${frames.refs[frame]}.${frames.pins[frame]}.${frames.gfn[frame]}${zero}`,
    );
  }
  return out.join(';');
}
