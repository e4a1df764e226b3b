// What a JIT that is asked to counts of each region: how often control entered it, and how many guest instructions
// it ran. The counts are 64-bit words in linear memory that the regions' code adds to; no time is taken.

import type { PhysicalMemory } from '../../memory/index.ts';

/** Offsets of the two words of a region. */
export const PROFILE = { entries: 0, executed: 8, bytes: 16 } as const;

/** Code by the virtual address at which it was first hot. */
export interface ProfiledRegion {
  readonly address: bigint;
  /** Guest instructions that were compiled, and what they became, of the newest region there. */
  readonly guestInstructions: number;
  readonly wasmBytes: number;
  /** How often a region was compiled there. */
  readonly compiled: number;
  /** Of all of these. */
  readonly entries: number;
  readonly executed: number;
}

type Row = { -readonly [K in keyof ProfiledRegion]: ProfiledRegion[K] };

export class Profile {
  private readonly memory: PhysicalMemory;
  private readonly base: number;
  private readonly rows = new Map<bigint, Row>();
  /** By slot. */
  private readonly live = new Map<number, Row>();

  constructor(memory: PhysicalMemory, slots: number) {
    this.memory = memory;
    this.base = memory.reserve(slots * PROFILE.bytes, 64);
  }

  /** Where the region in a slot counts. */
  counterOf(slot: number): number {
    return this.base + slot * PROFILE.bytes;
  }

  /** A new region has the slot. */
  compiled(slot: number, address: bigint, guestInstructions: number, wasmBytes: number): void {
    this.collect(slot);
    let row = this.rows.get(address);
    if (!row) {
      row = { address, guestInstructions, wasmBytes, compiled: 0, entries: 0, executed: 0 };
      this.rows.set(address, row);
    }
    Object.assign(row, { guestInstructions, wasmBytes, compiled: row.compiled + 1 });
    this.live.set(slot, row);
  }

  /** Those that ran most first. */
  regions(): readonly ProfiledRegion[] {
    for (const slot of this.live.keys()) this.collect(slot);
    return [...this.rows.values()].sort((a, b) => b.executed - a.executed);
  }

  private collect(slot: number): void {
    const { u64 } = this.memory;
    const at = this.counterOf(slot) >>> 3;
    const row = this.live.get(slot);
    if (row) {
      row.entries += Number(u64[at]);
      row.executed += Number(u64[at + 1]);
    }
    u64.fill(0n, at, at + 2);
  }
}
