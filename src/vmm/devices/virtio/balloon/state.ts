// Lifecycle and saved state of the balloon device.

import type { SavedState } from '../device.ts';
import type { SavedChain } from '../queue/chain.ts';
import type { BalloonQueues } from './requests.ts';

export type BalloonState =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'active'; readonly queues: BalloonQueues };

export interface SavedBalloon extends SavedState {
  readonly kind: 'virtio-balloon';
  readonly version: 1;
  /** Pages of 4 KiB that the host asks for, and that the guest says it gave. */
  readonly target: number;
  readonly actual: number;
  /** The statistics buffer that the device holds until it wants new ones. */
  readonly statistics: SavedChain | undefined;
}
