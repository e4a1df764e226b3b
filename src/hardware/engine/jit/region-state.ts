// What one region's function keeps in locals: guest registers, flags, the remaining budget; and its ways out, which
// all pass one epilogue that stores what was written.

import { STATE } from '../../cpu/index.ts';
import type { Code, FunctionRef, Label, Value, Variable } from '../../wasm/index.ts';

/** Where a way out goes on: at an instruction of the page (interpreted, or its region), stopped there, or by address. */
export type Exit = 'interpret' | 'enter' | 'stop' | 'jump';
const EXITS: readonly Exit[] = ['interpret', 'enter', 'stop', 'jump'];
/** Indirect branches: this plus BTYPE. */
const JUMP_INDIRECT = EXITS.length;

/** What code depends on besides the instructions. */
export interface RegionOptions {
  readonly conditionTable: number;
  /** Where allocation tags are (PhysicalMemory). */
  readonly tagBias: number;
  /** Whether the guest has accesses checked, so that the check is worth its code. */
  readonly checksTags: boolean;
}

export interface RegionEnvironment extends RegionOptions {
  /** A function of the interpreter's module, by name, to be imported. */
  import(name: string): FunctionRef;
}

export class RegionState {
  readonly code: Code;
  readonly conditionTable: number;
  readonly tagBias: number;
  readonly checksTags: boolean;
  readonly flagsKind: Variable;
  readonly flagsA: Variable;
  readonly flagsB: Variable;
  readonly budget: Variable;
  private readonly environment: RegionEnvironment;
  private readonly page: number;
  private readonly exitKind: Variable;
  private readonly exitTarget: Variable;
  private readonly general = new Map<number, Variable>();
  private readonly vectors = new Map<number, Variable>();
  private readonly writtenX = new Set<number>();
  private readonly writtenV = new Set<number>();
  private readonly tlbs = new Map<boolean, Variable>();
  private pcDelta: Variable | undefined;
  private exitLabel: Label | undefined;

  /** `page` is the host offset of the code page. */
  constructor(code: Code, page: number, environment: RegionEnvironment) {
    this.code = code;
    this.page = page;
    this.environment = environment;
    this.conditionTable = environment.conditionTable;
    this.tagBias = environment.tagBias;
    this.checksTags = environment.checksTags;
    this.flagsKind = code.variable('i32');
    this.flagsA = code.variable('i64');
    this.flagsB = code.variable('i64');
    this.budget = code.variable('i32');
    this.exitKind = code.variable('i32');
    this.exitTarget = code.variable('i64');
  }

  private once<K>(map: Map<K, Variable>, key: K, type: 'i32' | 'i64' | 'v128'): Variable {
    let variable = map.get(key);
    if (!variable) {
      variable = this.code.variable(type);
      map.set(key, variable);
    }
    return variable;
  }

  /** X0..X30, or 32 for SP. */
  x(n: number): Variable {
    return this.once(this.general, n, 'i64');
  }
  setX(n: number, v: Value): void {
    this.writtenX.add(n);
    this.x(n).set(v);
  }
  v(n: number): Variable {
    return this.once(this.vectors, n, 'v128');
  }
  setV(n: number, v: Value): void {
    this.writtenV.add(n);
    this.v(n).set(v);
  }
  tlb(unprivileged: boolean): Value {
    return this.once(this.tlbs, unprivileged, 'i32').get();
  }
  /** The virtual address of an instruction of the page. */
  pcOf(offset: number): Value {
    this.pcDelta ??= this.code.variable('i64');
    return this.pcDelta.get().add(this.page + offset);
  }
  helper(name: string): FunctionRef {
    return this.environment.import(name);
  }

  /** Charges a block's instructions, or leaves before its first where the budget does not cover all of them. */
  charge(offset: number, instructions: number): void {
    this.budget.set(this.budget.get().sub(instructions));
    this.code.if(this.budget.get().ltS(0), () => this.leave('interpret', offset, instructions));
  }

  /** Leaves for an instruction of the page; `unspent` were charged and have not run. */
  leave(exit: Exclude<Exit, 'jump'>, offset: number, unspent: number): void {
    if (unspent > 0) this.budget.set(this.budget.get().add(unspent));
    this.exit(EXITS.indexOf(exit), this.code.i64(this.page + offset));
  }

  /** Leaves for any address. */
  jump(target: Value): void {
    this.exit(EXITS.indexOf('jump'), target);
  }
  jumpIndirect(target: Value, btype: number): void {
    this.exit(JUMP_INDIRECT + btype, target);
  }

  private exit(kind: number, target: Value): void {
    this.exitKind.set(kind);
    this.exitTarget.set(target);
    this.code.branch(this.exitLabel as Label);
  }

  /** Builds the whole function: `body` between what loads the locals and what stores them. */
  build(body: () => void): void {
    const { code } = this;
    code.scope((label) => {
      this.exitLabel = label;
      body();
    });
    code.prologue(() => this.loadAll());
    this.storeAll();
    this.continueElsewhere();
  }

  private loadAll(): void {
    const { code } = this;
    const cpu = code.param(0);
    this.budget.set(code.param(1));
    for (const [n, variable] of this.general)
      variable.set(code.load('i64.load', cpu, STATE.x + n * 8, 'constant'));
    for (const [n, variable] of this.vectors)
      variable.set(code.load('v128.load', cpu, STATE.v + n * 16, 'constant'));
    this.flagsA.set(code.load('i64.load32_u', cpu, STATE.nzcv, 'constant'));
    for (const [unprivileged, variable] of this.tlbs) {
      variable.set(code.load('i32.load', cpu, unprivileged ? STATE.tlbUnprivileged : STATE.tlb, 'constant'));
    }
    this.pcDelta?.set(code.load('i64.load', cpu, STATE.pcDelta, 'constant'));
  }

  private storeAll(): void {
    const { code } = this;
    const cpu = code.param(0);
    for (const n of this.writtenX) code.store('i64.store', cpu, STATE.x + n * 8, this.x(n).get(), 'state');
    for (const n of this.writtenV) code.store('v128.store', cpu, STATE.v + n * 16, this.v(n).get(), 'state');
    const nzcv = code.variable('i32', this.flagsA.get().wrap());
    code.if(this.flagsKind.get(), () => {
      const packed = code.call(
        this.helper('flagsOf'),
        this.flagsKind.get(),
        this.flagsA.get(),
        this.flagsB.get(),
      );
      nzcv.set(packed as Value);
    });
    code.store('i32.store', cpu, STATE.nzcv, nzcv.get(), 'state');
  }

  private continueElsewhere(): void {
    const { code } = this;
    const cpu = code.param(0);
    const kind = this.exitKind.get();
    const target = this.exitTarget.get();
    const budget = this.budget.get();
    for (const [k, exit] of EXITS.entries()) {
      const to = exit === 'jump' ? target : target.wrap();
      code.if(kind.eq(k), () => code.tailCall(this.helper(exit), cpu, to, budget));
    }
    code.tailCall(this.helper('jumpIndirect'), cpu, target, budget, kind.sub(JUMP_INDIRECT));
  }
}
