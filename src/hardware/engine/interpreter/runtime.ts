// What all handlers share: services, helpers, the way to the next instruction, and the soft-TLB lookup.

import type { BuiltHelper, Helpers, HostHelper, MemoryOptions, ReachOptions } from '../../a64/index.ts';
import { EXCEPTION, MEM_FOLLOWING_SHIFT, STATE, TLB, TLB_INFO_GUARDED } from '../../cpu/index.ts';
import { Code, type FunctionRef, type ModuleWriter, type Value } from '../../wasm/index.ts';
import { CACHE_ENTRIES, CACHE_ENTRY_BYTES } from '../jit/code-cache.ts';
import { tagDescriptor } from '../memory-descriptor.ts';
import {
  type Bytes,
  branchByHit,
  hostAddress,
  infoOf,
  LOADS,
  type Lookup,
  misaligned,
  reachOffset,
  STORES,
  tlbDifference,
  tlbEntry,
} from '../tlb-lookup.ts';
import type { InterpreterInsn } from './insn.ts';

/** Status that generated code returns: the budget is used up or an interrupt may be taken; pc and budget are stored. */
export const STOPPED = 0;

export const SERVICE_SIGNATURES = {
  load: [['i32'], ['i32']],
  store: [['i32'], ['i32']],
  probeWrite: [['i32'], ['i32']],
  fetch: [[], ['i32']],
  system: [['i32'], ['i32']],
  exception: [['i32', 'i32'], ['i32']],
} as const;

/**
 * Status, from a compiled region to the one that called it: control is where that waits for it (STATE.returns), with the
 * page's pcDelta and the budget stored.
 */
export const RETURNED = 3;

/** Status: control arrived often enough where STATE.hpc says; pc and budget are stored. */
export const HOT_CODE = 2;

/**
 * Parameters of every handler: state, instruction, its host offset, and the host offset at which a row of instructions
 * ends: the page does, or the budget is used up. What remains of the budget is known by STATE.budgetEnd.
 */
export const HANDLER = { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] } as const;

/** Parameters of a compiled region: the vCPU's state and its budget. */
export const REGION = { params: ['i32', 'i32'], results: ['i32'] } as const;

/** Exports by which regions go on elsewhere: (cpu, where, budget[, btype]). */
export const CONTINUATIONS = {
  jump: { params: ['i32', 'i64', 'i32'], results: ['i32'] },
  ret: { params: ['i32', 'i64', 'i32'], results: ['i32'] },
  jumpIndirect: { params: ['i32', 'i64', 'i32', 'i32'], results: ['i32'] },
  interpretAt: { params: ['i32', 'i64', 'i32'], results: ['i32'] },
  stopAt: { params: ['i32', 'i64', 'i32'], results: ['i32'] },
  enter: { params: ['i32', 'i32', 'i32'], results: ['i32'] },
  hot: { params: ['i32', 'i32', 'i32'], results: ['i32'] },
  interpret: { params: ['i32', 'i32', 'i32'], results: ['i32'] },
  stop: { params: ['i32', 'i32', 'i32'], results: ['i32'] },
} as const;

/** What the interpreter needs for a JIT beside it. */
export interface JitHooks {
  /** Offset of the code cache that it looks into after every branch. */
  readonly codeCache: number;
  /** Free slots of the function table, for compiled regions. */
  readonly spareTable: number;
  /** Arrivals at an instruction before it is worth compiling. */
  readonly hot: number;
}

export interface RuntimeTables {
  /** Offset of the first decode level: u16 table indices by keyOf(insn). */
  readonly decodeTable: number;
  /** Offset of 256 bytes: whether condition (7:4) holds for NZCV (3:0). */
  readonly conditionTable: number;
  /** Offset of two u32 that tell where allocation tags are, and the frames' marks (AllocationTags). */
  readonly tagPlaces: number;
  /** Offset of the i32 that arrivals at an instruction are counted from, up to zero. */
  readonly arrivals: number;
  readonly jit?: JitHooks | undefined;
}

export class Runtime {
  readonly conditionTable: number;
  private readonly tagPlaces: number;
  private readonly decodeTable: number;
  private readonly module: ModuleWriter;
  private readonly services = new Map<string, FunctionRef>();
  private readonly helpers = new Map<string, FunctionRef>();
  private readonly builtHelpers: Helpers<BuiltHelper>;
  private readonly jumpFunction: FunctionRef;
  private readonly retFunction: FunctionRef;
  private readonly jumpIndirectFunction: FunctionRef;
  private readonly hasRegions: boolean;
  private readonly enterFunction: FunctionRef | undefined;
  private readonly endOfRowFunction: FunctionRef;
  private readonly stopFunction: FunctionRef;

  constructor(
    module: ModuleWriter,
    tables: RuntimeTables,
    builtHelpers: Helpers<BuiltHelper>,
    hostHelpers: Helpers<HostHelper>,
  ) {
    this.module = module;
    this.decodeTable = tables.decodeTable;
    this.conditionTable = tables.conditionTable;
    this.tagPlaces = tables.tagPlaces;
    this.builtHelpers = builtHelpers;
    for (const [name, [params, results]] of Object.entries(SERVICE_SIGNATURES)) {
      this.services.set(name, module.importFunction('service', name, params, results));
    }
    for (const [name, { params, results }] of Object.entries(hostHelpers)) {
      this.helpers.set(name, module.importFunction('helper', name, params, results));
    }
    this.hasRegions = tables.jit !== undefined;
    this.stopFunction = this.defineStop();
    if (tables.jit) this.enterFunction = this.defineEnter(tables.jit, tables.arrivals);
    this.jumpFunction = this.defineJump('jump');
    this.retFunction = this.hasRegions ? this.defineJump('ret') : this.jumpFunction;
    this.jumpIndirectFunction = this.defineJump('jumpIndirect');
    this.endOfRowFunction = this.defineEndOfRow();
    this.defineRun();
    if (this.enterFunction) this.exportForRegions();
  }

  service(name: string): FunctionRef {
    return this.services.get(name) as FunctionRef;
  }

  helper(name: string): FunctionRef {
    const before = this.helpers.get(name);
    if (before) return before;
    const built = this.builtHelpers[name];
    if (!built) throw new Error(`no helper is called ${name}`);
    const ref = this.module.declare(built.params, built.results);
    this.helpers.set(name, ref);
    const c = new Code(this.module, ref.signature);
    built.build(c, (other) => this.helper(other));
    this.module.define(ref, c.finish());
    return ref;
  }

  /** The instruction at host offset `hpc`, which follows the current one in its row. */
  continueAt(c: Code, hpc: Value, rowEnd: Value): void {
    this.endRowAt(c, hpc, rowEnd);
    this.dispatch(c, hpc, rowEnd);
  }

  /** The same by its region, where there is one. */
  enterAt(c: Code, hpc: Value, rowEnd: Value): void {
    this.endRowAt(c, hpc, rowEnd);
    this.enter(c, hpc, this.budgetAt(c, hpc));
  }

  private endRowAt(c: Code, hpc: Value, rowEnd: Value): void {
    c.if(hpc.eq(rowEnd), () => c.tailCall(this.endOfRowFunction, c.param(0), hpc));
  }

  /** What remains of the budget before the instruction at host offset `hpc` of the current row. */
  budgetAt(c: Code, hpc: Value): Value {
    return c.load('i32.load', c.param(0), STATE.budgetEnd, 'state').sub(hpc).shrU(2);
  }

  /** The instruction at host offset `hpc` in the current page. */
  private continueInPage(c: Code, hpc: Value, budget: Value): void {
    c.if(budget.eqz(), () => this.stopAt(c, this.pcOf(c, hpc), budget));
    this.startRow(c, hpc, budget);
  }

  /** The same where something remains of the budget: the first of a row. */
  private startRow(c: Code, hpc: Value, budget: Value): void {
    const inPage = c.i32(4096).sub(hpc.and(4095));
    const inBudget = budget.shl(2);
    c.store('i32.store', c.param(0), STATE.budgetEnd, hpc.add(inBudget), 'state');
    this.dispatch(c, hpc, hpc.add(c.select(inBudget.ltU(inPage), inBudget, inPage)));
  }

  /** The instruction at host offset `hpc` in the current page, after a branch: where there is a JIT, its region. */
  enter(c: Code, hpc: Value, budget: Value): void {
    if (this.enterFunction) c.tailCall(this.enterFunction, c.param(0), hpc, budget);
    else this.continueInPage(c, hpc, budget);
  }

  private dispatch(c: Code, hpc: Value, rowEnd: Value): void {
    const insn = c.load('i32.load', hpc, 0, 'guest');
    const key = insn.shrU(21).shl(7).or(insn.shrU(9).and(126));
    const index = c.load('i32.load16_u', key, this.decodeTable, 'constant');
    c.tailCallIndirect(HANDLER, index, c.param(0), insn, hpc, rowEnd);
  }

  /** The interpreter and everything outside of generated code find NZCV in STATE.nzcv; regions leave it uncomputed. */
  private settleFlags(c: Code): void {
    if (!this.hasRegions) return;
    const kept = c.load('i32.load', c.param(0), STATE.flagsKind, 'state');
    c.if(kept, () => c.call(this.helper('settleFlags'), c.param(0)));
  }

  pcOf(c: Code, hpc: Value): Value {
    return c.load('i64.load', c.param(0), STATE.pcDelta, 'state').add(hpc.zext());
  }

  /** Returns to TypeScript with pc and budget stored, before the instruction at `pc`. */
  stopAt(c: Code, pc: Value, budget: Value): void {
    c.tailCall(this.stopFunction, c.param(0), pc, budget);
  }

  private defineStop(): FunctionRef {
    const { params, results } = CONTINUATIONS.stopAt;
    const ref = this.module.declare(params, results, 'stopAt');
    const c = new Code(this.module, ref.signature);
    const cpu = c.param(0);
    this.settleFlags(c);
    c.store('i64.store', cpu, STATE.pc, c.param(1), 'state');
    c.store('i32.store', cpu, STATE.budget, c.param(2), 'state');
    c.return(STOPPED);
    this.module.define(ref, c.finish());
    return ref;
  }

  /** (cpu, hpc): goes on in the next page, or stops where the budget is used up. */
  private defineEndOfRow(): FunctionRef {
    const ref = this.module.declare(['i32', 'i32'], ['i32']);
    const c = new Code(this.module, ref.signature);
    const hpc = c.param(1);
    this.jump(c, this.pcOf(c, hpc), this.budgetAt(c, hpc));
    this.module.define(ref, c.finish());
    return ref;
  }

  /** The instruction at virtual address `target`. */
  jump(c: Code, target: Value, budget: Value): void {
    c.tailCall(this.jumpFunction, c.param(0), target, budget);
  }

  /** The same after RET: to the region that waits for it, if one does. */
  ret(c: Code, target: Value, budget: Value): void {
    c.tailCall(this.retFunction, c.param(0), target, budget);
  }

  /** The same after BR or BLR: in a guarded page the landing is checked (FEAT_BTI). */
  jumpIndirect(c: Code, target: Value, budget: Value, btype: Value): void {
    c.tailCall(this.jumpIndirectFunction, c.param(0), target, budget, btype);
  }

  private defineJump(kind: 'jump' | 'ret' | 'jumpIndirect' | 'interpretAt'): FunctionRef {
    const { params, results } = CONTINUATIONS[kind];
    const ref = this.module.declare(params, results);
    const c = new Code(this.module, ref.signature);
    const cpu = c.param(0);
    const target = c.param(1);
    const budget = c.param(2);
    const indirect = kind === 'jumpIndirect';
    /** What PSTATE.BTYPE is on arrival; a branch out of an unguarded page counts as one through X16 or X17. */
    const arrival = (): Value => {
      const fromGuarded = c.load('i32.load', cpu, STATE.pageGuarded, 'state');
      return c.select(fromGuarded, c.param(3), c.select(c.param(3).eq(3), c.i32(1), c.param(3)));
    };
    /** For exceptions that are taken at the target before its instruction, and for run() there. */
    const keepBtype = (): void => {
      if (indirect) c.store('i32.store', cpu, STATE.btype, arrival(), 'state');
    };
    c.if(budget.eqz(), () => {
      keepBtype();
      this.stopAt(c, target, budget);
    });
    const leaveAtTarget = (service: string, ...args: Value[]): Value => {
      this.settleFlags(c);
      c.store('i64.store', cpu, STATE.pc, target, 'state');
      c.store('i64.store', cpu, STATE.pcDelta, target, 'state');
      c.store('i32.store', cpu, STATE.hpc, 0, 'state');
      c.store('i32.store', cpu, STATE.budget, budget.sub(1), 'state');
      return c.call(this.service(service), ...args) as Value;
    };
    c.if(target.wrap().and(3), () => {
      keepBtype();
      c.return(leaveAtTarget('exception', c.i32(EXCEPTION.pcAlignment), c.i32(0)));
    });
    const host = c.variable('i32');
    const delta = c.variable('i64');
    const entry = tlbEntry(c.load('i32.load', cpu, STATE.tlb, 'state'), target);
    const tag = c.load('i64.load', entry, TLB.execTag, 'state');
    // An address whose ignored top byte is not canonical takes the long way, which cleans it.
    c.if(
      target.xor(tag).and(-4096).eqz(),
      () => {
        host.set(hostAddress(c, entry, target));
        delta.set(target.sub(host.get().zext()));
      },
      () => {
        keepBtype();
        host.set(leaveAtTarget('fetch'));
        c.if(host.get().eqz(), () => c.return(1));
        if (indirect) c.store('i32.store', cpu, STATE.btype, 0, 'state');
        delta.set(c.load('i64.load', cpu, STATE.pcDelta, 'state'));
      },
    );
    const hpc = host.get();
    const guarded = c.load('i32.load', entry, TLB.info, 'state').and(TLB_INFO_GUARDED);
    if (indirect) {
      c.if(guarded, () => {
        const insn = c.load('i32.load', hpc, 0, 'guest');
        const btype = arrival();
        const lands = c.call(this.helper('landsWell'), insn, btype) as Value;
        c.if(lands.eqz(), () => {
          c.return(leaveAtTarget('exception', c.i32(EXCEPTION.branchTarget), btype));
        });
      });
    }
    c.store('i32.store', cpu, STATE.pageGuarded, guarded, 'state');
    c.store('i64.store', cpu, STATE.pcDelta, delta.get(), 'state');
    if (kind === 'ret') this.returnTo(c, target, budget);
    if (this.enterFunction && kind !== 'interpretAt') c.tailCall(this.enterFunction, cpu, hpc, budget);
    else {
      this.settleFlags(c);
      this.startRow(c, hpc, budget);
    }
    this.module.define(ref, c.finish());
    return ref;
  }

  /** Returns to the region that waits for control at `target`, if the one that waits shortest does. */
  private returnTo(c: Code, target: Value, budget: Value): void {
    const cpu = c.param(0);
    const depth = c.load('i32.load', cpu, STATE.returnDepth, 'state');
    c.if(depth, () => {
      const before = depth.sub(1);
      const awaited = c.load('i64.load', cpu.add(before.shl(3)), STATE.returns, 'state');
      c.if(awaited.eq(target), () => {
        c.store('i32.store', cpu, STATE.returnDepth, before, 'state');
        c.store('i32.store', cpu, STATE.budget, budget, 'state');
        c.return(RETURNED);
      });
    });
  }

  /** (cpu, hpc, budget): the region compiled for this instruction, or the interpreter, which counts the visit. */
  private defineEnter({ codeCache }: JitHooks, arrivals: number): FunctionRef {
    const ref = this.module.declare(['i32', 'i32', 'i32'], ['i32'], 'enter');
    const c = new Code(this.module, ref.signature);
    const [cpu, hpc, budget] = [c.param(0), c.param(1), c.param(2)];
    c.if(budget.eqz(), () => this.stopAt(c, this.pcOf(c, hpc), budget));
    const entry = hpc
      .shrU(2)
      .and(CACHE_ENTRIES - 1)
      .mul(CACHE_ENTRY_BYTES)
      .add(codeCache);
    c.if(c.load('i32.load', entry, 0, 'state').ne(hpc), () => {
      c.store('i32.store', entry, 0, hpc, 'state');
      const from = c.load('i32.load', c.i32(0), arrivals, 'constant');
      c.store('i32.store', entry, 4, from, 'state');
    });
    const known = c.load('i32.load', entry, 4, 'state');
    c.if(known.gtS(0), () => c.tailCallIndirect(REGION, known, cpu, budget));
    const count = known.add(1);
    c.store('i32.store', entry, 4, count, 'state');
    c.if(count.eqz(), () => this.tellHot(c, hpc, budget));
    this.settleFlags(c);
    this.startRow(c, hpc, budget);
    this.module.define(ref, c.finish());
    return ref;
  }

  private tellHot(c: Code, hpc: Value, budget: Value): void {
    const cpu = c.param(0);
    c.store('i64.store', cpu, STATE.pc, this.pcOf(c, hpc), 'state');
    c.store('i32.store', cpu, STATE.hpc, hpc, 'state');
    c.store('i32.store', cpu, STATE.budget, budget, 'state');
    c.return(HOT_CODE);
  }

  /** What compiled regions call to go on elsewhere: `interpret` runs one instruction whatever the cache says. */
  private exportForRegions(): void {
    this.module.export(this.jumpFunction, 'jump');
    this.module.export(this.retFunction, 'ret');
    this.module.export(this.jumpIndirectFunction, 'jumpIndirect');
    this.module.export(this.defineJump('interpretAt'), 'interpretAt');
    const define = (
      name: 'hot' | 'interpret' | 'stop',
      body: (c: Code, where: Value, budget: Value) => void,
    ): void => {
      const { params, results } = CONTINUATIONS[name];
      const ref = this.module.declare(params, results, name);
      const c = new Code(this.module, ref.signature);
      body(c, c.param(1), c.param(2));
      this.module.define(ref, c.finish());
    };
    define('hot', (c, hpc, budget) => this.tellHot(c, hpc, budget));
    define('interpret', (c, hpc, budget) => {
      this.settleFlags(c);
      this.continueInPage(c, hpc, budget);
    });
    define('stop', (c, hpc, budget) => this.stopAt(c, this.pcOf(c, hpc), budget));
    for (const name of Object.keys(this.builtHelpers)) this.module.export(this.helper(name), name);
  }

  /** Exported `run(cpu)`: goes on at STATE.pc with STATE.budget. */
  private defineRun(): void {
    const ref = this.module.declare(['i32'], ['i32'], 'run');
    const c = new Code(this.module, ref.signature);
    const cpu = c.param(0);
    const pc = c.load('i64.load', cpu, STATE.pc, 'state');
    const budget = c.load('i32.load', cpu, STATE.budget, 'state');
    c.store('i32.store', cpu, STATE.returnDepth, 0, 'state');
    // After ERET with a BTYPE, or where a budget ended between a branch and its target.
    const btype = c.load('i32.load', cpu, STATE.btype, 'state');
    c.if(btype, () => {
      c.store('i32.store', cpu, STATE.btype, 0, 'state');
      c.store('i32.store', cpu, STATE.pageGuarded, 1, 'state');
      this.jumpIndirect(c, pc, budget, btype);
    });
    this.jump(c, pc, budget);
    this.module.define(ref, c.finish());
  }

  tagBias(c: Code): Value {
    return c.load('i32.load', c.i32(0), this.tagPlaces, 'constant');
  }

  private lookup(
    i: InterpreterInsn,
    tag: number,
    address: Value,
    bytes: number,
    options: MemoryOptions,
  ): Lookup {
    const word = options.unprivileged ? STATE.tlbUnprivileged : STATE.tlb;
    const entry = tlbEntry(i.c.load('i32.load', i.cpu, word, 'state'), address);
    const { unchecked = false, aligned = false } = options;
    const info = infoOf(i.c, entry);
    return { entry, info, tag, address, bytes, unchecked, aligned };
  }

  /** Runs `direct` with the host offset where the soft TLB serves the access and its tags match, else `slow`. */
  private access(i: InterpreterInsn, lookup: Lookup, direct: (host: Value) => void, slow: () => void): void {
    const host = hostAddress(i.c, lookup.entry, lookup.address);
    if (i.isBrief) {
      i.leaveToWhole(tlbDifference(i.c, lookup).or(misaligned(i.c, lookup)).ne(0));
      direct(host);
      return;
    }
    branchByHit(i.c, i.cpu, lookup, host, this.tagBias(i.c), () => direct(host), slow);
  }

  private slowLoad(i: InterpreterInsn, address: Value, bytes: Bytes, descriptor: Value): Value {
    i.c.store('i64.store', i.cpu, STATE.slowVa, address, 'state');
    i.callOrLeave('load', (r) => r, descriptor);
    return i.c.load(LOADS[bytes], i.cpu, STATE.slowData, 'state');
  }

  private slowStore(i: InterpreterInsn, address: Value, bytes: Bytes, v: Value, descriptor: Value): void {
    i.c.store('i64.store', i.cpu, STATE.slowVa, address, 'state');
    i.c.store(bytes === 16 ? 'v128.store' : 'i64.store', i.cpu, STATE.slowData, v, 'state');
    i.callOrLeave('store', (r) => r, descriptor);
  }

  load(i: InterpreterInsn, address: Value, bytes: Bytes, descriptor: Value, options: MemoryOptions): Value {
    const { c } = i;
    const result = c.variable(bytes === 16 ? 'v128' : 'i64');
    this.access(
      i,
      this.lookup(i, TLB.readTag, address, bytes, options),
      (host) => result.set(c.load(LOADS[bytes], host, 0, 'guest')),
      () => result.set(this.slowLoad(i, address, bytes, descriptor)),
    );
    return result.get();
  }

  store(
    i: InterpreterInsn,
    address: Value,
    bytes: Bytes,
    v: Value,
    descriptor: Value,
    options: MemoryOptions,
  ): void {
    this.access(
      i,
      this.lookup(i, TLB.writeTag, address, bytes + (options.following ?? 0), options),
      (host) => i.c.store(STORES[bytes], host, 0, v, 'guest'),
      () => this.slowStore(i, address, bytes, v, descriptor),
    );
  }

  /** One lookup serves both halves; a miss goes on as two accesses, each aligned and checked by itself. */
  loadPair(
    i: InterpreterInsn,
    address: Value,
    bytes: 4 | 8 | 16,
    descriptor: Value,
    options: MemoryOptions,
  ): [Value, Value] {
    const { c } = i;
    const type = bytes === 16 ? 'v128' : 'i64';
    const first = c.variable(type);
    const second = c.variable(type);
    this.access(
      i,
      this.lookup(i, TLB.readTag, address, bytes * 2, options),
      (host) => {
        first.set(c.load(LOADS[bytes], host, 0, 'guest'));
        second.set(c.load(LOADS[bytes], host, bytes, 'guest'));
      },
      () => {
        first.set(this.load(i, address, bytes, descriptor, options));
        second.set(this.load(i, address.add(bytes), bytes, descriptor, options));
      },
    );
    return [first.get(), second.get()];
  }

  storePair(
    i: InterpreterInsn,
    address: Value,
    bytes: 4 | 8 | 16,
    a: Value,
    b: Value,
    descriptor: Value,
    options: MemoryOptions,
  ): void {
    const { c } = i;
    this.access(
      i,
      this.lookup(i, TLB.writeTag, address, bytes * 2, options),
      (host) => {
        c.store(STORES[bytes], host, 0, a, 'guest');
        c.store(STORES[bytes], host, bytes, b, 'guest');
      },
      () => {
        this.slowStore(i, address, bytes, a, descriptor.or(bytes << MEM_FOLLOWING_SHIFT));
        this.store(i, address.add(bytes), bytes, b, descriptor, options);
      },
    );
  }

  writable(
    i: InterpreterInsn,
    address: Value,
    bytes: Bytes,
    descriptor: Value,
    options: MemoryOptions,
  ): Value {
    const { c } = i;
    const found = c.variable('i32');
    this.access(
      i,
      { ...this.lookup(i, TLB.writeTag, address, bytes, options), aligned: true },
      (host) => found.set(host),
      () => {
        c.store('i64.store', i.cpu, STATE.slowVa, address, 'state');
        found.set(i.callOrLeave('probeWrite', (r) => r.eqz(), descriptor));
      },
    );
    return found.get();
  }

  reach(i: InterpreterInsn, address: Value, bytes: number, options: ReachOptions): Value {
    const entry = tlbEntry(i.c.load('i32.load', i.cpu, STATE.tlb, 'state'), address);
    const marks = i.c.load('i32.load', i.c.i32(0), this.tagPlaces + 4, 'constant');
    return reachOffset(i.c, i.cpu, entry, address, bytes, options, { tags: this.tagBias(i.c), marks });
  }

  loadTags(i: InterpreterInsn, address: Value, bytes: 16 | 256): Value {
    return this.slowLoad(i, address, 8, tagDescriptor(i, bytes, false));
  }

  storeTags(i: InterpreterInsn, address: Value, bytes: 16 | 32 | 64 | 256, tags: Value, zero: boolean): void {
    this.slowStore(i, address, 8, tags, tagDescriptor(i, bytes, zero));
  }
}
