// Lifecycle and saved state of the entropy device.

import type { SavedState } from '../device.ts';
import type { Virtqueue } from '../queue/queue.ts';

export type RngState =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'active'; readonly requests: Virtqueue | undefined };

export interface SavedRng extends SavedState {
  readonly kind: 'virtio-rng';
  readonly version: 1;
}
