// Lifecycle and saved state of the network device. Frames that wait for a buffer are not saved: a network may lose
// them.

import type { SavedState } from '../device.ts';
import type { ReceiveQueue, TransmitQueue } from './requests.ts';

export type NetState =
  | { readonly kind: 'inactive' }
  | {
      readonly kind: 'active';
      readonly receive: ReceiveQueue | undefined;
      readonly transmit: TransmitQueue | undefined;
    };

export interface SavedNet extends SavedState {
  readonly kind: 'virtio-net';
  readonly version: 1;
}
