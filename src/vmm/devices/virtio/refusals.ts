// Tells people which rule stopped a device's access, without letting a hostile guest flood the log: each rule is
// counted, and written out for the first few refusals and then at every power of two.

import type { Refusal } from '../../../hypervisor/index.ts';
import type { Log } from '../../../lib/index.ts';

const LOGGED_IN_FULL = 8;

export class RefusalLog {
  readonly counts = new Map<string, number>();
  private readonly log: Log;
  private readonly source: string;

  constructor(log: Log, source: string) {
    this.log = log;
    this.source = source;
  }

  /** `what` says what failed because of it, e.g. 'read request'. */
  note(what: string, refusal: Refusal): void {
    const count = (this.counts.get(refusal.rule) ?? 0) + 1;
    this.counts.set(refusal.rule, count);
    if (count > LOGGED_IN_FULL && (count & (count - 1)) !== 0) return;
    const times = count > LOGGED_IN_FULL ? ` (${count} times)` : '';
    this.log(
      'warn',
      this.source,
      `${what} failed: rule '${refusal.rule}' refused 0x${refusal.address.toString(16)}: ${refusal.reason}${times}`,
    );
  }
}
