// The address space of a realm (Realm Management Monitor specification 1.0, A5.2): its lower half is protected and
// each page there has a Realm IPA state; its upper half is the same pages as the realm shares them with the host. One
// page is reached in one half at a time. This file knows states and halves; whose frames stand behind them is the
// ledger's to know.

import { PAGE_SIZE } from '../../lib/index.ts';
import { type Hole, PageTable } from '../ledger/index.ts';

/** Nothing of the realm's: an access is an external abort, and the page may be shared. */
export const RIPAS_EMPTY = 0;
/** The realm's own memory. */
export const RIPAS_RAM = 1;
/** It was RAM until the host took it away. */
export const RIPAS_DESTROYED = 2;
/** Registers of a device that the realm may trust. */
export const RIPAS_DEV = 3;

export type Ripas = 0 | 1 | 2 | 3;

export const RIPAS_NAMES = ['EMPTY', 'RAM', 'DESTROYED', 'DEV'] as const;

export class RealmSpace {
  /** Bits of an address, of which the highest says which half. */
  readonly ipaBits: number;
  /** Pages of one half; added to the number of a protected page it gives the shared alias. */
  readonly half: number;
  private readonly states = new PageTable();
  /** Accesses to protected pages that are EMPTY, and the last of those pages. */
  denials = 0;
  lastDenied: number | undefined;

  constructor(ipaBits: number) {
    this.ipaBits = ipaBits;
    this.half = 2 ** (ipaBits - 1) / PAGE_SIZE;
  }

  isShared(page: number): boolean {
    return page >= this.half;
  }

  /** The page in the protected half. */
  canonical(page: number): number {
    return page >= this.half ? page - this.half : page;
  }

  ripas(gfn: number): Ripas {
    return this.states.get(gfn) as Ripas;
  }

  set(first: number, end: number, ripas: Ripas): void {
    for (let gfn = first; gfn < end; gfn++) this.states.set(gfn, ripas);
  }

  /** The first page after `first` whose state is another, but no further than `end`. */
  runEnd(first: number, end: number): number {
    const ripas = this.states.get(first);
    let gfn = first + 1;
    while (gfn < end && this.states.get(gfn) === ripas) gfn++;
    return gfn;
  }

  /** Pages of a range in a state. */
  count(first: number, end: number, ripas: Ripas): number {
    let count = 0;
    for (let gfn = first; gfn < end; gfn++) if (this.states.get(gfn) === ripas) count++;
    return count;
  }

  /** Why the realm's own software reaches no memory at a page of either half; undefined where that is for slots to say. */
  holeAt(page: number): Hole | undefined {
    const ripas = this.ripas(this.canonical(page));
    if (page >= this.half) return ripas === RIPAS_RAM || ripas === RIPAS_DESTROYED ? 'not-shared' : undefined;
    if (ripas === RIPAS_EMPTY) return 'ripas-empty';
    return ripas === RIPAS_DESTROYED ? 'ripas-destroyed' : undefined;
  }

  /** Whether the host may answer where the realm's access found no memory: in the shared half, and a device's registers. */
  emulates(page: number): boolean {
    return page >= this.half || this.ripas(page) === RIPAS_DEV;
  }

  /** The access at `gfn` was refused with an abort. */
  deny(gfn: number): void {
    this.denials++;
    this.lastDenied = gfn;
  }
}
