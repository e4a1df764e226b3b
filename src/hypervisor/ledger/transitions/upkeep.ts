// The host's housekeeping of frames: who holds them, what pins them, their tags, and their way back to the allocator.

import { FRAME_MERGED, FRAME_TAGGED } from '../frames.ts';
import { HOST, NOPAGE, OWNED } from '../states.ts';
import { need, type Transition } from '../transition.ts';
import { hostIs, unpinned } from './conditions.ts';

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
