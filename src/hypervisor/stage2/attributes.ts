// KVM_SET_MEMORY_ATTRIBUTES, which upstream has on x86 only (FACTS C): which pages the guest is to have as private.
// A page of a guest_memfd that is not so yet faults to the VMM, which converts it; nothing is converted here.

import { Errno, PAGE_SIZE } from '../../lib/index.ts';
import { PageTable } from '../ledger/index.ts';
import { type U64, u64 } from '../slots/index.ts';

/** KVM_MEMORY_ATTRIBUTE_PRIVATE. */
export const MEMORY_ATTRIBUTE_PRIVATE = 8;

export interface MemoryAttributes {
  readonly address: U64;
  readonly size: U64;
  readonly attributes: U64;
  readonly flags?: number;
}

const refuse = (sentence: string): never => {
  throw new Errno('EINVAL', sentence);
};

const PAGE = BigInt(PAGE_SIZE);
/** Each page is noted: 64 GiB, far more than a host has. */
const MOST_PAGES = 2 ** 24;

export class AttributeTable {
  private readonly values = new PageTable();

  isPrivate(gfn: number): boolean {
    return (this.values.get(gfn) & MEMORY_ATTRIBUTE_PRIVATE) !== 0;
  }

  /** Stores attributes; `zap` hears of each run of pages whose attribute is another now. Throws EINVAL, ENOMEM. */
  set(request: MemoryAttributes, ipaBits: number, zap: (gfn: number, pages: number) => void): void {
    const address = u64(request.address, 'address');
    const size = u64(request.size, 'size');
    const attributes = u64(request.attributes, 'attributes');
    if ((request.flags ?? 0) !== 0) refuse('the call takes no flags');
    if (attributes & ~BigInt(MEMORY_ATTRIBUTE_PRIVATE)) refuse('unknown attributes');
    if (size === 0n || address + size >= 1n << 64n) refuse('the range is empty or wraps');
    if (address % PAGE || size % PAGE) refuse('the range is not page-aligned');
    if (address + size > 1n << BigInt(ipaBits)) refuse('the range is beyond guest-physical addresses');
    if (size / PAGE > BigInt(MOST_PAGES)) throw new Errno('ENOMEM', 'too many pages at once');
    const end = Number((address + size) / PAGE);
    const value = Number(attributes);
    for (let gfn = Number(address / PAGE); gfn < end; ) {
      let next = gfn;
      while (next < end && this.values.get(next) !== value) this.values.set(next++, value);
      if (next > gfn) zap(gfn, next - gfn);
      gfn = next + 1;
    }
  }
}
