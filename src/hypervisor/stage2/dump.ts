// What a dump of a guest's memory holds: the RAM of its slots in stretches of one kind. It asks decide() as a debugger
// does, page by page, and makes nothing present.

import { PAGE_SIZE } from '../../lib/index.ts';
import { type Actor, decide, FRAME_TAGGED, frameOf, NONE } from '../ledger/index.ts';
import type { VmMemory } from './vm-memory.ts';

export interface MemoryStretch {
  /** Guest-physical. */
  readonly address: number;
  readonly bytes: number;
  /** Content to read; never touched, so zero; or not for a debugger's eyes. */
  readonly kind: 'content' | 'untouched' | 'withheld';
  /** Its frames have allocation tags. */
  readonly tagged: boolean;
  /** The rule that withholds it, or ''. */
  readonly rule: string;
}

/** The stretches of all slots, ascending. */
export function* memoryStretches(vm: VmMemory): Generator<MemoryStretch> {
  for (const { gfn: start, end } of vm.mapper.slots.all()) {
    let first = start;
    let current = pageOf(vm, start);
    for (let gfn = start + 1; gfn <= end; gfn++) {
      const next = gfn < end ? pageOf(vm, gfn) : undefined;
      if (next && next.kind === current.kind && next.tagged === current.tagged && next.rule === current.rule)
        continue;
      yield { address: first * PAGE_SIZE, bytes: (gfn - first) * PAGE_SIZE, ...current };
      if (next) [first, current] = [gfn, next];
    }
  }
}

type PageKind = Pick<MemoryStretch, 'kind' | 'tagged' | 'rule'>;

function pageOf({ ledger, guest, mapper, extensions }: VmMemory, gfn: number): PageKind {
  const { frames } = ledger;
  const actor: Actor = { kind: 'debugger', vm: guest.handle };
  const route = mapper.route(gfn, false);
  const { allowed, rule } = decide(frames, actor, 'read', route, extensions.debugPrivate);
  if (!allowed) return { kind: 'withheld', tagged: false, rule };
  const frame = frameOf(route);
  if (frame !== NONE)
    return { kind: 'content', tagged: (frames.flags[frame] & FRAME_TAGGED) !== 0, rule: '' };
  const swapped = route.holder?.isSwapped?.(route.holderPage) ?? false;
  return { kind: swapped ? 'content' : 'untouched', tagged: swapped, rule: '' };
}
