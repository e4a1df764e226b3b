// Where compiled regions are found: a direct-mapped table in linear memory from the host offset of an instruction
// to the function table's index of the region that starts there, or a count of how often control arrived.

import type { PhysicalMemory } from '../../memory/index.ts';

/** Entries of 8 bytes: u32 host offset of the instruction; i32 table index when positive, else a counter towards 0. */
export const CACHE_ENTRIES = 1 << 19;
export const CACHE_ENTRY_BYTES = 8;

/** Counts as good as never: what starts here cannot be compiled. */
export const NEVER = -0x8000_0000;

/** The count of what a region was made for that is to be looked at when control next arrives. */
export const LOOK_AGAIN = -1;

const pageOf = (host: number): number => (host & ~0xfff) >>> 0;

export class CodeCache {
  readonly base: number;
  /** Offset of a u32 that changes whenever code may have: who waits for a call's return must not trust its own then. */
  readonly generation: number;
  private readonly u32: Uint32Array;
  /** Regions by the page that holds their code. */
  private readonly pages = new Map<number, Set<number>>();

  private readonly hot: number;

  /** `hot`: how many arrivals make code worth compiling. */
  constructor(memory: PhysicalMemory, hot: number) {
    this.hot = hot;
    this.base = memory.reserve(CACHE_ENTRIES * CACHE_ENTRY_BYTES, 64);
    this.generation = memory.reserve(4, 64);
    this.u32 = memory.u32;
  }

  private at(host: number): number {
    return (this.base + ((host >>> 2) & (CACHE_ENTRIES - 1)) * CACHE_ENTRY_BYTES) >>> 2;
  }

  /** A region whose code is in these pages. */
  install(host: number, index: number, pages: Iterable<number>): void {
    this.set(host, index);
    for (const page of pages) {
      const known = this.pages.get(page);
      if (known) known.add(host);
      else this.pages.set(page, new Set([host]));
    }
  }

  private set(host: number, value: number): void {
    const at = this.at(host);
    this.u32[at] = host;
    this.u32[at + 1] = value;
  }

  /** What stands for an instruction: its region's index, or the count; undefined where another has its place. */
  get(host: number): number | undefined {
    const at = this.at(host);
    return this.u32[at] === host ? (this.u32[at + 1] as number) | 0 : undefined;
  }

  /** Queued: after so many more arrivals it is not to wait for others. */
  wait(host: number, arrivals: number): void {
    this.install(host, -arrivals, [pageOf(host)]);
  }

  /** Nothing that starts here is to be compiled. */
  refuse(host: number): void {
    this.install(host, NEVER, [pageOf(host)]);
  }

  /** What stands for an instruction, if it is still this, goes; arrivals are counted anew. */
  forget(host: number, known: number): void {
    if (this.get(host) === known) this.set(host, -this.hot);
  }

  /** The page's code may have changed: each region is looked at again when control next arrives. */
  invalidatePage(page: number): void {
    (this.u32[this.generation >>> 2] as number)++;
    for (const host of this.pages.get(page) ?? []) {
      const at = this.at(host);
      if (this.u32[at] === host) this.u32[at + 1] = LOOK_AGAIN;
    }
    this.pages.delete(page);
  }

  invalidateAll(): void {
    for (const page of [...this.pages.keys()]) this.invalidatePage(page);
  }

  /** Forgets every region and count. */
  clear(): void {
    this.pages.clear();
    this.u32.fill(0, this.base >>> 2, (this.base >>> 2) + CACHE_ENTRIES * 2);
  }
}
