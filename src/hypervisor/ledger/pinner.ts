// What pins frames for DMA: an IOMMU domain, as the ledger needs to know it.

import type { FrameNumber } from '../../lib/index.ts';

export interface Pinner {
  /**
   * The frame is about to be converted, or with 'always' its page goes away: unmap it where that is the domain's
   * policy, or always.
   */
  withdraw(frame: FrameNumber, urgency: 'if-willing' | 'always'): void;
  /** Slots or mappings changed: unmap what was mapped through one and is no longer found that way. */
  revalidate(): void;
  /** Visits each pin that it holds, a frame as often as it is mapped. */
  eachPin(visit: (frame: FrameNumber) => void): void;
}
