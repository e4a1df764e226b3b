// The protections under which every attack runs: one row each. A row says which VM the host makes and by which calls
// the guest lends pages and announces devices; attacks know none of that.

import type { VmOptions } from '../../hypervisor/index.ts';
import type { Gpa } from '../../lib/index.ts';
import type { LiveGuest } from './guest.ts';

export interface Mode {
  readonly name: string;
  /** The VMM gives the guest its memory, and sees nothing of it from then on. */
  readonly isProtected: boolean;
  /** The host runs with its kernel deprivileged (kvm-arm.mode=protected). */
  readonly pkvmHost: boolean;
  readonly vm: Partial<VmOptions>;
  /** Identifier of the call by which the guest announces its first device, or 0. */
  readonly guardCall: bigint;
  /** The guest announces a device's page. */
  guard(guest: LiveGuest, page: Gpa): void;
  /** The guest lends a page to the host, and takes it back; false where it is told that it cannot. */
  share(guest: LiveGuest, page: Gpa): boolean;
  unshare(guest: LiveGuest, page: Gpa): boolean;
  /** By which address the guest itself reaches what it has lent. */
  lent(address: number): bigint;
}

const MEM_SHARE = 0xc600_0003n;
const MEM_UNSHARE = 0xc600_0004n;
const GUARD_MAP = 0xc600_0007n;

const succeeds = (guest: LiveGuest, id: bigint, page: Gpa): boolean => {
  const answer = guest.call(0, 'hvc', id, BigInt(page));
  return answer.kind === 'done' && answer.x[0] === 0n;
};

export const MODES: readonly Mode[] = [
  {
    name: 'none',
    isProtected: false,
    pkvmHost: false,
    vm: {},
    guardCall: 0n,
    guard: () => {},
    share: () => true,
    unshare: () => true,
    lent: BigInt,
  },
  {
    name: 'pkvm',
    isProtected: true,
    pkvmHost: true,
    vm: { protected: true },
    guardCall: GUARD_MAP,
    guard(guest, page) {
      if (!succeeds(guest, GUARD_MAP, page)) throw new Error('the guest cannot announce its device');
    },
    share: (guest, page) => succeeds(guest, MEM_SHARE, page),
    unshare: (guest, page) => succeeds(guest, MEM_UNSHARE, page),
    lent: BigInt,
  },
];
