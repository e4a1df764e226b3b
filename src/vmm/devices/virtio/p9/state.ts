// Lifecycle and saved state of the 9p device.

import type { SavedState } from '../device.ts';
import type { SavedFid } from './fids.ts';
import type { P9Requests } from './requests.ts';

export type P9State =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'active'; readonly requests: P9Requests | undefined };

export interface SavedP9 extends SavedState {
  readonly kind: 'virtio-9p';
  readonly version: 1;
  readonly session: { readonly messageSize: number; readonly fids: readonly SavedFid[] } | undefined;
}
