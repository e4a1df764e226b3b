// KVM's vendor-specific hypervisor services (Documentation/virt/kvm/arm/hypercalls.rst): who answers, which
// functions there are, and the time for a guest's PTP clock. pKVM's calls are further rows of the same family;
// the feature bits follow from what is registered.

import { BOTH_CONDUITS, type CallOutcome, type FunctionCall, NOT_SUPPORTED } from './call.ts';
import type { FunctionTable } from './dispatcher.ts';

/** The host's wall clock and the guest's counters at the same moment. */
export interface TimeSource {
  /** Nanoseconds since 1970. */
  wallClock(): bigint;
  /** CNTVCT_EL0 and CNTPCT_EL0 as the guest would read them. */
  virtualCounter(): bigint;
  physicalCounter(): bigint;
}

/** Functions 0 to 127 of the vendor range, of which this is the 32-bit base. */
const VENDOR_BASE = 0x86000000;
const VENDOR_BASE_64 = 0xc6000000;
const KVM_FEATURES = VENDOR_BASE;
export const KVM_PTP = VENDOR_BASE + 1;
const UID = 0x8600ff01;
/** 28b46fb6-2ec5-11e9-a9ca-4b564d003a74, as W0 to W3. */
const KVM_UID = [0xb66fb428, 0xe911c52e, 0x564bcaa9, 0x743a004d] as const;

function ptp(call: FunctionCall, time: TimeSource): CallOutcome {
  const counter = call.arg(1);
  if (counter > 1n) return call.result(NOT_SUPPORTED);
  const now = time.wallClock();
  const cycles = counter === 0n ? time.virtualCounter() : time.physicalCounter();
  const low = (value: bigint) => BigInt.asUintN(32, value);
  return call.result(low(now >> 32n), low(now), low(cycles >> 32n), low(cycles));
}

/**
 * Without `time` there is no PTP call. `unannounced` functions have no feature bit although they are there: a
 * pKVM guest's features come from EL2, which knows nothing of the host's PTP.
 */
export const kvmVendorFunctions =
  (time?: TimeSource, unannounced: readonly number[] = []): FunctionTable =>
  (functions) => [
    {
      id: UID,
      name: 'VENDOR_HYP_CALL_UID',
      conduits: BOTH_CONDUITS,
      handle: (call) => call.result(...KVM_UID),
    },
    {
      id: KVM_FEATURES,
      name: 'KVM_FEATURES',
      conduits: BOTH_CONDUITS,
      handle: (call) => {
        const words = [0, 0, 0, 0];
        for (let n = 0; n < 128; n++) {
          const ids = [VENDOR_BASE + n, VENDOR_BASE_64 + n].filter((id) => !unannounced.includes(id));
          const there = ids.some((id) => functions.has(id, call.conduit));
          if (there) words[n >> 5] |= 1 << (n & 31);
        }
        return call.result(words[0] >>> 0, words[1] >>> 0, words[2] >>> 0, words[3] >>> 0);
      },
    },
    ...(time
      ? [
          {
            id: KVM_PTP,
            name: 'KVM_PTP',
            conduits: BOTH_CONDUITS,
            handle: (call: FunctionCall) => ptp(call, time),
          },
        ]
      : []),
  ];
