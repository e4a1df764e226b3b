// The mappings of a process: non-overlapping ranges of pages, each of anonymous memory, of a shared file or of a
// guest_memfd. It knows ranges, not pages.

import type { GuestMemfd } from './guest-memfd.ts';
import type { SharedFile } from './shared-file.ts';

export type Mapped =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'file'; readonly file: SharedFile }
  | { readonly kind: 'memfd'; readonly memfd: GuestMemfd };

export interface Vma {
  /** First page and first page after. */
  readonly start: number;
  readonly end: number;
  readonly mapped: Mapped;
  /** Page of the file at `start`; 0 for anonymous memory. */
  readonly filePage: number;
}

/** Whether pages of the mapping may carry tags (Linux VM_MTE_ALLOWED: anonymous and shared memory). */
export const mteAllowed = ({ mapped }: Vma): boolean =>
  mapped.kind === 'anonymous' || (mapped.kind === 'file' && mapped.file.mteAllowed);

const cut = (vma: Vma, start: number, end: number): Vma => ({
  start,
  end,
  mapped: vma.mapped,
  filePage: vma.mapped.kind === 'anonymous' ? 0 : vma.filePage + start - vma.start,
});

export class VmaTree {
  private list: Vma[] = [];
  private last: Vma | undefined;

  find(page: number): Vma | undefined {
    const last = this.last;
    if (last !== undefined && page >= last.start && page < last.end) return last;
    const found = this.list.find((vma) => page >= vma.start && page < vma.end);
    if (found) this.last = found;
    return found;
  }

  /** All that intersect [start, end), in order. */
  intersecting(start: number, end: number): Vma[] {
    return this.list.filter((vma) => vma.start < end && start < vma.end);
  }

  insert(vma: Vma): void {
    this.list.push(vma);
    this.list.sort((a, b) => a.start - b.start);
  }

  /** Cuts a range out; returns what was there. */
  remove(start: number, end: number): Vma[] {
    const removed: Vma[] = [];
    const kept: Vma[] = [];
    for (const vma of this.list) {
      if (vma.end <= start || vma.start >= end) {
        kept.push(vma);
        continue;
      }
      removed.push(cut(vma, Math.max(start, vma.start), Math.min(end, vma.end)));
      if (vma.start < start) kept.push(cut(vma, vma.start, start));
      if (vma.end > end) kept.push(cut(vma, end, vma.end));
    }
    this.list = kept;
    this.last = undefined;
    return removed;
  }

  all(): readonly Vma[] {
    return this.list;
  }
}
