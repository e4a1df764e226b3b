// One descriptor chain: the buffers of one request, readable ones first (virtio 1.3, 2.6.4.2). Bytes move only
// through the DMA port that the queue was given. Chains are pooled by their queue.

import type { MemoryPort, Refusal } from '../../../../hypervisor/index.ts';

/** Addresses above this cannot be memory here; keeping them away from ports keeps all arithmetic exact. */
export const ADDRESS_LIMIT = 2 ** 52;

/** A request in flight at the time of a save. */
export interface SavedChain {
  readonly head: number;
  readonly id: number;
  readonly slots: number;
  readonly buffers: readonly {
    readonly address: number;
    readonly length: number;
    readonly writable: boolean;
  }[];
}

export class Chain {
  /** Identifies the chain to its queue: the head's descriptor index (split) or ring position (packed). */
  head = 0;
  /** Packed rings only: the buffer id, and how many ring slots the chain takes. */
  id = 0;
  slots = 1;
  /** Bytes that the driver wrote for the device, and bytes that the device may write. */
  readableLength = 0;
  writableLength = 0;

  private readonly dma: MemoryPort;
  private readonly addresses: number[] = [];
  private readonly lengths: number[] = [];
  private readableCount = 0;
  private count = 0;

  constructor(dma: MemoryPort) {
    this.dma = dma;
  }

  /** The chain with its buffers, as they were when it was popped: the ring may look different by now. */
  save(): SavedChain {
    const buffers = Array.from({ length: this.count }, (_, i) => ({
      address: this.addresses[i],
      length: this.lengths[i],
      writable: i >= this.readableCount,
    }));
    return { head: this.head, id: this.id, slots: this.slots, buffers };
  }

  restore(saved: SavedChain): void {
    this.clear(saved.head);
    this.id = saved.id;
    this.slots = saved.slots;
    for (const { address, length, writable } of saved.buffers) this.append(address, length, writable);
  }

  /** For the queue: forgets all buffers. */
  clear(head: number): void {
    this.head = head;
    this.id = head;
    this.slots = 1;
    this.readableLength = 0;
    this.writableLength = 0;
    this.readableCount = 0;
    this.count = 0;
  }

  /** For the queue: adds a buffer. Returns what is wrong with it, if anything. */
  append(address: number, length: number, writable: boolean): string | undefined {
    if (writable) this.writableLength += length;
    else {
      if (this.readableCount !== this.count) return 'a readable buffer after a writable one';
      this.readableLength += length;
      this.readableCount++;
    }
    this.addresses[this.count] = address;
    this.lengths[this.count++] = length;
    // 2^32 bytes per chain is the specification's own limit (virtio 1.3, 2.7.4).
    return this.readableLength + this.writableLength > 2 ** 32
      ? 'a chain of more than 2^32 bytes'
      : undefined;
  }

  /** Copies bytes `offset`.. of the readable part; the caller stays within readableLength. */
  read(offset: number, into: Uint8Array): Refusal | undefined {
    if (offset + into.length > this.readableLength)
      throw new RangeError('read past the readable part of a chain');
    return this.transfer(0, this.readableCount, offset, into, false);
  }

  /** Copies `from` to bytes `offset`.. of the writable part; the caller stays within writableLength. */
  write(offset: number, from: Uint8Array): Refusal | undefined {
    if (offset + from.length > this.writableLength)
      throw new RangeError('write past the writable part of a chain');
    return this.transfer(this.readableCount, this.count, offset, from, true);
  }

  /** Calls `visit` for each writable buffer: for devices that are told about memory rather than fill it. */
  forEachWritable(visit: (address: number, length: number) => void): void {
    for (let i = this.readableCount; i < this.count; i++) visit(this.addresses[i], this.lengths[i]);
  }

  private transfer(
    first: number,
    end: number,
    offset: number,
    bytes: Uint8Array,
    toGuest: boolean,
  ): Refusal | undefined {
    let skip = offset;
    let done = 0;
    for (let i = first; i < end && done < bytes.length; i++) {
      const length = this.lengths[i];
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const address = this.addresses[i] + skip;
      const take = Math.min(length - skip, bytes.length - done);
      skip = 0;
      if (address + take > ADDRESS_LIMIT)
        return { rule: 'address-width', reason: 'no memory has so high an address', address };
      const part = take === bytes.length ? bytes : bytes.subarray(done, done + take);
      const refusal = toGuest ? this.dma.write(address, part) : this.dma.read(address, part);
      if (refusal) return refusal;
      done += take;
    }
    return undefined;
  }
}
