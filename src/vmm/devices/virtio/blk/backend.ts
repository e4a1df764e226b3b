// What stands behind a virtio disk: a run of bytes. A backend answers at once (returns nothing) or later (returns a
// promise); the device does the same to the guest. The host file is in file.ts, apart from everything that must run
// in a browser.

export interface BlockBackend {
  /** Bytes; what exceeds a multiple of 512 is out of the guest's reach. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `into` from byte `offset` on. Failure: throw, or reject. */
  read(offset: number, into: Uint8Array): void | Promise<void>;
  /** Must be done with `from` when it returns, or when its promise resolves. */
  write(offset: number, from: Uint8Array): void | Promise<void>;
  /** All that was written before is on stable storage afterwards. */
  flush(): void | Promise<void>;
  /** The bytes are no longer needed; they may read as anything. Without it the device offers no DISCARD. */
  discard?(offset: number, length: number): void | Promise<void>;
}

/** A disk in memory; `bytes` is the disk itself, not a copy. */
export function memoryBlock(bytes: Uint8Array, readOnly = false): BlockBackend {
  return {
    size: bytes.length,
    readOnly,
    read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
    write: (offset, from) => bytes.set(from, offset),
    flush: () => {},
    discard: (offset, length) => {
      bytes.fill(0, offset, offset + length);
    },
  };
}
