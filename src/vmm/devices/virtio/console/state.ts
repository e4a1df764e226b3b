// Lifecycle and saved state of the console device.

import type { SavedState } from '../device.ts';
import type { Virtqueue } from '../queue/queue.ts';

export type ConsoleState =
  | { readonly kind: 'inactive' }
  | {
      readonly kind: 'active';
      readonly receive: Virtqueue | undefined;
      readonly transmit: Virtqueue | undefined;
    };

export interface SavedConsole extends SavedState {
  readonly kind: 'virtio-console';
  readonly version: 1;
  readonly columns: number;
  readonly rows: number;
  /** Typed, but not yet taken by the guest. */
  readonly input: readonly number[];
}
