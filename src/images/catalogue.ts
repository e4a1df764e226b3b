// The names that `pull` knows: which release a guest kernel comes from and which package names it. Versions are not
// known here; apt finds the newest.

import type { Architecture } from './apt.ts';
import { ImageError } from './error.ts';

export interface CatalogueEntry {
  readonly name: string;
  readonly codename: string;
  readonly backports: boolean;
  readonly architecture: Architecture;
  /** A meta-package that depends on the kernel's own package. */
  readonly metaPackage: string;
  readonly description: string;
}

const RELEASES = [
  { name: 'debian-12', codename: 'bookworm', backports: false, linux: '6.1' },
  { name: 'debian-13', codename: 'trixie', backports: false, linux: '6.12' },
  { name: 'debian-13-backports', codename: 'trixie', backports: true, linux: '7.x' },
] as const;

const FLAVOURS = [
  { suffix: '', metaPackage: 'linux-image-cloud-arm64', what: 'cloud kernel' },
  { suffix: '-full', metaPackage: 'linux-image-arm64', what: 'full kernel' },
  { suffix: '-16k', metaPackage: 'linux-image-arm64-16k', what: 'full kernel with 16K pages' },
] as const;

export const CATALOGUE: readonly CatalogueEntry[] = RELEASES.flatMap((release) =>
  FLAVOURS.filter((flavour) => flavour.suffix !== '-16k' || release.name !== 'debian-12').map((flavour) => ({
    name: release.name + flavour.suffix,
    codename: release.codename,
    backports: release.backports,
    architecture: 'arm64',
    metaPackage: flavour.metaPackage,
    description: `Debian ${release.codename}${release.backports ? ' backports' : ''}, Linux ${release.linux}, ${flavour.what}`,
  })),
);

/** For emulators of PCs that Ringfence is compared with; `pull` does not offer it, for Ringfence cannot run it. */
export const PC_IMAGE: CatalogueEntry = {
  name: 'debian-12-i386',
  codename: 'bookworm',
  backports: false,
  architecture: 'i386',
  metaPackage: 'linux-image-686',
  description: 'Debian bookworm, Linux 6.1, i686 kernel',
};

const ALIASES: Readonly<Record<string, string>> = {
  debian: 'debian-13',
  bookworm: 'debian-12',
  trixie: 'debian-13',
  'trixie-backports': 'debian-13-backports',
};

/** Finds a name or an alias (`debian`, `trixie-full`, `debian-12-cloud`). Throws with the list of names. */
export function findImage(name: string): CatalogueEntry {
  const plain = name.toLowerCase().replace(/-cloud$/, '');
  const flavour = /-(full|16k)$/.exec(plain)?.[0] ?? '';
  const release = plain.slice(0, plain.length - flavour.length);
  const full = (ALIASES[release] ?? release) + flavour;
  const found = CATALOGUE.find((entry) => entry.name === full);
  if (!found) {
    const names = CATALOGUE.map((entry) => entry.name).join(', ');
    throw new ImageError('usage', `no image is called '${name}'; there are debian (debian-13), ${names}`);
  }
  return found;
}
