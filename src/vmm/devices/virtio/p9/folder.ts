// A host folder as a file tree. A guest can rename directories and plant symbolic links under our feet, so no path is
// trusted: before each use its directory must resolve to itself, and its last name is never followed. Node only.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Changes, FileStat, FileTime, FileTree, OpenFile, OpenMode, Path } from './backend.ts';

export interface FolderOptions {
  /** Default: false. */
  readonly readOnly?: boolean;
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
const TYPE_MASK = 0o170000;
const SYMLINK = 0o120000;

/** Shares `root`. Throws what node:fs throws when there is no such folder. */
export function sharedFolder(root: string, options: FolderOptions = {}): FileTree {
  return new Folder(realpathSync(root), options.readOnly ?? false);
}

class Folder implements FileTree {
  readonly readOnly: boolean;
  private readonly root: string;

  constructor(root: string, readOnly: boolean) {
    this.root = root;
    this.readOnly = readOnly;
  }

  stat(path: Path): FileStat {
    const stat = lstatSync(this.at(path), { bigint: true });
    return {
      inode: stat.ino,
      mode: Number(stat.mode),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      links: Number(stat.nlink),
      device: Number(stat.rdev),
      size: Number(stat.size),
      blockSize: Number(stat.blksize),
      blocks: Number(stat.blocks),
      accessed: timeOf(stat.atimeNs),
      modified: timeOf(stat.mtimeNs),
      changed: timeOf(stat.ctimeNs),
    };
  }

  list(path: Path): readonly string[] {
    return readdirSync(this.directory(path));
  }

  open(path: Path, mode: OpenMode): OpenFile {
    return openFile(openSync(this.at(path), flagsOf(mode)));
  }

  create(path: Path, mode: OpenMode, permissions: number): OpenFile {
    const fd = openSync(this.at(path), flagsOf(mode) | O_CREAT | O_EXCL, permissions);
    // The host's umask is not the guest's.
    fchmodSync(fd, permissions);
    return openFile(fd);
  }

  makeDirectory(path: Path, permissions: number): void {
    const at = this.at(path);
    mkdirSync(at, permissions);
    chmodSync(at, permissions);
  }

  makeSymlink(path: Path, target: string): void {
    symlinkSync(target, this.at(path));
  }

  makeLink(path: Path, existing: Path): void {
    linkSync(this.at(existing), this.at(path));
  }

  readLink(path: Path): string {
    return readlinkSync(this.at(path));
  }

  removeFile(path: Path): void {
    unlinkSync(this.at(path));
  }

  removeDirectory(path: Path): void {
    rmdirSync(this.at(path));
  }

  rename(from: Path, to: Path): void {
    renameSync(this.at(from), this.at(to));
  }

  change(path: Path, changes: Changes): void {
    const at = this.at(path);
    const { mode, uid, gid, size, accessed, modified } = changes;
    const before = this.stat(path);
    const link = (before.mode & TYPE_MASK) === SYMLINK;
    if (uid !== undefined || gid !== undefined) lchownSync(at, uid ?? before.uid, gid ?? before.gid);
    if (!link && (mode !== undefined || size !== undefined)) {
      const fd = openSync(at, (size === undefined ? O_RDONLY : O_WRONLY) | O_NOFOLLOW | O_NONBLOCK);
      try {
        if (size !== undefined) ftruncateSync(fd, size);
        if (mode !== undefined) fchmodSync(fd, mode & 0o7777);
      } finally {
        closeSync(fd);
      }
    }
    if (accessed !== undefined || modified !== undefined)
      lutimesSync(at, secondsOf(accessed ?? before.accessed), secondsOf(modified ?? before.modified));
  }

  statFileSystem() {
    const stat = statfsSync(this.root);
    return {
      blockSize: stat.bsize,
      blocks: stat.blocks,
      free: stat.bfree,
      available: stat.bavail,
      files: stat.files,
      freeFiles: stat.ffree,
    };
  }

  /** The host's path of `path`, whose parent is really where it says. */
  private at(path: Path): string {
    return path.length === 0 ? this.root : join(this.directory(path.slice(0, -1)), path[path.length - 1]);
  }

  private directory(path: Path): string {
    const at = join(this.root, ...path);
    if (realpathSync(at) !== at) throw Object.assign(new Error(`${at} leads elsewhere`), { code: 'ELOOP' });
    return at;
  }
}

/** O_NONBLOCK keeps a pipe from stopping the whole machine. */
function flagsOf({ read, write, truncate }: OpenMode): number {
  const access = read && write ? O_RDWR : write ? O_WRONLY : O_RDONLY;
  return access | O_NOFOLLOW | O_NONBLOCK | (truncate ? O_TRUNC : 0);
}

const openFile = (fd: number): OpenFile => ({
  read: (offset, into) => readSync(fd, into, 0, into.length, offset),
  write: (offset, from) => writeSync(fd, from, 0, from.length, offset),
  sync: () => fsyncSync(fd),
  close: () => closeSync(fd),
});

const timeOf = (nanoseconds: bigint): FileTime => ({
  seconds: Number(nanoseconds / 1_000_000_000n),
  nanoseconds: Number(nanoseconds % 1_000_000_000n),
});

const secondsOf = (time: FileTime | 'now'): number | Date =>
  time === 'now' ? new Date() : time.seconds + time.nanoseconds / 1e9;
