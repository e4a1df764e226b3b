// Writes "newc" cpio archives, the format of an initramfs (Linux Documentation/driver-api/early-userspace/
// buffer-format.rst). The same entries give the same bytes: owners are root, times are zero, inodes count up.

export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;

/** One thing in the archive. `path` has no leading slash; parents must come before what they hold. */
export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly data: Uint8Array | string;
      readonly mode?: number;
    }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'character-device';
      readonly path: string;
      readonly major: number;
      readonly minor: number;
      readonly mode?: number;
    };

const TRAILER = 'TRAILER!!!';
const HEADER_BYTES = 110;
const encoder = new TextEncoder();

interface Record {
  readonly name: Uint8Array;
  readonly data: Uint8Array;
  readonly mode: number;
  readonly links: number;
  readonly major: number;
  readonly minor: number;
}

const NOTHING = new Uint8Array(0);

function recordOf(entry: CpioEntry): Record {
  const base = { name: encoder.encode(`${entry.path}\0`), data: NOTHING, links: 1, major: 0, minor: 0 };
  switch (entry.kind) {
    case 'directory':
      return { ...base, mode: S_IFDIR | (entry.mode ?? 0o755), links: 2 };
    case 'file': {
      const data = typeof entry.data === 'string' ? encoder.encode(entry.data) : entry.data;
      return { ...base, data, mode: S_IFREG | (entry.mode ?? 0o644) };
    }
    case 'symlink':
      return { ...base, data: encoder.encode(entry.target), mode: S_IFLNK | 0o777 };
    case 'character-device':
      return { ...base, mode: S_IFCHR | (entry.mode ?? 0o600), major: entry.major, minor: entry.minor };
  }
}

const align4 = (n: number): number => (n + 3) & ~3;
const sizeOf = (r: Record): number => align4(HEADER_BYTES + r.name.length) + align4(r.data.length);
const hex8 = (n: number): string => n.toString(16).padStart(8, '0');

function header(r: Record, inode: number): Uint8Array {
  const fields = [inode, r.mode, 0, 0, r.links, 0, r.data.length, 0, 0, r.major, r.minor, r.name.length, 0];
  return encoder.encode(`070701${fields.map(hex8).join('')}`);
}

/** The archive's bytes, padded to 512 as cpio(1) does. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const end: Record = {
    name: encoder.encode(`${TRAILER}\0`),
    data: NOTHING,
    mode: 0,
    links: 1,
    major: 0,
    minor: 0,
  };
  const records = [...entries.map(recordOf), end];
  const length = records.reduce((sum, r) => sum + sizeOf(r), 0);
  const out = new Uint8Array(Math.ceil(length / 512) * 512);
  let at = 0;
  records.forEach((r, i) => {
    out.set(header(r, r === end ? 0 : i + 1), at);
    out.set(r.name, at + HEADER_BYTES);
    at += align4(HEADER_BYTES + r.name.length);
    out.set(r.data, at);
    at += align4(r.data.length);
  });
  return out;
}
