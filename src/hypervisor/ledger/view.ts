// A port: bytes in and out of somebody's address space, page by page, each page decided on first use and the
// answer cached until the ledger drops it. What an address means and who asks is the subclass's to say.

import { Errno, type HostOffset, hostOffset, PAGE_SIZE } from '../../lib/index.ts';
import { present } from './decide.ts';
import { FRAME_MERGED, FRAME_VIEWED } from './frames.ts';
import type { TlbInvalidator } from './guest.ts';
import type { Auditor, Report } from './invariants.ts';
import type { Ledger } from './ledger.ts';
import type { MemoryPort, Refusal } from './port.ts';
import type { Route } from './route.ts';
import { NONE, NOPAGE } from './states.ts';

const ENTRIES = 64;
/** Below this, bytes are moved one by one: cheaper than making a subarray. */
const SMALL = 64;

export abstract class View implements MemoryPort, TlbInvalidator, Auditor {
  protected readonly ledger: Ledger;
  /** Set by resolve() where it returns NONE. */
  protected refusal: Refusal | undefined;
  private readonly pages = new Float64Array(ENTRIES).fill(NONE);
  private readonly offsets = new Uint32Array(ENTRIES);
  private readonly writable = new Uint8Array(ENTRIES);
  private readonly planned: number[] = [];
  private closed = false;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
    ledger.caches.views.add(this);
    ledger.auditors.add(this);
  }

  /** What it is, for an explanation: 'device 8 of vm0'. */
  abstract readonly label: string;

  /** The frame that decide() gives the page for such an access now, or NONE; nothing is made present or logged. */
  protected abstract lookup(page: number, write: boolean): number;

  /** Whether a cached write would escape a dirty log. */
  protected abstract mustAskForWrites(page: number): boolean;

  /**
   * The frame of a page for one access, made present where it was not, or NONE with `refusal` set. A write counts
   * as done: whoever logs writes has heard of it.
   */
  protected abstract resolve(page: number, write: boolean): number;

  /** The frame of a route that has been allowed, made present, or NONE with `refusal` set where no frame is left. */
  protected bring(route: Route, write: boolean): number {
    try {
      return present(this.ledger, route, write);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      const address = route.page * PAGE_SIZE;
      this.refusal = { rule: 'no-memory', reason: error.message, address, signal: 'SIGBUS' };
      return NONE;
    }
  }

  read(address: number, into: Uint8Array): Refusal | undefined {
    const { u8 } = this.ledger.memory;
    const within = address % PAGE_SIZE;
    const length = into.length;
    if (address >= 0 && within + length <= PAGE_SIZE) {
      const at = this.locate((address - within) / PAGE_SIZE, false);
      if (at < 0) return this.refused(address);
      const from = at + within;
      if (length <= SMALL) for (let n = 0; n < length; n++) into[n] = u8[from + n];
      else into.set(u8.subarray(from, from + length));
      return undefined;
    }
    const refused = this.plan(address, length, false);
    if (refused) return refused;
    this.eachPiece(within, length, (from, done, bytes) => into.set(u8.subarray(from, from + bytes), done));
    return undefined;
  }

  write(address: number, from: Uint8Array): Refusal | undefined {
    const { u8 } = this.ledger.memory;
    const within = address % PAGE_SIZE;
    const length = from.length;
    if (address >= 0 && within + length <= PAGE_SIZE) {
      const at = this.locate((address - within) / PAGE_SIZE, true);
      if (at < 0) return this.refused(address);
      const to = at + within;
      if (length <= SMALL) for (let n = 0; n < length; n++) u8[to + n] = from[n];
      else u8.set(from, to);
      return undefined;
    }
    const refused = this.plan(address, length, true);
    if (refused) return refused;
    this.eachPiece(within, length, (to, done, bytes) => u8.set(from.subarray(done, done + bytes), to));
    return undefined;
  }

  /** Host offset of a page, or NONE. */
  private locate(page: number, write: boolean): number {
    const index = page % ENTRIES;
    if (this.pages[index] === page && (!write || this.writable[index] !== 0)) return this.offsets[index];
    if (this.closed) {
      this.refusal = { rule: 'unmapped', reason: 'the port is closed', address: page * PAGE_SIZE };
      return NONE;
    }
    const frame = this.resolve(page, write);
    if (frame < 0) return NONE;
    this.ledger.frames.flags[frame] |= FRAME_VIEWED;
    const offset = this.ledger.memory.framesBase + frame * PAGE_SIZE;
    this.pages[index] = page;
    this.offsets[index] = offset;
    this.writable[index] = write ? 1 : 0;
    return offset;
  }

  /** Decides every page of a range before anything moves. */
  private plan(address: number, length: number, write: boolean): Refusal | undefined {
    if (!Number.isSafeInteger(address) || address < 0 || !Number.isSafeInteger(address + length)) {
      return { rule: 'unmapped', reason: 'no such address', address };
    }
    const first = Math.floor(address / PAGE_SIZE);
    const last = Math.floor((address + Math.max(length, 1) - 1) / PAGE_SIZE);
    this.planned.length = 0;
    for (let page = first; page <= last; page++) {
      const at = this.locate(page, write);
      if (at < 0) return this.refused(Math.max(address, page * PAGE_SIZE));
      this.planned.push(at);
    }
    return undefined;
  }

  private eachPiece(
    within: number,
    length: number,
    move: (host: number, done: number, bytes: number) => void,
  ): void {
    let offset = within;
    for (let done = 0, n = 0; done < length; n++) {
      const bytes = Math.min(PAGE_SIZE - offset, length - done);
      move(this.planned[n] + offset, done, bytes);
      done += bytes;
      offset = 0;
    }
  }

  private refused(address: number): Refusal {
    const { refusal } = this;
    if (refusal === undefined) throw new Error('a port refused without saying why');
    this.refusal = undefined;
    return { ...refusal, address };
  }

  dropFrame(frame: HostOffset): void {
    for (let index = 0; index < ENTRIES; index++) if (this.offsets[index] === frame) this.pages[index] = NONE;
  }

  dropAll(): void {
    this.pages.fill(NONE);
  }

  dropWrites(): void {
    this.writable.fill(0);
  }

  /** What it would answer without asking, for the audit. */
  eachCached(visit: (page: number, offset: HostOffset, writable: boolean) => void): void {
    for (let index = 0; index < ENTRIES; index++) {
      if (this.pages[index] !== NONE) {
        visit(this.pages[index], hostOffset(this.offsets[index]), this.writable[index] !== 0);
      }
    }
  }

  /** A cached yes must be what would be decided now. */
  audit(report: Report): void {
    const { frames, memory } = this.ledger;
    this.eachCached((page, offset, writable) => {
      const frame = memory.frameAt(offset);
      const what = `${this.label}: page ${page} still leads to frame ${frame}`;
      if (frames.state[frame] === NOPAGE && this.lookup(page, writable) !== frame) report('sealed', what);
      else if (this.lookup(page, writable) !== frame) report('convertible', what);
      else if (writable && (frames.flags[frame] & FRAME_MERGED) !== 0)
        report('convertible', `${what}, merged, for writing`);
      else if (writable && this.mustAskForWrites(page))
        report('logged', `${what}, and its writes are not logged`);
    });
  }

  /** Every later access is refused. */
  close(): void {
    this.closed = true;
    this.dropAll();
    this.ledger.caches.views.delete(this);
    this.ledger.auditors.delete(this);
  }
}
