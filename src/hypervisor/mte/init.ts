// Tags come into being when a page is first mapped cacheable into a VM with MTE (Linux sanitise_mte_tags), once in
// the life of a frame's content; data is not touched.

import type { FrameNumber } from '../../lib/index.ts';
import { FRAME_TAGGED, initTags, type Ledger } from '../ledger/index.ts';

export function ensureTagged(ledger: Ledger, frame: FrameNumber): void {
  const { frames } = ledger;
  if ((frames.flags[frame] & FRAME_TAGGED) === 0) ledger.run(initTags, { frames, frame });
}
