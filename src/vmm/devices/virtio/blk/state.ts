// Lifecycle and saved state of the block device.

import type { SavedState } from '../device.ts';
import type { SavedChain } from '../queue/chain.ts';
import type { BlockRequests } from './requests.ts';

export type BlkState =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'active'; readonly requests: BlockRequests | undefined };

export interface SavedBlk extends SavedState {
  readonly kind: 'virtio-blk';
  readonly version: 1;
  /** The request that an asynchronous backend had not finished; it is done again from the start on restore. */
  readonly inFlight: SavedChain | undefined;
}
