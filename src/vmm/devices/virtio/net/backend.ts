// What stands behind a virtio network card: a wire that carries Ethernet frames. The socket is in stream.ts, apart
// from everything that must run in a browser.

/** The card's side of the wire. */
export interface NetReceiver {
  /** A frame arrived; the receiver copies what it keeps. */
  frame(frame: Uint8Array): void;
  link(up: boolean): void;
}

export interface NetBackend {
  /** Called once, by the card. */
  attach(receiver: NetReceiver): void;
  /** `frame` is valid during the call only. */
  send(frame: Uint8Array): void;
}

/** Frames above this are no Ethernet frames, jumbo ones and offloads included. */
export const MAX_FRAME = 65536 + 4096;

/** A cable between two cards of one process; frames arrive during send(). */
export function cable(): [NetBackend, NetBackend] {
  const receivers: (NetReceiver | undefined)[] = [undefined, undefined];
  const end = (own: number): NetBackend => ({
    attach: (receiver) => {
      receivers[own] = receiver;
      receiver.link(true);
    },
    send: (frame) => receivers[1 - own]?.frame(frame),
  });
  return [end(0), end(1)];
}
