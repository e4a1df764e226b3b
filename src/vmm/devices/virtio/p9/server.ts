// A 9P2000.L server over a FileTree: one message in, one message out. Every request either is answered as asked or
// with the error that a local file system would give; it knows nothing of queues.

import type { Changes, FileStat, FileTree, OpenMode, Path } from './backend.ts';
import { child, type Fid, Fids, failure, type SavedFid, step } from './fids.ts';
import {
  HEADER_BYTES,
  type MessageReader,
  type MessageWriter,
  P9_ERRNO,
  type Qid,
  R_LERROR,
  T,
  textBytes,
} from './messages.ts';

/** Largest message, both ways; what Linux's virtio transport can carry at most. */
export const MAX_MESSAGE = 512 * 1024;
const MIN_MESSAGE = 4096;
const MAX_WALK = 16;
const QID_BYTES = 13;
const READ_HEADER = HEADER_BYTES + 4;

const QT_DIR = 0x80;
const QT_SYMLINK = 0x02;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const O_ACCESS = 3;
const O_TRUNC = 0o1000;
const AT_REMOVEDIR = 0x200;
const GETATTR_BASIC = 0x7ff;
const SET = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ATIME: 16,
  MTIME: 32,
  ATIME_SET: 128,
  MTIME_SET: 256,
} as const;
const V9FS_MAGIC = 0x0102_1997;
const NAME_BYTES = 255;
const UNLOCKED = 2;

type Handler = (input: MessageReader, output: MessageWriter, room: number) => void;

export class P9Server {
  private readonly tree: FileTree;
  private readonly fids: Fids;
  private messageSize = MAX_MESSAGE;
  private readonly handlers: Readonly<Record<number, Handler>> = {
    [T.VERSION]: (input, output) => this.version(input, output),
    [T.ATTACH]: (input, output) => this.attach(input, output),
    [T.WALK]: (input, output) => this.walk(input, output),
    [T.CLUNK]: (input) => this.fids.clunk(this.number(input)),
    [T.LOPEN]: (input, output) => this.open(input, output),
    [T.LCREATE]: (input, output) => this.create(input, output),
    [T.READ]: (input, output, room) => this.read(input, output, room),
    [T.WRITE]: (input, output) => this.write(input, output),
    // Directories are never open here, and have nothing to sync.
    [T.FSYNC]: (input) => this.fid(input).file?.sync(),
    [T.READDIR]: (input, output, room) => this.readDirectory(input, output, room),
    [T.GETATTR]: (input, output) => this.getAttributes(input, output),
    [T.SETATTR]: (input) => this.setAttributes(input),
    [T.STATFS]: (input, output) => this.statFileSystem(input, output),
    [T.READLINK]: (input, output) => output.text(this.tree.readLink(this.fid(input).path)),
    [T.MKDIR]: (input, output) => this.makeDirectory(input, output),
    [T.SYMLINK]: (input, output) => this.makeSymlink(input, output),
    [T.LINK]: (input) => this.makeLink(input),
    [T.RENAME]: (input) => this.rename(input),
    [T.RENAMEAT]: (input) => this.renameAt(input),
    [T.UNLINKAT]: (input) => this.unlinkAt(input),
    [T.REMOVE]: (input) => this.remove(input),
    // Requests are answered in order and at once: there is never anything to flush.
    [T.FLUSH]: () => {},
    // One client: every lock is free.
    [T.LOCK]: (_input, output) => output.u8(0),
    [T.GETLOCK]: (input, output) => this.getLock(input, output),
  };

  constructor(tree: FileTree) {
    this.tree = tree;
    this.fids = new Fids(tree);
  }

  /** Answers the request in `input` with at most `room` bytes; what does not fit becomes an error. */
  answer(input: MessageReader, output: MessageWriter, room: number): void {
    const type = input.u8();
    const tag = input.u16();
    output.start();
    try {
      if (input.bad) throw failure('EPROTO');
      const handler = this.handlers[type];
      if (!handler) throw failure('EOPNOTSUPP');
      const limit = Math.min(room, this.messageSize);
      handler(input, output, limit);
      if (output.at > limit) throw failure('EPROTO');
      output.finish(type + 1, tag);
    } catch (error) {
      output.start();
      output.u32(errorNumber(error));
      output.finish(R_LERROR, tag);
    }
  }

  close(): void {
    this.fids.clear();
  }

  save(): { readonly messageSize: number; readonly fids: readonly SavedFid[] } {
    return { messageSize: this.messageSize, fids: this.fids.save() };
  }

  restore(state: { readonly messageSize: number; readonly fids: readonly SavedFid[] }): void {
    this.messageSize = state.messageSize;
    this.fids.restore(state.fids);
  }

  /** Begins a new session: all fids of an old one are gone. */
  private version(input: MessageReader, output: MessageWriter): void {
    const size = input.u32();
    const version = this.text(input);
    if (size < MIN_MESSAGE) throw failure('EINVAL');
    this.fids.clear();
    this.messageSize = Math.min(size, MAX_MESSAGE);
    output.u32(this.messageSize);
    output.text(version === '9P2000.L' ? version : 'unknown');
  }

  private attach(input: MessageReader, output: MessageWriter): void {
    const number = this.number(input);
    output.qid(this.qid([]));
    this.fids.add(number, []);
  }

  /** Walks as far as it goes; the new fid exists only when all names were found. */
  private walk(input: MessageReader, output: MessageWriter): void {
    const from = this.fids.get(input.u32());
    const target = input.u32();
    const count = input.u16();
    if (count > MAX_WALK) throw failure('EINVAL');
    const names = Array.from({ length: count }, () => input.text());
    if (input.bad) throw failure('EPROTO');
    const qids: Qid[] = [];
    let path = from.path;
    for (const name of names) {
      try {
        const next = step(path, name);
        qids.push(this.qid(next));
        path = next;
      } catch (error) {
        if (qids.length === 0) throw error;
        break;
      }
    }
    if (qids.length === count) {
      if (this.fids.has(target) && this.fids.get(target) === from) from.path = path;
      else this.fids.add(target, path);
    }
    output.u16(qids.length);
    for (const qid of qids) output.qid(qid);
  }

  private getAttributes(input: MessageReader, output: MessageWriter): void {
    const stat = this.tree.stat(this.fid(input).path);
    output.u64(GETATTR_BASIC);
    output.qid(qidOf(stat));
    output.u32(stat.mode);
    output.u32(stat.uid);
    output.u32(stat.gid);
    for (const field of [stat.links, stat.device, stat.size, stat.blockSize, stat.blocks]) output.u64(field);
    for (const time of [stat.accessed, stat.modified, stat.changed]) {
      output.u64(BigInt.asUintN(64, BigInt(time.seconds)));
      output.u64(BigInt.asUintN(64, BigInt(time.nanoseconds)));
    }
    // Birth time, generation and data version are not among the basic fields.
    for (let i = 0; i < 4; i++) output.u64(0);
  }

  private setAttributes(input: MessageReader): void {
    const fid = this.fids.get(input.u32());
    const valid = input.u32();
    const [mode, uid, gid] = [input.u32(), input.u32(), input.u32()];
    const size = input.u64();
    const accessed = { seconds: input.u64(), nanoseconds: input.u64() };
    const modified = { seconds: input.u64(), nanoseconds: input.u64() };
    this.writing(input);
    const changes: Changes = {
      ...(valid & SET.MODE && { mode }),
      ...(valid & SET.UID && { uid }),
      ...(valid & SET.GID && { gid }),
      ...(valid & SET.SIZE && { size }),
      ...(valid & SET.ATIME && { accessed: valid & SET.ATIME_SET ? accessed : 'now' }),
      ...(valid & SET.MTIME && { modified: valid & SET.MTIME_SET ? modified : 'now' }),
    };
    this.tree.change(fid.path, changes);
  }

  private open(input: MessageReader, output: MessageWriter): void {
    const fid = this.fids.get(input.u32());
    const mode = modeOf(input.u32());
    if (input.bad) throw failure('EPROTO');
    if (mode.write || mode.truncate) this.writing(input);
    const stat = this.tree.stat(fid.path);
    const type = stat.mode & S_IFMT;
    if (type === S_IFLNK) throw failure('ELOOP');
    if (type === S_IFDIR) {
      if (mode.write) throw failure('EISDIR');
      fid.names = undefined;
    } else this.fids.openAs(fid, mode, () => this.tree.open(fid.path, mode));
    output.qid(qidOf(stat));
    output.u32(0);
  }

  /** The fid of the directory becomes that of the new file, open. */
  private create(input: MessageReader, output: MessageWriter): void {
    const fid = this.fids.get(input.u32());
    const path = child(fid.path, input.text());
    const mode = modeOf(input.u32());
    const permissions = input.u32() & 0o7777;
    this.writing(input);
    this.fids.openAs(fid, mode, () => this.tree.create(path, mode, permissions));
    fid.path = path;
    output.qid(this.qid(path));
    output.u32(0);
  }

  private read(input: MessageReader, output: MessageWriter, room: number): void {
    const fid = this.fids.get(input.u32());
    const offset = input.u64();
    const count = Math.min(input.u32(), room - READ_HEADER);
    if (input.bad || count < 0) throw failure('EPROTO');
    if (!fid.file) throw failure('EBADF');
    const into = output.bytes.subarray(READ_HEADER, READ_HEADER + count);
    const length = count > 0 ? fid.file.read(offset, into) : 0;
    output.u32(length);
    output.at += length;
  }

  private write(input: MessageReader, output: MessageWriter): void {
    const fid = this.fids.get(input.u32());
    const offset = input.u64();
    const bytes = input.take(input.u32());
    this.writing(input);
    if (!fid.file) throw failure('EBADF');
    output.u32(fid.file.write(offset, bytes));
  }

  /** Offsets count names; the list is taken anew when reading starts over. */
  private readDirectory(input: MessageReader, output: MessageWriter, room: number): void {
    const fid = this.fids.get(input.u32());
    const offset = input.u64();
    const end = Math.min(input.u32(), room - READ_HEADER) + READ_HEADER;
    if (input.bad) throw failure('EPROTO');
    if (offset === 0 || !fid.names) fid.names = ['.', '..', ...this.tree.list(fid.path)];
    const countAt = output.at;
    output.u32(0);
    for (let i = offset; i < fid.names.length; i++) {
      const name = fid.names[i];
      if (output.at + QID_BYTES + 9 + textBytes(name) > end) break;
      const stat = this.statEntry(fid, name);
      if (!stat) continue;
      output.qid(qidOf(stat));
      output.u64(i + 1);
      output.u8((stat.mode & S_IFMT) >> 12);
      output.text(name);
    }
    const after = output.at;
    output.at = countAt;
    output.u32(after - READ_HEADER);
    output.at = after;
  }

  /** Undefined for a file that went away since the list was made. */
  private statEntry(fid: Fid, name: string): FileStat | undefined {
    const path = name === '.' ? fid.path : step(fid.path, name);
    try {
      return this.tree.stat(path);
    } catch {
      return undefined;
    }
  }

  private statFileSystem(input: MessageReader, output: MessageWriter): void {
    this.fid(input);
    const stat = this.tree.statFileSystem();
    output.u32(V9FS_MAGIC);
    output.u32(stat.blockSize);
    for (const field of [stat.blocks, stat.free, stat.available, stat.files, stat.freeFiles, 0])
      output.u64(field);
    output.u32(NAME_BYTES);
  }

  private getLock(input: MessageReader, output: MessageWriter): void {
    this.fids.get(input.u32());
    input.u8();
    const [start, length, process] = [input.u64(), input.u64(), input.u32()];
    const client = this.text(input);
    output.u8(UNLOCKED);
    output.u64(BigInt.asUintN(64, BigInt(start)));
    output.u64(BigInt.asUintN(64, BigInt(length)));
    output.u32(process);
    output.text(client.slice(0, NAME_BYTES));
  }

  private makeDirectory(input: MessageReader, output: MessageWriter): void {
    const path = child(this.fids.get(input.u32()).path, input.text());
    const permissions = input.u32() & 0o7777;
    this.writing(input);
    this.tree.makeDirectory(path, permissions);
    output.qid(this.qid(path));
  }

  private makeSymlink(input: MessageReader, output: MessageWriter): void {
    const path = child(this.fids.get(input.u32()).path, input.text());
    const target = input.text();
    this.writing(input);
    this.tree.makeSymlink(path, target);
    output.qid(this.qid(path));
  }

  private makeLink(input: MessageReader): void {
    const directory = this.fids.get(input.u32());
    const existing = this.fids.get(input.u32());
    const path = child(directory.path, input.text());
    this.writing(input);
    this.tree.makeLink(path, existing.path);
  }

  private rename(input: MessageReader): void {
    const fid = this.fids.get(input.u32());
    const path = child(this.fids.get(input.u32()).path, input.text());
    this.writing(input);
    this.move(fid.path, path);
  }

  private renameAt(input: MessageReader): void {
    const from = child(this.fids.get(input.u32()).path, input.text());
    const to = child(this.fids.get(input.u32()).path, input.text());
    this.writing(input);
    this.move(from, to);
  }

  private move(from: Path, to: Path): void {
    this.tree.rename(from, to);
    this.fids.moved(from, to);
  }

  private unlinkAt(input: MessageReader): void {
    const path = child(this.fids.get(input.u32()).path, input.text());
    const flags = input.u32();
    this.writing(input);
    if (flags & AT_REMOVEDIR) this.tree.removeDirectory(path);
    else this.tree.removeFile(path);
  }

  /** The fid is gone whether or not the file is. */
  private remove(input: MessageReader): void {
    const number = input.u32();
    const { path } = this.fids.get(number);
    this.fids.clunk(number);
    this.writing(input);
    if ((this.tree.stat(path).mode & S_IFMT) === S_IFDIR) this.tree.removeDirectory(path);
    else this.tree.removeFile(path);
  }

  /** All fields are read: the message must have been whole, and the tree writable. */
  private writing(input: MessageReader): void {
    if (input.bad) throw failure('EPROTO');
    if (this.tree.readOnly) throw failure('EROFS');
  }

  private number(input: MessageReader): number {
    const number = input.u32();
    if (input.bad) throw failure('EPROTO');
    return number;
  }

  private text(input: MessageReader): string {
    const text = input.text();
    if (input.bad) throw failure('EPROTO');
    return text;
  }

  private fid(input: MessageReader): Fid {
    return this.fids.get(this.number(input));
  }

  private qid(path: Path): Qid {
    return qidOf(this.tree.stat(path));
  }
}

function qidOf(stat: FileStat): Qid {
  const type = stat.mode & S_IFMT;
  return {
    type: type === S_IFDIR ? QT_DIR : type === S_IFLNK ? QT_SYMLINK : 0,
    version: (stat.modified.nanoseconds ^ (stat.size & 0xffff_ffff)) >>> 0,
    path: stat.inode,
  };
}

function modeOf(flags: number): OpenMode {
  const access = flags & O_ACCESS;
  return { read: access !== 1, write: access !== 0, truncate: (flags & O_TRUNC) !== 0 };
}

function errorNumber(error: unknown): number {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return P9_ERRNO[code] ?? P9_ERRNO.EIO;
}
