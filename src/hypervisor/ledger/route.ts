// The way from an address to a page of memory, as its walker found it: through a slot, a process's mapping, a file.
// Walkers fill it in, decide() judges it, and an explanation prints it.

import { PAGE_SIZE } from '../../lib/index.ts';
import type { Guest } from './guest.ts';
import type { Holder } from './holder.ts';
import { NONE } from './states.ts';

/** Why a walk ended before it reached a page. */
export type Hole =
  | 'no-slot'
  | 'no-mapping'
  | 'beyond-file'
  | 'closed-file'
  | 'no-iommu-map'
  | 'out-of-range'
  | 'attribute-mismatch'
  /** A realm's own software: the page is not its memory, was taken from it, or is and so has no shared alias. */
  | 'ripas-empty'
  | 'ripas-destroyed'
  | 'not-shared';

/** Where a guest lets its VMM emulate devices (MMIO guard). */
export interface EmulationGuard {
  permits(gfn: number): boolean;
}

export class Route {
  /** How the address is meant, and its page number in that space. */
  readonly space: 'gpa' | 'hva' | 'iova';
  readonly page: number;
  /** The slot that was passed through, or NONE. */
  slot = NONE;
  /** The page of a process's address space that was passed through, or NONE. */
  hvaPage = NONE;
  hole: Hole | undefined;
  /** All mappings on the way permit writing. */
  writable = true;
  /** Instructions may be fetched from what it leads to. */
  executable = true;
  /** Where the walk ended: a page of a process's anonymous memory or of a file. */
  holder: Holder | undefined;
  holderPage = NONE;
  /** The guest through whose stage 2 the walk went, and the GFN that it passed. */
  guest: Guest | undefined;
  gfn = NONE;
  /** The guard of the guest whose access found no memory here, or undefined. */
  guard: EmulationGuard | undefined;
  /** A frame that the walk names outright (an IOMMU map pins it), or NONE. */
  frame = NONE;

  constructor(space: 'gpa' | 'hva' | 'iova', page: number) {
    this.space = space;
    this.page = page;
  }
}

const hex = (page: number): string => `0x${(page * PAGE_SIZE).toString(16)}`;

/** The stations of a walk, for people. */
export function stations(route: Route): string[] {
  const path = [`${route.space} ${hex(route.page)}`];
  if (route.space === 'iova' && route.gfn !== NONE) path.push(`gpa ${hex(route.gfn)}`);
  if (route.slot !== NONE) path.push(`slot ${route.slot}`);
  if (route.hvaPage !== NONE && route.space !== 'hva') path.push(`hva ${hex(route.hvaPage)}`);
  if (route.holder !== undefined) path.push(`${route.holder.label} page ${route.holderPage}`);
  if (route.frame !== NONE) path.push(`frame ${route.frame}`);
  if (route.hole !== undefined) path.push(route.hole);
  return path;
}
