// A VM as the ledger sees it: a handle, its kind, and one table from GFN to frame and page state. The table *is*
// stage 2; the vCPUs' TLBs cache it. An entry's frame and the frame's record must agree, and the audit says so.

import { type FrameNumber, frameNumber, type HostOffset } from '../../lib/index.ts';
import { PageTable } from './page-table.ts';
import { NOPAGE, type Owner, type PageState, POISON } from './states.ts';

/** A cache of yes answers (a vCPU's soft TLB, a port's). The ledger drops exactly what a transition made stale. */
export interface TlbInvalidator {
  /** Forgets everything that leads to the frame at this host offset. */
  dropFrame(frame: HostOffset): void;
  dropAll(): void;
  /** Forgets that writes are allowed, anywhere (dirty logging starts or a bitmap was cleared). */
  dropWrites?(): void;
}

const FRAME_MASK = 0xf_ffff;
/** The entry maps a frame. */
export const ENTRY_PRESENT = 1 << 20;
/** Writes need not be asked about again. */
export const ENTRY_WRITE = 1 << 21;
export const ENTRY_EXECUTE = 1 << 22;
/** The backing may be written, so that a later write fault only has to be logged. */
export const ENTRY_MAY_WRITE = 1 << 23;
const STATE_SHIFT = 24;
const STATE_MASK = 7 << STATE_SHIFT;

export const entryFrame = (entry: number): FrameNumber => frameNumber(entry & FRAME_MASK);

/** The guest's own state of the page behind an entry; NOPAGE for none. */
export const entryState = (entry: number): PageState =>
  entry === 0 ? NOPAGE : (((entry & STATE_MASK) >>> STATE_SHIFT) as PageState);

export const makeEntry = (frame: FrameNumber, state: PageState, permissions: number): number =>
  frame | ENTRY_PRESENT | permissions | (state << STATE_SHIFT);

export const POISON_ENTRY = POISON << STATE_SHIFT;

export class Guest {
  readonly handle: Owner;
  /** pKVM's protected kind: its pages are donated, never lent. */
  readonly isProtected: boolean;
  /** Teardown has begun: no vCPU runs any more and pages may be reclaimed. */
  isDying = false;
  readonly table = new PageTable();
  /** TLBs of its vCPUs. */
  readonly tlbs = new Set<TlbInvalidator>();

  constructor(handle: Owner, isProtected: boolean) {
    this.handle = handle;
    this.isProtected = isProtected;
  }

  stateAt(gfn: number): PageState {
    return entryState(this.table.get(gfn));
  }
}
