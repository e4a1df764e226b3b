// pKVM's table of transitions (arch/arm64/kvm/hyp/nvhe/mem_protect.c, FACTS D): between the host, the hypervisor, a
// secure partition, ordinary guests, to whom pages are lent, and protected guests, to whom they are given.

import { FRAME_DONATED, FRAME_FFA } from '../frames.ts';
import { entryFrame, entryState, makeEntry, POISON_ENTRY } from '../guest.ts';
import { HOST, HYP, NONE, NOPAGE, OWNED, SHARED_BORROWED, SHARED_OWNED } from '../states.ts';
import { need, type Site, type Transition } from '../transition.ts';
import {
  clearEntry,
  entry,
  give,
  guestIs,
  held,
  hostIs,
  isProtected,
  noForeignPin,
  notPoisoned,
  RWX,
  unpinned,
} from './conditions.ts';

const MEM_PROTECT = 'Linux 7.2 arch/arm64/kvm/hyp/nvhe/mem_protect.c';

// ---------------------------------------------------------------- host and hypervisor

export const hostShareHyp: Transition = {
  name: 'host_share_hyp',
  source: MEM_PROTECT,
  needs: [hostIs(OWNED)],
  becomes: ({ frames, frame }) => {
    frames.state[frame] = SHARED_OWNED;
  },
  drops: [],
};

const sharedWithHyp = need(
  'shared-with-hyp',
  'EPERM',
  'the host lent the frame to the hypervisor, not to a guest or a secure partition',
  ({ frames, frame }) => frames.lent[frame] === 0 && (frames.flags[frame] & FRAME_FFA) === 0,
);

export const hostUnshareHyp: Transition = {
  name: 'host_unshare_hyp',
  source: MEM_PROTECT,
  needs: [hostIs(SHARED_OWNED), sharedWithHyp, unpinned],
  becomes: ({ frames, frame }) => {
    frames.state[frame] = OWNED;
  },
  drops: [],
};

export const hostDonateHyp: Transition = {
  name: 'host_donate_hyp',
  source: MEM_PROTECT,
  needs: [hostIs(OWNED), unpinned],
  becomes: (site) => give(site, HYP, NOPAGE, NONE),
  drops: ['views'],
};

export const hypDonateHost: Transition = {
  name: 'hyp_donate_host',
  source: MEM_PROTECT,
  needs: [
    hostIs(NOPAGE),
    need(
      'hyp-OWNED',
      'EPERM',
      'the hypervisor owns the frame',
      ({ frames, frame }) => frames.owner[frame] === HYP,
    ),
    unpinned,
  ],
  becomes: (site) => give(site, HOST, OWNED, NONE),
  drops: [],
};

export const hostShareFfa: Transition = {
  name: 'host_share_ffa',
  source: MEM_PROTECT,
  needs: [hostIs(OWNED)],
  becomes: ({ frames, frame }) => {
    frames.state[frame] = SHARED_OWNED;
    frames.flags[frame] |= FRAME_FFA;
  },
  drops: [],
};

export const hostUnshareFfa: Transition = {
  name: 'host_unshare_ffa',
  source: MEM_PROTECT,
  needs: [
    hostIs(SHARED_OWNED),
    need(
      'shared-with-ffa',
      'EPERM',
      'the host lent the frame to a secure partition',
      ({ frames, frame }) => (frames.flags[frame] & FRAME_FFA) !== 0,
    ),
  ],
  becomes: ({ frames, frame }) => {
    frames.state[frame] = OWNED;
    frames.flags[frame] &= ~FRAME_FFA;
  },
  drops: [],
};

// ---------------------------------------------------------------- host and ordinary guest

export const hostShareGuest: Transition = {
  name: 'host_share_guest',
  source: MEM_PROTECT,
  needs: [
    need('ordinary', 'EINVAL', 'pages are lent to ordinary VMs only', ({ guest }) => !guest!.isProtected),
    notPoisoned,
    guestIs(NOPAGE),
    need(
      'host-may-lend',
      'EPERM',
      'the host owns the frame alone, or has lent it to guests only',
      ({ frames, frame }) =>
        frames.state[frame] === OWNED || (frames.state[frame] === SHARED_OWNED && frames.lent[frame] > 0),
    ),
  ],
  becomes: ({ frames, frame, guest, gfn, permissions }) => {
    frames.state[frame] = SHARED_OWNED;
    frames.lent[frame]++;
    guest!.table.set(gfn!, makeEntry(frame, SHARED_BORROWED, permissions ?? RWX));
  },
  drops: [],
};

export const hostUnshareGuest: Transition = {
  name: 'host_unshare_guest',
  source: MEM_PROTECT,
  needs: [guestIs(SHARED_BORROWED)],
  becomes: (site) => {
    const { frames, frame } = site;
    clearEntry(site);
    frames.lent[frame]--;
    if (frames.lent[frame] === 0) frames.state[frame] = OWNED;
  },
  drops: ['guest'],
};

// ---------------------------------------------------------------- host and protected guest

export const hostDonateGuest: Transition = {
  name: 'host_donate_guest',
  source: MEM_PROTECT,
  needs: [isProtected, hostIs(OWNED), notPoisoned, guestIs(NOPAGE), held, unpinned],
  becomes: (site) => {
    const { frames, frame, guest, gfn, permissions } = site;
    give(site, guest!.handle, NOPAGE, gfn!);
    frames.pins[frame]++;
    frames.flags[frame] |= FRAME_DONATED;
    guest!.table.set(gfn!, makeEntry(frame, OWNED, permissions ?? RWX));
  },
  drops: ['views'],
};

export const guestShareHost: Transition = {
  name: 'guest_share_host',
  source: MEM_PROTECT,
  needs: [guestIs(OWNED), hostIs(NOPAGE)],
  becomes: (site) => {
    const { frames, frame, guest, gfn } = site;
    frames.state[frame] = SHARED_BORROWED;
    guest!.table.set(gfn!, makeEntry(frame, SHARED_OWNED, entry(site) & RWX));
  },
  drops: [],
};

export const guestUnshareHost: Transition = {
  name: 'guest_unshare_host',
  source: MEM_PROTECT,
  needs: [guestIs(SHARED_OWNED), hostIs(SHARED_BORROWED), noForeignPin],
  becomes: (site) => {
    const { frames, frame, guest, gfn } = site;
    frames.state[frame] = NOPAGE;
    guest!.table.set(gfn!, makeEntry(frame, OWNED, entry(site) & RWX));
  },
  drops: ['views'],
};

const wasDonated = need(
  'donated',
  'EPERM',
  "the frame came from the host's memory",
  ({ frames, frame }) => (frames.flags[frame] & FRAME_DONATED) !== 0,
);

const takeBack = (site: Site): void => {
  site.frames.pins[site.frame]--;
  site.frames.flags[site.frame] &= ~FRAME_DONATED;
  give(site, HOST, OWNED, NONE);
};

/** The host's kernel touched the page and cannot be refused: the guest loses it for good. */
export const forceReclaim: Transition = {
  name: 'force_reclaim',
  source: MEM_PROTECT,
  needs: [isProtected, guestIs(OWNED), wasDonated],
  scrubs: () => true,
  becomes: (site) => {
    takeBack(site);
    site.guest!.table.set(site.gfn!, POISON_ENTRY);
  },
  drops: ['guest'],
};

/** Teardown. A page that the guest had shared is the host's to read already, and keeps its content. */
export const reclaim: Transition = {
  name: 'reclaim',
  source: MEM_PROTECT,
  needs: [
    isProtected,
    need('dying', 'EBUSY', 'the VM is being torn down', ({ guest }) => guest!.isDying),
    need('guest-has-it', 'EPERM', 'the guest owns the page, shared or not', (site) => {
      const at = entry(site);
      const state = entryState(at);
      return (state === OWNED || state === SHARED_OWNED) && entryFrame(at) === site.frame;
    }),
    wasDonated,
  ],
  scrubs: (site) => entryState(entry(site)) === OWNED,
  becomes: (site) => {
    takeBack(site);
    clearEntry(site);
  },
  drops: ['guest'],
};
