// The engine with a JIT: the interpreter, which counts where control arrives, and regions compiled for what is hot.
// Both run the same instructions to the same states and counts; only the speed differs.

import type { Decoder, Feature } from '../../a64/index.ts';
import { registerOffset, STATE, TLB, tlbIndex } from '../../cpu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { type EngineClient, Interpreter } from '../interpreter/interpreter.ts';
import { HOT_CODE } from '../interpreter/runtime.ts';
import { CodeCache, LOOK_AGAIN, NEVER } from './code-cache.ts';
import { encodeBatch, type Order } from './compile.ts';
import { type CodeView, FAR_REACH, findRegion, NEAR_REACH } from './find-region.ts';
import { Profile, type ProfiledRegion } from './profile.ts';
import { CODE_PAGE, type Region } from './region.ts';
import { type LiveRegion, placesOf, RegionTable } from './region-table.ts';

/** Regions that exist at a time, in use or on their way. */
const MAX_REGIONS = 8192;
/** Compiling a region costs as much as interpreting it some two thousand times. */
const HOT = 2000;
/** Entries of a region after which it is compiled once more, with what it calls. */
const HOTTER = 300_000;
/** Which part of the arrivals that make code hot make it known to be reached, and worth a copy. */
const SEEN_SHIFT = 6;
const WARM_SHIFT = 3;
/** Regions in a module: making one costs about as much as compiling ten regions. */
const BATCH = 24;
/** A countdown that is as good as never over. */
const LONG = 0x4000_0000;

const WASM_PAGE = 65536;
const SCTLR = registerOffset('SCTLR_EL1');
/** TCF0 and TCF in its high half: tag checks at EL0 and EL1. */
const SCTLR_TCF = 15 << 6;

export interface JitCounters {
  readonly modules: number;
  readonly regions: number;
  readonly revalidated: number;
  readonly refused: number;
  readonly evicted: number;
  readonly wasmBytes: number;
  readonly guestInstructions: number;
  readonly milliseconds: number;
  readonly flushes: number;
}

export interface JitOptions {
  /** Arrivals at an instruction before it is compiled. */
  readonly hot?: number;
  /** Entries of its region before it is compiled again with what it calls. */
  readonly hotter?: number;
  /** Regions that share a module. */
  readonly batch?: number;
  /** Regions that may exist at a time. */
  readonly regions?: number;
  /** Counts what each region runs, see Jit.profile(). */
  readonly profile?: boolean;
  /** Measures the time that compiling takes, in milliseconds; it changes nothing else. */
  readonly now?: () => number;
}

/** A region that waits to share a module. */
interface Pending {
  readonly region: Region;
  /** Virtual address, where a profile is made. */
  readonly address: bigint | undefined;
}

export class Jit {
  private readonly memory: PhysicalMemory;
  private readonly cache: CodeCache;
  private readonly interpreter: Interpreter;
  private readonly table: RegionTable;
  private readonly imports: Record<string, Record<string, unknown>>;
  /** By the host offset of their first instruction. */
  private readonly queue = new Map<number, Pending>();
  private readonly counts = {
    modules: 0,
    regions: 0,
    revalidated: 0,
    refused: 0,
    evicted: 0,
    wasmBytes: 0,
    guestInstructions: 0,
    milliseconds: 0,
    flushes: 0,
  };
  private readonly now: () => number;
  private readonly batch: number;
  /** Further arrivals after which queued code waits for no more company. */
  private readonly urgent: number;
  private readonly hotter: number;
  /** Counts of arrivals, up to zero, from which on a place is seen now and then, and warm. */
  private readonly seen: number;
  private readonly warm: number;
  private checksTags = false;
  private readonly counting: Profile | undefined;

  constructor(memory: PhysicalMemory, absent: ReadonlySet<Feature> = new Set(), options: JitOptions = {}) {
    this.memory = memory;
    this.now = options.now ?? (() => 0);
    const hot = options.hot ?? HOT;
    this.urgent = 2 * hot;
    this.hotter = options.hotter ?? HOTTER;
    this.seen = -(hot - (hot >> SEEN_SHIFT));
    this.warm = -(hot - (hot >> WARM_SHIFT));
    const size = options.regions ?? MAX_REGIONS;
    // There is always something to evict for a batch.
    this.batch = Math.min(options.batch ?? BATCH, size >> 1);
    this.cache = new CodeCache(memory, hot);
    if (options.profile) this.counting = new Profile(memory, size);
    this.interpreter = new Interpreter(memory, absent, { codeCache: this.cache.base, spareTable: size, hot });
    this.table = new RegionTable(memory, this.interpreter.table, this.interpreter.firstSpare, size);
    this.imports = { m: { m: memory.memory }, f: this.interpreter.callables() };
  }

  get decoder(): Decoder {
    return this.interpreter.decoder;
  }

  /** What each region has run, the hottest first; undefined where nobody asked for it. */
  profile(): readonly ProfiledRegion[] | undefined {
    return this.counting?.regions();
  }

  get counters(): JitCounters {
    return this.counts;
  }

  run(client: EngineClient): number {
    this.lookAtTagChecks(client);
    for (;;) {
      const status = this.interpreter.run(client);
      if (status !== HOT_CODE) return status;
      this.hot(client.base);
    }
  }

  /** The guest says that code in this page (or anywhere) has changed, or the frame has another use now. */
  codeChanged(page: number | 'all'): void {
    for (const [host, { region }] of this.queue) {
      if (page === 'all' || hasPage(region, page)) this.queue.delete(host);
    }
    if (page === 'all') this.cache.invalidateAll();
    else this.cache.invalidatePage(page);
  }

  /** From the first time that the guest has accesses checked, code does it; what was compiled before goes. */
  private lookAtTagChecks({ base }: EngineClient): void {
    if (this.checksTags || (this.memory.u32[(base + SCTLR + 4) >>> 2] & SCTLR_TCF) === 0) return;
    this.checksTags = true;
    this.queue.clear();
    this.table.clear();
    this.cache.clear();
    this.counts.flushes++;
  }

  /** Control arrived often where the vCPU stands: takes up the old code, or queues it; compiles the queue in time. */
  private hot(base: number): void {
    const host = this.memory.u32[(base + STATE.hpc) >>> 2] as number;
    const before = this.table.at(host);
    const isHotter = before !== undefined && this.cache.get(host) === this.table.indexOf(before);
    if (isHotter) {
      this.table.countFrom(before.slot, before.isFar ? LONG : this.hotter);
      if (before.isFar) return;
    } else if (before && this.isUnchanged(before)) {
      this.counts.revalidated++;
      this.cache.install(host, this.table.indexOf(before), before.pages);
      return;
    }
    const isUrgent = this.queue.has(host);
    if (!isUrgent) {
      const reach = isHotter ? FAR_REACH : NEAR_REACH;
      const region = findRegion(this.viewFrom(base, host), host % CODE_PAGE, reach);
      if (!region) {
        this.counts.refused++;
        this.cache.refuse(host);
        return;
      }
      this.queue.set(host, { region, address: this.counting && this.addressOf(base, host) });
      if (!isHotter) this.cache.wait(host, this.urgent);
    }
    if (isUrgent || this.queue.size >= this.batch) this.compileQueue();
  }

  private isUnchanged({ places, words }: LiveRegion): boolean {
    const { u32 } = this.memory;
    return places.every((place, k) => u32[place >>> 2] === words[k]);
  }

  private addressOf(base: number, host: number): bigint {
    return BigInt.asUintN(64, (this.memory.u64[(base + STATE.pcDelta) >>> 3] as bigint) + BigInt(host));
  }

  /** The program around `host` as the vCPU's soft TLB knows it. */
  private viewFrom(base: number, host: number): CodeView {
    const { u32, u64 } = this.memory;
    const home = host - (host % CODE_PAGE);
    const tlb = u32[(base + STATE.tlb) >>> 2] as number;
    const homeAddress = this.addressOf(base, home);
    const page = (index: number): number | undefined => {
      if (index === 0) return home;
      const address = BigInt.asUintN(64, homeAddress + BigInt(index) * BigInt(CODE_PAGE));
      const low = Number(address & 0xffff_ffffn);
      const entry = tlb + tlbIndex(low) * TLB.entryBytes;
      if (u64[(entry + TLB.execTag) >>> 3] !== address) return undefined;
      return (low + (u32[(entry + TLB.addend) >>> 2] as number)) >>> 0;
    };
    return {
      decoder: this.interpreter.decoder,
      page,
      word: (at) => u32[at >>> 2] as number,
      isSeen: (at) => this.hasArrivals(at, this.seen),
      isWarm: (at) => this.hasArrivals(at, this.warm),
      isHot: (at) => at === host || this.hasArrivals(at, LOOK_AGAIN),
    };
  }

  private hasArrivals(host: number, enough: number): boolean {
    if (this.queue.has(host)) return true;
    const known = this.cache.get(host);
    return known !== undefined && known !== NEVER && known >= enough;
  }

  private compileQueue(): void {
    const started = this.now();
    const { conditionTable } = this.interpreter;
    const { bias: tagBias, markBias } = this.memory.allocationTags;
    const wanted = [...this.queue];
    this.queue.clear();
    const slots = wanted.map(() => this.takeSlot());
    const orders = wanted.map(([, { region }], k): Order => {
      const slot = slots[k] as number;
      const counter = this.counting && { counter: this.counting.counterOf(slot) };
      return { region, countdown: this.table.countdownOf(slot), ...counter };
    });
    const { bytes, sizes } = encodeBatch({
      decoder: this.decoder,
      memoryPages: this.memory.memory.buffer.byteLength / WASM_PAGE,
      options: {
        conditionTable,
        tagBias,
        markBias,
        checksTags: this.checksTags,
        codeGeneration: this.cache.generation,
      },
      orders,
    });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.imports);
    const functions = Object.values(exports);
    const live = wanted.map(([host, { region, address }], k) => {
      const slot = slots[k] as number;
      const size = sizes[k] as number;
      const isFar = region.reach === FAR_REACH;
      this.table.countFrom(slot, isFar ? LONG : this.hotter);
      this.counts.guestInstructions += region.instructions;
      this.counts.wasmBytes += size;
      if (address !== undefined) this.counting?.compiled(slot, address, region.instructions, size);
      return { host, slot, isFar, ...placesOf(region), function: functions[k] };
    });
    this.table.add(live);
    for (const region of live) this.cache.install(region.host, this.table.indexOf(region), region.pages);
    this.counts.modules++;
    this.counts.regions += live.length;
    this.counts.milliseconds += this.now() - started;
  }

  private takeSlot(): number {
    for (;;) {
      const slot = this.table.take();
      if (slot !== undefined) return slot;
      for (const region of this.table.evict()) {
        this.cache.forget(region.host, this.table.indexOf(region));
        this.counts.evicted++;
      }
    }
  }
}

function hasPage({ pages }: Region, page: number): boolean {
  for (const known of pages.values()) if (known === page) return true;
  return false;
}
