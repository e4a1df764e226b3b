// The handles of a 9p session: each fid stands for a path, and may have it open. Names from the guest are checked
// here, so that no path in this folder can climb out of the tree.

import type { FileTree, OpenFile, OpenMode, Path } from './backend.ts';

/** A guest may hold this many; each costs the host little, but an open one costs a descriptor. */
const MAX_FIDS = 65536;
const MAX_OPEN = 1024;
const MAX_DEPTH = 256;

export class Fid {
  path: Path;
  file: OpenFile | undefined;
  mode: OpenMode | undefined;
  /** The names that a directory had when it was read from the start. */
  names: readonly string[] | undefined;

  constructor(path: Path) {
    this.path = path;
  }
}

export interface SavedFid {
  readonly fid: number;
  readonly path: Path;
  readonly mode: OpenMode | undefined;
}

/** An error for the guest; `code` is a key of P9_ERRNO. */
export const failure = (code: string): Error => Object.assign(new Error(code), { code });

export class Fids {
  private readonly tree: FileTree;
  private readonly fids = new Map<number, Fid>();
  private open = 0;

  constructor(tree: FileTree) {
    this.tree = tree;
  }

  has(number: number): boolean {
    return this.fids.has(number);
  }

  get(number: number): Fid {
    const fid = this.fids.get(number);
    if (!fid) throw failure('EBADF');
    return fid;
  }

  add(number: number, path: Path): Fid {
    if (this.fids.has(number)) throw failure('EBUSY');
    if (this.fids.size >= MAX_FIDS) throw failure('ENFILE');
    const fid = new Fid(path);
    this.fids.set(number, fid);
    return fid;
  }

  openAs(fid: Fid, mode: OpenMode, open: () => OpenFile): void {
    if (fid.file) throw failure('EBUSY');
    if (this.open >= MAX_OPEN) throw failure('EMFILE');
    fid.file = open();
    fid.mode = mode;
    this.open++;
  }

  clunk(number: number): void {
    const fid = this.get(number);
    this.fids.delete(number);
    if (!fid.file) return;
    this.open--;
    fid.file.close();
  }

  clear(): void {
    for (const number of [...this.fids.keys()]) this.clunk(number);
  }

  /** Everything at or below `from` is now at or below `to`. */
  moved(from: Path, to: Path): void {
    for (const fid of this.fids.values())
      if (from.every((name, i) => fid.path[i] === name)) fid.path = [...to, ...fid.path.slice(from.length)];
  }

  save(): SavedFid[] {
    return [...this.fids].map(([fid, { path, mode }]) => ({ fid, path, mode }));
  }

  /** A file that is gone by now stays a fid that is not open: using it gives EBADF, as after a server's restart. */
  restore(saved: readonly SavedFid[]): void {
    this.clear();
    for (const { fid: number, path, mode } of saved) {
      const fid = this.add(number, path);
      if (!mode) continue;
      const again = { ...mode, truncate: false };
      try {
        this.openAs(fid, mode, () => this.tree.open(path, again));
      } catch {
        fid.file = undefined;
      }
    }
  }
}

/** `path` with one more name; '..' stays inside the tree. Throws where the name is none. */
export function step(path: Path, name: string): Path {
  if (name === '..') return path.slice(0, -1);
  return child(path, name);
}

export function child(path: Path, name: string): Path {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) throw failure('EINVAL');
  if (path.length >= MAX_DEPTH) throw failure('ENAMETOOLONG');
  return [...path, name];
}
