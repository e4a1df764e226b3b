// The transports that every device suite runs over.

import { type MakeFace, MmioFace } from './guest.ts';
import { PciFace } from './pci-face.ts';

export const faces: [string, MakeFace][] = [
  ['virtio-mmio', (device, options) => new MmioFace(device, options)],
  ['virtio-pci with MSI-X', (device, options) => new PciFace(device, options, true)],
  ['virtio-pci with INTx', (device, options) => new PciFace(device, options, false)],
  ['virtio-mmio with packed rings', (device, options) => new MmioFace(device, { ...options, packed: true })],
];
