// `pull`: a Debian guest kernel and an initramfs with a shell, made from packages that the system's apt fetches and
// verifies, kept in the user's cache. Knows the package layouts of Linux 6.1 to 7.2 as Debian ships them.

import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Apt, Progress } from './apt.ts';
import { type CatalogueEntry, findImage } from './catalogue.ts';
import { ImageError } from './error.ts';
import { makeFolders } from './folders.ts';
import { makeInitramfs } from './initramfs.ts';
import { findModules, selectModules } from './modules.ts';
import { openRelease, unpackPackages } from './packages.ts';

/** A guest that is ready to boot. */
export interface PulledImage {
  readonly name: string;
  readonly description: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The static arm64 busybox that the initramfs holds, for making others. */
  readonly busybox: string;
  /** `uname -r`. */
  readonly release: string;
  readonly version: string;
}

export interface PullOptions {
  /** Fetch again although it is in the cache. */
  readonly refresh?: boolean;
  readonly sourcesFile?: string | undefined;
  readonly progress?: Progress;
  /** Default: $XDG_CACHE_HOME/ringfence, or ~/.cache/ringfence. */
  readonly cache?: string;
}

/** Raised when the initramfs changes, so that a cache made by an older Ringfence is made anew. */
const LAYOUT = 4;

const LOAD_AT_BOOT = [
  ...['virtio_pci', 'virtio_mmio', 'virtio_iommu', 'virtio_blk', 'failover', 'net_failover', 'virtio_net'],
  ...['virtio_rng', 'virtio_console', 'virtio_balloon', 'gpio_pl061', 'gpio_keys', 'rtc_pl031'],
];
/** A PC's disk. */
const LOAD_AT_BOOT_ON_PC = ['ata_piix', 'sd_mod'];
const LOAD_ON_DEMAND = [
  ...['ext4', 'crc32c_generic', 'crc32c_cryptoapi', 'libcrc32c', '9p', '9pnet_virtio', 'overlay', 'squashfs'],
  ...[
    'vmw_vsock_virtio_transport',
    'virtio_input',
    'af_packet',
    'arm_cca_guest',
    'arm_pkvm_guest',
    'tsm',
    'tsm_report',
  ],
];

export const cacheFolder = (): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ringfence');

/** The image if it is in the cache, without asking the network. */
export async function cachedImage(name: string, cache = cacheFolder()): Promise<PulledImage | undefined> {
  return readImage(imageFolder(cache, findImage(name)));
}

/** By a name that findImage() knows, or an entry that it does not. */
export async function pullImage(
  image: string | CatalogueEntry,
  options: PullOptions = {},
): Promise<PulledImage> {
  const entry = typeof image === 'string' ? findImage(image) : image;
  const cache = options.cache ?? cacheFolder();
  const folder = imageFolder(cache, entry);
  if (!options.refresh) {
    const cached = await readImage(folder);
    if (cached) return cached;
  }
  const progress = options.progress ?? (() => {});
  await makeFolders(join(cache, 'images')).catch((error: unknown) => {
    throw new ImageError(
      'host',
      `${cache}: cannot be written (${codeOf(error)}); set XDG_CACHE_HOME to a folder that can`,
    );
  });
  const work = await mkdtemp(join(cache, 'images', `.${entry.name}-`));
  try {
    await build(entry, cache, work, { ...options, progress });
    await rm(folder, { recursive: true, force: true });
    await rename(join(work, 'image'), folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const made = await readImage(folder);
  if (!made) throw new Error(`the image in ${folder} cannot be read back`);
  return made;
}

const imageFolder = (cache: string, entry: CatalogueEntry): string => join(cache, 'images', entry.name);

async function readImage(folder: string): Promise<PulledImage | undefined> {
  const text = await readFile(join(folder, 'image.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const about = JSON.parse(text) as Record<string, unknown>;
  if (about.layout !== LAYOUT) return undefined;
  const word = (key: string): string => String(about[key] ?? '');
  return {
    name: word('name'),
    description: word('description'),
    release: word('release'),
    version: word('version'),
    kernel: join(folder, 'kernel'),
    initrd: join(folder, 'initrd'),
    busybox: join(folder, 'busybox'),
  };
}

async function build(
  entry: CatalogueEntry,
  cache: string,
  work: string,
  options: PullOptions & { progress: Progress },
): Promise<void> {
  const apt = await openRelease({
    ...entry,
    cache,
    sourcesFile: options.sourcesFile,
    progress: options.progress,
  });
  const { packages, version } = await kernelPackages(apt, entry.metaPackage);
  const root = await unpackPackages(apt, [...packages, 'busybox-static'], work, options.progress);
  const kernel = await findKernel(root);
  const busybox = await readFirst([join(root, 'usr/bin/busybox'), join(root, 'bin/busybox')], 'busybox');
  const files = await findModules(root);
  const loadAtBoot = entry.architecture === 'i386' ? LOAD_AT_BOOT_ON_PC : LOAD_AT_BOOT;
  const modules = await selectModules(files, [...loadAtBoot, ...LOAD_ON_DEMAND]);
  const initrd = makeInitramfs({ busybox, modules, release: kernel.release, loadAtBoot });
  const image = join(work, 'image');
  await mkdir(image);
  await rename(kernel.file, join(image, 'kernel'));
  await writeFile(join(image, 'initrd'), initrd);
  await writeFile(join(image, 'busybox'), busybox, { mode: 0o755 });
  const about = {
    layout: LAYOUT,
    name: entry.name,
    description: entry.description,
    release: kernel.release,
    version,
  };
  await writeFile(join(image, 'image.json'), `${JSON.stringify(about, undefined, 2)}\n`);
}

/**
 * The meta-package names linux-image-VERSION. Up to 6.12 that holds kernel and modules; from 7.x it depends on
 * linux-binary-VERSION and linux-modules-VERSION, which do.
 */
async function kernelPackages(apt: Apt, meta: string): Promise<{ packages: string[]; version: string }> {
  const { depends, version } = await apt.show(meta);
  const image = depends.find((name) => /^linux-image-\d/.test(name));
  if (!image)
    throw new ImageError(
      'host',
      `${meta} ${version} names no kernel package; Ringfence does not know this layout`,
    );
  const parts = (await apt.show(`${image}`)).depends.filter((name) =>
    /^linux-(binary|modules)-\d/.test(name),
  );
  return { packages: parts.length > 0 ? parts : [image], version };
}

async function findKernel(root: string): Promise<{ file: string; release: string }> {
  for (const folder of [join(root, 'usr/lib/modules'), join(root, 'lib/modules')]) {
    for (const release of await readdir(folder).catch(() => [])) {
      for (const file of [join(folder, release, 'vmlinuz'), join(root, 'boot', `vmlinuz-${release}`)]) {
        if (
          await readFile(file).then(
            () => true,
            () => false,
          )
        )
          return { file, release };
      }
    }
  }
  throw new ImageError(
    'host',
    'the kernel package holds no vmlinuz where Debian puts it; Ringfence does not know this layout',
  );
}

async function readFirst(files: readonly string[], what: string): Promise<Uint8Array> {
  for (const file of files) {
    const data = await readFile(file).catch(() => undefined);
    if (data) return data;
  }
  throw new ImageError('host', `the package holds no ${what} where Debian puts it`);
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
