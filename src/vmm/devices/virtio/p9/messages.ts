// 9P2000.L on the wire (Linux include/net/9p/9p.h; diod protocol.md): little-endian fields after size, type and tag.

/** Request types; a reply is one more. */
export const T = {
  STATFS: 8,
  LOPEN: 12,
  LCREATE: 14,
  SYMLINK: 16,
  RENAME: 20,
  READLINK: 22,
  GETATTR: 24,
  SETATTR: 26,
  READDIR: 40,
  FSYNC: 50,
  LOCK: 52,
  GETLOCK: 54,
  LINK: 70,
  MKDIR: 72,
  RENAMEAT: 74,
  UNLINKAT: 76,
  VERSION: 100,
  ATTACH: 104,
  FLUSH: 108,
  WALK: 110,
  READ: 116,
  WRITE: 118,
  CLUNK: 120,
  REMOVE: 122,
} as const;
export const R_LERROR = 7;

export const HEADER_BYTES = 7;

/** Linux error numbers that a reply can carry. */
export const P9_ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EPROTO: 71,
  EOPNOTSUPP: 95,
};

export interface Qid {
  readonly type: number;
  readonly version: number;
  readonly path: bigint;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Reads fields in order. Past the end everything is zero or empty, and `bad` is set. */
export class MessageReader {
  bad = false;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;
  private end = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Starts over: the message is bytes [from, to) of the buffer. */
  start(from: number, to: number): void {
    this.at = from;
    this.end = to;
    this.bad = false;
  }

  u8(): number {
    return this.has(1) ? this.view.getUint8(this.at++) : 0;
  }

  u16(): number {
    if (!this.has(2)) return 0;
    this.at += 2;
    return this.view.getUint16(this.at - 2, true);
  }

  u32(): number {
    if (!this.has(4)) return 0;
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  /** Inexact above 2^53, which no file reaches. */
  u64(): number {
    const low = this.u32();
    return this.u32() * 2 ** 32 + low;
  }

  text(): string {
    return decoder.decode(this.take(this.u16()));
  }

  /** Valid until the next message. */
  take(length: number): Uint8Array {
    if (!this.has(length)) return new Uint8Array(0);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  private has(bytes: number): boolean {
    if (this.at + bytes <= this.end) return true;
    this.bad = true;
    return false;
  }
}

/** Writes fields in order into a buffer that the caller has made large enough. */
export class MessageWriter {
  readonly bytes: Uint8Array;
  at = HEADER_BYTES;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  start(): void {
    this.at = HEADER_BYTES;
  }

  u8(value: number): void {
    this.view.setUint8(this.at++, value);
  }

  u16(value: number): void {
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  u64(value: number | bigint): void {
    this.view.setBigUint64(this.at, BigInt(value), true);
    this.at += 8;
  }

  text(value: string): void {
    const bytes = encoder.encode(value);
    this.u16(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  qid({ type, version, path }: Qid): void {
    this.u8(type);
    this.u32(version);
    this.u64(path);
  }

  /** Completes the header; the message is the first `at` bytes. */
  finish(type: number, tag: number): void {
    this.view.setUint32(0, this.at, true);
    this.view.setUint8(4, type);
    this.view.setUint16(5, tag, true);
  }
}

/** Bytes that text() takes. */
export const textBytes = (value: string): number => 2 + encoder.encode(value).length;
