// The vocabulary of ownership: pKVM's page states (arch/arm64/kvm/hyp/include/nvhe/memory.h) and who can own a
// frame. Everything above speaks in these words and no others.

/** Whoever this state belongs to owns the page alone. */
export const OWNED = 0;
/** It owns the page and has lent it. */
export const SHARED_OWNED = 1;
/** It uses a page that somebody else lent it. */
export const SHARED_BORROWED = 2;
/** It has nothing there. */
export const NOPAGE = 3;
/** A guest's page that the host took back by force; the address is dead until the VM is. */
export const POISON = 4;

export type PageState = 0 | 1 | 2 | 3 | 4;

export const STATE_NAMES = ['OWNED', 'SHARED_OWNED', 'SHARED_BORROWED', 'NOPAGE', 'POISON'] as const;

/** An owner of frames: the host, the hypervisor itself, or a VM's handle. */
export type Owner = number;
export const HOST: Owner = 0;
export const HYP: Owner = 1;
/** Handles of VMs count from here (pKVM's HANDLE_OFFSET). */
export const FIRST_HANDLE = 0x1000;
export const MAX_VMS = 255;

export const ownerName = (owner: Owner): string =>
  owner === HOST ? 'host' : owner === HYP ? 'hypervisor' : `vm${owner - FIRST_HANDLE}`;

/** No frame, no GFN. */
export const NONE = -1;
