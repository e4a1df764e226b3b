// The engine with a JIT: the interpreter, which counts where control arrives, and regions compiled for what is hot.
// Both run the same instructions to the same states and counts; only the speed differs.

import type { Decoder, Feature } from '../../a64/index.ts';
import { registerOffset, STATE, TLB, tlbIndex } from '../../cpu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { type Callable, type EngineClient, Interpreter } from '../interpreter/interpreter.ts';
import { HOT_CODE } from '../interpreter/runtime.ts';
import { CodeCache, NEVER } from './code-cache.ts';
import { encodeRegions, instantiateRegions, memoryPagesOf, type Order, regionImports } from './compile.ts';
import { type CodeView, FAR_REACH, findRegion, NEAR_REACH } from './find-region.ts';
import { Profile, type ProfiledRegion } from './profile.ts';
import { CODE_PAGE, pageOf, type Region } from './region.ts';

/** Regions alive at a time; all are dropped when there is no room for one more. */
const MAX_REGIONS = 8192;
/** Compiling a region costs as much as interpreting it some two thousand times. */
const HOT = 2000;
/** Entries of a region after which it is compiled once more, with what it calls. */
const HOTTER = 300_000;
/** Regions in a module: making one costs about as much as compiling ten regions. */
const BATCH = 24;

const SCTLR = registerOffset('SCTLR_EL1');
/** TCF0 and TCF in its high half: tag checks at EL0 and EL1. */
const SCTLR_TCF = 15 << 6;

interface CompiledRegion {
  readonly index: number;
  /** Host offsets of its pages. */
  readonly pages: readonly number[];
  /** Host offsets of its instructions, and the words they held. */
  readonly places: Uint32Array;
  readonly words: Uint32Array;
}

export interface JitCounters {
  readonly modules: number;
  readonly regions: number;
  readonly revalidated: number;
  readonly refused: number;
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
  /** Counts what each region runs, see Jit.profile(). */
  readonly profile?: boolean;
  /** Measures the time that compiling takes, in milliseconds; it changes nothing else. */
  readonly now?: () => number;
}

function wordsOf({ blocks, pages }: Region): Pick<CompiledRegion, 'places' | 'words'> {
  const words = new Map<number, number>();
  for (const { instructions } of blocks) {
    for (const { at, word } of instructions) {
      const index = pageOf(at);
      words.set((pages.get(index) as number) + at - index * CODE_PAGE, word);
    }
  }
  return { places: Uint32Array.from(words.keys()), words: Uint32Array.from(words.values()) };
}

export class Jit {
  private readonly memory: PhysicalMemory;
  private readonly cache: CodeCache;
  private readonly interpreter: Interpreter;
  private readonly callables: ReadonlyMap<string, Callable>;
  private readonly imports: Record<string, Record<string, unknown>>;
  /** By the host offset of their first instruction. */
  private readonly regions = new Map<number, CompiledRegion>();
  /** Hot code that waits to share a module. */
  private readonly queue = new Map<number, Region>();
  private readonly counts = {
    modules: 0,
    regions: 0,
    revalidated: 0,
    refused: 0,
    wasmBytes: 0,
    guestInstructions: 0,
    milliseconds: 0,
    flushes: 0,
  };
  private readonly now: () => number;
  private readonly batch: number;
  private readonly urgent: number;
  private readonly hotter: number;
  /** Offset of an i32 for each region: entries that remain before it is hotter. */
  private readonly countdowns: number;
  /** Arrivals counted towards `hot` that make a place worth following. */
  private readonly warm: number;
  private checksTags = false;
  private readonly counting: Profile | undefined;
  /** While a profile is made: virtual addresses of what is in the queue. */
  private readonly addresses = new Map<number, bigint>();

  constructor(memory: PhysicalMemory, absent?: ReadonlySet<Feature>, options: JitOptions = {}) {
    this.memory = memory;
    this.now = options.now ?? (() => 0);
    this.batch = options.batch ?? BATCH;
    const hot = options.hot ?? HOT;
    this.urgent = 2 * hot;
    this.hotter = options.hotter ?? HOTTER;
    this.countdowns = memory.reserve(MAX_REGIONS * 4, 64);
    this.warm = -(hot - (hot >> 3));
    this.cache = new CodeCache(memory);
    if (options.profile) this.counting = new Profile(memory, MAX_REGIONS);
    this.interpreter = new Interpreter(memory, absent, {
      codeCache: this.cache.base,
      spareTable: MAX_REGIONS,
      hot,
    });
    this.callables = this.interpreter.callables();
    this.imports = regionImports(memory, this.callables);
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
    for (const [host, { pages }] of this.queue) {
      if (page === 'all' || [...pages.values()].includes(page)) this.queue.delete(host);
    }
    if (page === 'all') this.cache.invalidateAll();
    else this.cache.invalidatePage(page);
  }

  /** From the first time that the guest has accesses checked, code does it; what was compiled before goes. */
  private lookAtTagChecks({ base }: EngineClient): void {
    if (this.checksTags || (this.memory.u32[(base + SCTLR + 4) >>> 2] & SCTLR_TCF) === 0) return;
    this.checksTags = true;
    this.flush();
  }

  /** Control arrived often where the vCPU stands: takes up the old code, or queues it; compiles the queue in time. */
  private hot(base: number): void {
    const host = this.memory.u32[(base + STATE.hpc) >>> 2] as number;
    const before = this.regions.get(host);
    const hotter = before !== undefined && this.cache.get(host) === before.index;
    if (!hotter && before?.places.every((place, k) => this.memory.u32[place >>> 2] === before.words[k])) {
      this.counts.revalidated++;
      this.cache.install(host, before.index, before.pages);
      return;
    }
    const isUrgent = this.queue.has(host);
    if (!isUrgent) {
      const region = findRegion(this.viewFrom(base, host), host % CODE_PAGE, hotter ? FAR_REACH : NEAR_REACH);
      if (!region) {
        this.counts.refused++;
        this.cache.refuse(host);
        return;
      }
      this.queue.set(host, region);
      if (this.counting) this.addresses.set(host, this.addressOf(base, host));
      if (hotter) this.countDown(before.index, this.hotter);
      else this.cache.wait(host, this.urgent);
    }
    if (isUrgent || this.queue.size >= this.batch) this.compileQueue();
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
        if (this.queue.has(at)) return true;
        const known = this.cache.get(at);
        return known !== undefined && known !== NEVER && (known > 0 || known >= this.warm);
      },
    };
  }

  private countdownOf(index: number): number {
    return this.countdowns + (index - this.interpreter.firstSpare) * 4;
  }
  private countDown(index: number, entries: number): void {
    this.memory.u32[this.countdownOf(index) >>> 2] = entries;
  }

  private compileQueue(): void {
    const started = this.now();
    const { conditionTable, table } = this.interpreter;
    const { tagBias } = this.memory;
    const options = { conditionTable, tagBias, checksTags: this.checksTags };
    if (this.regions.size + this.queue.size > MAX_REGIONS) this.flush();
    let next = this.interpreter.firstSpare + this.regions.size;
    const indices = [...this.queue.keys()].map((host) => this.regions.get(host)?.index ?? next++);
    const orders = [...this.queue].map(([host, region], k) => ({
      region,
      countdown: region.reach === NEAR_REACH ? this.countdownOf(indices[k] as number) : undefined,
      ...this.counted(host, region, indices[k] as number),
    }));
    const bytes = encodeRegions(orders, memoryPagesOf(this.memory), options, this.callables);
    const functions = instantiateRegions(bytes, this.imports);
    [...this.queue].forEach(([host, region], k) => {
      const index = indices[k] as number;
      const pages = [...region.pages.values()];
      table.set(index, functions[k]);
      this.countDown(index, this.hotter);
      this.regions.set(host, { index, pages, ...wordsOf(region) });
      this.cache.install(host, index, pages);
      this.counts.guestInstructions += region.instructions;
    });
    this.counts.modules++;
    this.counts.regions += this.queue.size;
    this.counts.wasmBytes += bytes.length;
    this.counts.milliseconds += this.now() - started;
    this.queue.clear();
    this.addresses.clear();
  }

  /** How a region counts for the profile, if there is one. */
  private counted(host: number, region: Region, index: number): Pick<Order, 'counter' | 'written'> {
    const { counting } = this;
    if (!counting) return {};
    const slot = index - this.interpreter.firstSpare;
    const address = this.addresses.get(host) as bigint;
    return {
      counter: counting.counterOf(slot),
      written: (bytes) => counting.compiled(slot, address, region.instructions, bytes),
    };
  }

  /** Lets go of every region; the host's collector takes their code. */
  private flush(): void {
    for (const { index } of this.regions.values()) this.interpreter.table.set(index, null);
    this.regions.clear();
    this.cache.clear();
    this.counts.flushes++;
  }
}
