// The moment at which a migrated VM stops here and has not started there: while it lasts, the audit of the destination's
// host holds the two memories against each other, page by page, and their MMIO guards. Devices and interrupt
// controllers have states of their own, whose equality is the migration's to show.

import { type Auditor, ownerName, type Report } from '../ledger/index.ts';
import { exportPage, type MigratedPage } from './migration.ts';
import type { VmMemory } from './vm-memory.ts';

export class SwitchOver implements Auditor {
  private readonly source: VmMemory;
  private readonly destination: VmMemory;

  constructor(source: VmMemory, destination: VmMemory) {
    this.source = source;
    this.destination = destination;
    destination.ledger.auditors.add(this);
  }

  /** What is not at the destination as it is at the source. */
  audit(report: Report): void {
    const { source, destination } = this;
    const who = ownerName(destination.guest.handle);
    for (const gfn of this.pages()) {
      const differs = difference(exportPage(source, gfn), exportPage(destination, gfn));
      if (differs) report('faithful', `${who} GFN ${gfn}: ${differs}`);
    }
    const [here, there] = [source.mmioGuard.save(), destination.mmioGuard.save()];
    if (JSON.stringify(here) !== JSON.stringify(there))
      report('faithful', `${who}: its MMIO guard is not the source's`);
  }

  /** Every page that a slot of either covers, once. */
  private pages(): Set<number> {
    const pages = new Set<number>();
    for (const { mapper } of [this.source, this.destination]) {
      for (const { gfn, end } of mapper.slots.all()) for (let page = gfn; page < end; page++) pages.add(page);
    }
    return pages;
  }

  /** One of the two goes on. */
  end(): void {
    this.destination.ledger.auditors.delete(this);
  }
}

/** A page that nobody has touched is as good as one of zeroes that is the host's. */
function difference(here: MigratedPage | undefined, there: MigratedPage | undefined): string | undefined {
  const [custody, arrived] = [here?.custody ?? 'plain', there?.custody ?? 'plain'];
  if (custody !== arrived) return `its custody is ${custody} at the source and ${arrived} here`;
  if (!sameBytes(here?.data, there?.data)) return "its data is not the source's";
  return sameBytes(here?.tags, there?.tags) ? undefined : "its tags are not the source's";
}

/** Absent bytes count as zeroes. */
function sameBytes(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  const length = Math.max(one?.length ?? 0, other?.length ?? 0);
  for (let n = 0; n < length; n++) if ((one?.[n] ?? 0) !== (other?.[n] ?? 0)) return false;
  return true;
}
