// MTE tag checking of data accesses (Arm ARM D10.4): synchronous, asynchronous and asymmetric. TCO and the modes are
// read here at each check; the soft TLB only remembers that a page is to be checked.

import type { HostOffset } from '../../lib/index.ts';
import type { Core } from './core.ts';
import { TLB_EL0 } from './layout.ts';
import { TCF_ASYMMETRIC, TCF_ASYNC } from './mmu/index.ts';
import { slotOf } from './sysregs/index.ts';

const TFSR = slotOf('TFSR_EL1');
const TFSRE0 = slotOf('TFSRE0_EL1');

/** Nothing to report, or it was recorded (asynchronous). Else the offset of the first byte that mismatches. */
export const TAGS_MATCH = -1;

/**
 * Compares the logical tag of an address (its high half) with the allocation tags of the memory at `host`, all in one page that
 * Mmu.checked holds for. `reads` is true for loads and read-modify-writes, which asymmetric mode faults at once.
 */
export function checkTags(
  core: Core,
  high: number,
  bytes: number,
  host: HostOffset,
  reads: boolean,
  context: number,
): number {
  const { state, memory, mmu } = core;
  if (state.tco) return TAGS_MATCH;
  const tag = (high >>> 24) & 15;
  const upper = (high >>> 23) & 1;
  if (mmu.half(high).matchAll && tag === (upper ? 15 : 0)) return TAGS_MATCH;
  const first = host >>> 4;
  const last = (host + bytes - 1) >>> 4;
  for (let granule = first; granule <= last; granule++) {
    if (memory.u8[memory.tagBias + granule] === tag) continue;
    const mode = context === TLB_EL0 ? mmu.regime.checkUser : mmu.regime.checkKernel;
    if (mode === TCF_ASYNC || (mode === TCF_ASYMMETRIC && !reads)) {
      const slot = context === TLB_EL0 ? TFSRE0 : TFSR;
      state.setSysreg(slot, state.sysreg(slot) | (upper ? 2n : 1n));
      return TAGS_MATCH;
    }
    return granule === first ? 0 : granule * 16 - host;
  }
  return TAGS_MATCH;
}
