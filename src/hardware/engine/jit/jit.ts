// The engine with a JIT: the interpreter, which counts where control arrives, and regions compiled for what is hot.
// Both run the same instructions to the same states and counts; only the speed differs, and so it does not matter when
// a region is ready.

import type { Decoder, Feature } from '../../a64/index.ts';
import { registerOffset, STATE, TLB, tlbIndex } from '../../cpu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { type EngineClient, Interpreter } from '../interpreter/interpreter.ts';
import { HOT_CODE } from '../interpreter/runtime.ts';
import { CodeCache, NEVER } from './code-cache.ts';
import type { Batch, Compiled, Order } from './compile.ts';
import { inlineCompiler, type RegionCompiler } from './compiler.ts';
import { type CodeView, FAR_REACH, findRegion, NEAR_REACH } from './find-region.ts';
import { Profile, type ProfiledRegion } from './profile.ts';
import { CODE_PAGE, type Region } from './region.ts';
import { type LiveRegion, placesOf, RegionTable } from './region-table.ts';

/** Regions that exist at a time, in use or on their way. */
const MAX_REGIONS = 8192;
/** Compiling a region costs as much as interpreting it some two thousand times. */
const HOT = 2000;
/** The same where another thread does most of it. */
const HOT_IN_BACKGROUND = 2000;
/** Entries of a region after which it is compiled once more, with what it calls. */
const HOTTER = 300_000;
const HOTTER_IN_BACKGROUND = 50_000;
/** Regions in a module: making one costs about as much as compiling ten regions. */
const BATCH = 24;
/** The same for another thread, which is to answer soon. */
const BATCH_IN_BACKGROUND = 8;
/** Batches that another thread has at a time: the one that it works at, and the next. */
const BATCHES_IN_BACKGROUND = 2;
/** An arrival count, and a countdown, that is as good as never reached. */
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
  /** Default: this thread. */
  readonly compiler?: RegionCompiler | undefined;
}

/** A region from when it was found until it is compiled or not wanted any more. */
interface Pending {
  readonly host: number;
  /** Virtual address, where a profile is made. */
  readonly address: bigint | undefined;
  readonly region: Region;
}

export class Jit {
  private readonly memory: PhysicalMemory;
  private readonly cache: CodeCache;
  private readonly interpreter: Interpreter;
  private readonly table: RegionTable;
  private readonly compiler: RegionCompiler;
  private readonly imports: Record<string, Record<string, unknown>>;
  private readonly fixed: Omit<Batch, 'options' | 'orders'>;
  /** Wanted, by the host offset of their first instruction: waiting to share a module, or being compiled. */
  private readonly pending = new Map<number, Pending>();
  private queue: Pending[] = [];
  private batchesOut = 0;
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
  private readonly batch: number;
  /** Further arrivals after which queued code waits for no more company. */
  private readonly urgent: number;
  private readonly hotter: number;
  /** Arrivals counted towards `hot` that make a place worth following. */
  private readonly warm: number;
  private checksTags = false;
  private readonly counting: Profile | undefined;

  constructor(memory: PhysicalMemory, absent: ReadonlySet<Feature> = new Set(), options: JitOptions = {}) {
    this.memory = memory;
    this.compiler = options.compiler ?? inlineCompiler(options.now ?? (() => 0));
    const { background } = this.compiler;
    const hot = options.hot ?? (background ? HOT_IN_BACKGROUND : HOT);
    this.urgent = background ? LONG : 2 * hot;
    this.hotter = options.hotter ?? (background ? HOTTER_IN_BACKGROUND : HOTTER);
    this.warm = -(hot - (hot >> 3));
    const size = options.regions ?? MAX_REGIONS;
    // There is always something to evict for a batch.
    this.batch = Math.min(options.batch ?? (background ? BATCH_IN_BACKGROUND : BATCH), size >> 2);
    this.cache = new CodeCache(memory, hot);
    if (options.profile) this.counting = new Profile(memory, size);
    this.interpreter = new Interpreter(memory, absent, { codeCache: this.cache.base, spareTable: size, hot });
    this.table = new RegionTable(memory, this.interpreter.table, this.interpreter.firstSpare, size);
    this.fixed = { absent: [...absent], memoryPages: memory.memory.buffer.byteLength / WASM_PAGE };
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
    this.compiler.poll();
    for (;;) {
      const status = this.interpreter.run(client);
      if (status !== HOT_CODE) return status;
      this.hot(client.base);
      this.compiler.poll();
    }
  }

  /**
   * The guest says that code in this page (or anywhere) has changed, or the frame has another use now. What is being
   * compiled is compared with memory when it is ready.
   */
  codeChanged(page: number | 'all'): void {
    if (page === 'all') this.cache.invalidateAll();
    else this.cache.invalidatePage(page);
  }

  /** From the first time that the guest has accesses checked, code does it; what was compiled before goes. */
  private lookAtTagChecks({ base }: EngineClient): void {
    if (this.checksTags || (this.memory.u32[(base + SCTLR + 4) >>> 2] & SCTLR_TCF) === 0) return;
    this.checksTags = true;
    this.pending.clear();
    this.table.clear();
    this.cache.clear();
    this.counts.flushes++;
  }

  /** Control arrived often where the vCPU stands: takes up the old code, or has it compiled. */
  private hot(base: number): void {
    const host = this.memory.u32[(base + STATE.hpc) >>> 2] as number;
    const before = this.table.at(host);
    const isHotter = before !== undefined && this.cache.get(host) === this.table.indexOf(before);
    if (isHotter) this.table.countFrom(before.slot, LONG);
    else if (before && this.isUnchanged(before)) {
      this.counts.revalidated++;
      if (!before.isFar) this.table.countFrom(before.slot, this.hotter);
      this.cache.install(host, this.table.indexOf(before), before.pages);
      return;
    }
    const isUrgent = this.pending.has(host);
    if (!isUrgent) {
      if (before?.isFar && isHotter) return;
      const region = findRegion(
        this.viewFrom(base, host),
        host % CODE_PAGE,
        isHotter ? FAR_REACH : NEAR_REACH,
      );
      if (!region) {
        this.counts.refused++;
        this.cache.refuse(host);
        return;
      }
      const pending = { host, region, address: this.counting && this.addressOf(base, host) };
      this.pending.set(host, pending);
      this.queue.push(pending);
    }
    // Another instruction may have had its place in the cache meanwhile, so that it is counted again.
    if (!isHotter) this.cache.wait(host, this.urgent);
    if (this.compiler.background) this.keepCompilerBusy();
    else if (isUrgent || this.queue.length >= this.batch) this.compileQueue();
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
      isWarm: (at) => {
        if (this.pending.has(at)) return true;
        const known = this.cache.get(at);
        return known !== undefined && known !== NEVER && (known > 0 || known >= this.warm);
      },
    };
  }

  private keepCompilerBusy(): void {
    while (this.queue.length > 0 && this.batchesOut < BATCHES_IN_BACKGROUND) this.compileQueue();
  }

  /** Has what waits compiled, as far as it is still wanted. */
  private compileQueue(): void {
    this.queue = this.queue.filter((one) => this.pending.get(one.host) === one);
    if (this.queue.length > this.batch) this.queue.sort((a, b) => this.arrivalsAt(b) - this.arrivalsAt(a));
    const wanted = this.queue.splice(0, this.batch);
    if (wanted.length === 0) return;
    const { conditionTable } = this.interpreter;
    const options = { conditionTable, tagBias: this.memory.tagBias, checksTags: this.checksTags };
    const slots = wanted.map(() => this.takeSlot());
    const orders = wanted.map(({ region }, k): Order => {
      const slot = slots[k] as number;
      const counter = this.counting && { counter: this.counting.counterOf(slot) };
      return { region, countdown: this.table.countdownOf(slot), ...counter };
    });
    this.batchesOut++;
    this.compiler.compile({ ...this.fixed, options, orders }, (compiled) => {
      this.batchesOut--;
      this.install(wanted, slots, compiled);
      if (this.compiler.background) this.keepCompilerBusy();
    });
  }

  /** How often control arrived since it was found to be hot. */
  private arrivalsAt({ host }: Pending): number {
    const count = this.cache.get(host);
    return count === undefined || count > 0 ? 0 : count + this.urgent;
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

  private install(batch: readonly Pending[], slots: readonly number[], compiled: Compiled): void {
    const { exports } = new WebAssembly.Instance(compiled.module, this.imports);
    const functions = Object.values(exports);
    const live: (LiveRegion & { readonly function: unknown })[] = [];
    for (const [k, one] of batch.entries()) {
      const slot = slots[k] as number;
      const { host, region, address } = one;
      if (this.pending.get(host) !== one) {
        this.table.give(slot);
        continue;
      }
      this.pending.delete(host);
      const pages = [...region.pages.values()];
      const isFar = region.reach !== NEAR_REACH;
      const made = { host, slot, pages, isFar, ...placesOf(region) };
      if (!this.isUnchanged(made)) {
        this.cache.forget(host, this.cache.get(host) ?? 0);
        this.table.give(slot);
        continue;
      }
      live.push({ ...made, function: functions[k] });
      this.table.countFrom(slot, isFar ? LONG : this.hotter);
      this.cache.install(host, this.table.indexOf(made), pages);
      this.counts.regions++;
      this.counts.guestInstructions += region.instructions;
      this.counts.wasmBytes += compiled.sizes[k] as number;
      if (address !== undefined)
        this.counting?.compiled(slot, address, region.instructions, compiled.sizes[k] as number);
    }
    this.table.add(live);
    this.counts.modules++;
    this.counts.milliseconds += compiled.milliseconds;
  }
}
