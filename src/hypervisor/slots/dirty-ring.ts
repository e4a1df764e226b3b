// The dirty ring of one vCPU (linux/kvm.h, struct kvm_dirty_gfn): entries that the hypervisor fills in order, user
// space harvests in order, and a reset makes free again. Memory shared with user space is a view on an array here.

import { Errno } from '../../lib/index.ts';

/** Bytes of one entry: u32 flags, u32 slot, u64 offset. */
export const DIRTY_GFN_BYTES = 16;
export const DIRTY_GFN_DIRTY = 1;
export const DIRTY_GFN_RESET = 2;
/** Entries kept free so that one exit's worth of pages always fits (KVM_DIRTY_RING_RSVD_ENTRIES). */
const RESERVED = 64;
const MIN_BYTES = 4096;
const MAX_BYTES = 1 << 20;

/** Throws EINVAL for a size that is no power of two or too small, E2BIG for one too large. */
export function checkRingSize(bytes: number): void {
  if (
    !Number.isSafeInteger(bytes) ||
    bytes <= 0 ||
    !Number.isInteger(Math.log2(bytes)) ||
    bytes < MIN_BYTES
  ) {
    throw new Errno('EINVAL', `a dirty ring has a power of two of bytes, at least ${MIN_BYTES}`);
  }
  if (bytes > MAX_BYTES) throw new Errno('E2BIG', `a dirty ring has at most ${MAX_BYTES} bytes`);
}

export class DirtyRing {
  /** Entries of DIRTY_GFN_BYTES, which user space reads and whose flags it writes. */
  readonly entries: DataView;
  private readonly size: number;
  private dirtyIndex = 0;
  private resetIndex = 0;

  constructor(bytes: number) {
    this.entries = new DataView(new ArrayBuffer(bytes));
    this.size = bytes / DIRTY_GFN_BYTES;
  }

  get used(): number {
    return this.dirtyIndex - this.resetIndex;
  }

  /** KVM_RUN must return to user space before the guest goes on. */
  get isSoftFull(): boolean {
    return this.used >= this.size - RESERVED;
  }

  push(slot: number, page: number): void {
    if (this.used >= this.size) throw new Error('the dirty ring overflowed its reserve');
    const at = (this.dirtyIndex % this.size) * DIRTY_GFN_BYTES;
    this.entries.setUint32(at + 4, slot, true);
    this.entries.setBigUint64(at + 8, BigInt(page), true);
    this.entries.setUint32(at, DIRTY_GFN_DIRTY, true);
    this.dirtyIndex++;
  }

  /** Whether a write to the page is in it: from the write on until a reset has write-protected the page again. */
  holds(slot: number, page: number): boolean {
    for (let index = this.resetIndex; index < this.dirtyIndex; index++) {
      const at = (index % this.size) * DIRTY_GFN_BYTES;
      const same =
        this.entries.getUint32(at + 4, true) === slot &&
        this.entries.getBigUint64(at + 8, true) === BigInt(page);
      if (same) return true;
    }
    return false;
  }

  /** Frees the entries that were harvested, in order; visits each so that its page is write-protected again. */
  reset(visit: (slot: number, page: number) => void): number {
    let count = 0;
    while (this.used > 0) {
      const at = (this.resetIndex % this.size) * DIRTY_GFN_BYTES;
      if ((this.entries.getUint32(at, true) & DIRTY_GFN_RESET) === 0) break;
      this.entries.setUint32(at, 0, true);
      visit(this.entries.getUint32(at + 4, true), Number(this.entries.getBigUint64(at + 8, true)));
      this.resetIndex++;
      count++;
    }
    return count;
  }
}
