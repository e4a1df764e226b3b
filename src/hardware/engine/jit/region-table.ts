// The regions that exist: their slots in the function table, what they were made from, and which of them go when there
// is no room for more. The host frees code by the module, so that is also how regions go.

import type { PhysicalMemory } from '../../memory/index.ts';
import { CODE_PAGE, pageOf, type Region } from './region.ts';

/** Compiled code that can be entered. */
export interface LiveRegion {
  /** Host offset of its first instruction. */
  readonly host: number;
  readonly slot: number;
  /** Host offsets of its pages. */
  readonly pages: readonly number[];
  /** Whether it follows calls and other pages. */
  readonly isFar: boolean;
  /** Host offsets of its instructions, and the words they held. */
  readonly places: Uint32Array;
  readonly words: Uint32Array;
}

interface Module {
  readonly regions: readonly LiveRegion[];
  /** Entries of its regions when they were last looked at. */
  entries: number;
}

export class RegionTable {
  private readonly u32: Uint32Array;
  private readonly table: WebAssembly.Table;
  private readonly firstIndex: number;
  private readonly countdowns: number;
  private readonly free: number[];
  private readonly byHost = new Map<number, LiveRegion>();
  /** The one that was made or found in use longest ago comes first. */
  private readonly modules = new Set<Module>();

  /** `size` slots of the function table, from `firstIndex` on. */
  constructor(memory: PhysicalMemory, table: WebAssembly.Table, firstIndex: number, size: number) {
    this.u32 = memory.u32;
    this.table = table;
    this.firstIndex = firstIndex;
    this.countdowns = memory.reserve(size * 4, 64);
    this.free = Array.from({ length: size }, (_, k) => size - 1 - k);
  }

  /** The newest region at a host offset, current or stale. */
  at(host: number): LiveRegion | undefined {
    return this.byHost.get(host);
  }

  /** Index in the function table. */
  indexOf({ slot }: LiveRegion): number {
    return this.firstIndex + slot;
  }

  /** Takes a slot for a region that is to be made; undefined where none is free. */
  take(): number | undefined {
    return this.free.pop();
  }
  /** Gives back one that nothing stands in. */
  give(slot: number): void {
    this.free.push(slot);
  }

  /** Offset of the u32 that the region in a slot counts down when it is entered. */
  countdownOf(slot: number): number {
    return this.countdowns + slot * 4;
  }
  countFrom(slot: number, entries: number): void {
    this.u32[this.countdownOf(slot) >>> 2] = entries;
  }

  /** Regions of a module, with their functions, in slots that were taken for them. */
  add(regions: readonly (LiveRegion & { readonly function: unknown })[]): void {
    for (const region of regions) {
      this.table.set(this.indexOf(region), region.function);
      this.byHost.set(region.host, region);
    }
    const module: Module = { regions, entries: 0 };
    module.entries = this.entriesOf(module);
    this.modules.add(module);
  }

  /** Lets go of the module that has not been in use for longest; its regions. */
  evict(): readonly LiveRegion[] {
    for (const module of this.modules) {
      this.modules.delete(module);
      const entries = this.entriesOf(module);
      if (entries === module.entries) return this.release(module);
      // Used since it was last looked at: its turn comes after all others'.
      module.entries = entries;
      this.modules.add(module);
    }
    return [];
  }

  clear(): void {
    for (const module of this.modules) this.release(module);
    this.modules.clear();
  }

  private release({ regions }: Module): readonly LiveRegion[] {
    for (const region of regions) {
      this.table.set(this.indexOf(region), null);
      this.give(region.slot);
      if (this.byHost.get(region.host) === region) this.byHost.delete(region.host);
    }
    return regions;
  }

  /** A number that changes when one of the regions is entered. */
  private entriesOf({ regions }: Module): number {
    return regions.reduce((sum, { slot }) => sum + (this.u32[this.countdownOf(slot) >>> 2] as number), 0);
  }
}

/** Where a region's instructions are, and what they are. */
export function placesOf({ blocks, pages }: Region): Pick<LiveRegion, 'pages' | 'places' | 'words'> {
  const found = new Map<number, number>();
  for (const { at, words } of blocks) {
    const page = (pages.get(pageOf(at)) as number) - pageOf(at) * CODE_PAGE;
    for (const [k, word] of words.entries()) found.set(page + at + 4 * k, word);
  }
  return {
    pages: [...pages.values()],
    places: Uint32Array.from(found.keys()),
    words: Uint32Array.from(found.values()),
  };
}
