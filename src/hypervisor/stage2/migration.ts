// The hypervisor's end of a migration: a page leaves as one unit (data, tags, whose it is), and arrives by the same
// transitions that a first touch uses. What of it the VMM may see in plain, and sealing the rest, is the stream's
// business; nothing here goes through a port of the VMM's.

import { ACCESS_WRITE } from '../../hardware/index.ts';
import { Errno, type FrameNumber, PAGE_SIZE } from '../../lib/index.ts';
import {
  type Actor,
  ENTRY_PRESENT,
  entryState,
  FRAME_TAGGED,
  guestShareHost,
  NONE,
  OWNED,
  POISON,
  POISON_ENTRY,
  SHARED_BORROWED,
} from '../ledger/index.ts';
import { ensureTagged, TAGS_PER_PAGE } from '../mte/index.ts';
import type { VmMemory } from './vm-memory.ts';

/** 'private': the guest's alone. 'lent': the guest's, shared with the host. 'plain': the host's. 'poisoned': gone. */
export type Custody = 'private' | 'lent' | 'plain' | 'poisoned';

export interface MigratedPage {
  readonly gfn: number;
  readonly custody: Custody;
  /** 4096 bytes; empty for a poisoned page. */
  readonly data: Uint8Array;
  /** 256 tags, where the page has them. */
  readonly tags: Uint8Array | undefined;
}

/** A copy of a page that the guest has or the process has touched; undefined for one that is still untouched. */
export function exportPage(memory: VmMemory, gfn: number): MigratedPage | undefined {
  const { guest, ledger } = memory;
  const { frames } = ledger;
  const state = guest.stateAt(gfn);
  if (state === POISON) return { gfn, custody: 'poisoned', data: new Uint8Array(0), tags: undefined };
  const frame = memory.mapper.frameIfPresent(gfn, migration(memory));
  if (frame === undefined) return undefined;
  const isLent = frames.state[frame] === SHARED_BORROWED;
  const custody = frames.owner[frame] !== guest.handle ? 'plain' : isLent ? 'lent' : 'private';
  const tagged = (frames.flags[frame] & FRAME_TAGGED) !== 0;
  return {
    gfn,
    custody,
    data: ledger.memory.data(frame).slice(),
    tags: tagged ? ledger.memory.tags(frame).slice() : undefined,
  };
}

/**
 * Puts a page in its place on the other side. Throws EINVAL for a page that no VM could have, EFAULT without a slot,
 * EOPNOTSUPP where a file's page would have to be converted and cannot.
 */
export function importPage(memory: VmMemory, page: MigratedPage): void {
  const { guest, ledger } = memory;
  const { frames } = ledger;
  const { gfn, custody, data, tags } = page;
  if (custody === 'poisoned') {
    if (!guest.isProtected || guest.table.get(gfn) !== 0)
      throw new Errno('EINVAL', 'a poisoned page of no protected VM');
    guest.table.set(gfn, POISON_ENTRY);
    return;
  }
  if (data.length !== PAGE_SIZE || (tags !== undefined && tags.length !== TAGS_PER_PAGE)) {
    throw new Errno('EINVAL', 'a page has 4096 bytes, and 256 tags or none');
  }
  if (tags !== undefined && !memory.hasMte) throw new Errno('EINVAL', 'tags for a VM without MTE');
  if (guest.stateAt(gfn) === POISON)
    throw new Errno('EFAULT', `GFN ${gfn.toString(16)} is dead on this side`);
  if (custody !== 'lent') matchFile(memory, gfn, custody === 'plain');
  const frame = place(memory, gfn, custody === 'plain');
  ledger.memory.data(frame).set(data);
  if (tags !== undefined) {
    ensureTagged(ledger, frame);
    for (let n = 0; n < tags.length; n++) ledger.memory.tags(frame)[n] = tags[n] & 15;
  }
  if (custody === 'lent' && entryState(guest.table.get(gfn)) === OWNED) {
    ledger.run(guestShareHost, { frames, frame, guest, gfn });
  }
}

/** The frame at a GFN: the host's where the page is plain, else as after the guest's first store. Throws EFAULT. */
function place(memory: VmMemory, gfn: number, plain: boolean): FrameNumber {
  const { guest, mapper } = memory;
  const actor = migration(memory);
  const absent = (guest.table.get(gfn) & ENTRY_PRESENT) === 0;
  const missing = !plain && absent && mapper.fault(gfn, ACCESS_WRITE, actor) !== undefined;
  const frame = missing ? undefined : mapper.frameFor(gfn, true, actor);
  if (frame === undefined) throw new Errno('EFAULT', `GFN ${gfn.toString(16)} has no memory on this side`);
  return frame;
}

/** A page of a guest_memfd becomes shared or private as the one that arrives; where that cannot end well, nothing. */
function matchFile(memory: VmMemory, gfn: number, shared: boolean): void {
  const slot = memory.mapper.slots.find(gfn);
  if (slot?.memfd === undefined) return;
  const page = slot.filePage + gfn - slot.gfn;
  if (slot.memfd.isShared(page) === shared) return;
  if (memory.mapper.isPrivateGfn?.(gfn) === shared)
    throw new Errno('EFAULT', "the page's attribute says otherwise");
  if (slot.memfd.frameAt(page) === NONE && memory.host.freeFrames === 0) {
    throw new Errno('ENOMEM', 'no frame is left for the page');
  }
  slot.memfd.convert(page * PAGE_SIZE, PAGE_SIZE, shared ? 'shared' : 'private');
}

const migration = (memory: VmMemory): Actor => ({ kind: 'migration', vm: memory.guest.handle });
