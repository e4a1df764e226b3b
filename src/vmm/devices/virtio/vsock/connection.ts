// One stream's state: what waits to be sent, and the credit of both sides (virtio 1.3, 5.10.6.3). Counters are 32 bits
// wide and wrap.

import type { VsockListener, VsockStream } from './backend.ts';
import type { Header } from './packet.ts';

/** Bytes that the guest may have under way towards the host. */
export const BUFFER_SIZE = 256 * 1024;
/** What a listener should let wait for the guest's credit. */
const HIGH_WATER = 256 * 1024;

/** What a connection asks of the device. */
export interface ConnectionHost {
  /** Something can be sent. */
  wake(): void;
  /** The host's side wants no more: flush, then shut down. */
  ending(connection: Connection): void;
  credit(connection: Connection): void;
}

export class Connection implements VsockStream {
  readonly localPort: number;
  readonly guestPort: number;
  established = false;
  /** The host's side called end(). */
  ended = false;
  /** SHUTDOWN flags that the guest has sent. */
  guestShutdown = 0;
  listener: VsockListener | undefined;

  private readonly host: ConnectionHost;
  private readonly waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private sent = 0;
  private peerSize = 0;
  private peerForwarded = 0;
  private received = 0;
  private forwardedBytes = 0;
  private told = 0;

  constructor(localPort: number, guestPort: number, host: ConnectionHost) {
    this.localPort = localPort;
    this.guestPort = guestPort;
    this.host = host;
  }

  send(bytes: Uint8Array): boolean {
    if (this.ended) return false;
    if (bytes.length > 0) {
      this.waiting.push(bytes.slice());
      this.waitingBytes += bytes.length;
      this.host.wake();
    }
    return this.waitingBytes < HIGH_WATER;
  }

  consumed(bytes: number): void {
    this.forwardedBytes = (this.forwardedBytes + bytes) >>> 0;
    // The guest is told with every packet; alone only when it may be running dry.
    if ((this.forwardedBytes - this.told) >>> 0 >= BUFFER_SIZE / 2) this.host.credit(this);
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.host.ending(this);
  }

  /** fwd_cnt for a packet that is going out now. */
  tellForwarded(): number {
    this.told = this.forwardedBytes;
    return this.forwardedBytes;
  }

  /** Every packet of the guest carries its credit. */
  heard(header: Header): void {
    this.peerSize = header.bufferSize;
    this.peerForwarded = header.forwarded;
  }

  /** Counts bytes from the guest; false when it sent more than its credit. */
  accept(bytes: number): boolean {
    this.received = (this.received + bytes) >>> 0;
    return (this.received - this.forwardedBytes) >>> 0 <= BUFFER_SIZE;
  }

  get empty(): boolean {
    return this.waitingBytes === 0;
  }

  /** Bytes that could go into a packet now. */
  get sendable(): number {
    if (!this.established) return 0;
    return Math.max(0, Math.min(this.waitingBytes, this.peerSize - ((this.sent - this.peerForwarded) >>> 0)));
  }

  /** Moves waiting bytes into all of `into`, which is no longer than `sendable`. */
  take(into: Uint8Array): void {
    const before = this.waitingBytes;
    for (let done = 0; done < into.length; ) {
      const first = this.waiting[0];
      const part = first.subarray(0, into.length - done);
      into.set(part, done);
      done += part.length;
      if (part.length === first.length) this.waiting.shift();
      else this.waiting[0] = first.subarray(part.length);
    }
    this.waitingBytes -= into.length;
    this.sent = (this.sent + into.length) >>> 0;
    if (before >= HIGH_WATER && this.waitingBytes < HIGH_WATER) this.listener?.drained?.();
  }

  /** The device has forgotten the stream. */
  closed(): void {
    const listener = this.listener;
    this.listener = undefined;
    this.ended = true;
    listener?.closed();
  }
}
