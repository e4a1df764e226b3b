// The engine with a JIT: the interpreter, which counts where control arrives, and regions compiled for what is hot.
// Both run the same instructions to the same states and counts; only the speed differs.

import type { Decoder, Feature } from '../../a64/index.ts';
import { STATE } from '../../cpu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { type EngineClient, Interpreter } from '../interpreter/interpreter.ts';
import { HOT_CODE } from '../interpreter/runtime.ts';
import { CodeCache } from './code-cache.ts';
import {
  type Callable,
  encodeRegion,
  instantiateRegion,
  memoryPagesOf,
  type RegionFunction,
} from './compile.ts';
import { findRegion } from './region.ts';

/** Regions alive at a time; all are dropped when there is no room for one more. */
const MAX_REGIONS = 8192;

interface CompiledRegion {
  readonly index: number;
  /** Offsets in the page and the words they held. */
  readonly offsets: Uint16Array;
  readonly words: Uint32Array;
  readonly function: RegionFunction;
}

export interface JitCounters {
  readonly regions: number;
  readonly revalidated: number;
  readonly refused: number;
  readonly wasmBytes: number;
  readonly guestInstructions: number;
  readonly milliseconds: number;
  readonly flushes: number;
}

export class Jit {
  private readonly memory: PhysicalMemory;
  private readonly cache: CodeCache;
  private readonly interpreter: Interpreter;
  private readonly callables: ReadonlyMap<string, Callable>;
  /** By the host offset of their first instruction. */
  private readonly regions = new Map<number, CompiledRegion>();
  private readonly counts = {
    regions: 0,
    revalidated: 0,
    refused: 0,
    wasmBytes: 0,
    guestInstructions: 0,
    milliseconds: 0,
    flushes: 0,
  };
  private readonly now: () => number;

  /** `now` measures the time that compiling takes, in milliseconds; it changes nothing else. */
  constructor(memory: PhysicalMemory, absent?: ReadonlySet<Feature>, now: () => number = () => 0) {
    this.memory = memory;
    this.now = now;
    this.cache = new CodeCache(memory);
    this.interpreter = new Interpreter(memory, absent, {
      codeCache: this.cache.base,
      spareTable: MAX_REGIONS,
    });
    this.callables = this.interpreter.callables();
  }

  get decoder(): Decoder {
    return this.interpreter.decoder;
  }

  get counters(): JitCounters {
    return this.counts;
  }

  run(client: EngineClient): number {
    for (;;) {
      const status = this.interpreter.run(client);
      if (status !== HOT_CODE) return status;
      this.compile(this.memory.u32[(client.base + STATE.hpc) >>> 2] as number);
    }
  }

  /** The guest says that code in this page (or anywhere) has changed, or the frame has another use now. */
  codeChanged(page: number | 'all'): void {
    if (page === 'all') this.cache.invalidateAll();
    else this.cache.invalidatePage(page);
  }

  private compile(host: number): void {
    const started = this.now();
    const page = (host & ~0xfff) >>> 0;
    const word = (offset: number): number => this.memory.u32[(page + offset) >>> 2] as number;
    const before = this.regions.get(host);
    if (before?.offsets.every((offset, k) => word(offset) === before.words[k])) {
      this.counts.revalidated++;
      this.cache.install(host, before.index);
      return;
    }
    const region = findRegion(this.interpreter.decoder, host - page, word);
    if (!region) {
      this.counts.refused++;
      this.cache.refuse(host);
      return;
    }
    if (!before && this.regions.size === MAX_REGIONS) this.flush();
    const { conditionTable } = this.interpreter;
    const { bytes, imports } = encodeRegion(
      region,
      page,
      memoryPagesOf(this.memory),
      conditionTable,
      this.callables,
    );
    const instructions = [...region.blocks.values()].flatMap((block) => block.instructions);
    const compiled = {
      index: before?.index ?? this.interpreter.firstSpare + this.regions.size,
      offsets: Uint16Array.from(instructions, (instruction) => instruction.offset),
      words: Uint32Array.from(instructions, (instruction) => instruction.word),
      function: instantiateRegion(bytes, imports, this.memory, this.callables),
    };
    this.interpreter.table.set(compiled.index, compiled.function);
    this.regions.set(host, compiled);
    this.cache.install(host, compiled.index);
    this.counts.regions++;
    this.counts.wasmBytes += bytes.length;
    this.counts.guestInstructions += region.instructions;
    this.counts.milliseconds += this.now() - started;
  }

  /** Lets go of every region; the host's collector takes their code. */
  private flush(): void {
    for (const { index } of this.regions.values()) this.interpreter.table.set(index, null);
    this.regions.clear();
    this.cache.clear();
    this.counts.flushes++;
  }
}
