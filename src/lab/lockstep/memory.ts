// Guest memory of two machines that have done the same: frames are handed out in the same order, so that all of the
// hosts' frames and allocation tags are compared as they are.

import type { PhysicalMemory } from '../../hypervisor/index.ts';
import type { Side } from './side.ts';

export interface MemoryDifference {
  /** Offset in the hosts' memory of the 8 bytes, a multiple of 8; or of the byte of an allocation tag. */
  readonly offset: number;
  /** Guest-physical address, where it is one of the guest's RAM and no tag. */
  readonly address: number | undefined;
  readonly reference: bigint;
  readonly subject: bigint;
}

const CHUNK = 1 << 20;
const PAGE = 4096;

/** Where in the host's memory what is compared begins: allocation tags, then frames, to the end. */
export const comparedFrom = ({ tagBias, framesBase }: PhysicalMemory): number => tagBias + framesBase / 16;

export function firstMemoryDifference(reference: Side, subject: Side): MemoryDifference | undefined {
  const [a, b] = [reference.vm, subject.vm];
  if (!a || !b) return undefined;
  const first = comparedFrom(a.memory);
  const [one, other] = [a.memory.u8, b.memory.u8];
  for (let at = first; at < one.length; at += CHUNK) {
    const end = Math.min(at + CHUNK, one.length);
    if (Buffer.compare(one.subarray(at, end), other.subarray(at, end)) === 0) continue;
    let offset = at;
    while (a.memory.u64[offset >>> 3] === b.memory.u64[offset >>> 3]) offset += 8;
    return {
      offset,
      address: offset < a.memory.framesBase ? undefined : addressOf(reference, offset),
      reference: a.memory.u64[offset >>> 3] as bigint,
      subject: b.memory.u64[offset >>> 3] as bigint,
    };
  }
  return undefined;
}

/** The page of the guest's RAM that the frame is. */
function addressOf({ vm }: Side, offset: number): number | undefined {
  if (!vm) return undefined;
  const { framesBase } = vm.memory;
  const frame = Math.floor((offset - framesBase) / PAGE);
  for (const { address, bytes } of vm.vm.debugger.stretches()) {
    for (let page = address; page < address + bytes; page += PAGE)
      if (vm.explain(page).frame === frame) return page + ((offset - framesBase) % PAGE);
  }
  return undefined;
}
