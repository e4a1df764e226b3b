// What all handlers share: services, helpers, the way to the next instruction, and the soft-TLB lookup.

import type { BuiltHelper, Helpers, HostHelper, MemoryOptions } from '../../a64/index.ts';
import { EXCEPTION, STATE, TLB, TLB_INFO_CHECKED, TLB_INFO_GUARDED } from '../../cpu/index.ts';
import { Code, type FunctionRef, type ModuleWriter, type Value } from '../../wasm/index.ts';
import { HANDLER, type InterpreterInsn } from './insn.ts';

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

type Bytes = 1 | 2 | 4 | 8 | 16;
const LOADS = {
  1: 'i64.load8_u',
  2: 'i64.load16_u',
  4: 'i64.load32_u',
  8: 'i64.load',
  16: 'v128.load',
} as const;
const STORES = {
  1: 'i64.store8',
  2: 'i64.store16',
  4: 'i64.store32',
  8: 'i64.store',
  16: 'v128.store',
} as const;

export interface RuntimeTables {
  /** Offset of the first decode level: u16 table indices by keyOf(insn). */
  readonly decodeTable: number;
  /** Offset of 256 bytes: whether condition (7:4) holds for NZCV (3:0). */
  readonly conditionTable: number;
}

export class Runtime {
  readonly conditionTable: number;
  private readonly decodeTable: number;
  private readonly module: ModuleWriter;
  private readonly services = new Map<string, FunctionRef>();
  private readonly helpers = new Map<string, FunctionRef>();
  private readonly builtHelpers: Helpers<BuiltHelper>;
  private readonly jumpFunction: FunctionRef;
  private readonly jumpIndirectFunction: FunctionRef;

  constructor(
    module: ModuleWriter,
    tables: RuntimeTables,
    builtHelpers: Helpers<BuiltHelper>,
    hostHelpers: Helpers<HostHelper>,
  ) {
    this.module = module;
    this.decodeTable = tables.decodeTable;
    this.conditionTable = tables.conditionTable;
    this.builtHelpers = builtHelpers;
    for (const [name, [params, results]] of Object.entries(SERVICE_SIGNATURES)) {
      this.services.set(name, module.importFunction('service', name, params, results));
    }
    for (const [name, { params, results }] of Object.entries(hostHelpers)) {
      this.helpers.set(name, module.importFunction('helper', name, params, results));
    }
    this.jumpFunction = this.defineJump(false);
    this.jumpIndirectFunction = this.defineJump(true);
    this.defineRun();
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

  /** The instruction at host offset `hpc`, which may be the first of the next page. */
  continueAt(c: Code, hpc: Value, budget: Value): void {
    c.if(hpc.and(4095).eqz(), () => {
      const pc = c.load('i64.load', c.param(0), STATE.pcDelta, 'state').add(hpc.zext());
      this.jump(c, pc, budget);
    });
    this.continueInPage(c, hpc, budget);
  }

  /** The instruction at host offset `hpc`, in the same page as the current one. */
  continueInPage(c: Code, hpc: Value, budget: Value): void {
    c.if(budget.eqz(), () => this.stopAt(c, hpc, budget));
    this.dispatch(c, hpc, budget);
  }

  private dispatch(c: Code, hpc: Value, budget: Value): void {
    const insn = c.load('i32.load', hpc, 0, 'guest');
    const key = insn.shrU(21).shl(7).or(insn.shrU(9).and(126));
    const index = c.load('i32.load16_u', key, this.decodeTable, 'constant');
    c.tailCallIndirect(HANDLER, index, c.param(0), insn, hpc, budget.sub(1));
  }

  /** Returns to TypeScript with pc and budget stored, before the instruction at `hpc`. */
  stopAt(c: Code, hpc: Value, budget: Value): void {
    const cpu = c.param(0);
    const pc = c.load('i64.load', cpu, STATE.pcDelta, 'state').add(hpc.zext());
    c.store('i64.store', cpu, STATE.pc, pc, 'state');
    c.store('i32.store', cpu, STATE.budget, budget, 'state');
    c.return(STOPPED);
  }

  /** The instruction at virtual address `target`. */
  jump(c: Code, target: Value, budget: Value): void {
    c.tailCall(this.jumpFunction, c.param(0), target, budget);
  }

  /** The same after BR or BLR: in a guarded page the landing is checked (FEAT_BTI). */
  jumpIndirect(c: Code, target: Value, budget: Value, btype: Value): void {
    c.tailCall(this.jumpIndirectFunction, c.param(0), target, budget, btype);
  }

  private entry(c: Code, tlbWord: number, address: Value): Value {
    const index = address
      .shrU(12)
      .wrap()
      .and(TLB.entries - 1)
      .shl(Math.log2(TLB.entryBytes));
    return c.load('i32.load', c.param(0), tlbWord, 'state').add(index);
  }

  private defineJump(indirect: boolean): FunctionRef {
    const ref = this.module.declare(indirect ? ['i32', 'i64', 'i32', 'i32'] : ['i32', 'i64', 'i32'], ['i32']);
    const c = new Code(this.module, ref.signature);
    const cpu = c.param(0);
    const target = c.param(1);
    const budget = c.param(2);
    c.if(budget.eqz(), () => {
      c.store('i64.store', cpu, STATE.pc, target, 'state');
      c.store('i32.store', cpu, STATE.budget, budget, 'state');
      c.return(STOPPED);
    });
    const leaveAtTarget = (service: string, ...args: Value[]): Value => {
      c.store('i64.store', cpu, STATE.pc, target, 'state');
      c.store('i64.store', cpu, STATE.pcDelta, target, 'state');
      c.store('i32.store', cpu, STATE.hpc, 0, 'state');
      c.store('i32.store', cpu, STATE.budget, budget.sub(1), 'state');
      return c.call(this.service(service), ...args) as Value;
    };
    c.if(target.wrap().and(3), () => {
      c.return(leaveAtTarget('exception', c.i32(EXCEPTION.pcAlignment), c.i32(0)));
    });
    const host = c.variable('i32');
    const entry = this.entry(c, STATE.tlb, target);
    const info = c.load('i32.load', entry, TLB.info, 'state');
    const tag = c.load('i64.load', entry, TLB.execTag, 'state');
    c.if(
      target.xor(tag).and(-4096).shl(info.zext()).eqz(),
      () => host.set(target.wrap().add(c.load('i32.load', entry, TLB.addend, 'state'))),
      () => {
        host.set(leaveAtTarget('fetch'));
        c.if(host.get().eqz(), () => c.return(1));
      },
    );
    const hpc = host.get();
    const guarded = c.load('i32.load', entry, TLB.info, 'state').and(TLB_INFO_GUARDED);
    if (indirect) {
      c.if(guarded, () => {
        const insn = c.load('i32.load', hpc, 0, 'guest');
        // A branch out of an unguarded page counts as one through X16 or X17 (Arm ARM, BranchTypeCompatible).
        const fromGuarded = c.load('i32.load', cpu, STATE.pageGuarded, 'state');
        const btype = c.select(fromGuarded, c.param(3), c.select(c.param(3).eq(3), c.i32(1), c.param(3)));
        const lands = c.call(this.helper('landsWell'), insn, btype) as Value;
        c.if(lands.eqz(), () => {
          c.return(leaveAtTarget('exception', c.i32(EXCEPTION.branchTarget), btype));
        });
      });
    }
    c.store('i32.store', cpu, STATE.pageGuarded, guarded, 'state');
    c.store('i64.store', cpu, STATE.pcDelta, target.sub(hpc.zext()), 'state');
    this.dispatch(c, hpc, budget);
    this.module.define(ref, c.finish());
    return ref;
  }

  /** Exported `run(cpu)`: goes on at STATE.pc with STATE.budget. */
  private defineRun(): void {
    const ref = this.module.declare(['i32'], ['i32'], 'run');
    const c = new Code(this.module, ref.signature);
    const cpu = c.param(0);
    const pc = c.load('i64.load', cpu, STATE.pc, 'state');
    this.jump(c, pc, c.load('i32.load', cpu, STATE.budget, 'state'));
    this.module.define(ref, c.finish());
  }

  /** i64 that is zero where the soft-TLB entry serves `bytes` bytes at the address. */
  private miss(
    i: InterpreterInsn,
    entry: Value,
    tagOffset: number,
    address: Value,
    bytes: number,
    options: MemoryOptions,
  ): Value {
    const { c } = i;
    const info = c.load('i32.load', entry, TLB.info, 'state').zext();
    const tag = c.load('i64.load', entry, tagOffset, 'state');
    let miss = address
      .add(bytes - 1)
      .xor(tag)
      .and(-4096)
      .shl(info);
    if (!options.unchecked) miss = miss.or(info.and(TLB_INFO_CHECKED));
    if (options.aligned) miss = miss.or(address.and(bytes - 1));
    return miss;
  }

  private tlbEntry(i: InterpreterInsn, address: Value, options: MemoryOptions): Value {
    return this.entry(i.c, options.unprivileged ? STATE.tlbUnprivileged : STATE.tlb, address);
  }

  private hostAddress(i: InterpreterInsn, entry: Value, address: Value): Value {
    return address.wrap().add(i.c.load('i32.load', entry, TLB.addend, 'state'));
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
    const entry = this.tlbEntry(i, address, options);
    c.if(
      this.miss(i, entry, TLB.readTag, address, bytes, options).eqz(),
      () => result.set(c.load(LOADS[bytes], this.hostAddress(i, entry, address), 0, 'guest')),
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
    const { c } = i;
    const entry = this.tlbEntry(i, address, options);
    c.if(
      this.miss(i, entry, TLB.writeTag, address, bytes, options).eqz(),
      () => c.store(STORES[bytes], this.hostAddress(i, entry, address), 0, v, 'guest'),
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
    const entry = this.tlbEntry(i, address, options);
    c.if(
      this.miss(i, entry, TLB.readTag, address, bytes * 2, options).eqz(),
      () => {
        const host = this.hostAddress(i, entry, address);
        first.set(c.load(LOADS[bytes], host, 0, 'guest'));
        second.set(c.load(LOADS[bytes], host, bytes, 'guest'));
      },
      () => {
        first.set(this.slowLoad(i, address, bytes, descriptor));
        second.set(this.slowLoad(i, address.add(bytes), bytes, descriptor));
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
    const entry = this.tlbEntry(i, address, options);
    c.if(
      this.miss(i, entry, TLB.writeTag, address, bytes * 2, options).eqz(),
      () => {
        const host = this.hostAddress(i, entry, address);
        c.store(STORES[bytes], host, 0, a, 'guest');
        c.store(STORES[bytes], host, bytes, b, 'guest');
      },
      () => {
        this.slowStore(i, address, bytes, a, descriptor);
        this.slowStore(i, address.add(bytes), bytes, b, descriptor);
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
    const host = c.variable('i32');
    const entry = this.tlbEntry(i, address, options);
    c.if(
      this.miss(i, entry, TLB.writeTag, address, bytes, { ...options, aligned: true }).eqz(),
      () => host.set(this.hostAddress(i, entry, address)),
      () => {
        c.store('i64.store', i.cpu, STATE.slowVa, address, 'state');
        host.set(i.callOrLeave('probeWrite', (r) => r.eqz(), descriptor));
      },
    );
    return host.get();
  }
}
