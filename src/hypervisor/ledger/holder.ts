// What holds frames: a process's page table (anonymous memory) or a file (guest_memfd, shared memory). The ledger
// asks holders only to check the books; they ask the ledger for every frame that they take or let go.

import type { FrameNumber } from '../../lib/index.ts';
import type { Owner } from './states.ts';

export interface Holder {
  readonly id: number;
  /** For explanations: 'anonymous memory of process 1', 'guest_memfd 3'. */
  readonly label: string;
  /** The frame of a page, or NONE while nothing has touched it or it is swapped out. */
  frameAt(page: number): number;
  /** Whether the page has content that frameAt() does not show, because it is swapped out. */
  isSwapped?(page: number): boolean;
  /** The only VM that may reach the page, or HOST where any mapping of it may. */
  privateTo(page: number): Owner;
  /** Makes the page present, and for a write its own. Throws ENOMEM. */
  populate(page: number, write: boolean): FrameNumber;
  /** Makes every guest that maps the page fault on it again; the page stays. */
  unmapPage(page: number): void;
  /** Visits what it holds. */
  eachFrame(visit: (page: number, frame: FrameNumber) => void): void;
}
