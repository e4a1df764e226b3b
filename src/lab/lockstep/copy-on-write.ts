// A disk that keeps what is written to itself, so that two machines can use one image and leave it as it was.

import type { BlockBackend } from '../../vmm/index.ts';

const BLOCK = 4096;

export function copyOnWrite(base: BlockBackend): BlockBackend {
  const written = new Map<number, Uint8Array>();
  const { size } = base;
  const blockOf = (index: number): Uint8Array => {
    const at = index * BLOCK;
    const block = new Uint8Array(BLOCK);
    base.read(at, block.subarray(0, Math.min(BLOCK, size - at)));
    return block;
  };
  /** Visits the pieces of a range by block. */
  const pieces = (
    offset: number,
    length: number,
    visit: (index: number, from: number, to: number, done: number) => void,
  ): void => {
    for (let done = 0; done < length; ) {
      const index = Math.floor((offset + done) / BLOCK);
      const from = (offset + done) % BLOCK;
      const to = Math.min(BLOCK, from + length - done);
      visit(index, from, to, done);
      done += to - from;
    }
  };
  return {
    size,
    readOnly: false,
    read(offset, into) {
      pieces(offset, into.length, (index, from, to, done) => {
        const block = written.get(index);
        const piece = into.subarray(done, done + to - from);
        if (block) piece.set(block.subarray(from, to));
        else base.read(index * BLOCK + from, piece);
      });
    },
    write(offset, bytes) {
      pieces(offset, bytes.length, (index, from, to, done) => {
        let block = written.get(index);
        if (!block) {
          block = blockOf(index);
          written.set(index, block);
        }
        block.set(bytes.subarray(done, done + to - from), from);
      });
    },
    flush: () => {},
  };
}
