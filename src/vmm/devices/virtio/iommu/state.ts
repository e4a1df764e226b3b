// Lifecycle and saved state of the IOMMU device.

import type { SavedState } from '../device.ts';
import type { SavedDomains } from './domains.ts';
import type { IommuQueues } from './requests.ts';

export type IommuState =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'active'; readonly queues: IommuQueues };

export interface SavedIommu extends SavedState {
  readonly kind: 'virtio-iommu';
  readonly version: 1;
  readonly bypass: boolean;
  readonly domains: SavedDomains;
}
