// Where the kernels of the boot tests are: what `ringfence pull` has in its cache, and the project's shared test kernel
// beside this repository. A kernel that is absent skips its tests, by name.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cachedImage, makeInitramfs } from '../../src/images/index.ts';

export interface BootFiles {
  readonly kernel: string;
  readonly initrd?: string;
  readonly append: string;
}

const root = resolve(import.meta.dirname, '../..');

export const EMBEDDED = join(root, 'guests/embedded.Image');
const SMALL = resolve(root, '../shared/guests/linux-7.2-guest.Image.gz');

/** In which order a busybox is looked for; all have the same applets that tests use. */
const BUSYBOX_FROM = ['debian-13', 'debian-12', 'debian-13-backports'];

/** A pulled image. */
export async function pulled(name: string): Promise<BootFiles | undefined> {
  const image = await cachedImage(name);
  return image && { kernel: image.kernel, initrd: image.initrd, append: 'console=ttyAMA0' };
}

/** The small test kernel with a busybox initramfs. */
export async function small(): Promise<BootFiles | undefined> {
  if (!existsSync(SMALL)) return undefined;
  for (const name of BUSYBOX_FROM) {
    const image = await cachedImage(name);
    if (image)
      return { kernel: SMALL, initrd: initramfs(image.busybox), append: 'console=ttyAMA0 kasan=off' };
  }
  return undefined;
}

/** Whatever Linux is here, the quickest first: for tests of devices rather than of kernels. */
export async function anyLinux(): Promise<BootFiles | undefined> {
  return (await small()) ?? (await pulled('debian-13')) ?? (await pulled('debian-12'));
}

/** Written anew each time, under build/, where a second run finds the same bytes. */
function initramfs(busybox: string): string {
  const folder = join(root, 'build/boot');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'initramfs.cpio');
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, makeInitramfs({ busybox: readFileSync(busybox) }));
  renameSync(temporary, file);
  return file;
}
