// What must hold in every state, one entry each: an id, a sentence, where it comes from, and a check over the whole
// ledger. Whoever holds frames or caches answers (memory of a VM, IOMMU domains, views) adds its own part as an
// Auditor; findings carry the same ids.

import type { PhysicalMemory } from '../../hardware/index.ts';
import { type FrameNumber, frameNumber, PAGE_SIZE, TAG_GRANULE } from '../../lib/index.ts';
import { FRAME_DONATED, FRAME_FFA, FRAME_MERGED, FRAME_TAGGED } from './frames.ts';
import { ENTRY_PRESENT, ENTRY_WRITE, entryFrame, entryState, type Guest } from './guest.ts';
import type { Ledger } from './ledger.ts';
import {
  FIRST_HANDLE,
  HOST,
  HYP,
  NONE,
  NOPAGE,
  OWNED,
  ownerName,
  type PageState,
  SHARED_BORROWED,
  SHARED_OWNED,
  STATE_NAMES,
} from './states.ts';

export type InvariantId =
  | 'exclusive'
  | 'sealed'
  | 'mapped'
  | 'frozen'
  | 'convertible'
  | 'scrubbed'
  | 'tagged'
  | 'guarded'
  | 'contained'
  | 'logged'
  | 'faithful'
  | 'conserved';

export interface Violation {
  readonly invariant: InvariantId;
  /** What was found, with frame, VM and GFN. */
  readonly found: string;
}

export type Report = (invariant: InvariantId, found: string) => void;

/** Something outside the ledger whose state the invariants are about as well. */
export interface Auditor {
  audit(report: Report): void;
}

export interface Invariant {
  readonly id: InvariantId;
  readonly says: string;
  readonly source: string;
  /** Over frames, guests and holders; absent where only auditors can tell. */
  check?(ledger: Ledger, found: (what: string) => void): void;
}

const isVm = (owner: number): boolean => owner >= FIRST_HANDLE;

const eachEntry = (
  ledger: Ledger,
  visit: (guest: Guest, gfn: number, frame: FrameNumber, state: PageState) => void,
) => {
  for (const guest of ledger.guests.values()) {
    guest.table.each((gfn, entry) => {
      if ((entry & ENTRY_PRESENT) !== 0) visit(guest, gfn, entryFrame(entry), entryState(entry));
    });
  }
};

/** Whole words, and most of them of free frames: the audit reads every one. */
const isZero = (memory: PhysicalMemory, from: number, bytes: number): boolean => {
  const { u32 } = memory;
  for (let at = from >>> 2; at < (from + bytes) >>> 2; at++) if (u32[at] !== 0) return false;
  return true;
};

export const hasData = (memory: PhysicalMemory, frame: FrameNumber): boolean =>
  !isZero(memory, memory.offsetOf(frame), PAGE_SIZE);

export const hasTags = (memory: PhysicalMemory, frame: FrameNumber): boolean =>
  !isZero(memory, memory.tagBias + memory.offsetOf(frame) / TAG_GRANULE, PAGE_SIZE / TAG_GRANULE);

/** The host's state that goes with a guest's. */
const HOST_SIDE_OF: ReadonlyMap<PageState, PageState> = new Map([
  [OWNED, NOPAGE],
  [SHARED_OWNED, SHARED_BORROWED],
  [SHARED_BORROWED, SHARED_OWNED],
]);

export const INVARIANTS: readonly Invariant[] = [
  {
    id: 'exclusive',
    says: 'a private frame belongs to exactly one VM; it is never shared between VMs or processes',
    source: 'docs/TRUST.md; FACTS G, one VM',
    check(ledger, found) {
      const { frames } = ledger;
      eachEntry(ledger, (guest, gfn, frame, state) => {
        const owner = frames.owner[frame];
        if (isVm(owner) && owner !== guest.handle) {
          found(
            `frame ${frame} of ${ownerName(owner)} is mapped by ${ownerName(guest.handle)} at GFN ${gfn}`,
          );
        }
        if (guest.isProtected && state === SHARED_BORROWED) {
          found(`${ownerName(guest.handle)} is protected and borrows frame ${frame} at GFN ${gfn}`);
        }
        if (owner !== HOST && state === SHARED_BORROWED) {
          found(
            `${ownerName(guest.handle)} borrows frame ${frame} at GFN ${gfn} from the host, who does not own it`,
          );
        }
      });
      for (let frame = 0; frame < frames.touched; frame++) {
        if (!isVm(frames.owner[frame])) continue;
        const donated = (frames.flags[frame] & FRAME_DONATED) !== 0;
        if (donated && ledger.guests.get(frames.owner[frame])?.isProtected === false) {
          found(`frame ${frame} was donated to ${ownerName(frames.owner[frame])}, which is not protected`);
        }
        if (frames.lent[frame] > 0)
          found(`frame ${frame} of ${ownerName(frames.owner[frame])} is lent to guests`);
        if (frames.refs[frame] > 1)
          found(`frame ${frame} of ${ownerName(frames.owner[frame])} is held more than once`);
      }
    },
  },
  {
    id: 'sealed',
    says: 'no VMM, host-kernel, debugger or device path resolves to a private frame (the debugger only where the VM says so)',
    source: 'docs/TRUST.md; FACTS G, no user or kernel access',
  },
  {
    id: 'mapped',
    says: 'every private frame that a guest reaches stands at exactly one GFN, and both directions agree',
    source: 'docs/TRUST.md; Linux 7.2 mem_protect.c, host annotations',
    check(ledger, found) {
      const { frames } = ledger;
      eachEntry(ledger, (guest, gfn, frame, state) => {
        const where = `${ownerName(guest.handle)} GFN ${gfn}, frame ${frame}`;
        const host = HOST_SIDE_OF.get(state);
        if (frames.state[frame] !== host) {
          found(
            `${where}: the guest has ${STATE_NAMES[state]}, the host ${STATE_NAMES[frames.state[frame] as PageState]}`,
          );
        }
        if (state === SHARED_BORROWED) return;
        if (frames.owner[frame] !== guest.handle)
          found(`${where}: the record's owner is ${ownerName(frames.owner[frame])}`);
        if (frames.gfn[frame] !== gfn) found(`${where}: the record says GFN ${frames.gfn[frame]}`);
      });
      for (let frame = 0; frame < frames.touched; frame++) {
        const gfn = frames.gfn[frame];
        if (gfn === NONE) continue;
        const entry = ledger.guests.get(frames.owner[frame])?.table.get(gfn) ?? 0;
        if ((entry & ENTRY_PRESENT) === 0 || entryFrame(entry) !== frame) {
          found(
            `frame ${frame}: its record says GFN ${gfn} of ${ownerName(frames.owner[frame])}, whose stage 2 does not`,
          );
        }
      }
    },
  },
  {
    id: 'frozen',
    says: 'frame and GFN of a private page stay a pair until release or conversion',
    source: 'docs/TRUST.md; FACTS G, never changes',
  },
  {
    id: 'convertible',
    says: 'conversion in place leaves no stale TLB entry, IOMMU map or view',
    source: 'docs/TRUST.md; FACTS G, shared and private',
    check(ledger, found) {
      const { frames } = ledger;
      for (const guest of ledger.guests.values()) {
        guest.table.each((gfn, entry) => {
          if ((entry & ENTRY_WRITE) === 0 || (frames.flags[entryFrame(entry)] & FRAME_MERGED) === 0) return;
          found(`${ownerName(guest.handle)} may write to merged frame ${entryFrame(entry)} at GFN ${gfn}`);
        });
      }
    },
  },
  {
    id: 'scrubbed',
    says: 'a frame that leaves a VM is zeroed, data and tags, before anyone else sees it',
    source: 'docs/TRUST.md; Linux 7.2 mem_protect.c, reclaim',
    check(ledger, found) {
      for (const free of ledger.frames.freeFrames()) {
        const frame = frameNumber(free);
        if (hasData(ledger.memory, frame)) found(`free frame ${frame} holds data`);
        if (hasTags(ledger.memory, frame)) found(`free frame ${frame} holds tags`);
      }
    },
  },
  {
    id: 'tagged',
    says: 'a page mapped cacheable into a VM with MTE has initialised tags, and nothing else gives a frame tags',
    source: 'docs/TRUST.md; Linux 7.2 arch/arm64/kvm/mmu.c, sanitise_mte_tags',
    check(ledger, found) {
      const { frames, memory } = ledger;
      for (let frame = 0; frame < frames.touched; frame++) {
        if ((frames.flags[frame] & FRAME_TAGGED) !== 0 && (frames.flags[frame] & FRAME_MERGED) !== 0) {
          found(`frame ${frame} has tags and is merged`);
        }
        if ((frames.flags[frame] & FRAME_TAGGED) === 0 && hasTags(memory, frameNumber(frame))) {
          found(`frame ${frame} has tags that were never initialised`);
        }
      }
    },
  },
  {
    id: 'guarded',
    says: 'an access of a guarded VM outside its guarded regions never reaches the VMM',
    source: 'docs/TRUST.md; FACTS D, MMIO guard',
  },
  {
    id: 'contained',
    says: 'a device reaches only what its domain maps; mapped frames are pinned; conversion unmaps first or fails',
    source: 'docs/TRUST.md; FACTS G, no IOMMU isolation upstream',
    check(ledger, found) {
      const { frames } = ledger;
      const pins = new Map<number, number>();
      for (const pinner of ledger.pinners) {
        pinner.eachPin((frame) => {
          pins.set(frame, (pins.get(frame) ?? 0) + 1);
          if (frames.state[frame] === NOPAGE)
            found(`frame ${frame}, private to ${ownerName(frames.owner[frame])}, is mapped for DMA`);
        });
      }
      for (let frame = 0; frame < frames.touched; frame++) {
        const donated = (frames.flags[frame] & FRAME_DONATED) !== 0 ? 1 : 0;
        const counted = (pins.get(frame) ?? 0) + donated;
        // The hypervisor's own pins are known to nobody else.
        if (counted > frames.pins[frame])
          found(`frame ${frame}: ${counted} pins, its record says ${frames.pins[frame]}`);
      }
    },
  },
  {
    id: 'logged',
    says: 'while logging is on, every write by every actor is in the dirty set',
    source: 'docs/TRUST.md; FACTS B, dirty log',
  },
  {
    id: 'faithful',
    says: 'at switch-over the destination equals the source',
    source: 'docs/TRUST.md',
  },
  {
    id: 'conserved',
    says: 'each frame is in exactly one state, and the counts add up',
    source: 'docs/TRUST.md',
    check: checkCounts,
  },
];

/** References, loans and the free list, counted again from the other side. */
function checkCounts(ledger: Ledger, found: (what: string) => void): void {
  const { frames } = ledger;
  const refs = new Uint32Array(frames.count);
  const lent = new Uint32Array(frames.count);
  const free = new Uint8Array(frames.count);
  for (const holder of ledger.holders.values()) holder.eachFrame((_, frame) => refs[frame]++);
  eachEntry(ledger, (_guest, _gfn, frame, state) => {
    if (state === SHARED_BORROWED) lent[frame]++;
  });
  let listed = 0;
  for (const frame of frames.freeFrames()) {
    listed += 1 - free[frame];
    free[frame] = 1;
  }
  if (listed + frames.count - frames.touched !== frames.free)
    found('the free list is not as long as its count');
  for (let frame = 0; frame < frames.count; frame++) {
    const isFree = frame >= frames.touched || free[frame] !== 0;
    const state = frames.state[frame];
    const owner = frames.owner[frame];
    const used = frames.refs[frame] + frames.pins[frame] + frames.lent[frame];
    if (isFree ? used > 0 || owner !== HOST || state !== OWNED : used === 0 && owner === HOST) {
      found(`frame ${frame} is ${isFree ? 'free and in use' : 'neither free nor in use'}`);
    }
    if (refs[frame] !== frames.refs[frame]) {
      found(`frame ${frame}: ${refs[frame]} pages hold it, its record says ${frames.refs[frame]}`);
    }
    if (lent[frame] !== frames.lent[frame]) {
      found(`frame ${frame}: ${lent[frame]} guests borrow it, its record says ${frames.lent[frame]}`);
    }
    const ownedByHost = owner === HOST && (state === OWNED || state === SHARED_OWNED);
    const ownedByHyp = owner === HYP && state === NOPAGE;
    const ownedByVm =
      isVm(owner) && (state === NOPAGE || state === SHARED_BORROWED) && ledger.guests.has(owner);
    if (!ownedByHost && !ownedByHyp && !ownedByVm) {
      found(
        `frame ${frame}: owner ${ownerName(owner)} and host state ${STATE_NAMES[state as PageState]} do not go together`,
      );
    }
    if (frames.lent[frame] > 0 && state !== SHARED_OWNED)
      found(`frame ${frame} is lent and not SHARED_OWNED`);
    if ((frames.flags[frame] & FRAME_FFA) !== 0 && state !== SHARED_OWNED)
      found(`frame ${frame} is with FF-A and not SHARED_OWNED`);
  }
}
