// Packages of a Debian release, fetched by the system's apt and unpacked into a folder. Nothing is installed: no scripts
// of packages run, and what a package needs is the caller's to name.

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Apt, type Architecture, type Progress } from './apt.ts';
import { ImageError } from './error.ts';

const execute = promisify(execFile);

export interface ReleaseOptions {
  readonly codename: string;
  readonly backports: boolean;
  readonly architecture: Architecture;
  /** Where apt's lists are kept between calls. */
  readonly cache: string;
  readonly sourcesFile?: string | undefined;
  readonly progress: Progress;
}

export function openRelease(options: ReleaseOptions): Promise<Apt> {
  const { architecture, backports, cache, codename, progress, sourcesFile } = options;
  const suite = backports ? `${codename}-backports` : codename;
  const folder = join(cache, 'apt', architecture === 'arm64' ? suite : `${suite}-${architecture}`);
  return Apt.open({ folder, codename, backports, architecture, sourcesFile, progress });
}

/** Gives `work`/root with all files of the packages. */
export async function unpackPackages(
  apt: Apt,
  packages: readonly string[],
  work: string,
  progress: Progress,
): Promise<string> {
  const debs = await apt.download(packages, join(work, 'debs'));
  const root = join(work, 'root');
  await mkdir(root);
  for (const [index, deb] of debs.entries()) {
    progress('unpacking', index / debs.length);
    await execute('dpkg-deb', ['-x', deb, root]).catch(() => {
      throw new ImageError('host', `${deb}: dpkg-deb could not unpack it (is the disk full?)`);
    });
  }
  progress('unpacking', 1);
  return root;
}
