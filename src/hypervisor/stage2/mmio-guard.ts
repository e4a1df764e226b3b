// MMIO guard (FACTS D): a guest names the pages at which it wants its VMM to emulate devices; an access anywhere
// else that is no memory never reaches the VMM, and the guest gets an external abort. Upstream's call needs no
// enrolment; the list proposal's does. The state is plain, so that it is saved and restored with the VM.

export interface SavedGuard {
  readonly enrolled: boolean;
  /** Guarded page numbers, ascending. */
  readonly pages: readonly number[];
}

export class MmioGuard {
  private enrolled = false;
  private readonly pages = new Set<number>();

  /** From here on only guarded pages are emulated. */
  enroll(): void {
    this.enrolled = true;
  }

  get isEnrolled(): boolean {
    return this.enrolled;
  }

  /** Repeating it changes nothing. */
  map(gfn: number): void {
    this.pages.add(gfn);
  }

  /** Whether the page was guarded. */
  unmap(gfn: number): boolean {
    return this.pages.delete(gfn);
  }

  /** Whether the VMM may be asked to emulate an access to the page. */
  permits(gfn: number): boolean {
    return !this.enrolled || this.pages.has(gfn);
  }

  save(): SavedGuard {
    return { enrolled: this.enrolled, pages: [...this.pages].sort((a, b) => a - b) };
  }

  restore(saved: SavedGuard): void {
    this.enrolled = saved.enrolled;
    this.pages.clear();
    for (const gfn of saved.pages) this.pages.add(gfn);
  }
}
