// What a protected VM does with its own pages (FACTS D): sharing them with the host and taking them back, being given
// them before it runs, and losing them when it ends.

import { ACCESS_WRITE } from '../../hardware/index.ts';
import { Errno, PAGE_SIZE } from '../../lib/index.ts';
import {
  ENTRY_PRESENT,
  entryFrame,
  entryState,
  type Guest,
  guestShareHost,
  guestUnshareHost,
  type Ledger,
  NOPAGE,
  OWNED,
  POISON,
  reclaim,
  SHARED_OWNED,
  type Transition,
} from '../ledger/index.ts';
import type { Mapper } from './mapper.ts';
import type { FaultExit } from './outcome.ts';

/** What a sharing hypercall of a protected guest came to. */
export type ShareResult =
  | { readonly kind: 'done' }
  /** The host has put a page there first; the guest makes the call again. */
  | { readonly kind: 'again' }
  /** The guest gets INVALID_PARAMETER (-3). */
  | { readonly kind: 'refused' }
  /** There is no memory at the address: the guest takes an external abort with FAR 0. */
  | { readonly kind: 'abort' }
  | { readonly kind: 'exit'; readonly exit: FaultExit };

export class ProtectedGuest {
  private readonly ledger: Ledger;
  private readonly guest: Guest;
  private readonly mapper: Mapper;
  private readonly ipaBits: number;

  constructor(ledger: Ledger, guest: Guest, mapper: Mapper, ipaBits: number) {
    this.ledger = ledger;
    this.guest = guest;
    this.mapper = mapper;
    this.ipaBits = ipaBits;
  }

  share(ipa: number, vcpu: number): ShareResult {
    const gfn = ipa / PAGE_SIZE;
    if (!this.isPage(ipa)) return { kind: 'refused' };
    if (this.guest.stateAt(gfn) === NOPAGE) {
      const miss = this.mapper.fault(gfn, ACCESS_WRITE, { kind: 'vcpu', vm: this.guest.handle, id: vcpu });
      if (miss) return miss.kind === 'exit' ? miss : { kind: 'abort' };
      return { kind: 'again' };
    }
    return this.change(guestShareHost, gfn);
  }

  unshare(ipa: number): ShareResult {
    return this.isPage(ipa) ? this.change(guestUnshareHost, ipa / PAGE_SIZE) : { kind: 'refused' };
  }

  private isPage(ipa: number): boolean {
    const aligned = Number.isSafeInteger(ipa) && ipa % PAGE_SIZE === 0;
    return this.guest.isProtected && aligned && ipa < 2 ** this.ipaBits;
  }

  private change(transition: Transition, gfn: number): ShareResult {
    const { ledger, guest } = this;
    const { frames } = ledger;
    const entry = guest.table.get(gfn);
    if ((entry & ENTRY_PRESENT) === 0) return { kind: 'refused' };
    const site = { frames, frame: entryFrame(entry), guest, gfn };
    if (ledger.refusal(transition, site)) return { kind: 'refused' };
    ledger.run(transition, site);
    return { kind: 'done' };
  }

  donate(address: number, bytes: number): void {
    if (!this.guest.isProtected) throw new Errno('EINVAL', 'only a protected VM is given pages');
    const end = Math.ceil((address + bytes) / PAGE_SIZE);
    for (let gfn = Math.floor(address / PAGE_SIZE); gfn < end; gfn++) {
      if (this.guest.stateAt(gfn) !== NOPAGE) continue;
      if (this.mapper.fault(gfn, ACCESS_WRITE, { kind: 'vcpu', vm: this.guest.handle })) {
        throw new Errno('EFAULT', `GFN ${gfn.toString(16)} has no memory to give`);
      }
    }
  }

  countPages(): { private: number; shared: number } {
    const pages = { private: 0, shared: 0 };
    this.guest.table.each((_gfn, entry) => {
      if ((entry & ENTRY_PRESENT) === 0) return;
      if (entryState(entry) === OWNED) pages.private++;
      else pages.shared++;
    });
    return pages;
  }

  /** Teardown: what was donated is the host's again, page by page, and poisoned addresses are forgotten. */
  reclaimAll(): void {
    const { ledger, guest } = this;
    const { frames } = ledger;
    guest.table.each((gfn, entry) => {
      const state = entryState(entry);
      if (state === POISON) guest.table.set(gfn, 0);
      if ((entry & ENTRY_PRESENT) === 0) return;
      if (state !== OWNED && state !== SHARED_OWNED) throw new Error(`GFN ${gfn} survived the end of its VM`);
      const frame = entryFrame(entry);
      ledger.run(reclaim, { frames, frame, guest, gfn });
      ledger.releaseIfUnused(frame);
    });
  }
}
