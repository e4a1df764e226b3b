// What private memory behind a guest_memfd adds to pKVM's table: a frame may belong to a VM before and after it stands
// anywhere in it, and becomes private or shared in place.

import { makeEntry } from '../guest.ts';
import { HOST, NONE, NOPAGE, OWNED } from '../states.ts';
import { need, type Transition } from '../transition.ts';
import {
  clearEntry,
  give,
  guestIs,
  held,
  hostIs,
  notPoisoned,
  ownedByGuest,
  RWX,
  unpinned,
} from './conditions.ts';

const GMEM = 'Linux 7.2 virt/kvm/guest_memfd.c';
const OURS = 'Ringfence, docs/DIFFERENCES.md';

/** A private page of a guest_memfd gets its frame, or a shared one becomes private: the VM's, standing nowhere yet. */
export const seal: Transition = {
  name: 'seal',
  source: OURS,
  needs: [hostIs(OWNED), held, unpinned],
  becomes: (site) => give(site, site.guest!.handle, NOPAGE, NONE),
  drops: ['views'],
};

export const mapPrivate: Transition = {
  name: 'map_private',
  source: GMEM,
  needs: [
    ownedByGuest,
    notPoisoned,
    guestIs(NOPAGE),
    need(
      'stands-nowhere',
      'EPERM',
      'the frame stands at no other GFN',
      ({ frames, frame }) => frames.gfn[frame] === NONE,
    ),
  ],
  becomes: ({ frames, frame, guest, gfn, permissions }) => {
    frames.gfn[frame] = gfn!;
    guest!.table.set(gfn!, makeEntry(frame, OWNED, permissions ?? RWX));
  },
  drops: [],
};

/** The slot goes, or the file's page is about to: the guest no longer reaches it, and nobody else does. */
export const unmapPrivate: Transition = {
  name: 'unmap_private',
  source: GMEM,
  needs: [ownedByGuest, guestIs(OWNED)],
  becomes: (site) => {
    site.frames.gfn[site.frame] = NONE;
    clearEntry(site);
  },
  drops: ['guest'],
};

/** A private page becomes the host's. Unless its guest asked for it, what was in it is gone. */
export const unseal: Transition = {
  name: 'unseal',
  source: OURS,
  needs: [
    ownedByGuest,
    need(
      'stands-nowhere',
      'EBUSY',
      'no GFN of the guest maps the frame',
      ({ frames, frame }) => frames.gfn[frame] === NONE,
    ),
    unpinned,
  ],
  scrubs: ({ byGuest }) => !byGuest,
  becomes: (site) => give(site, HOST, OWNED, NONE),
  drops: [],
};
