// The last transitions of each frame, for `explain --history`. Off until somebody wants it: it costs memory.

import type { FrameNumber } from '../../lib/index.ts';

export interface HistoryEntry {
  /** Counts all transitions of the host. */
  readonly step: number;
  readonly transition: string;
  readonly frame: FrameNumber;
  /** Handle of the guest it was about, where it was about one. */
  readonly guest: number | undefined;
  readonly gfn: number | undefined;
}

export class History {
  private readonly entries: (HistoryEntry | undefined)[];
  private steps = 0;

  /** Remembers the last `capacity` transitions. */
  constructor(capacity: number) {
    this.entries = new Array<HistoryEntry | undefined>(capacity);
  }

  record(transition: string, frame: FrameNumber, guest: number | undefined, gfn: number | undefined): void {
    this.entries[this.steps % this.entries.length] = { step: this.steps, transition, frame, guest, gfn };
    this.steps++;
  }

  /** What happened to a frame, oldest first. */
  of(frame: FrameNumber): HistoryEntry[] {
    return this.entries
      .filter((entry): entry is HistoryEntry => entry !== undefined && entry.frame === frame)
      .sort((a, b) => a.step - b.step);
  }
}
