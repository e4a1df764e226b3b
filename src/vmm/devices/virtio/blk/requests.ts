// The block device's request queue (virtio 1.3, 5.2.6). One object lives from DRIVER_OK to reset; a request that an
// asynchronous backend finishes after that touches neither guest memory nor the queue. Requests are served one at a
// time and in order, so one buffer is enough.

import type { Log } from '../../../../lib/index.ts';
import type { Chain, SavedChain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';
import type { BlockBackend } from './backend.ts';

export const SECTOR = 512;
/** Bytes moved per backend call. */
const BUFFER_BYTES = 256 * 1024;
/** Far above what Linux sends at once (1.25 MiB); a larger request could stop the host for minutes. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
const HEADER_BYTES = 16;
const SEGMENT_BYTES = 16;
const ID_BYTES = 20;
export const MAX_SEGMENTS = 16;
/** 16 MiB: zeroes are written out by a synchronous backend while the guest stands still. */
export const MAX_ZERO_SECTORS = 32768;
export const MAX_DISCARD_SECTORS = 0x3f_ffff;

/** Request types and status values (virtio 1.3, 5.2.6). */
export const BLK_T = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
export const BLK_S = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;

type Status = number | Promise<number>;

export class BlockRequests {
  private readonly queue: Virtqueue;
  private readonly backend: BlockBackend;
  private readonly serial: Uint8Array;
  private readonly refusals: RefusalLog;
  private readonly log: Log;
  private readonly source: string;
  private readonly sectors: number;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private readonly header = new Uint8Array(HEADER_BYTES);
  private readonly view = new DataView(this.header.buffer);
  private readonly statusByte = new Uint8Array(1);
  private inFlight: Chain | undefined;
  private cancelled = false;

  constructor(
    queue: Virtqueue,
    backend: BlockBackend,
    serial: string,
    refusals: RefusalLog,
    log: Log,
    source: string,
  ) {
    this.queue = queue;
    this.backend = backend;
    this.sectors = Math.floor(backend.size / SECTOR);
    this.serial = new Uint8Array(ID_BYTES);
    this.serial.set(new TextEncoder().encode(serial).subarray(0, ID_BYTES));
    this.refusals = refusals;
    this.log = log;
    this.source = source;
  }

  serve(): void {
    if (!this.inFlight) serve(this.queue, this.handle);
  }

  cancel(): void {
    this.cancelled = true;
  }

  save(): SavedChain | undefined {
    return this.inFlight?.save();
  }

  resume(saved: SavedChain): void {
    if (!this.handle(this.queue.reopen(saved))) return;
    this.queue.publish();
    this.serve();
  }

  private readonly handle = (chain: Chain): boolean => {
    if (chain.readableLength < HEADER_BYTES || chain.writableLength < 1) {
      this.queue.fail('a block request without header or status byte');
      return false;
    }
    const status = this.execute(chain);
    if (typeof status === 'number') {
      this.finish(chain, status);
      return true;
    }
    this.inFlight = chain;
    status
      .catch((error: unknown) => this.broken(error))
      .then((result) => {
        this.inFlight = undefined;
        if (this.cancelled) return;
        this.finish(chain, result);
        this.queue.publish();
        this.serve();
      });
    return false;
  };

  /** The used length covers the status byte, which comes last, also when the data before it was not written. */
  private finish(chain: Chain, status: number): void {
    this.statusByte[0] = status;
    const refusal = chain.write(chain.writableLength - 1, this.statusByte);
    if (refusal) this.refusals.note('status of a block request', refusal);
    this.queue.complete(chain, refusal ? 0 : chain.writableLength);
  }

  private execute(chain: Chain): Status {
    const refusal = chain.read(0, this.header);
    if (refusal) return this.refused('header of a block request', refusal);
    const type = this.view.getUint32(0, true);
    const sector = this.view.getUint32(12, true) * 2 ** 32 + this.view.getUint32(8, true);
    try {
      switch (type) {
        case BLK_T.IN:
          return this.read(chain, sector);
        case BLK_T.OUT:
          return this.write(chain, sector);
        case BLK_T.FLUSH:
          return done(this.backend.flush());
        case BLK_T.GET_ID:
          return this.getId(chain);
        case BLK_T.DISCARD:
          return this.backend.discard ? this.clear(chain, true) : BLK_S.UNSUPP;
        case BLK_T.WRITE_ZEROES:
          return this.clear(chain, false);
        default:
          this.log('debug', this.source, `request type ${type} is not supported`);
          return BLK_S.UNSUPP;
      }
    } catch (error) {
      return this.broken(error);
    }
  }

  private read(chain: Chain, sector: number): Status {
    const length = chain.writableLength - 1;
    if (length > MAX_REQUEST_BYTES || !this.inside(sector, length)) return BLK_S.IOERR;
    return this.readFrom(chain, sector * SECTOR, length, 0);
  }

  private readFrom(chain: Chain, start: number, length: number, from: number): Status {
    for (let at = from; at < length; ) {
      const part = this.part(length - at);
      const pending = this.backend.read(start + at, part);
      if (pending)
        return pending.then(
          () => this.deliver(chain, at, part) ?? this.readFrom(chain, start, length, at + part.length),
        );
      const problem = this.deliver(chain, at, part);
      if (problem !== undefined) return problem;
      at += part.length;
    }
    return BLK_S.OK;
  }

  private deliver(chain: Chain, at: number, part: Uint8Array): number | undefined {
    if (this.cancelled) return BLK_S.IOERR;
    const refusal = chain.write(at, part);
    return refusal && this.refused('disk read', refusal);
  }

  private write(chain: Chain, sector: number): Status {
    const length = chain.readableLength - HEADER_BYTES;
    if (this.backend.readOnly || length > MAX_REQUEST_BYTES || !this.inside(sector, length))
      return BLK_S.IOERR;
    return this.writeFrom(chain, sector * SECTOR, length, 0);
  }

  private writeFrom(chain: Chain, start: number, length: number, from: number): Status {
    for (let at = from; at < length; ) {
      if (this.cancelled) return BLK_S.IOERR;
      const part = this.part(length - at);
      const refusal = chain.read(HEADER_BYTES + at, part);
      if (refusal) return this.refused('disk write', refusal);
      const pending = this.backend.write(start + at, part);
      if (pending) return pending.then(() => this.writeFrom(chain, start, length, at + part.length));
      at += part.length;
    }
    return BLK_S.OK;
  }

  private getId(chain: Chain): number {
    const id = this.serial.subarray(0, Math.min(ID_BYTES, chain.writableLength - 1));
    const refusal = chain.write(0, id);
    return refusal ? this.refused('GET_ID request', refusal) : BLK_S.OK;
  }

  /** DISCARD and WRITE_ZEROES: a list of {sector u64, count u32, flags u32} (virtio 1.3, 5.2.6). */
  private clear(chain: Chain, discard: boolean): Status {
    const length = chain.readableLength - HEADER_BYTES;
    if (this.backend.readOnly) return BLK_S.IOERR;
    if (length === 0 || length % SEGMENT_BYTES !== 0 || length > MAX_SEGMENTS * SEGMENT_BYTES)
      return BLK_S.IOERR;
    const segments = new Uint8Array(length);
    const refusal = chain.read(HEADER_BYTES, segments);
    if (refusal) return this.refused(discard ? 'discard request' : 'write zeroes request', refusal);
    const view = new DataView(segments.buffer);
    const ranges: { start: number; length: number }[] = [];
    for (let at = 0; at < length; at += SEGMENT_BYTES) {
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const count = view.getUint32(at + 8, true);
      const flags = view.getUint32(at + 12, true);
      // Bit 0 is 'unmap', a hint for WRITE_ZEROES and an error for DISCARD; the others are reserved.
      if (flags & (discard ? ~0 : ~1)) return BLK_S.UNSUPP;
      if (count > (discard ? MAX_DISCARD_SECTORS : MAX_ZERO_SECTORS)) return BLK_S.IOERR;
      if (!this.inside(sector, count * SECTOR)) return BLK_S.IOERR;
      ranges.push({ start: sector * SECTOR, length: count * SECTOR });
    }
    return discard ? this.discardRanges(ranges, 0) : this.zeroRanges(ranges, 0, 0);
  }

  private discardRanges(ranges: readonly { start: number; length: number }[], first: number): Status {
    for (let i = first; i < ranges.length; i++) {
      const pending = this.backend.discard?.(ranges[i].start, ranges[i].length);
      if (pending) return pending.then(() => this.discardRanges(ranges, i + 1));
    }
    return BLK_S.OK;
  }

  private zeroRanges(
    ranges: readonly { start: number; length: number }[],
    first: number,
    from: number,
  ): Status {
    this.buffer.fill(0);
    let at = from;
    for (let i = first; i < ranges.length; i++) {
      for (; at < ranges[i].length; ) {
        if (this.cancelled) return BLK_S.IOERR;
        const part = this.part(ranges[i].length - at);
        const pending = this.backend.write(ranges[i].start + at, part);
        at += part.length;
        if (pending) return pending.then(() => this.zeroRanges(ranges, i, at));
      }
      at = 0;
    }
    return BLK_S.OK;
  }

  private part(length: number): Uint8Array {
    return this.buffer.subarray(0, Math.min(length, BUFFER_BYTES));
  }

  private inside(sector: number, length: number): boolean {
    return length % SECTOR === 0 && sector + length / SECTOR <= this.sectors;
  }

  private refused(what: string, refusal: Parameters<RefusalLog['note']>[1]): number {
    this.refusals.note(what, refusal);
    return BLK_S.IOERR;
  }

  private broken(error: unknown): number {
    this.log('error', this.source, `backend: ${error instanceof Error ? error.message : String(error)}`);
    return BLK_S.IOERR;
  }
}

const done = (pending: void | Promise<void>): Status => (pending ? pending.then(() => BLK_S.OK) : BLK_S.OK);
