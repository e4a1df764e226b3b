// The packed virtqueue (virtio 1.3, 2.8): one ring of descriptors that driver and device overwrite in turn, each with
// a wrap counter that tells new from old, and two event suppression areas. Descriptors are as hostile as a split
// ring's and bounded the same way; that links are by position leaves no room for loops.

import type { Refusal } from '../../../../hypervisor/index.ts';
import { ADDRESS_LIMIT, Chain, type SavedChain } from './chain.ts';
import type { QueueHost, QueueLayout, SavedQueue, Virtqueue } from './queue.ts';
import { address64, DESC_BYTES, DESC_INDIRECT, DESC_NEXT, DESC_WRITE, describe, MAX_TABLE } from './split.ts';

const DESC_AVAIL = 1 << 7;
const DESC_USED = 1 << 15;
const EVENT_WRAP = 1 << 15;
/** Event suppression flags (virtio 1.3, 2.8.10). */
const EVENT_DISABLE = 1;
const EVENT_DESC = 2;

export class PackedQueue implements Virtqueue {
  readonly index: number;
  readonly size: number;

  private readonly host: QueueHost;
  private readonly ring: number;
  private readonly driverEvent: number;
  private readonly deviceEvent: number;
  private nextAvailable = 0;
  private availableWrap = true;
  private nextUsed = 0;
  private usedWrap = true;
  /** Slots that were completed since the last publish(). */
  private unpublished = 0;
  private dead = false;
  private backlog = false;

  private readonly pool: Chain[] = [];
  private readonly scratch = new Uint8Array(DESC_BYTES);
  private readonly view = new DataView(this.scratch.buffer);
  private readonly body = this.scratch.subarray(0, 14);
  private readonly flags = this.scratch.subarray(14, 16);
  private readonly event = this.scratch.subarray(0, 4);
  private table: DataView<ArrayBuffer> | undefined;

  constructor(layout: QueueLayout, host: QueueHost) {
    this.index = layout.index;
    this.size = layout.size;
    this.ring = layout.descriptors;
    this.driverEvent = layout.driver;
    this.deviceEvent = layout.device;
    this.host = host;
  }

  pop(): Chain | undefined {
    if (this.dead || !this.hasAvailable()) return undefined;
    this.backlog = false;
    const chain = this.pool.pop() ?? new Chain(this.host.dma);
    chain.clear(this.nextAvailable);
    const problem = this.gather(chain);
    if (problem !== undefined) {
      this.pool.push(chain);
      this.fail(problem);
      return undefined;
    }
    this.moveAvailable(chain.slots);
    return chain;
  }

  unpop(chain: Chain): void {
    this.moveAvailable(-chain.slots);
    this.pool.push(chain);
  }

  /** One used descriptor stands for the whole chain; its flags go last, because they make it valid (2.8.6). */
  complete(chain: Chain, written: number): void {
    this.pool.push(chain);
    if (this.dead) return;
    const at = this.ring + DESC_BYTES * this.nextUsed;
    const wrap = this.usedWrap ? DESC_AVAIL | DESC_USED : 0;
    this.scratch.fill(0);
    this.view.setUint32(8, written, true);
    this.view.setUint16(12, chain.id, true);
    this.view.setUint16(14, wrap | (written > 0 ? DESC_WRITE : 0), true);
    if (this.refused(this.host.dma.write(at, this.body), 'descriptor ring')) return;
    if (this.refused(this.host.dma.write(at + 14, this.flags), 'descriptor ring')) return;
    this.unpublished += chain.slots;
    this.nextUsed += chain.slots;
    if (this.nextUsed < this.size) return;
    this.nextUsed -= this.size;
    this.usedWrap = !this.usedWrap;
  }

  publish(): void {
    if (this.dead || this.unpublished === 0) return;
    const slots = this.unpublished;
    this.unpublished = 0;
    if (this.wantsInterrupt(slots)) this.host.interrupt(this.index);
  }

  arm(): boolean {
    if (this.dead) return false;
    this.view.setUint16(0, this.nextAvailable | (this.availableWrap ? EVENT_WRAP : 0), true);
    this.view.setUint16(2, this.host.eventIdx ? EVENT_DESC : 0, true);
    if (this.refused(this.host.dma.write(this.deviceEvent, this.event), 'device event suppression'))
      return false;
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
      published: this.unpublished,
      availableWrap: this.availableWrap,
      usedWrap: this.usedWrap,
      backlog: this.backlog,
    };
  }

  restore(state: SavedQueue): void {
    this.nextAvailable = state.nextAvailable % this.size;
    this.nextUsed = state.nextUsed % this.size;
    this.unpublished = state.published;
    this.availableWrap = state.availableWrap;
    this.usedWrap = state.usedWrap;
    if (state.backlog) this.yieldTurn();
  }

  reopen(saved: SavedChain): Chain {
    const chain = new Chain(this.host.dma);
    chain.restore(saved);
    return chain;
  }

  private moveAvailable(slots: number): void {
    this.nextAvailable += slots;
    if (this.nextAvailable >= 0 && this.nextAvailable < this.size) return;
    this.nextAvailable += slots > 0 ? -this.size : this.size;
    this.availableWrap = !this.availableWrap;
  }

  /** A descriptor is available while its AVAIL bit equals the wrap counter and its USED bit does not (2.8.1). */
  private hasAvailable(): boolean {
    const at = this.ring + DESC_BYTES * this.nextAvailable + 14;
    if (this.refused(this.host.dma.read(at, this.flags), 'descriptor ring')) return false;
    const flags = this.view.getUint16(14, true);
    return (
      ((flags & DESC_AVAIL) !== 0) === this.availableWrap &&
      ((flags & DESC_USED) !== 0) !== this.availableWrap
    );
  }

  private wantsInterrupt(slots: number): boolean {
    if (this.refused(this.host.dma.read(this.driverEvent, this.event), 'driver event suppression'))
      return false;
    const flags = this.view.getUint16(2, true) & 3;
    if (flags !== EVENT_DESC || !this.host.eventIdx) return flags !== EVENT_DISABLE;
    const offWrap = this.view.getUint16(0, true);
    // Positions on a line that goes on where the ring wraps: the event is hit when it lies in [from, from + slots).
    const wrapped = this.nextUsed < slots;
    const from = wrapped ? this.nextUsed + this.size - slots : this.nextUsed - slots;
    const fromWrap = wrapped ? !this.usedWrap : this.usedWrap;
    const sameLap = ((offWrap & EVENT_WRAP) !== 0) === fromWrap;
    const event = (offWrap & ~EVENT_WRAP) + (sameLap ? 0 : this.size);
    return event >= from && event < from + slots;
  }

  /** Takes descriptors from nextAvailable on; returns what is wrong with them, if anything. */
  private gather(chain: Chain): string | undefined {
    let at = this.nextAvailable;
    for (let slots = 1; slots <= this.size; slots++) {
      const refusal = this.host.dma.read(this.ring + DESC_BYTES * at, this.scratch);
      if (refusal) return describe('descriptor ring', refusal);
      const address = address64(this.view, 0);
      const length = this.view.getUint32(8, true);
      const flags = this.view.getUint16(14, true);
      chain.id = this.view.getUint16(12, true);
      chain.slots = slots;
      if (flags & DESC_INDIRECT) {
        if (flags & DESC_NEXT || slots > 1) return 'an indirect descriptor in a chain';
        return this.gatherTable(address, length, chain);
      }
      const problem = chain.append(address, length, (flags & DESC_WRITE) !== 0);
      if (problem) return problem;
      if ((flags & DESC_NEXT) === 0) return undefined;
      at = at + 1 === this.size ? 0 : at + 1;
    }
    return `a chain longer than its ring of ${this.size}`;
  }

  /** An indirect table is used from end to end; only WRITE means anything in it (2.8.7). */
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
    for (let base = 0; base < length; base += DESC_BYTES) {
      const writable = (view.getUint16(base + 14, true) & DESC_WRITE) !== 0;
      const problem = chain.append(address64(view, base), view.getUint32(base + 8, true), writable);
      if (problem) return problem;
    }
    return undefined;
  }

  private refused(refusal: Refusal | undefined, area: string): boolean {
    if (refusal) this.fail(describe(area, refusal));
    return refusal !== undefined;
  }
}
