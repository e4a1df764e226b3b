// What the audit of a ledger looks at in one VM: that its stage 2 says no more than its slots, its log and its tags
// allow, and that its MMIO guard holds.

import {
  ENTRY_PRESENT,
  ENTRY_WRITE,
  entryFrame,
  FRAME_TAGGED,
  ownerName,
  type Report,
} from '../ledger/index.ts';
import type { VmMemory } from './vm-memory.ts';

export function auditStage2(vm: VmMemory, report: Report): void {
  const { guest, ledger, mapper, hasMte } = vm;
  guest.table.each((gfn, entry) => {
    if ((entry & ENTRY_PRESENT) === 0) return;
    const what = `${ownerName(guest.handle)} GFN ${gfn}, frame ${entryFrame(entry)}`;
    const mayWrite = (entry & ENTRY_WRITE) !== 0;
    if (hasMte && (ledger.frames.flags[entryFrame(entry)] & FRAME_TAGGED) === 0)
      report('tagged', `${what} is untagged`);
    if (mayWrite && vm.dirty.awaitsVcpu(gfn)) report('logged', `${what} is writable and not logged`);
    const slot = mapper.slots.find(gfn);
    if (slot === undefined) {
      if (!guest.isProtected) report('convertible', `${what} is mapped and in no slot`);
    } else if (slot.isReadOnly && mayWrite) report('convertible', `${what} is writable in a read-only slot`);
  });
}

/** The guard's record is one that a guard can have, and just outside of what it lists nothing is emulated. */
export function auditGuard(vm: VmMemory, report: Report): void {
  const { guest, mapper, mmioGuard } = vm;
  const who = ownerName(guest.handle);
  const { enforced, enrolled, pages } = mmioGuard.save();
  if (guest.isProtected && vm.extensions.mmioGuard && !enforced)
    report('guarded', `${who} is protected and its MMIO is not guarded`);
  if (enrolled && !enforced) report('guarded', `${who} has enrolled and its MMIO is not guarded`);
  if (!enforced) return;
  const listed = new Set(pages.map(({ gfn }) => gfn));
  const outside = (gfn: number): void => {
    if (gfn < 0 || listed.has(gfn) || mmioGuard.isExempt(gfn)) return;
    if (vm.emulation(gfn).allowed)
      report('guarded', `${who} GFN ${gfn} is not guarded, and the VMM may emulate it`);
  };
  for (const gfn of listed) {
    outside(gfn - 1);
    outside(gfn + 1);
    if (gfn >= 2 ** (vm.ipaBits - 12))
      report('guarded', `${who} GFN ${gfn} is guarded and beyond its addresses`);
  }
  for (const { gfn, end } of mapper.slots.all()) {
    outside(gfn - 1);
    outside(gfn);
    outside(end);
  }
}
