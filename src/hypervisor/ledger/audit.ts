// The audit: every invariant, over the whole state, now. It reads everything and changes nothing.

import { INVARIANTS, type Violation } from './invariants.ts';
import type { Ledger } from './ledger.ts';

/** All violations, in the order of INVARIANTS; empty where all is well. */
export function audit(ledger: Ledger): Violation[] {
  const found: Violation[] = [...ledger.broken];
  for (const { id, check } of INVARIANTS) {
    check?.(ledger, (what) => found.push({ invariant: id, found: what }));
  }
  for (const auditor of ledger.auditors) {
    auditor.audit((invariant, what) => found.push({ invariant, found: what }));
  }
  const order = new Map(INVARIANTS.map(({ id }, n) => [id, n]));
  return found.sort((a, b) => order.get(a.invariant)! - order.get(b.invariant)!);
}
