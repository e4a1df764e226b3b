// What stands behind a virtio socket device: listeners on the host, by port. The unix-socket one is in unix.ts, apart
// from everything that must run in a browser.

/** One stream between a guest's port and a host's. */
export interface VsockStream {
  readonly localPort: number;
  readonly guestPort: number;
  /** Sends as the guest gives credit; returns false when more is waiting than should be, until `drained`. */
  send(bytes: Uint8Array): boolean;
  /** Gives the guest credit for bytes that `data` delivered. */
  consumed(bytes: number): void;
  /** Sends what is waiting, and closes. */
  end(): void;
}

/** What the host's side of a stream wants to hear. */
export interface VsockListener {
  /** The stream that this side opened is established; not called for one that the guest opened. */
  connected?(): void;
  /** Bytes from the guest, valid during the call only; to be answered by consumed(), now or later. */
  data(bytes: Uint8Array): void;
  drained?(): void;
  /** The guest will send nothing more, but may still receive. */
  ended?(): void;
  /** The stream is gone, whoever ended it; also after a refused connection and at reset. */
  closed(): void;
}

export interface VsockBackend {
  /** Called once, by the device; `connect` opens a stream to a port of the guest, or gives undefined when it cannot. */
  attach?(connect: (guestPort: number, listener: VsockListener) => VsockStream | undefined): void;
  /** The guest connects to `stream.localPort`; undefined refuses. */
  accept(stream: VsockStream): VsockListener | undefined;
}
