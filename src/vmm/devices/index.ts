// The public face of all devices.

import type { Disposable } from '../../lib/index.ts';
import type { BlockBackend } from './virtio/index.ts';

export * from './device.ts';
export * from './pci/index.ts';
export * from './pl011.ts';
export * from './pl031.ts';
export * from './pl061.ts';
export * from './power-key.ts';
export * from './virtio/index.ts';

/** A raw disk image in a file; Node only, and so loaded only where it is asked for. */
export async function openDiskFile(path: string, readOnly: boolean): Promise<BlockBackend & Disposable> {
  const { fileBlock } = await import('./virtio/node.ts');
  return fileBlock(path, { readOnly });
}
