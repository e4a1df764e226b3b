// The hypervisor's end of a migration: a page leaves as one unit (data, tags, whose it is), and arrives by the same
// transitions that a first touch uses. What of it the VMM may see in plain, and sealing the rest, is the stream's
// business; nothing here goes through a port of the VMM's.

import { ACCESS_WRITE } from '../../hardware/index.ts';
import { Errno, type ErrnoName, type FrameNumber, frameNumber, PAGE_SIZE } from '../../lib/index.ts';
import {
  type Actor,
  decide,
  ENTRY_PRESENT,
  entryFrame,
  entryState,
  FRAME_DONATED,
  FRAME_MERGED,
  FRAME_TAGGED,
  forceReclaim,
  frameOf,
  guestShareHost,
  guestUnshareHost,
  HOST,
  hostDonateGuest,
  NONE,
  OWNED,
  POISON,
  POISON_ENTRY,
  SHARED_BORROWED,
  SHARED_OWNED,
  type Transition,
  unmapPrivate,
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

/** What an arriving page brings, piece by piece; the model checker leaves each out in turn (`import_page~data`). */
export const ARRIVALS = [
  { id: 'data', says: 'an arriving page brings its data' },
  { id: 'tags', says: 'an arriving page brings its tags' },
  { id: 'lent', says: 'an arriving page that its guest shares is shared' },
  { id: 'private', says: 'an arriving page that its guest has alone is no longer shared' },
  { id: 'poisoned', says: 'an arriving page that the host took by force is dead' },
  { id: 'logged', says: 'an arriving page is in the dirty set' },
] as const;

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
 * Puts a page in its place on the other side; one that came before it is replaced. Throws, with nothing changed: EINVAL
 * for a page that this VM could not have, EFAULT without memory there, EEXIST where the guest has a page of its own and
 * the host's arrives, EBUSY where a DMA map pins the page, ENOMEM, and EOPNOTSUPP where a file's page would have to be
 * converted and cannot.
 */
export function importPage(memory: VmMemory, page: MigratedPage): void {
  if (page.custody === 'poisoned') poison(memory, page.gfn);
  else arrive(memory, page);
}

const refuse = (code: ErrnoName, sentence: string): never => {
  throw new Errno(code, sentence);
};

/** Whether the model checker leaves a piece out. */
const without = ({ ledger }: VmMemory, piece: (typeof ARRIVALS)[number]['id']): boolean =>
  ledger.mutants.size > 0 && ledger.mutants.has(`import_page~${piece}`);

function poison(memory: VmMemory, gfn: number): void {
  const { guest, ledger } = memory;
  const { frames } = ledger;
  if (!guest.isProtected) refuse('EINVAL', 'a poisoned page of no protected VM');
  const entry = guest.table.get(gfn);
  const state = entryState(entry);
  const frame = entryFrame(entry);
  const site = { frames, frame, guest, gfn };
  if (state === SHARED_OWNED) needed(memory, guestUnshareHost, frame, gfn);
  if (without(memory, 'poisoned')) return;
  if (state === SHARED_OWNED) ledger.run(guestUnshareHost, site);
  if ((entry & ENTRY_PRESENT) !== 0 && (frames.flags[frame] & FRAME_DONATED) !== 0) {
    ledger.run(forceReclaim, site);
    ledger.releaseIfUnused(frame);
    return;
  }
  // A file's page stays in the file.
  if ((entry & ENTRY_PRESENT) !== 0) ledger.run(unmapPrivate, site);
  guest.table.set(gfn, POISON_ENTRY);
}

function needed({ ledger, guest }: VmMemory, transition: Transition, frame: FrameNumber, gfn: number): void {
  const refused = ledger.refusal(transition, { frames: ledger.frames, frame, guest, gfn });
  if (refused) refuse(refused.errno, `the page that arrives: needs that ${refused.says}`);
}

function arrive(memory: VmMemory, { gfn, custody, data, tags }: MigratedPage): void {
  const { guest, ledger } = memory;
  const { frames } = ledger;
  if (data.length !== PAGE_SIZE || (tags !== undefined && tags.length !== TAGS_PER_PAGE)) {
    refuse('EINVAL', 'a page has 4096 bytes, and 256 tags or none');
  }
  if (tags !== undefined && !memory.hasMte) refuse('EINVAL', 'tags for a VM without MTE');
  checkPlace(memory, gfn, custody);
  if (custody !== 'lent') matchFile(memory, gfn, custody === 'plain');
  const frame = place(memory, gfn, custody === 'plain');
  if (!without(memory, 'data')) ledger.memory.data(frame).set(data);
  if (!without(memory, 'tags')) setTags(memory, frame, tags);
  if (!without(memory, 'logged')) memory.deviceWrote(gfn);
  const state = entryState(guest.table.get(gfn));
  const site = { frames, frame, guest, gfn };
  if (custody === 'lent' && state === OWNED && !without(memory, 'lent')) ledger.run(guestShareHost, site);
  if (custody === 'private' && state === SHARED_OWNED && !without(memory, 'private'))
    ledger.run(guestUnshareHost, site);
}

/** A page that comes without tags has none but zeroes, whatever the one before it had. */
function setTags({ ledger }: VmMemory, frame: FrameNumber, tags: Uint8Array | undefined): void {
  if (tags !== undefined) ensureTagged(ledger, frame);
  const there = ledger.memory.writableTags(frame);
  for (let n = 0; n < there.length; n++) there[n] = (tags?.[n] ?? 0) & 15;
}

/** Everything that could fail, before anything has changed. */
function checkPlace(memory: VmMemory, gfn: number, custody: Custody): void {
  const { guest, ledger, mapper } = memory;
  const { frames } = ledger;
  const slot = mapper.slots.find(gfn);
  if (slot === undefined || slot.isReadOnly)
    throw new Errno('EFAULT', `GFN ${gfn.toString(16)} has no memory on this side`);
  if (custody === 'lent' && !guest.isProtected) refuse('EINVAL', 'a lent page of no protected VM');
  if (custody === 'private' && !guest.isProtected && slot.memfd === undefined)
    refuse('EINVAL', 'a private page where the VM can have none');
  const entry = guest.table.get(gfn);
  const state = entryState(entry);
  if (state === POISON) refuse('EFAULT', 'the page was taken back by force on this side');
  if ((entry & ENTRY_PRESENT) !== 0) {
    const given = (frames.flags[entryFrame(entry)] & FRAME_DONATED) !== 0;
    if (custody === 'plain' && given) refuse('EEXIST', 'the guest has a page of its own there');
    if (custody === 'private' && state === SHARED_OWNED)
      needed(memory, guestUnshareHost, entryFrame(entry), gfn);
    if (state !== SHARED_BORROWED) return;
  }
  checkHost(memory, gfn, custody);
}

/** The host's side of a page that the guest does not have yet, or has as a loan. */
function checkHost(memory: VmMemory, gfn: number, custody: Custody): void {
  const { guest, ledger, mapper, host } = memory;
  const { frames } = ledger;
  const route = mapper.route(gfn, true);
  const slot = mapper.slots.find(gfn)!;
  const page = slot.memfd ? slot.filePage + gfn - slot.gfn : NONE;
  const converts = slot.memfd !== undefined && slot.memfd.isShared(page) !== (custody === 'plain');
  const mismatched = route.hole === 'attribute-mismatch';
  if (!converts || !mismatched) {
    const verdict = decide(frames, migration(memory), 'write', route);
    if (!verdict.allowed) refuse('EFAULT', verdict.reason);
  }
  const frame = mismatched ? slot.memfd!.frameAt(page) : frameOf(route);
  const shared = frame !== NONE && (frames.flags[frame] & FRAME_MERGED) !== 0 && frames.refs[frame] > 1;
  if ((frame === NONE || shared) && host.freeFrames === 0) refuse('ENOMEM', 'no frame is left for the page');
  const given = guest.isProtected && custody !== 'plain' && !converts;
  if (given && frame !== NONE && !shared && frames.owner[frame] === HOST)
    needed(memory, hostDonateGuest, frameNumber(frame), gfn);
}

/** The frame at a GFN: the host's where the page is plain, else as after the guest's first store. Throws EFAULT. */
function place(memory: VmMemory, gfn: number, plain: boolean): FrameNumber {
  const { guest, mapper } = memory;
  const actor = migration(memory);
  const absent = (guest.table.get(gfn) & ENTRY_PRESENT) === 0;
  const missing = !plain && absent && mapper.fault(gfn, ACCESS_WRITE, actor) !== undefined;
  const frame = missing ? undefined : mapper.frameFor(gfn, true, actor);
  return frame ?? refuse('EFAULT', `GFN ${gfn.toString(16)} has no memory on this side`);
}

/** A page of a guest_memfd becomes shared or private as the one that arrives. */
function matchFile(memory: VmMemory, gfn: number, shared: boolean): void {
  const slot = memory.mapper.slots.find(gfn);
  if (slot?.memfd === undefined) return;
  const page = slot.filePage + gfn - slot.gfn;
  if (slot.memfd.isShared(page) === shared) return;
  if (memory.mapper.isPrivateGfn?.(gfn) === shared) refuse('EFAULT', "the page's attribute says otherwise");
  slot.memfd.convert(page * PAGE_SIZE, PAGE_SIZE, shared ? 'shared' : 'private');
}

const migration = (memory: VmMemory): Actor => ({ kind: 'migration', vm: memory.guest.handle });
