// What guests need of Debian besides their kernels: python3 as an archive that a guest unpacks, and a PC's firmware.
// Fetched once by the system's apt, then kept under the work folder.

import { cp, mkdir, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Architecture,
  type CpioEntry,
  cacheFolder,
  openRelease,
  unpackPackages,
  writeCpio,
} from '../src/images/index.ts';

export interface DebianOptions {
  readonly work: string;
  readonly sourcesFile: string | undefined;
}

/** The oldest release with all architectures, so that all guests run the same versions. */
const CODENAME = 'bookworm';
const PYTHON = 'python3.11';
/** What `python3 -c` needs; see the dependencies of python3.11-minimal. */
const PYTHON_PACKAGES = [`${PYTHON}-minimal`, `lib${PYTHON}-minimal`, 'libexpat1', 'zlib1g', 'libc6'];
/** Parts of libc6 that it does not. */
const LEFT_OUT = /(^|\/)(gconv|share)$/;

/** A newc archive to unpack in the guest's root folder. */
export async function pythonArchive(architecture: Architecture, options: DebianOptions): Promise<Uint8Array> {
  const file = join(options.work, `${PYTHON}.${architecture}.cpio`);
  const kept = await readFile(file).catch(() => undefined);
  if (kept) return kept;
  const archive = await unpacked(architecture, PYTHON_PACKAGES, options, async (root) =>
    writeCpio([...(await entriesOf(root, '')), { kind: 'symlink', path: 'usr/bin/python3', target: PYTHON }]),
  );
  await writeFile(`${file}.new`, archive);
  await rename(`${file}.new`, file);
  return archive;
}

export interface PcFirmware {
  readonly bios: string;
  readonly vgaBios: string;
}

export async function pcFirmware(options: DebianOptions): Promise<PcFirmware> {
  const folder = join(options.work, 'seabios');
  const files = { bios: join(folder, 'bios.bin'), vgaBios: join(folder, 'vgabios-stdvga.bin') };
  const kept = await Promise.all(Object.values(files).map((file) => readFile(file))).catch(() => undefined);
  if (!kept) {
    await unpacked('i386', ['seabios'], options, (root) =>
      cp(join(root, 'usr/share/seabios'), folder, { recursive: true }),
    );
  }
  return files;
}

async function unpacked<T>(
  architecture: Architecture,
  packages: readonly string[],
  { work, sourcesFile }: DebianOptions,
  use: (root: string) => Promise<T>,
): Promise<T> {
  const folder = join(work, `.${packages[0]}.${architecture}.${process.pid}`);
  const progress = (): void => {};
  await mkdir(folder, { recursive: true });
  try {
    const apt = await openRelease({
      codename: CODENAME,
      backports: false,
      architecture,
      cache: cacheFolder(),
      sourcesFile,
      progress,
    });
    return await use(await unpackPackages(apt, packages, folder, progress));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function entriesOf(root: string, path: string): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  const children = await readdir(join(root, path), { withFileTypes: true });
  for (const child of children.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = path ? `${path}/${child.name}` : child.name;
    if (LEFT_OUT.test(at)) continue;
    if (child.isDirectory()) {
      entries.push({ kind: 'directory', path: at }, ...(await entriesOf(root, at)));
    } else if (child.isSymbolicLink()) {
      entries.push({ kind: 'symlink', path: at, target: await readlink(join(root, at)) });
    } else {
      entries.push({ kind: 'file', path: at, data: await readFile(join(root, at)), mode: 0o755 });
    }
  }
  return entries;
}
