// The network device's two queues (virtio 1.3, 5.1.6): frames into and out of the guest, each behind a 12-byte
// header that stays zero because no offload is offered.

import type { Chain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';
import { MAX_FRAME } from './backend.ts';

/** struct virtio_net_hdr with num_buffers (virtio 1.3, 5.1.6). */
export const HEADER_BYTES = 12;
const NUM_BUFFERS = 10;
/** Frames that wait for the driver to offer buffers; more are lost, as in a real card. */
const BACKLOG_FRAMES = 256;

export class ReceiveQueue {
  private readonly queue: Virtqueue;
  private readonly mergeable: boolean;
  private readonly refusals: RefusalLog;
  private readonly packet = new Uint8Array(HEADER_BYTES + MAX_FRAME);
  private readonly chains: Chain[] = [];
  private backlog: Uint8Array[] = [];

  constructor(queue: Virtqueue, mergeable: boolean, refusals: RefusalLog) {
    this.queue = queue;
    this.mergeable = mergeable;
    this.refusals = refusals;
  }

  /** A frame from the wire: goes into the guest now, or waits for buffers. */
  frame(frame: Uint8Array): void {
    if (frame.length > MAX_FRAME) return;
    if (this.backlog.length > 0 || !this.deliver(frame)) {
      if (this.backlog.length < BACKLOG_FRAMES) this.backlog.push(frame.slice());
      return;
    }
    this.queue.publish();
  }

  /** The driver offered buffers. */
  serve(): void {
    const waiting = this.backlog;
    if (waiting.length === 0) return;
    let delivered = 0;
    while (delivered < waiting.length && this.deliver(waiting[delivered])) delivered++;
    this.backlog = waiting.slice(delivered);
    this.queue.publish();
  }

  /** Returns false when there are too few buffers; asks to be told about more. */
  private deliver(frame: Uint8Array): boolean {
    const total = HEADER_BYTES + frame.length;
    if (!this.collect(total) && !(this.queue.arm() && this.collect(total))) return false;
    const chains = this.chains;
    if (chains.length === 0) return true;
    this.packet.set(frame, HEADER_BYTES);
    this.packet[NUM_BUFFERS] = chains.length;
    this.packet[NUM_BUFFERS + 1] = chains.length >> 8;
    let at = 0;
    let refused = false;
    for (const chain of chains) {
      const length = Math.min(chain.writableLength, total - at);
      if (!refused) {
        const refusal = chain.write(0, this.packet.subarray(at, at + length));
        if (refusal) this.refusals.note('received frame', refusal);
        refused = refusal !== undefined;
      }
      // A used length below the header's tells the driver that there is no frame.
      this.queue.complete(chain, refused ? 0 : length);
      at += length;
    }
    chains.length = 0;
    return true;
  }

  /**
   * Takes chains for `total` bytes: one, or several with MRG_RXBUF (virtio 1.3, 5.1.6.3.2). All or none: false means
   * that none was taken. True with no chain means that the frame is to be dropped.
   */
  private collect(total: number): boolean {
    const chains = this.chains;
    let room = 0;
    while (room < total) {
      const chain = this.queue.pop();
      if (!chain) {
        for (let taken = chains.pop(); taken; taken = chains.pop()) this.queue.unpop(taken);
        return false;
      }
      chains.push(chain);
      room += chain.writableLength;
      if (chains.length === 1 && chain.writableLength < HEADER_BYTES) {
        this.queue.fail('a receive buffer without room for the header');
        chains.length = 0;
        return false;
      }
      if (!this.mergeable && room < total) {
        chains.length = 0;
        this.queue.unpop(chain);
        return true;
      }
    }
    return true;
  }
}

export class TransmitQueue {
  private readonly queue: Virtqueue;
  private readonly send: (frame: Uint8Array) => void;
  private readonly refusals: RefusalLog;
  private readonly buffer = new Uint8Array(MAX_FRAME);

  constructor(queue: Virtqueue, send: (frame: Uint8Array) => void, refusals: RefusalLog) {
    this.queue = queue;
    this.send = send;
    this.refusals = refusals;
  }

  serve(): void {
    serve(this.queue, this.handle);
  }

  private readonly handle = (chain: Chain): boolean => {
    const length = chain.readableLength - HEADER_BYTES;
    if (length < 0) {
      this.queue.fail('a frame without a header');
      return false;
    }
    if (length > 0 && length <= MAX_FRAME) {
      const frame = this.buffer.subarray(0, length);
      const refusal = chain.read(HEADER_BYTES, frame);
      if (refusal) this.refusals.note('transmitted frame', refusal);
      else this.send(frame);
    }
    this.queue.complete(chain, 0);
    return true;
  };
}
