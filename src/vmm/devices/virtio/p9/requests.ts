// The 9p device's queue: the readable part of a chain is a request, the writable part takes the reply.

import type { Chain } from '../queue/chain.ts';
import { serve, type Virtqueue } from '../queue/queue.ts';
import type { RefusalLog } from '../refusals.ts';
import type { FileTree } from './backend.ts';
import { HEADER_BYTES, MessageReader, MessageWriter } from './messages.ts';
import { MAX_MESSAGE, P9Server } from './server.ts';

/** Any reply but data and directory entries fits in here. */
const SMALL_REPLY = 160;

export class P9Requests {
  readonly server: P9Server;
  private readonly queue: Virtqueue;
  private readonly refusals: RefusalLog;
  private readonly input = new Uint8Array(MAX_MESSAGE);
  private readonly inputView = new DataView(this.input.buffer);
  private readonly reader = new MessageReader(this.input);
  /** Names and link targets are limited by what the host allows, far below this. */
  private readonly writer = new MessageWriter(new Uint8Array(MAX_MESSAGE + 65536 + SMALL_REPLY));

  constructor(queue: Virtqueue, tree: FileTree, refusals: RefusalLog) {
    this.queue = queue;
    this.refusals = refusals;
    this.server = new P9Server(tree);
  }

  serve(): void {
    serve(this.queue, this.handle);
  }

  private readonly handle = (chain: Chain): boolean => {
    const length = Math.min(chain.readableLength, MAX_MESSAGE);
    if (length < HEADER_BYTES || chain.writableLength < HEADER_BYTES + 4) {
      this.queue.fail('a 9p request without a header, or without room for an error');
      return false;
    }
    this.queue.complete(chain, this.answer(chain, length));
    return true;
  };

  /** Returns the bytes written. */
  private answer(chain: Chain, length: number): number {
    const { writer } = this;
    const refusal = chain.read(0, this.input.subarray(0, length));
    if (refusal) {
      this.refusals.note('9p request', refusal);
      return 0;
    }
    const size = this.inputView.getUint32(0, true);
    // A size beyond the buffer reads as a truncated message, which the server refuses.
    this.reader.start(4, Math.min(size, length));
    this.server.answer(this.reader, writer, chain.writableLength);
    const bytes = writer.bytes.subarray(0, Math.min(writer.at, chain.writableLength));
    const failed = chain.write(0, bytes);
    if (!failed) return bytes.length;
    this.refusals.note('9p reply', failed);
    return 0;
  }
}
