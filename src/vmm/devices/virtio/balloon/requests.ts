// The balloon device's queues (virtio 1.3, 5.5.6). Page numbers count 4 KiB pages of guest-physical memory, whatever
// the DMA address space of the device; what happens to a page is its backend's business.

import { type Gpa, gpa, PAGE_SIZE } from '../../../../lib/index.ts';
import { ADDRESS_LIMIT, type Chain, type SavedChain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';

/** What the host does with pages; each call is advice, and may be refused silently (pinned or private pages). */
export interface BalloonBackend {
  /** The guest gives up a page. */
  inflate(page: Gpa): void;
  /** The guest takes a page back. */
  deflate(page: Gpa): void;
  /** The guest does not use these bytes now; they may read as anything later. Without it nothing is reported. */
  report?(start: Gpa, bytes: number): void;
}

/** Linux sends 256 page numbers at once. */
const MAX_PAGES = 65536;
const STAT_BYTES = 10;
const MAX_STATS = 64;

export interface BalloonLayout {
  readonly inflate: Virtqueue | undefined;
  readonly deflate: Virtqueue | undefined;
  readonly statistics: Virtqueue | undefined;
  readonly reporting: Virtqueue | undefined;
}

export class BalloonQueues {
  /** Values by tag (virtio 1.3, 5.5.6.4), as of the last answer. */
  readonly statistics = new Map<number, bigint>();
  private readonly layout: BalloonLayout;
  private readonly backend: BalloonBackend;
  private readonly refusals: RefusalLog;
  private held: Chain | undefined;

  constructor(layout: BalloonLayout, backend: BalloonBackend, refusals: RefusalLog) {
    this.layout = layout;
    this.backend = backend;
    this.refusals = refusals;
  }

  serve(index: number): void {
    const { inflate, deflate, statistics, reporting } = this.layout;
    if (inflate?.index === index) this.pages(inflate, (page) => this.backend.inflate(page));
    else if (deflate?.index === index) this.pages(deflate, (page) => this.backend.deflate(page));
    else if (statistics?.index === index) this.takeStatistics(statistics);
    else if (reporting?.index === index) this.takeReports(reporting);
  }

  /** Hands the held buffer back, which makes the driver fill it anew. False when the driver gave none. */
  askStatistics(): boolean {
    const queue = this.layout.statistics;
    if (!queue || !this.held) return false;
    queue.complete(this.held, 0);
    this.held = undefined;
    queue.publish();
    return true;
  }

  save(): SavedChain | undefined {
    return this.held?.save();
  }

  restore(held: SavedChain): void {
    this.held = this.layout.statistics?.reopen(held);
  }

  private pages(queue: Virtqueue, each: (page: Gpa) => void): void {
    serve(queue, (chain) => {
      const count = Math.min(Math.floor(chain.readableLength / 4), MAX_PAGES);
      const numbers = new Uint8Array(count * 4);
      const refusal = chain.read(0, numbers);
      if (refusal) this.refusals.note('page numbers', refusal);
      else {
        const view = new DataView(numbers.buffer);
        for (let i = 0; i < count; i++) each(gpa(view.getUint32(4 * i, true) * PAGE_SIZE));
      }
      queue.complete(chain, 0);
      return true;
    });
  }

  /** The driver fills one buffer and the device keeps it; a second one sends the first back (5.5.6.3). */
  private takeStatistics(queue: Virtqueue): void {
    serve(queue, (chain) => {
      if (this.held) queue.complete(this.held, 0);
      this.held = chain;
      const count = Math.min(Math.floor(chain.readableLength / STAT_BYTES), MAX_STATS);
      const bytes = new Uint8Array(count * STAT_BYTES);
      const refusal = chain.read(0, bytes);
      if (refusal) this.refusals.note('statistics', refusal);
      else {
        const view = new DataView(bytes.buffer);
        for (let at = 0; at < bytes.length; at += STAT_BYTES)
          this.statistics.set(view.getUint16(at, true), view.getBigUint64(at + 2, true));
      }
      return true;
    });
  }

  /** Free page reporting (5.5.6.7): the buffers themselves are the free memory. */
  private takeReports(queue: Virtqueue): void {
    serve(queue, (chain) => {
      chain.forEachWritable((address, length) => {
        if (address + length <= ADDRESS_LIMIT) this.backend.report?.(gpa(address), length);
      });
      queue.complete(chain, 0);
      return true;
    });
  }
}
