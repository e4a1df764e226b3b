// The split virtqueue (virtio 1.3, 2.7): descriptor table, available ring, used ring, with indirect descriptors
// (2.7.5.3) and event indices (2.7.7, 2.7.10). Every index, length and address here was written by a driver that may
// be hostile: heads and links are bounded by the ring, chains by its size, tables by MAX_TABLE.

import type { Refusal } from '../../../../hypervisor/index.ts';
import { ADDRESS_LIMIT, Chain, type SavedChain } from './chain.ts';
import type { QueueHost, QueueLayout, SavedQueue, Virtqueue } from './queue.ts';

export const DESC_NEXT = 1;
export const DESC_WRITE = 2;
export const DESC_INDIRECT = 4;
const AVAIL_NO_INTERRUPT = 1;
export const DESC_BYTES = 16;
/** Linux fills tables longer than the ring when it may use indirect descriptors; QEMU's limit is the same. */
export const MAX_TABLE = 1024;

export class SplitQueue implements Virtqueue {
  readonly index: number;
  readonly size: number;

  private readonly host: QueueHost;
  private readonly descriptors: number;
  private readonly available: number;
  private readonly used: number;
  private nextAvailable = 0;
  /** The driver's index when last read; a cache, never saved. */
  private seenAvailable = 0;
  private nextUsed = 0;
  private published = 0;
  private dead = false;
  private backlog = false;

  private readonly pool: Chain[] = [];
  private readonly scratch = new Uint8Array(DESC_BYTES);
  private readonly view = new DataView(this.scratch.buffer);
  private readonly two = this.scratch.subarray(0, 2);
  private readonly eight = this.scratch.subarray(0, 8);
  private table: DataView<ArrayBuffer> | undefined;

  constructor(layout: QueueLayout, host: QueueHost) {
    this.index = layout.index;
    this.size = layout.size;
    this.descriptors = layout.descriptors;
    this.available = layout.driver;
    this.used = layout.device;
    this.host = host;
  }

  pop(): Chain | undefined {
    if (this.dead || !this.hasAvailable()) return undefined;
    this.backlog = false;
    const head = this.read16(this.available + 4 + 2 * (this.nextAvailable & (this.size - 1)));
    if (head === undefined) return undefined;
    const chain = this.walk(head);
    if (chain) this.nextAvailable = (this.nextAvailable + 1) & 0xffff;
    return chain;
  }

  unpop(chain: Chain): void {
    this.nextAvailable = (this.nextAvailable - 1) & 0xffff;
    this.pool.push(chain);
  }

  complete(chain: Chain, written: number): void {
    this.pool.push(chain);
    if (this.dead) return;
    this.view.setUint32(0, chain.head, true);
    this.view.setUint32(4, written, true);
    const slot = this.used + 4 + 8 * (this.nextUsed & (this.size - 1));
    if (this.refused(this.host.dma.write(slot, this.eight), 'used ring')) return;
    this.nextUsed = (this.nextUsed + 1) & 0xffff;
  }

  publish(): void {
    if (this.dead || this.published === this.nextUsed) return;
    const before = this.published;
    if (!this.write16(this.used + 2, this.nextUsed)) return;
    this.published = this.nextUsed;
    if (this.wantsInterrupt(before)) this.host.interrupt(this.index);
  }

  arm(): boolean {
    if (this.dead) return false;
    if (this.host.eventIdx && !this.write16(this.used + 4 + 8 * this.size, this.nextAvailable)) return false;
    return this.hasAvailable();
  }

  yieldTurn(): void {
    this.backlog = true;
    this.host.ringAgain(this.index);
  }

  fail(reason: string): void {
    if (this.dead) return;
    this.dead = true;
    this.host.failed(this.index, reason);
  }

  close(): void {
    this.dead = true;
  }

  save(): SavedQueue {
    return {
      nextAvailable: this.nextAvailable,
      nextUsed: this.nextUsed,
      published: this.published,
      availableWrap: false,
      usedWrap: false,
      backlog: this.backlog,
    };
  }

  restore(state: SavedQueue): void {
    this.nextAvailable = this.seenAvailable = state.nextAvailable & 0xffff;
    this.nextUsed = state.nextUsed & 0xffff;
    this.published = state.published & 0xffff;
    if (state.backlog) this.yieldTurn();
  }

  reopen(saved: SavedChain): Chain {
    const chain = new Chain(this.host.dma);
    chain.restore(saved);
    return chain;
  }

  private hasAvailable(): boolean {
    if (this.seenAvailable !== this.nextAvailable) return true;
    const seen = this.read16(this.available + 2);
    if (seen === undefined) return false;
    // An index that ran ahead by more than the ring would make old entries look new (virtio 1.3, 2.7.13.3).
    if (((seen - this.nextAvailable) & 0xffff) > this.size) {
      this.fail(`available index ${seen} is more than a ring ahead of ${this.nextAvailable}`);
      return false;
    }
    this.seenAvailable = seen;
    return seen !== this.nextAvailable;
  }

  private wantsInterrupt(before: number): boolean {
    if (!this.host.eventIdx) {
      const flags = this.read16(this.available);
      return flags !== undefined && (flags & AVAIL_NO_INTERRUPT) === 0;
    }
    const event = this.read16(this.available + 4 + 2 * this.size);
    if (event === undefined) return false;
    return ((this.published - event - 1) & 0xffff) < ((this.published - before) & 0xffff);
  }

  private walk(head: number): Chain | undefined {
    const chain = this.pool.pop() ?? new Chain(this.host.dma);
    chain.clear(head);
    const problem = this.gather(head, chain);
    if (problem === undefined) return chain;
    this.pool.push(chain);
    this.fail(problem);
    return undefined;
  }

  /** Follows links from `head`; returns what is wrong with the chain, if anything. */
  private gather(head: number, chain: Chain): string | undefined {
    let at = head;
    // A loop shows as a chain longer than the ring (virtio 1.3, 2.7.5.3.1).
    for (let count = 0; count < this.size; count++) {
      if (at >= this.size) return `descriptor ${at} is outside a ring of ${this.size}`;
      const refusal = this.host.dma.read(this.descriptors + DESC_BYTES * at, this.scratch);
      if (refusal) return describe('descriptor table', refusal);
      const address = address64(this.view, 0);
      const length = this.view.getUint32(8, true);
      const flags = this.view.getUint16(12, true);
      if (flags & DESC_INDIRECT) {
        if (flags & DESC_NEXT) return 'an indirect descriptor with a next one';
        return this.gatherTable(address, length, chain);
      }
      const problem = chain.append(address, length, (flags & DESC_WRITE) !== 0);
      if (problem) return problem;
      if ((flags & DESC_NEXT) === 0) return undefined;
      at = this.view.getUint16(14, true);
    }
    return `a chain longer than its ring of ${this.size}`;
  }

  private gatherTable(address: number, length: number, chain: Chain): string | undefined {
    if (!this.host.indirect) return 'an indirect descriptor without INDIRECT_DESC';
    const entries = length / DESC_BYTES;
    if (entries < 1 || entries > MAX_TABLE || !Number.isInteger(entries))
      return `an indirect table of ${length} bytes`;
    if (address + length > ADDRESS_LIMIT) return `an indirect table at 0x${address.toString(16)}`;
    this.table ??= new DataView(new ArrayBuffer(MAX_TABLE * DESC_BYTES));
    const view = this.table;
    const refusal = this.host.dma.read(address, new Uint8Array(view.buffer, 0, length));
    if (refusal) return describe('indirect table', refusal);
    let at = 0;
    for (let count = 0; count < entries; count++) {
      if (at >= entries) return `entry ${at} is outside an indirect table of ${entries}`;
      const base = at * DESC_BYTES;
      const flags = view.getUint16(base + 12, true);
      if (flags & DESC_INDIRECT) return 'an indirect descriptor inside an indirect table';
      const problem = chain.append(
        address64(view, base),
        view.getUint32(base + 8, true),
        (flags & DESC_WRITE) !== 0,
      );
      if (problem) return problem;
      if ((flags & DESC_NEXT) === 0) return undefined;
      at = view.getUint16(base + 14, true);
    }
    return `a loop in an indirect table of ${entries}`;
  }

  private read16(address: number): number | undefined {
    if (this.refused(this.host.dma.read(address, this.two), 'available ring')) return undefined;
    return this.scratch[0] | (this.scratch[1] << 8);
  }

  private write16(address: number, value: number): boolean {
    this.scratch[0] = value;
    this.scratch[1] = value >> 8;
    return !this.refused(this.host.dma.write(address, this.two), 'used ring');
  }

  private refused(refusal: Refusal | undefined, area: string): boolean {
    if (refusal) this.fail(describe(area, refusal));
    return refusal !== undefined;
  }
}

/** Why a ring could not be reached, for people. */
export const describe = (area: string, refusal: Refusal): string =>
  `${area}: rule '${refusal.rule}' refused 0x${refusal.address.toString(16)}: ${refusal.reason}`;

/** An address as the driver wrote it; inexact above 2^53, which is above all memory. */
export const address64 = (view: DataView, at: number): number =>
  view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
