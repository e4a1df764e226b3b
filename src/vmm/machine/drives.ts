// Disks from options: opens image files, once for the life of the machine, and makes a virtio-blk slot for each.

import type { DisposableStore } from '../../lib/index.ts';
import { type BlockBackend, openDiskFile, VirtioBlk } from '../devices/index.ts';
import { UserError } from './errors.ts';
import type { DriveOptions } from './options.ts';
import type { VirtioSlot } from './virtio-rows.ts';

/** What it opens is added to `owned`. Throws UserError where a file cannot be opened. */
export async function openDrives(
  drives: readonly DriveOptions[],
  owned: DisposableStore,
): Promise<VirtioSlot[]> {
  const slots: VirtioSlot[] = [];
  for (const [index, drive] of drives.entries()) {
    const backend = await backendOf(drive, owned);
    slots.push({
      create: (env) => new VirtioBlk({ name: `virtio-blk${index}`, backend }, env),
      ...(drive.transport && { transport: drive.transport }),
    });
  }
  return slots;
}

async function backendOf({ source, readOnly }: DriveOptions, owned: DisposableStore): Promise<BlockBackend> {
  if (typeof source !== 'string') return readOnly ? readOnlyView(source) : source;
  try {
    return owned.add(await openDiskFile(source, readOnly ?? false));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `drive ${source}: ${why}; give a raw disk image that may be ${readOnly ? 'read' : 'written, or add ,ro'}`,
    );
  }
}

/** The device offers no writes then, so that none reach the backend. */
const readOnlyView = (backend: BlockBackend): BlockBackend => ({
  size: backend.size,
  readOnly: true,
  read: (offset, into) => backend.read(offset, into),
  write: (offset, from) => backend.write(offset, from),
  flush: () => backend.flush(),
});
