// What stands behind a 9p device: a tree of files, named by paths. The host folder is in folder.ts, apart from
// everything that must run in a browser. Failures are thrown as errors whose `code` is a POSIX name, as node:fs does.

/** Names from the root down; none is empty, '.', '..' or contains a slash or NUL. */
export type Path = readonly string[];

export interface FileTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface FileStat {
  /** Unique and stable among living files; 64 bits. */
  readonly inode: bigint;
  /** Type and permissions, as stat(2) has them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly device: number;
  readonly size: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly accessed: FileTime;
  readonly modified: FileTime;
  readonly changed: FileTime;
}

export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly truncate: boolean;
}

/** What setattr changes; a time of 'now' is the host's. */
export interface Changes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly accessed?: FileTime | 'now';
  readonly modified?: FileTime | 'now';
}

export interface FileSystemStat {
  readonly blockSize: number;
  readonly blocks: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly freeFiles: number;
}

export interface OpenFile {
  /** Returns how many bytes there were, 0 at the end. */
  read(offset: number, into: Uint8Array): number;
  write(offset: number, from: Uint8Array): number;
  sync(): void;
  close(): void;
}

export interface FileTree {
  readonly readOnly: boolean;
  /** Never follows a symbolic link at the end, and never leaves the tree. */
  stat(path: Path): FileStat;
  list(path: Path): readonly string[];
  open(path: Path, mode: OpenMode): OpenFile;
  /** Fails with EEXIST where something is. */
  create(path: Path, mode: OpenMode, permissions: number): OpenFile;
  makeDirectory(path: Path, permissions: number): void;
  makeSymlink(path: Path, target: string): void;
  makeLink(path: Path, existing: Path): void;
  readLink(path: Path): string;
  removeFile(path: Path): void;
  removeDirectory(path: Path): void;
  rename(from: Path, to: Path): void;
  change(path: Path, changes: Changes): void;
  statFileSystem(): FileSystemStat;
}
