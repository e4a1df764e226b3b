// What a transition is: a name, the conditions under which it may happen (each with the error it gives), what
// becomes of the records, and which caches it makes stale. The ledger runs them; the model checker reads and
// breaks them one piece at a time.

import type { ErrnoName, FrameNumber } from '../../lib/index.ts';
import type { FrameTable } from './frames.ts';
import type { Guest } from './guest.ts';

/** Where a transition happens. What a transition does not speak about is left out. */
export interface Site {
  readonly frames: FrameTable;
  readonly frame: FrameNumber;
  readonly guest?: Guest;
  /** The guest frame number in `guest`. */
  readonly gfn?: number;
  /** ENTRY_* permissions of a new stage-2 entry. */
  readonly permissions?: number;
  /** The guest itself asked: content is what it wants to show, so nothing is scrubbed. */
  readonly byGuest?: boolean;
}

export interface Need {
  /** Unique within its transition. */
  readonly id: string;
  readonly errno: ErrnoName;
  readonly says: string;
  holds(site: Site): boolean;
}

/** 'guest': the TLBs of the site's guest. 'views': every view of the VMM, devices, the debugger and the host. */
export type CacheKind = 'guest' | 'views';

export interface Transition {
  readonly name: string;
  readonly source: string;
  readonly needs: readonly Need[];
  /** The frame leaves a VM whose secrets it holds: zero data and tags before anyone else sees it. */
  scrubs?(site: Site): boolean;
  becomes(site: Site): void;
  readonly drops: readonly CacheKind[];
}

export const need = (id: string, errno: ErrnoName, says: string, holds: (site: Site) => boolean): Need => ({
  id,
  errno,
  says,
  holds,
});
