// The transports that every device suite runs over.

import { type MakeFace, MmioFace } from './guest.ts';

export const faces: [string, MakeFace][] = [
  ['virtio-mmio', (device, options) => new MmioFace(device, options)],
];
