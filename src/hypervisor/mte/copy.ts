// KVM_ARM_MTE_COPY_TAGS (Linux arch/arm64/kvm/guest.c, FACTS A): the VMM's only way to a guest's tags. One tag a
// byte, a page at a time; whatever whole pages were done before an error are counted, not the error.

import { Errno, type ErrnoName, type FrameNumber, PAGE_SIZE, TAG_GRANULE } from '../../lib/index.ts';
import { FRAME_TAGGED, type Ledger } from '../ledger/index.ts';
import { type U64, u64 } from '../slots/index.ts';
import { ensureTagged } from './init.ts';

/** flags: out of the guest; otherwise into it. */
export const COPY_TAGS_FROM_GUEST = 1;
/** Tags of one page. */
export const TAGS_PER_PAGE = PAGE_SIZE / TAG_GRANULE;
const INT_MAX = 2n ** 31n - 1n;

export interface CopyTags {
  readonly ipa: U64;
  /** Bytes of guest memory. */
  readonly length: U64;
  readonly flags: U64;
  /** One tag a byte, length / 16 of them; a shorter one is a bad address from its end on. */
  readonly tags: Uint8Array;
  readonly reserved?: readonly [U64, U64];
}

/** What the copy needs to know of a VM. */
export interface TaggedVm {
  readonly ledger: Ledger;
  readonly hasMte: boolean;
  readonly isLogging: boolean;
  /** The frame of a GFN, present, for reading or for writing. Throws EFAULT. */
  frameForTags(gfn: number, write: boolean): FrameNumber;
}

/** Bytes of guest memory whose tags were copied. Throws EINVAL, EBUSY, EFAULT. */
export function copyTags(vm: TaggedVm, request: CopyTags): number {
  const refuse = (code: ErrnoName, sentence: string): never => {
    throw new Errno(code, sentence);
  };
  const { tags } = request;
  const flags = u64(request.flags, 'flags');
  if (!vm.hasMte) refuse('EINVAL', 'the VM has no MTE');
  if (request.reserved?.some((word) => u64(word, 'reserved') !== 0n))
    refuse('EINVAL', 'reserved words are not 0');
  if (flags & ~BigInt(COPY_TAGS_FROM_GUEST)) refuse('EINVAL', 'unknown flags');
  const length = u64(request.length, 'length');
  const ipa = u64(request.ipa, 'ipa');
  const page = BigInt(PAGE_SIZE);
  if (length % page || ipa % page) refuse('EINVAL', 'address or length is not page-aligned');
  if (length > INT_MAX) refuse('EINVAL', 'length is beyond INT_MAX');
  const fromGuest = flags !== 0n;
  if (!fromGuest && vm.isLogging) refuse('EBUSY', 'a slot is dirty-logged, which copying tags would escape');
  const first = Number(ipa / page);
  const pages = Number(length / page);
  for (let n = 0; n < pages; n++) {
    try {
      copyPage(vm, first + n, tags.subarray(n * TAGS_PER_PAGE, (n + 1) * TAGS_PER_PAGE), fromGuest);
    } catch (error) {
      if (n === 0 || !(error instanceof Errno)) throw error;
      return n * PAGE_SIZE;
    }
  }
  return pages * PAGE_SIZE;
}

function copyPage(vm: TaggedVm, gfn: number, tags: Uint8Array, fromGuest: boolean): void {
  const { ledger } = vm;
  const frame = vm.frameForTags(gfn, !fromGuest);
  if (fromGuest) {
    const there = ledger.memory.tags(frame);
    const tagged = (ledger.frames.flags[frame] & FRAME_TAGGED) !== 0;
    for (let n = 0; n < tags.length; n++) tags[n] = tagged ? there[n] : 0;
  } else {
    ensureTagged(ledger, frame);
    const there = ledger.memory.writableTags(frame);
    // A user fault midway leaves the page's tags zero.
    if (tags.length < TAGS_PER_PAGE) there.fill(0);
    else for (let n = 0; n < TAGS_PER_PAGE; n++) there[n] = tags[n] & 15;
  }
  if (tags.length < TAGS_PER_PAGE) throw new Errno('EFAULT', 'the tag buffer ends here');
}
