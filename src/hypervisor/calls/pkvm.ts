// pKVM's calls for a protected guest (Linux Documentation/virt/kvm/arm/hypercalls.rst): the granule of its memory, and
// which pages it shares with its host. EL2 serves them by itself and for HVC only; to SMC they do not exist. What
// sharing does to a page is the memory's to decide.

import type { VcpuExit } from '../exits.ts';
import type { CallOutcome, FunctionCall, SmcccFunction } from './call.ts';
import type { FunctionTable } from './dispatcher.ts';

/** What a sharing call came to. */
export type SharingResult =
  | { readonly kind: 'done' }
  /** The host has put a page there first; the guest makes the call again. */
  | { readonly kind: 'again' }
  | { readonly kind: 'refused' }
  /** There is no memory at the address. */
  | { readonly kind: 'abort' }
  /** The host could not put a page there. */
  | { readonly kind: 'exit'; readonly exit: VcpuExit };

/** The guest's memory, as far as these calls reach. Addresses are any number below 2^53, aligned or not. */
export interface SharedMemory {
  share(ipa: number, vcpu: number): SharingResult;
  unshare(ipa: number): SharingResult;
}

const MEMINFO = 0xc6000002;
const MEM_SHARE = 0xc6000003;
const MEM_UNSHARE = 0xc6000004;

const SUCCESS = 0;
export const INVALID_PARAMETER = -3;
/** Sharing has the granularity of stage 2. */
const GRANULE = 4096;
/** No IPA is that large; above, a number would not be exact. */
const ADDRESS_LIMIT = 1n << 52n;

/** Arguments `first` to 3 are reserved and must be zero. */
export function reservedClear(call: FunctionCall, first: number): boolean {
  for (let n = first; n <= 3; n++) if (call.arg(n) !== 0n) return false;
  return true;
}

function sharing(call: FunctionCall, act: (ipa: number) => SharingResult): CallOutcome {
  const ipa = call.arg(1);
  if (!reservedClear(call, 2) || ipa >= ADDRESS_LIMIT) return call.result(INVALID_PARAMETER);
  const result = act(Number(ipa));
  switch (result.kind) {
    case 'done':
      return call.result(SUCCESS);
    case 'refused':
      return call.result(INVALID_PARAMETER);
    case 'again':
      return { kind: 'repeat' };
    case 'exit':
      return { kind: 'repeat', exit: result.exit };
    case 'abort':
      return { kind: 'abort' };
  }
}

export const pkvmFunctions =
  (memory: SharedMemory): FunctionTable =>
  () => {
    const row = (id: number, name: string, handle: SmcccFunction['handle']): SmcccFunction => ({
      id,
      name,
      conduits: ['hvc'],
      handle,
    });
    return [
      row(MEMINFO, 'PKVM_HYP_MEMINFO', (call) =>
        call.result(reservedClear(call, 1) ? GRANULE : INVALID_PARAMETER),
      ),
      row(MEM_SHARE, 'PKVM_MEM_SHARE', (call) => sharing(call, (ipa) => memory.share(ipa, call.vcpu))),
      row(MEM_UNSHARE, 'PKVM_MEM_UNSHARE', (call) => sharing(call, (ipa) => memory.unshare(ipa))),
    ];
  };
