// What devices do with the memory that a guest shares with them, as far as a VMM can know: which pages they touched, and
// what they were refused. How much of its bounce pool the guest has in use is the guest's own secret; what devices
// touched bounds it from both sides, and that it ran out the guest itself says on its console.

import type { MemoryPort, Refusal } from '../../hypervisor/index.ts';
import { PAGE_SIZE } from '../../lib/index.ts';

export interface PoolUse {
  /** Different pages of the pool that devices have touched: it never needed more of them at a time. */
  readonly pagesTouched: number;
  /** The most that devices touched within 10 ms of guest time: it needed about as many at a time. */
  readonly busiestPages: number;
  /** How often the guest's console said that the pool is full: a request was put off or failed. */
  readonly fullReports: number;
}

export interface DmaCounts {
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Accesses that were refused, by rule; each failed its request. */
  readonly refused: Readonly<Record<string, number>>;
}

const WINDOW_NS = 10e6;
/** Of a realm's addresses the bit above says which half; both are the same pages. */
const ADDRESSES = 2 ** 40;
/** Linux kernel/dma/swiotlb.c; the kernel limits how often it says so. */
const FULL = 'swiotlb buffer is full';

export class DmaWatch {
  private readonly base: number;
  private readonly clock: { now(): number };
  /** Of each page the window in which it was touched last, counting from 1; 0: never. */
  private readonly lastWindow: Uint32Array;
  private window = 1;
  private inWindow = 0;
  private busiest = 0;
  private touched = 0;
  private readBytes = 0;
  private writtenBytes = 0;
  private readonly refused = new Map<string, number>();
  private matched = 0;
  private fullReports = 0;

  /** Watches the range that holds the pool. */
  constructor(range: { readonly base: number; readonly size: number }, clock: { now(): number }) {
    this.base = range.base;
    this.clock = clock;
    this.lastWindow = new Uint32Array(Math.ceil(range.size / PAGE_SIZE));
  }

  /** The same port, watched. */
  port(inner: MemoryPort): MemoryPort {
    return {
      read: (address, into) => {
        const refusal = inner.read(address, into);
        if (refusal) return this.noteRefusal(refusal);
        this.readBytes += into.length;
        this.touch(address, into.length);
        return undefined;
      },
      write: (address, from) => {
        const refusal = inner.write(address, from);
        if (refusal) return this.noteRefusal(refusal);
        this.writtenBytes += from.length;
        this.touch(address, from.length);
        return undefined;
      },
    };
  }

  /** Console output. */
  heard(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === FULL.charCodeAt(this.matched)) this.matched++;
      else this.matched = byte === FULL.charCodeAt(0) ? 1 : 0;
      if (this.matched < FULL.length) continue;
      this.matched = 0;
      this.fullReports++;
    }
  }

  get pool(): PoolUse {
    const { touched: pagesTouched, fullReports } = this;
    return { pagesTouched, busiestPages: Math.max(this.busiest, this.inWindow), fullReports };
  }

  get counts(): DmaCounts {
    const { readBytes, writtenBytes } = this;
    return { readBytes, writtenBytes, refused: Object.fromEntries(this.refused) };
  }

  private noteRefusal(refusal: Refusal): Refusal {
    this.refused.set(refusal.rule, (this.refused.get(refusal.rule) ?? 0) + 1);
    return refusal;
  }

  private touch(address: number, bytes: number): void {
    if (bytes === 0) return;
    const window = 1 + Math.floor(this.clock.now() / WINDOW_NS);
    if (window !== this.window) {
      this.busiest = Math.max(this.busiest, this.inWindow);
      this.inWindow = 0;
      this.window = window;
    }
    const from = (address % ADDRESSES) - this.base;
    const end = Math.min(Math.ceil((from + bytes) / PAGE_SIZE), this.lastWindow.length);
    for (let page = Math.max(0, Math.floor(from / PAGE_SIZE)); page < end; page++) {
      const last = this.lastWindow[page];
      if (last === window) continue;
      if (last === 0) this.touched++;
      this.inWindow++;
      this.lastWindow[page] = window;
    }
  }
}
