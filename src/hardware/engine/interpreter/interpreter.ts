// The interpreter: a WebAssembly module generated from the instruction table, one function per variant, reached
// through the decoder's tables and chained by tail calls.

import { type Decoder, type Feature, hostHelpers } from '../../a64/index.ts';
import type { Services } from '../../cpu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { CALLABLES, interpreterImage } from './image.ts';
import type { JitHooks } from './runtime.ts';

/** Whatever can run as a vCPU's system side: the Cpu, or a test's. */
export interface EngineClient extends Services {
  /** Offset of its STATE. */
  readonly base: number;
}

export class Interpreter {
  readonly decoder: Decoder;
  /** Offset of the table that tells whether a condition holds. */
  readonly conditionTable: number;
  readonly table: WebAssembly.Table;
  /** Index in `table` of the first slot that is free for regions. */
  readonly firstSpare: number;
  private readonly exports: Record<string, unknown>;
  private readonly hostHelpers: Record<string, unknown>;
  private client: EngineClient | undefined;
  private readonly enter: (cpu: number) => number;

  constructor(memory: PhysicalMemory, absent: ReadonlySet<Feature> = new Set(), jit?: JitHooks) {
    const { image, base } = interpreterImage(absent, jit, (bytes) => memory.reserve(bytes));
    memory.u8.set(image.tables, base);
    const { bias, markBias } = memory.allocationTags;
    memory.u32.set([bias, markBias], image.tagPlaces / 4);
    memory.u32[image.arrivals / 4] = -(jit?.hot ?? 0);
    this.decoder = image.decoder;
    this.conditionTable = image.conditionTable;
    this.firstSpare = image.firstSpare;
    this.hostHelpers = Object.fromEntries(
      Object.entries(hostHelpers).map(([name, helper]) => [name, helper.create(memory)]),
    );
    const instance = new WebAssembly.Instance(image.module, {
      host: { memory: memory.memory },
      service: { ...this.serviceImports() },
      helper: this.hostHelpers,
    });
    this.exports = instance.exports;
    this.table = instance.exports.table as WebAssembly.Table;
    this.enter = instance.exports.run as (cpu: number) => number;
  }

  /** One function a service, so that each call site sees one kind of call. */
  private serviceImports(): Services {
    const client = (): EngineClient => this.client as EngineClient;
    return {
      load: (descriptor) => client().load(descriptor),
      store: (descriptor) => client().store(descriptor),
      probeWrite: (descriptor) => client().probeWrite(descriptor),
      fetch: () => client().fetch(),
      system: (insn) => client().system(insn),
      exception: (kind, imm) => client().exception(kind, imm),
    };
  }

  /** The functions that compiled regions may call (CALLABLES), by name. */
  callables(): Record<string, unknown> {
    return Object.fromEntries(
      Object.keys(CALLABLES).map((name) => [name, this.exports[name] ?? this.hostHelpers[name]]),
    );
  }

  /**
   * Runs from STATE.pc until the budget is used up, an interrupt may be taken, or a service leaves.
   * Returns STOPPED, services.LEAVE, or with a JIT HOT_CODE.
   */
  run(client: EngineClient): number {
    this.client = client;
    return this.enter(client.base);
  }
}
