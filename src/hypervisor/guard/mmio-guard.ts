// MMIO guard: a guest names the pages at which it wants its VMM to emulate devices; an access anywhere else that is no
// memory never reaches the VMM, and the guest gets an external abort. A protected VM is guarded from its first
// instruction, any other from its enrolment on. The state is plain, so that it is listed, saved and restored.

import { Errno, PAGE_SIZE } from '../../lib/index.ts';

/** A page that the guest gave to its VMM. */
export interface GuardedPage {
  readonly gfn: number;
  /** The guest's memory attribute (a byte of MAIR_EL1) for its mapping, where it said so. */
  readonly attribute: number | undefined;
}

export interface SavedGuard {
  readonly version: 1;
  readonly enforced: boolean;
  readonly enrolled: boolean;
  /** In the order of page numbers. */
  readonly pages: readonly GuardedPage[];
}

/** What a guest can make the hypervisor remember: 1 GiB of device registers. */
export const MAX_GUARDED_PAGES = 1 << 18;

export class MmioGuard {
  private enforced = false;
  private enrolled = false;
  private readonly pages = new Map<number, number | undefined>();
  private readonly own: { readonly first: number; readonly end: number }[] = [];
  /** Accesses that got an abort since the VM was made, and the page of the last one. */
  denials = 0;
  lastDenied: number | undefined;

  /** The VM is guarded whatever its guest says (a protected VM). */
  enforce(): void {
    this.enforced = true;
  }

  /** The guest asks for it; nothing undoes that. */
  enroll(): void {
    this.enrolled = true;
    this.enforced = true;
  }

  get isEnforced(): boolean {
    return this.enforced;
  }

  get isEnrolled(): boolean {
    return this.enrolled;
  }

  /** Registers that the hypervisor emulates by itself: the guard is against the VMM, which never sees these. */
  exempt(base: number, bytes: number): void {
    this.own.push({ first: Math.floor(base / PAGE_SIZE), end: Math.ceil((base + bytes) / PAGE_SIZE) });
  }

  /** Repeating it changes nothing but the attribute. False where the guest has guarded too much already. */
  map(gfn: number, attribute?: number): boolean {
    if (!this.pages.has(gfn) && this.pages.size >= MAX_GUARDED_PAGES) return false;
    this.pages.set(gfn, attribute);
    return true;
  }

  /** Whether the page was guarded. */
  unmap(gfn: number): boolean {
    return this.pages.delete(gfn);
  }

  /** Whether an access to the page may be emulated. */
  permits(gfn: number): boolean {
    return !this.enforced || this.pages.has(gfn) || this.isExempt(gfn);
  }

  isExempt(gfn: number): boolean {
    return this.own.some(({ first, end }) => gfn >= first && gfn < end);
  }

  /** A vCPU's access to the page got an abort. */
  countDenial(gfn: number): void {
    this.denials++;
    this.lastDenied = gfn;
  }

  /** How many pages are guarded. */
  get size(): number {
    return this.pages.size;
  }

  list(): readonly GuardedPage[] {
    return [...this.pages].map(([gfn, attribute]) => ({ gfn, attribute })).sort((a, b) => a.gfn - b.gfn);
  }

  save(): SavedGuard {
    return { version: 1, enforced: this.enforced, enrolled: this.enrolled, pages: this.list() };
  }

  /** Throws EINVAL for a state that no guard can have. */
  restore(saved: SavedGuard): void {
    const { version, enforced, enrolled, pages } = saved;
    const sound = pages.every(
      ({ gfn, attribute }) => isBelow(gfn, 2 ** 40) && (attribute === undefined || isBelow(attribute, 256)),
    );
    if (version !== 1 || (enrolled && !enforced) || pages.length > MAX_GUARDED_PAGES || !sound) {
      throw new Errno('EINVAL', 'the saved MMIO guard is of another version or damaged');
    }
    this.enforced = enforced;
    this.enrolled = enrolled;
    this.pages.clear();
    for (const { gfn, attribute } of pages) this.pages.set(gfn, attribute);
  }
}

const isBelow = (n: number, end: number): boolean => Number.isSafeInteger(n) && n >= 0 && n < end;
