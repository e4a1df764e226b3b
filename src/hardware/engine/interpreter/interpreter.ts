// The interpreter: a WebAssembly module generated from the instruction table, one function per variant, reached
// through the decoder's tables and chained by tail calls.

import {
  buildDecoder,
  builtHelpers,
  type Decoder,
  type Feature,
  hostHelpers,
  instructionTable,
  UNALLOCATED,
  UNDEFINED,
} from '../../a64/index.ts';
import type { Services } from '../../cpu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { Code, type FunctionRef, ModuleWriter, type Signature } from '../../wasm/index.ts';
import { flagsOf } from '../jit/flags.ts';
import { InterpreterInsn } from './insn.ts';
import { CONTINUATIONS, HANDLER, Runtime, SERVICE_SIGNATURES } from './runtime.ts';

const WASM_PAGE = 65536;
const BUILT_HELPERS = { ...builtHelpers, flagsOf };

/** Arm ARM C1.2.4: does condition `cond` hold for these flags? */
export function conditionHolds(cond: number, nzcv: number): boolean {
  const [n, z, c, v] = [nzcv & 8, nzcv & 4, nzcv & 2, nzcv & 1].map((bit) => bit !== 0) as [
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  const base = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1] as boolean;
  return (cond & 1) === 1 && cond !== 15 ? !base : base;
}

/** Whatever can run as a vCPU's system side: the Cpu, or a test's. */
export interface EngineClient extends Services {
  /** Offset of its STATE. */
  readonly base: number;
}

/** What the interpreter needs for a JIT beside it. */
export interface JitHooks {
  /** Offset of the code cache that it looks into after every branch. */
  readonly codeCache: number;
  /** Free slots of the function table, for compiled regions. */
  readonly spareTable: number;
}

export class Interpreter {
  readonly decoder: Decoder;
  /** Offset of the table that tells whether a condition holds (Runtime). */
  readonly conditionTable: number;
  readonly table: WebAssembly.Table;
  /** Index in `table` of the first slot that is free for regions. */
  readonly firstSpare: number;
  private readonly exports: Record<string, unknown>;
  private readonly host: Record<string, unknown>;
  private client: EngineClient | undefined;
  private readonly enter: (cpu: number) => number;

  constructor(memory: PhysicalMemory, absent?: ReadonlySet<Feature>, jit?: JitHooks) {
    this.decoder = buildDecoder(instructionTable(absent));
    const conditionTable = memory.reserve(256);
    for (let k = 0; k < 256; k++) memory.u8[conditionTable + k] = conditionHolds(k >> 4, k & 15) ? 1 : 0;
    const decodeTable = memory.reserve(this.decoder.root.length * 2);

    const module = new ModuleWriter();
    module.importMemory('host', 'memory', memory.memory.buffer.byteLength / WASM_PAGE);
    const tables = { decodeTable, conditionTable, ...(jit ? { codeCache: jit.codeCache } : {}) };
    const runtime = new Runtime(module, tables, BUILT_HELPERS, hostHelpers);
    const handlers = this.decoder.variants.map(() => module.declare(HANDLER.params, HANDLER.results));
    const switches = this.decoder.switches.map(() => module.declare(HANDLER.params, HANDLER.results));
    const undefinedHandler = module.declare(HANDLER.params, HANDLER.results);
    const index = (next: number): number =>
      next === UNDEFINED ? handlers.length + switches.length : next < 0 ? handlers.length + ~next : next;

    this.decoder.variants.forEach((variant, k) => {
      const c = new Code(module, HANDLER);
      try {
        new InterpreterInsn(c, variant, runtime).emit();
        module.define(handlers[k] as FunctionRef, c.finish());
      } catch (error) {
        const fields = JSON.stringify(variant.fields);
        throw new Error(`${variant.row.name} ${fields}: ${error instanceof Error ? error.message : error}`);
      }
    });
    this.decoder.switches.forEach(({ low, width, next }, k) => {
      const table = memory.reserve(next.length * 2, 2);
      next.forEach((n, bits) => {
        memory.u16[table / 2 + bits] = index(n);
      });
      const c = new Code(module, HANDLER);
      const insn = c.param(1);
      const at = insn
        .shrU(low)
        .and((1 << width) - 1)
        .shl(1);
      const handler = c.load('i32.load16_u', at, table, 'constant');
      c.tailCallIndirect(HANDLER, handler, c.param(0), insn, c.param(2), c.param(3));
      module.define(switches[k] as FunctionRef, c.finish());
    });
    module.define(undefinedHandler, this.undefinedBody(module, runtime));
    const elements = [...handlers, ...switches, undefinedHandler];
    module.setTable(elements, jit?.spareTable, 'table');
    this.firstSpare = elements.length;
    this.conditionTable = conditionTable;
    this.decoder.root.forEach((next, key) => {
      memory.u16[decodeTable / 2 + key] = index(next);
    });

    this.host = Object.fromEntries(Object.entries(hostHelpers).map(([name, h]) => [name, h.create(memory)]));
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
      host: { memory: memory.memory },
      service: this.serviceImports(),
      helper: this.host,
    });
    this.exports = instance.exports;
    this.table = instance.exports.table as WebAssembly.Table;
    this.enter = instance.exports.run as (cpu: number) => number;
  }

  /** What compiled regions may call, by name. */
  callables(): Map<string, { readonly signature: Signature; readonly function: unknown }> {
    const found = new Map<string, { signature: Signature; function: unknown }>();
    const add = (name: string, signature: Signature, from: Record<string, unknown>): void => {
      found.set(name, { signature, function: from[name] });
    };
    for (const [name, signature] of Object.entries(CONTINUATIONS)) add(name, signature, this.exports);
    for (const [name, signature] of Object.entries(BUILT_HELPERS)) add(name, signature, this.exports);
    for (const [name, signature] of Object.entries(hostHelpers)) add(name, signature, this.host);
    return found;
  }

  private undefinedBody(module: ModuleWriter, runtime: Runtime): Uint8Array {
    const c = new Code(module, HANDLER);
    const variant = { row: UNALLOCATED, fields: {} };
    new InterpreterInsn(c, variant, runtime).emit();
    return c.finish();
  }

  private serviceImports(): Record<string, (a: number, b: number) => number> {
    const services = Object.keys(SERVICE_SIGNATURES) as (keyof typeof SERVICE_SIGNATURES)[];
    return Object.fromEntries(
      services.map((name) => [name, (a: number, b: number) => (this.client as EngineClient)[name](a, b)]),
    );
  }

  /**
   * Runs from STATE.pc until the budget is used up, an interrupt may be taken, or a service leaves.
   * Returns 0 or 1 (services.LEAVE).
   */
  run(client: EngineClient): number {
    this.client = client;
    return this.enter(client.base);
  }
}
