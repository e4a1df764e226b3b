// Conditions and small steps that several transitions have in common. A condition's id is unique in the transitions
// that use it; its sentence completes "needs that".

import { FRAME_DONATED } from '../frames.ts';
import { ENTRY_EXECUTE, ENTRY_MAY_WRITE, ENTRY_WRITE, entryFrame, entryState } from '../guest.ts';
import { NOPAGE, type PageState, POISON, STATE_NAMES } from '../states.ts';
import { need, type Site } from '../transition.ts';

export const RWX = ENTRY_WRITE | ENTRY_EXECUTE | ENTRY_MAY_WRITE;

export const hostIs = (state: PageState) =>
  need(
    `host-${STATE_NAMES[state]}`,
    'EPERM',
    `the host's state of the frame is ${STATE_NAMES[state]}`,
    ({ frames, frame }) => frames.state[frame] === state,
  );

export const entry = ({ guest, gfn }: Site): number => guest!.table.get(gfn!);

/** The guest's state of its page, which for a page that it has is about this very frame. */
export const guestIs = (state: PageState) =>
  need(
    `guest-${STATE_NAMES[state]}`,
    'EPERM',
    `the guest's state of the page is ${STATE_NAMES[state]}`,
    (site) => {
      const at = entry(site);
      return entryState(at) === state && (state === NOPAGE || entryFrame(at) === site.frame);
    },
  );

export const notPoisoned = need(
  'not-poisoned',
  'EHWPOISON',
  'the page was not taken back by force',
  (site) => entryState(entry(site)) !== POISON,
);

export const unpinned = need(
  'unpinned',
  'EBUSY',
  'nothing pins the frame',
  ({ frames, frame }) => frames.pins[frame] === 0,
);

/** A protected guest's own pin is the only one. */
export const noForeignPin = need(
  'no-foreign-pin',
  'EBUSY',
  'no DMA map pins the frame',
  ({ frames, frame }) => frames.pins[frame] === ((frames.flags[frame] & FRAME_DONATED) !== 0 ? 1 : 0),
);

export const held = need(
  'held-once',
  'EBUSY',
  'exactly one page of one process or file holds the frame',
  ({ frames, frame }) => frames.refs[frame] === 1,
);

export const ownedByGuest = need(
  'owner',
  'EPERM',
  'the frame belongs to this VM',
  ({ frames, frame, guest }) => frames.owner[frame] === guest!.handle && frames.state[frame] === NOPAGE,
);

export const give = ({ frames, frame }: Site, owner: number, state: PageState, gfn: number): void => {
  frames.owner[frame] = owner;
  frames.state[frame] = state;
  frames.gfn[frame] = gfn;
};

export const clearEntry = ({ guest, gfn }: Site): void => guest!.table.set(gfn!, 0);

export const isProtected = need(
  'protected',
  'EINVAL',
  'pages are donated to protected VMs only',
  ({ guest }) => guest!.isProtected,
);
