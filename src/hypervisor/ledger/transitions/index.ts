// Every way in which a frame's record changes, in one list. Each transition is data: the order of its `needs` is the
// order in which errors win. The model checker reads the list, and breaks its entries one piece at a time.

import type { Transition } from '../transition.ts';
import { mapPrivate, seal, unmapPrivate, unseal } from './memfd.ts';
import {
  forceReclaim,
  guestShareHost,
  guestUnshareHost,
  hostDonateGuest,
  hostDonateHyp,
  hostShareFfa,
  hostShareGuest,
  hostShareHyp,
  hostUnshareFfa,
  hostUnshareGuest,
  hostUnshareHyp,
  hypDonateHost,
  reclaim,
} from './pkvm.ts';
import { hold, initTags, letGo, pin, release, unpin } from './upkeep.ts';

export * from './memfd.ts';
export * from './pkvm.ts';
export * from './upkeep.ts';

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
