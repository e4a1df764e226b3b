// The ledger: who owns each frame of the host. It runs transitions (transitions.ts), which are the only way in
// which a record changes, scrubs what leaves a VM, and drops what went stale. It knows frames and guests; slots,
// files and address spaces stand above it and only hold frames.

import type { PhysicalMemory } from '../../hardware/index.ts';
import { Errno, type FrameNumber, type HostOffset } from '../../lib/index.ts';
import { Caches } from './caches.ts';
import { FRAME_MERGED, FRAME_TAGGED, FrameTable } from './frames.ts';
import { Guest } from './guest.ts';
import type { History } from './history.ts';
import type { Holder } from './holder.ts';
import { type Auditor, hasData, hasTags, type InvariantId, type Violation } from './invariants.ts';
import type { Pinner } from './pinner.ts';
import { FIRST_HANDLE, HOST, MAX_VMS, NONE, NOPAGE, type Owner, POISON } from './states.ts';
import type { Need, Site, Transition } from './transition.ts';
import { letGo, release } from './transitions/index.ts';

export class Ledger {
  readonly memory: PhysicalMemory;
  readonly frames: FrameTable;
  readonly caches: Caches;
  readonly guests = new Map<Owner, Guest>();
  readonly holders = new Map<number, Holder>();
  /** Set to remember transitions. */
  history: History | undefined;
  /**
   * Pieces left out, by name: 'host_donate_guest/unpinned' (a precondition), 'host_donate_guest!views' (a drop),
   * 'force_reclaim~scrub'. Empty except in the hands of the model checker.
   */
  mutants: ReadonlySet<string> = new Set();
  /** IOMMU domains. */
  readonly pinners = new Set<Pinner>();
  /** Those outside whose state the audit looks at too. */
  readonly auditors = new Set<Auditor>();
  /** What they add to the canonical encoding; frames go through `name`. */
  readonly encoders = new Set<(name: (frame: number) => number) => string>();
  /** Violations that only the moment of a transition shows; found while `watchful`. */
  readonly broken: Violation[] = [];
  /** Look at each transition as it happens: slower, for tests and the model checker. */
  watchful = false;
  private nextHolder = 1;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
    this.frames = new FrameTable(memory.frames);
    this.caches = new Caches(memory, this.frames);
  }

  // -------------------------------------------------------------- transitions

  /** The first condition that does not hold, or undefined where the transition may happen. */
  refusal(transition: Transition, site: Site): Need | undefined {
    for (const needed of transition.needs) {
      if (
        !needed.holds(site) &&
        !(this.mutants.size > 0 && this.mutants.has(`${transition.name}/${needed.id}`))
      ) {
        return needed;
      }
    }
    return undefined;
  }

  /** Throws the failing condition's errno, with nothing changed; EBUSY where a cache that is being told calls back. */
  run(transition: Transition, site: Site): void {
    if (this.caches.isTelling)
      throw new Errno('EBUSY', `${transition.name} out of the middle of another change`);
    const refused = this.refusal(transition, site);
    if (refused)
      throw new Errno(refused.errno, `${transition.name} of frame ${site.frame}: needs that ${refused.says}`);
    const { mutants } = this;
    const watch = this.watchful ? this.watch(transition, site) : undefined;
    if (transition.scrubs?.(site) && !(mutants.size > 0 && mutants.has(`${transition.name}~scrub`))) {
      this.scrub(site.frame);
    }
    transition.becomes(site);
    for (const kind of transition.drops) {
      if (mutants.size > 0 && mutants.has(`${transition.name}!${kind}`)) continue;
      if (kind === 'views') this.caches.dropFromViews(site.frame);
      else this.caches.dropFromGuest(site.guest!, site.frame);
    }
    watch?.();
    this.history?.record(transition.name, site.frame, site.guest?.handle, site.gfn);
  }

  /** Remembers the frame and the page before a transition; the result compares them with what became of them. */
  private watch(transition: Transition, { frame, guest, gfn: at, byGuest }: Site): () => void {
    const { frames, memory } = this;
    const [owner, state, gfn] = [frames.owner[frame], frames.state[frame], frames.gfn[frame]];
    const holder = this.guests.get(owner);
    const wasPoisoned = guest !== undefined && at !== undefined && guest.stateAt(at) === POISON;
    const report = (invariant: InvariantId, found: string): void => {
      this.broken.push({ invariant, found: `${transition.name}: ${found}` });
    };
    return () => {
      const leftVm = owner >= FIRST_HANDLE && frames.owner[frame] !== owner;
      if (leftVm && state === NOPAGE && !byGuest && (hasData(memory, frame) || hasTags(memory, frame))) {
        report('scrubbed', `frame ${frame} left its VM unscrubbed`);
      }
      if (gfn !== NONE && frames.gfn[frame] !== NONE && frames.gfn[frame] !== gfn) {
        report('frozen', `frame ${frame} moved from GFN ${gfn}`);
      }
      if (leftVm && gfn !== NONE && holder && !holder.isDying && holder.stateAt(gfn) !== POISON) {
        report('frozen', `frame ${frame} was taken from a living VM, which was not told`);
      }
      if (wasPoisoned && !guest.isDying && guest.stateAt(at) !== POISON) {
        report('frozen', `GFN ${at} came back from the dead`);
      }
    };
  }

  private scrub(frame: FrameNumber): void {
    this.memory.scrub(frame);
    this.frames.flags[frame] &= ~FRAME_TAGGED;
  }

  // -------------------------------------------------------------- frames of holders

  /** A zeroed frame for page `page` of a holder. Throws ENOMEM. */
  take(holder: Holder, page: number): FrameNumber {
    const frame = this.frames.take(holder.id, page);
    this.history?.record('take', frame, undefined, undefined);
    return frame;
  }

  /** A holder's page no longer refers to the frame; the last to go gives it back. No DMA map outlives that. */
  putDown(frame: FrameNumber): void {
    const { frames } = this;
    this.withdraw(frame, 'always');
    this.run(letGo, { frames, frame });
    this.releaseIfUnused(frame);
  }

  /** A frame whose last holder left while it was pinned or lent returns once that has ended. */
  releaseIfUnused(frame: FrameNumber): void {
    const { frames } = this;
    const site = { frames, frame };
    if (frames.owner[frame] === HOST && this.refusal(release, site) === undefined) this.run(release, site);
  }

  /** Asks whoever pins a frame for DMA to let it go; afterwards its pins tell who did not. */
  withdraw(frame: FrameNumber, urgency: 'if-willing' | 'always'): void {
    if (this.frames.pins[frame] > 0) for (const pinner of this.pinners) pinner.withdraw(frame, urgency);
  }

  /** Slots, attributes or a process's mappings changed, which no frame's record shows. */
  mappingsChanged(): void {
    this.caches.dropAllViews();
    for (const pinner of this.pinners) pinner.revalidate();
  }

  /** The last of those that shared a merged frame has it alone again. */
  unmerge(frame: FrameNumber, holder: Holder, page: number): void {
    const { frames } = this;
    frames.flags[frame] &= ~FRAME_MERGED;
    frames.holder[frame] = holder.id;
    frames.page[frame] = page;
  }

  newHolderId(): number {
    return this.nextHolder++;
  }

  addHolder(holder: Holder): void {
    this.holders.set(holder.id, holder);
  }

  removeHolder(holder: Holder): void {
    this.holders.delete(holder.id);
  }

  // -------------------------------------------------------------- guests

  /** Throws ENOMEM where all handles are in use. */
  createGuest(isProtected: boolean): Guest {
    for (let n = 0; n < MAX_VMS; n++) {
      const handle = FIRST_HANDLE + n;
      if (this.guests.has(handle)) continue;
      const guest = new Guest(handle, isProtected);
      this.guests.set(handle, guest);
      return guest;
    }
    throw new Errno('ENOMEM', `all ${MAX_VMS} VM handles are in use`);
  }

  removeGuest(guest: Guest): void {
    this.guests.delete(guest.handle);
  }

  offsetOf(frame: FrameNumber): HostOffset {
    return this.memory.offsetOf(frame);
  }
}
