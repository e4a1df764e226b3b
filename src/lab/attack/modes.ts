// The protections under which every attack runs: one row each. A row says which VM the host makes, where its memory comes
// from, and by which calls the guest lends pages and announces devices; attacks know none of that.

import type { VmOptions } from '../../hypervisor/index.ts';
import { type Gpa, PAGE_SIZE } from '../../lib/index.ts';
import type { Answer, LiveGuest } from './guest.ts';

export type Conduit = 'hvc' | 'smc';

export interface Mode {
  readonly name: string;
  /** The guest does not trust its host. */
  readonly isProtected: boolean;
  /** The host runs with its kernel deprivileged (kvm-arm.mode=protected). */
  readonly pkvmHost: boolean;
  readonly vm: Partial<VmOptions>;
  /** All memory is in guest_memfds, and the guest says which pages of it are private. */
  readonly inFiles: boolean;
  /** How the guest calls. */
  readonly conduit: Conduit;
  /** Identifier of the call by which the guest announces its first device, or 0. */
  readonly guardCall: bigint;
  /** The guest announces a device's page. */
  guard(guest: LiveGuest, page: Gpa): void;
  /** The guest lends a page to the host, and takes it back; false where it is told that it cannot. */
  share(guest: LiveGuest, page: Gpa): boolean;
  unshare(guest: LiveGuest, page: Gpa): boolean;
  /** By which address the guest itself reaches what it has lent, and a device. */
  lent(address: number): bigint;
  /** Memory calls that are wrong in themselves: each must answer with an error. `own` is a page that the guest has. */
  malformed(own: bigint): readonly (readonly bigint[])[];
}

const MEM_SHARE = 0xc600_0003n;
const MEM_UNSHARE = 0xc600_0004n;
const GUARD_MAP = 0xc600_0007n;

const RSI_ATTEST_CONTINUE = 0xc400_0195n;
const RSI_REALM_CONFIG = 0xc400_0196n;
const RSI_IPA_STATE_SET = 0xc400_0197n;
const RSI_IPA_STATE_GET = 0xc400_0198n;
const RSI_HOST_CALL = 0xc400_0199n;
const EMPTY = 0n;
const RAM = 1n;
const CHANGE_DESTROYED = 1n;
/** The shared half of a realm's addresses of 41 bits. */
const SHARED_ALIAS = 1n << 40n;

const OUT_OF_RANGE = [0xffff_ffff_ffff_f000n, 1n << 52n, (1n << 63n) | 0x8000_0000n];

const succeeds = (answer: Answer): boolean => answer.kind === 'done' && answer.x[0] === 0n;

/** What a caller of pKVM's memory calls gets wrong; where there are none, all of it is. */
const malformedSharing = (own: bigint): readonly (readonly bigint[])[] =>
  [MEM_SHARE, MEM_UNSHARE].flatMap((id) => [
    ...[...OUT_OF_RANGE, own + 8n].map((address) => [id, address, 0n, 0n]),
    [id, own, 1n, 0n],
    [id, own, 0n, 1n],
  ]);

function malformedRealmCalls(own: bigint): readonly (readonly bigint[])[] {
  const ranges = [
    ...OUT_OF_RANGE.map((base) => [base, base + 0x1000n]),
    [own, 0xffff_ffff_ffff_f000n],
    [own + 8n, own + 0x1008n],
    [own + 0x1000n, own],
    [own, own],
    [own | SHARED_ALIAS, (own | SHARED_ALIAS) + 0x1000n],
  ];
  const pages = [...OUT_OF_RANGE, own + 8n, own | SHARED_ALIAS, 0x2000_0000n];
  return [
    ...ranges.flatMap(([base, top]) => [
      [RSI_IPA_STATE_SET, base, BigInt.asUintN(64, top), RAM, 0n],
      [RSI_IPA_STATE_GET, base, BigInt.asUintN(64, top)],
    ]),
    [RSI_IPA_STATE_SET, own, own + 0x1000n, 7n, 0n],
    ...pages.flatMap((page) => [
      [RSI_REALM_CONFIG, page],
      [RSI_HOST_CALL, page],
      [RSI_ATTEST_CONTINUE, page, 0n, 0x1000n],
    ]),
    [RSI_ATTEST_CONTINUE, own, 0x1000n, 0xffff_ffff_ffff_ffffn],
  ];
}

/** RSI_IPA_STATE_SET of one page, accepted and done. */
function setState(guest: LiveGuest, page: Gpa, state: bigint): boolean {
  const base = BigInt(page);
  const answer = guest.call(
    0,
    'smc',
    RSI_IPA_STATE_SET,
    base,
    base + BigInt(PAGE_SIZE),
    state,
    CHANGE_DESTROYED,
  );
  return (
    succeeds(answer) &&
    answer.kind === 'done' &&
    answer.x[2] === 0n &&
    answer.x[1] === base + BigInt(PAGE_SIZE)
  );
}

export const MODES: readonly Mode[] = [
  {
    name: 'none',
    isProtected: false,
    pkvmHost: false,
    vm: {},
    inFiles: false,
    conduit: 'hvc',
    guardCall: 0n,
    guard: () => {},
    share: () => true,
    unshare: () => true,
    lent: BigInt,
    malformed: malformedSharing,
  },
  {
    name: 'pkvm',
    isProtected: true,
    pkvmHost: true,
    vm: { protected: true },
    inFiles: false,
    conduit: 'hvc',
    guardCall: GUARD_MAP,
    guard(guest, page) {
      if (!succeeds(guest.call(0, 'hvc', GUARD_MAP, BigInt(page))))
        throw new Error('the guest cannot announce its device');
    },
    share: (guest, page) => succeeds(guest.call(0, 'hvc', MEM_SHARE, BigInt(page))),
    unshare: (guest, page) => succeeds(guest.call(0, 'hvc', MEM_UNSHARE, BigInt(page))),
    lent: BigInt,
    malformed: malformedSharing,
  },
  {
    name: 'realm',
    isProtected: true,
    pkvmHost: false,
    vm: { realm: {} },
    inFiles: true,
    conduit: 'smc',
    guardCall: 0n,
    guard: () => {},
    share: (guest, page) => setState(guest, page, EMPTY),
    unshare: (guest, page) => setState(guest, page, RAM),
    lent: (address) => BigInt(address) | SHARED_ALIAS,
    malformed: malformedRealmCalls,
  },
];
