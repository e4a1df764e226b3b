// Every way in which a frame's record changes. First pKVM's table (arch/arm64/kvm/hyp/nvhe/mem_protect.c), then
// what private memory behind a file adds, then the allocator's and the host's own. Each is data: the order of
// `needs` is the order in which errors win.

import { FRAME_DONATED, FRAME_FFA, FRAME_MERGED, FRAME_TAGGED } from './frames.ts';
import {
  ENTRY_EXECUTE,
  ENTRY_MAY_WRITE,
  ENTRY_WRITE,
  entryFrame,
  entryState,
  makeEntry,
  POISON_ENTRY,
} from './guest.ts';
import {
  HOST,
  HYP,
  NONE,
  NOPAGE,
  OWNED,
  type PageState,
  POISON,
  SHARED_BORROWED,
  SHARED_OWNED,
  STATE_NAMES,
} from './states.ts';
import { need, type Site, type Transition } from './transition.ts';

const RWX = ENTRY_WRITE | ENTRY_EXECUTE | ENTRY_MAY_WRITE;
const MEM_PROTECT = 'Linux 7.2 arch/arm64/kvm/hyp/nvhe/mem_protect.c';
const GMEM = 'Linux 7.2 virt/kvm/guest_memfd.c';
const OURS = 'Ringfence, docs/DIFFERENCES.md';

const hostIs = (state: PageState) =>
  need(
    `host-${STATE_NAMES[state]}`,
    'EPERM',
    `the host's state of the frame is ${STATE_NAMES[state]}`,
    ({ frames, frame }) => frames.state[frame] === state,
  );

const entry = ({ guest, gfn }: Site): number => guest!.table.get(gfn!);

/** The guest's state of its page, which for a page that it has is about this very frame. */
const guestIs = (state: PageState) =>
  need(
    `guest-${STATE_NAMES[state]}`,
    'EPERM',
    `the guest's state of the page is ${STATE_NAMES[state]}`,
    (site) => {
      const at = entry(site);
      return entryState(at) === state && (state === NOPAGE || entryFrame(at) === site.frame);
    },
  );

const notPoisoned = need(
  'not-poisoned',
  'EHWPOISON',
  'the page was not taken back by force',
  (site) => entryState(entry(site)) !== POISON,
);

const unpinned = need(
  'unpinned',
  'EBUSY',
  'nothing pins the frame',
  ({ frames, frame }) => frames.pins[frame] === 0,
);

/** A protected guest's own pin is the only one. */
const noForeignPin = need(
  'no-foreign-pin',
  'EBUSY',
  'no DMA map pins the frame',
  ({ frames, frame }) => frames.pins[frame] === ((frames.flags[frame] & FRAME_DONATED) !== 0 ? 1 : 0),
);

const held = need(
  'held-once',
  'EBUSY',
  'exactly one page of one process or file holds the frame',
  ({ frames, frame }) => frames.refs[frame] === 1,
);

const ownedByGuest = need(
  'owner',
  'EPERM',
  'the frame belongs to this VM',
  ({ frames, frame, guest }) => frames.owner[frame] === guest!.handle && frames.state[frame] === NOPAGE,
);

const give = ({ frames, frame }: Site, owner: number, state: PageState, gfn: number): void => {
  frames.owner[frame] = owner;
  frames.state[frame] = state;
  frames.gfn[frame] = gfn;
};

const clearEntry = ({ guest, gfn }: Site): void => guest!.table.set(gfn!, 0);

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

const isProtected = need(
  'protected',
  'EINVAL',
  'pages are donated to protected VMs only',
  ({ guest }) => guest!.isProtected,
);

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

// ---------------------------------------------------------------- private memory behind a file

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

// ---------------------------------------------------------------- holding, pinning, tags

/** The frame's tags become meaningful. They are zero: free frames' are, and nothing else writes an untagged frame's. */
export const initTags: Transition = {
  name: 'init_tags',
  source: 'Linux 7.2 arch/arm64/kvm/mmu.c, sanitise_mte_tags',
  needs: [
    need(
      'untagged',
      'EINVAL',
      "the frame's tags are not initialised yet",
      ({ frames, frame }) => (frames.flags[frame] & FRAME_TAGGED) === 0,
    ),
  ],
  becomes: ({ frames, frame }) => {
    frames.flags[frame] |= FRAME_TAGGED;
  },
  drops: [],
};

/** One more page of a process or file holds the frame (same-page merging). */
export const hold: Transition = {
  name: 'hold',
  source: 'Linux 7.2 mm/ksm.c',
  needs: [
    need(
      'host-reaches',
      'EPERM',
      'the host owns the frame',
      ({ frames, frame }) => frames.owner[frame] === HOST,
    ),
    need(
      'untagged',
      'EBUSY',
      'the frame has no allocation tags of its own',
      ({ frames, frame }) => (frames.flags[frame] & FRAME_TAGGED) === 0,
    ),
    need(
      'write-protected',
      'EBUSY',
      'no guest may write to the frame',
      ({ frames, frame }) => frames.lent[frame] === 0 || (frames.flags[frame] & FRAME_MERGED) !== 0,
    ),
    unpinned,
  ],
  becomes: ({ frames, frame }) => {
    frames.refs[frame]++;
    frames.flags[frame] |= FRAME_MERGED;
  },
  drops: ['views'],
};

/** A page of a process or file lets go of its frame. */
export const letGo: Transition = {
  name: 'let_go',
  source: 'Linux 7.2 mm/rmap.c',
  needs: [need('held', 'EINVAL', 'somebody holds the frame', ({ frames, frame }) => frames.refs[frame] > 0)],
  becomes: ({ frames, frame }) => {
    frames.refs[frame]--;
  },
  drops: ['views'],
};

/** Nobody holds it any more: back to the allocator, zero. */
export const release: Transition = {
  name: 'release',
  source: 'Linux 7.2 mm/page_alloc.c',
  needs: [
    need('unheld', 'EBUSY', 'no page holds the frame', ({ frames, frame }) => frames.refs[frame] === 0),
    unpinned,
    need('unlent', 'EBUSY', 'no guest maps the frame', ({ frames, frame }) => frames.lent[frame] === 0),
    hostIs(OWNED),
  ],
  scrubs: () => true,
  becomes: ({ frames, frame }) => frames.put(frame),
  drops: ['views'],
};

/** Something outside will write to the frame by its host address: it must stay, and stay reachable. */
export const pin: Transition = {
  name: 'pin',
  source: 'Linux 7.2 mm/gup.c, FOLL_LONGTERM',
  needs: [
    need(
      'host-reaches',
      'EPERM',
      'the host may use the frame',
      ({ frames, frame }) => frames.state[frame] !== NOPAGE,
    ),
    need(
      'unmerged',
      'EBUSY',
      'the frame is not merged',
      ({ frames, frame }) => (frames.flags[frame] & FRAME_MERGED) === 0,
    ),
  ],
  becomes: ({ frames, frame }) => {
    frames.pins[frame]++;
  },
  drops: [],
};

export const unpin: Transition = {
  name: 'unpin',
  source: 'Linux 7.2 mm/gup.c',
  needs: [need('pinned', 'EINVAL', 'the frame is pinned', ({ frames, frame }) => frames.pins[frame] > 0)],
  becomes: ({ frames, frame }) => {
    frames.pins[frame]--;
  },
  drops: [],
};

/** All transitions, for whoever wants to see or break them one by one. */
export const TRANSITIONS: readonly Transition[] = [
  hostShareHyp,
  hostUnshareHyp,
  hostDonateHyp,
  hypDonateHost,
  hostShareFfa,
  hostUnshareFfa,
  hostShareGuest,
  hostUnshareGuest,
  hostDonateGuest,
  guestShareHost,
  guestUnshareHost,
  forceReclaim,
  reclaim,
  seal,
  mapPrivate,
  unmapPrivate,
  unseal,
  initTags,
  hold,
  letGo,
  release,
  pin,
  unpin,
];
