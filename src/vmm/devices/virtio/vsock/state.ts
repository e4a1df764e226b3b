// Lifecycle and saved state of the socket device. Streams are not saved: their other ends are host processes.

import type { SavedState } from '../device.ts';
import type { VsockQueues } from './requests.ts';

export type VsockState =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'active'; readonly queues: VsockQueues };

export interface SavedVsock extends SavedState {
  readonly kind: 'virtio-vsock';
  readonly version: 1;
  /** There were streams, which a restored guest is told are gone. */
  readonly connected: boolean;
}
