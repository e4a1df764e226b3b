// The engine with a JIT: the interpreter, which counts where control arrives, and regions compiled for what is hot.
// Both run the same instructions to the same states and counts; only the speed differs.

import type { Decoder, Feature } from '../../a64/index.ts';
import { registerOffset, STATE } from '../../cpu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { type Callable, type EngineClient, Interpreter } from '../interpreter/interpreter.ts';
import { HOT_CODE } from '../interpreter/runtime.ts';
import { CodeCache } from './code-cache.ts';
import {
  encodeRegions,
  instantiateRegions,
  memoryPagesOf,
  type PlacedRegion,
  regionImports,
} from './compile.ts';
import { findRegion } from './region.ts';

/** Regions alive at a time; all are dropped when there is no room for one more. */
const MAX_REGIONS = 8192;
/** Compiling a region costs as much as interpreting it some two thousand times. */
const HOT = 2000;
/** Regions in a module: making one costs about as much as compiling ten regions. */
const BATCH = 24;

const SCTLR = registerOffset('SCTLR_EL1');
/** TCF0 and TCF in its high half: tag checks at EL0 and EL1. */
const SCTLR_TCF = 15 << 6;

interface CompiledRegion {
  readonly index: number;
  /** Offsets in the page and the words they held. */
  readonly offsets: Uint16Array;
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
  /** Regions that share a module. */
  readonly batch?: number;
  /** Measures the time that compiling takes, in milliseconds; it changes nothing else. */
  readonly now?: () => number;
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
  private readonly queue = new Map<number, PlacedRegion>();
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
  private checksTags = false;

  constructor(memory: PhysicalMemory, absent?: ReadonlySet<Feature>, options: JitOptions = {}) {
    this.memory = memory;
    this.now = options.now ?? (() => 0);
    this.batch = options.batch ?? BATCH;
    const hot = options.hot ?? HOT;
    this.urgent = 2 * hot;
    this.cache = new CodeCache(memory);
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

  get counters(): JitCounters {
    return this.counts;
  }

  run(client: EngineClient): number {
    this.lookAtTagChecks(client);
    for (;;) {
      const status = this.interpreter.run(client);
      if (status !== HOT_CODE) return status;
      this.hot(this.memory.u32[(client.base + STATE.hpc) >>> 2] as number);
    }
  }

  /** The guest says that code in this page (or anywhere) has changed, or the frame has another use now. */
  codeChanged(page: number | 'all'): void {
    for (const [host, placed] of this.queue) {
      if (page === 'all' || placed.page === page) this.queue.delete(host);
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

  /** Control arrived often at `host`: takes up its old code, or queues it; compiles the queue where that is worth it. */
  private hot(host: number): void {
    const page = (host & ~0xfff) >>> 0;
    const word = (offset: number): number => this.memory.u32[(page + offset) >>> 2] as number;
    const before = this.regions.get(host);
    if (before?.offsets.every((offset, k) => word(offset) === before.words[k])) {
      this.counts.revalidated++;
      this.cache.install(host, before.index);
      return;
    }
    const isUrgent = this.queue.has(host);
    if (!isUrgent) {
      const region = findRegion(this.interpreter.decoder, host - page, word);
      if (!region) {
        this.counts.refused++;
        this.cache.refuse(host);
        return;
      }
      this.queue.set(host, { region, page });
      this.cache.wait(host, this.urgent);
    }
    if (isUrgent || this.queue.size >= this.batch) this.compileQueue();
  }

  private compileQueue(): void {
    const started = this.now();
    const { conditionTable, table } = this.interpreter;
    const { tagBias } = this.memory;
    const options = { conditionTable, tagBias, checksTags: this.checksTags };
    if (this.regions.size + this.queue.size > MAX_REGIONS) this.flush();
    const placed = [...this.queue.values()];
    const bytes = encodeRegions(placed, memoryPagesOf(this.memory), options, this.callables);
    const functions = instantiateRegions(bytes, this.imports);
    [...this.queue].forEach(([host, { region }], k) => {
      const index = this.regions.get(host)?.index ?? this.interpreter.firstSpare + this.regions.size;
      const instructions = [...region.blocks.values()].flatMap((block) => block.instructions);
      table.set(index, functions[k]);
      this.regions.set(host, {
        index,
        offsets: Uint16Array.from(instructions, (instruction) => instruction.offset),
        words: Uint32Array.from(instructions, (instruction) => instruction.word),
      });
      this.cache.install(host, index);
      this.counts.guestInstructions += region.instructions;
    });
    this.counts.modules++;
    this.counts.regions += this.queue.size;
    this.counts.wasmBytes += bytes.length;
    this.counts.milliseconds += this.now() - started;
    this.queue.clear();
  }

  /** Lets go of every region; the host's collector takes their code. */
  private flush(): void {
    for (const { index } of this.regions.values()) this.interpreter.table.set(index, null);
    this.regions.clear();
    this.cache.clear();
    this.counts.flushes++;
  }
}
