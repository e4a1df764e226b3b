// The MMIO guard's calls. Two interfaces share one set of numbers here. Linux 7.2's guests know one call, function 7
// (Documentation/virt/kvm/arm/hypercalls.rst): no enrolment, reserved arguments, errors -3. The proposal of 2021 has
// four, INFO, ENROLL, MAP and UNMAP, with errors -1; it numbered them 2 to 5, which are MEMINFO, MEM_SHARE and
// MEM_UNSHARE since, so that Android's numbers 5 to 8 are used: its MAP is function 7 too. Which of the two a caller
// of function 7 means follows from whether it has enrolled.

import { PAGE_SIZE } from '../../lib/index.ts';
import { type CallOutcome, type FunctionCall, NOT_SUPPORTED, type SmcccFunction } from './call.ts';
import type { FunctionTable } from './dispatcher.ts';
import { INVALID_PARAMETER, reservedClear } from './pkvm.ts';

/** What the calls do to a VM's guard. Page numbers are below 2^40. */
export interface GuardCalls {
  readonly isEnforced: boolean;
  readonly isEnrolled: boolean;
  enroll(): void;
  /** False where the page is memory, beyond the VM's addresses, or one too many. */
  map(gfn: number, attribute: number | undefined): boolean;
  unmap(gfn: number): boolean;
  /** Byte `index` (0 to 7) of the caller's MAIR_EL1. */
  attribute(vcpu: number, index: number): number;
}

const GUARD_INFO = 0xc6000005;
const GUARD_ENROLL = 0xc6000006;
const GUARD_MAP = 0xc6000007;
const GUARD_UNMAP = 0xc6000008;

const SUCCESS = 0;
/** The proposal's only error. */
const FAILED = NOT_SUPPORTED;
const ATTRIBUTES = 8n;
const ADDRESS_LIMIT = 1n << 52n;

/** The page number of an address that is a page's, or undefined. */
function pageOf(address: bigint): number | undefined {
  if (address >= ADDRESS_LIMIT || address % BigInt(PAGE_SIZE) !== 0n) return undefined;
  return Number(address) / PAGE_SIZE;
}

function map(guard: GuardCalls, call: FunctionCall): CallOutcome {
  const gfn = pageOf(call.arg(1));
  if (guard.isEnrolled) {
    const index = call.arg(2);
    if (gfn === undefined || index >= ATTRIBUTES) return call.result(FAILED);
    return call.result(guard.map(gfn, guard.attribute(call.vcpu, Number(index))) ? SUCCESS : FAILED);
  }
  // Upstream's call is for guests that are guarded anyway.
  if (!guard.isEnforced) return call.result(FAILED);
  if (gfn === undefined || !reservedClear(call, 2)) return call.result(INVALID_PARAMETER);
  return call.result(guard.map(gfn, undefined) ? SUCCESS : INVALID_PARAMETER);
}

function unmap(guard: GuardCalls, call: FunctionCall): CallOutcome {
  const gfn = pageOf(call.arg(1));
  return call.result(guard.isEnrolled && gfn !== undefined && guard.unmap(gfn) ? SUCCESS : FAILED);
}

export const mmioGuardFunctions =
  (guard: GuardCalls): FunctionTable =>
  () => {
    const row = (id: number, name: string, handle: SmcccFunction['handle']): SmcccFunction => ({
      id,
      name,
      conduits: ['hvc'],
      handle,
    });
    return [
      row(GUARD_INFO, 'MMIO_GUARD_INFO', (call) => call.result(PAGE_SIZE)),
      row(GUARD_ENROLL, 'MMIO_GUARD_ENROLL', (call) => {
        guard.enroll();
        return call.result(SUCCESS);
      }),
      row(GUARD_MAP, 'MMIO_GUARD_MAP', (call) => map(guard, call)),
      row(GUARD_UNMAP, 'MMIO_GUARD_UNMAP', (call) => unmap(guard, call)),
    ];
  };
