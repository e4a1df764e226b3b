// What a protected VM started from: each range that its host gave it before the first instruction, with a digest of the
// pages as the guest will find them. Upstream's pKVM leaves this to a firmware of the guest's.

import { frameNumber, PAGE_SIZE } from '../../lib/index.ts';
import { entryFrame } from '../ledger/index.ts';
import type { VmMemory } from '../stage2/index.ts';
import { Sha256 } from './sha256.ts';

export interface MeasuredRange {
  /** Guest-physical, of the first page. */
  readonly address: number;
  readonly pages: number;
  /** SHA-256 of the pages' bytes in order, in hexadecimal. */
  readonly sha256: string;
}

/** Gives the pages of a range to the guest and measures them. Throws as VmMemory.donate() does. */
export function donateMeasured(memory: VmMemory, address: number, bytes: number): MeasuredRange {
  memory.donate(address, bytes);
  const first = Math.floor(address / PAGE_SIZE);
  const end = Math.ceil((address + bytes) / PAGE_SIZE);
  const hash = new Sha256();
  for (let gfn = first; gfn < end; gfn++) {
    hash.update(memory.ledger.memory.data(frameNumber(entryFrame(memory.guest.table.get(gfn)))));
  }
  const sha256 = Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { address: first * PAGE_SIZE, pages: end - first, sha256 };
}
