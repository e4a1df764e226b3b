// A file whose pages several processes map: shared memory (memfd_create, shmem), whose pages may carry tags, or a
// file on a disk, whose mappings may not (VM_MTE_ALLOWED). It knows nothing of VMs.

import { Errno, type FrameNumber, frameNumber, PAGE_SIZE } from '../../lib/index.ts';
import { HOST, type Holder, type Ledger, NONE, type Owner, PageTable } from '../ledger/index.ts';

/** Told before pages of a file go away. */
export interface FileObserver {
  fileInvalidated(file: SharedFile, first: number, count: number): void;
}

export class SharedFile implements Holder {
  readonly id: number;
  readonly pages: number;
  readonly medium: 'memory' | 'disk';
  readonly observers = new Set<FileObserver>();
  private readonly ledger: Ledger;
  private readonly frames = new PageTable();

  /** Throws EINVAL where `bytes` is not a positive number of whole pages. */
  constructor(ledger: Ledger, bytes: number, medium: 'memory' | 'disk' = 'memory') {
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % PAGE_SIZE) {
      throw new Errno('EINVAL', 'the size of a shared file is a positive number of whole pages');
    }
    this.ledger = ledger;
    this.pages = bytes / PAGE_SIZE;
    this.medium = medium;
    this.id = ledger.newHolderId();
    ledger.addHolder(this);
  }

  get label(): string {
    return this.medium === 'memory' ? `shared memory ${this.id}` : `file ${this.id}`;
  }

  get mteAllowed(): boolean {
    return this.medium === 'memory';
  }

  frameAt(page: number): number {
    return this.frames.get(page) - 1;
  }

  privateTo(): Owner {
    return HOST;
  }

  populate(page: number): FrameNumber {
    const present = this.frameAt(page);
    if (present !== NONE) return frameNumber(present);
    const frame = this.ledger.take(this, page);
    this.frames.set(page, frame + 1);
    return frame;
  }

  unmapPage(page: number): void {
    for (const observer of this.observers) observer.fileInvalidated(this, page, 1);
  }

  eachFrame(visit: (page: number, frame: FrameNumber) => void): void {
    this.frames.each((page, entry) => visit(page, frameNumber(entry - 1)));
  }

  /** Frees the pages of a range; they read as zero from then on. */
  punchHole(first: number, count: number): void {
    this.ledger.caches.batch(() => {
      for (const observer of this.observers) observer.fileInvalidated(this, first, count);
      this.frames.forEach(first, first + count, (page, entry) => {
        this.frames.set(page, 0);
        this.ledger.putDown(frameNumber(entry - 1));
      });
    });
  }

  /** After the last mapping went. */
  destroy(): void {
    this.punchHole(0, this.pages);
    this.ledger.removeHolder(this);
  }
}
