// What one region's function keeps in locals: guest registers, flags, the remaining budget; and its ways out. Registers
// that a block wrote are stored where it ends. A block has one way out for all of its instructions, which knows by the
// number of the instruction what is left to store.

import { RETURNS, STATE, TLB, TLB_INFO_GUARDED } from '../../cpu/index.ts';
import type { Code, FunctionRef, Label, Value, Variable } from '../../wasm/index.ts';
import { RETURNED } from '../interpreter/runtime.ts';
import { hostAddress, tlbEntry } from '../tlb-lookup.ts';
import { NearAccesses } from './near-accesses.ts';
import { PROFILE } from './profile.ts';
import { CODE_PAGE, pageOf } from './region.ts';
import type { Registers, Turns } from './turns.ts';

/**
 * How a way out goes on at an instruction: it is interpreted, or its region entered, or the engine stops there.
 * The continuations for one in the page that the region was entered in (by host offset), and for any (by address).
 */
const NEAR = { interpret: 'interpret', enter: 'enter', stop: 'stop' } as const;
const FAR = { interpret: 'interpretAt', enter: 'jump', stop: 'stopAt' } as const;
const BY_HOST_OFFSET: ReadonlySet<string> = new Set(Object.values(NEAR));
type Shared = (typeof NEAR | typeof FAR)[keyof typeof NEAR] | 'ret';
const SHARED: readonly Shared[] = [...Object.values(NEAR), ...Object.values(FAR), 'ret'];

/** What code depends on besides the instructions. */
export interface RegionOptions {
  readonly conditionTable: number;
  /** Where allocation tags are, and the frames' marks (AllocationTags). */
  readonly tagBias: number;
  readonly markBias: number;
  /** Whether the guest has accesses checked, so that the check is worth its code. */
  readonly checksTags: boolean;
  /** CodeCache.generation */
  readonly codeGeneration: number;
}

export interface RegionEnvironment extends RegionOptions {
  /** A function of the interpreter's module, by name, to be imported. */
  import(name: string): FunctionRef;
}

/** Instructions in a row from a place on. */
export interface Piece {
  readonly at: number;
  readonly count: number;
}

const lengthOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { count }) => sum + count, 0);

/** The address, i64, of the instruction with a number in all of the pieces. */
function instructionOf(pieces: readonly Piece[], index: Value, addressOf: (at: number) => Value): Value {
  const { code } = index;
  const bytes = index.shl(2).zext();
  const [first, ...others] = pieces as [Piece, ...Piece[]];
  let address = bytes.add(addressOf(first.at));
  let before = first.count;
  for (const { at, count } of others) {
    address = code.select(index.geU(before), bytes.add(addressOf(at - 4 * before)), address);
    before += count;
  }
  return address;
}

export class RegionState {
  readonly code: Code;
  readonly conditionTable: number;
  readonly tagBias: number;
  readonly markBias: number;
  readonly checksTags: boolean;
  readonly flagsKind: Variable;
  readonly flagsA: Variable;
  readonly flagsB: Variable;
  readonly budget: Variable;
  readonly near: NearAccesses;
  /** What is known of the loop's turn that the block is part of. */
  turns: Turns | undefined;
  private setsFlags = false;
  private readonly environment: RegionEnvironment;
  private readonly pages: ReadonlyMap<number, number>;
  private readonly home: number;
  /** Where the region counts, if it is to. */
  private readonly counter: number | undefined;
  /** Where a shared way out leads. */
  private readonly target: Variable;
  private readonly general = new Map<number, Variable>();
  private readonly vectors = new Map<number, Variable>();
  /** Registers that are read somewhere: others need not be loaded. */
  private readonly readX = new Set<number>();
  private readonly readV = new Set<number>();
  /** Registers whose locals are newer than STATE, and which of the block's instructions first wrote them. */
  private readonly unsavedX = new Map<number, number>();
  private readonly unsavedV = new Map<number, number>();
  /** How many instructions are charged at once; which of them is being written, and at run time, executed where it may leave. */
  private length = 0;
  private current = 0;
  private readonly progress: Variable;
  /** Those of the block that may leave, ascending. */
  private readonly leaving: number[] = [];
  private exit: Label | undefined;
  private readonly tlbs = new Map<boolean, Variable>();
  private readonly proven = new Map<number, Variable>();
  private pcDelta: Variable | undefined;
  /** What atEnd() put off. */
  private readonly putOff: (() => void)[] = [];
  private readonly ways = new Map<Shared, Label>();
  private readonly used = new Set<Shared>();

  /** `pages`: host offsets of the code's pages; 0 is the one it is entered in. */
  constructor(
    code: Code,
    pages: ReadonlyMap<number, number>,
    environment: RegionEnvironment,
    counter?: number,
  ) {
    this.code = code;
    this.pages = pages;
    this.home = pages.get(0) as number;
    this.environment = environment;
    this.counter = counter;
    this.conditionTable = environment.conditionTable;
    this.tagBias = environment.tagBias;
    this.markBias = environment.markBias;
    this.checksTags = environment.checksTags;
    this.near = new NearAccesses(code);
    this.flagsKind = code.variable('i32');
    this.flagsA = code.variable('i64');
    this.flagsB = code.variable('i64');
    this.budget = code.variable('i32');
    this.target = code.variable('i64');
    this.progress = code.variable('i32');
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
  x(n: number): Value {
    this.turns?.pairs.use(n);
    this.readX.add(n);
    return this.localX(n).get();
  }
  private localX(n: number): Variable {
    return this.once(this.general, n, 'i64');
  }
  setX(n: number, v: Value): void {
    const pairs = this.turns?.pairs;
    pairs?.use(n);
    if (pairs?.holds(n)) return;
    if (!this.unsavedX.has(n)) this.unsavedX.set(n, this.current);
    const register = this.localX(n);
    this.turns?.assigning(register, v);
    const served = this.near.assigning(register, v);
    register.set(v);
    this.near.assigned(served);
  }
  v(n: number): Value {
    this.readV.add(n);
    return this.localV(n).get();
  }
  private localV(n: number): Variable {
    return this.once(this.vectors, n, 'v128');
  }
  setV(n: number, v: Value): void {
    if (!this.unsavedV.has(n)) this.unsavedV.set(n, this.current);
    this.localV(n).set(v);
  }
  /** Keeps what flags are to be computed from (FLAGS). */
  setFlags(kind: number, a: Value, b: Value): void {
    this.setsFlags = true;
    this.flagsKind.set(kind);
    this.flagsA.set(a);
    this.flagsB.set(b);
  }
  tlb(unprivileged: boolean): Value {
    return this.once(this.tlbs, unprivileged, 'i32').get();
  }
  /** The virtual address of a place. */
  pcOf(at: number): Value {
    this.pcDelta ??= this.code.variable('i64');
    return this.pcDelta.get().add(this.home + at);
  }
  helper(name: string): FunctionRef {
    return this.environment.import(name);
  }

  /**
   * A block of `count` instructions at a place: charges them, or leaves before the first where the budget does not
   * cover all of them; `emit` writes one.
   */
  block(at: number, count: number, emit: (index: number) => void): void {
    this.unsavedX.clear();
    this.unsavedV.clear();
    const body = (): void => {
      this.turns?.enter();
      this.charge(count);
      this.deoptIf(this.budget.get().ltS(0));
      for (; this.current < count; this.current++) emit(this.current);
    };
    this.leavable([{ at, count }], body, (reached) => this.saveUpTo(reached));
    this.turns?.written(this.unsavedX.keys(), this.unsavedV.keys());
  }

  /**
   * More turns of a loop of which one has just run: `count` (i32) of them, which is not 0 and which the budget covers, or
   * fewer where control goes elsewhere.
   */
  repeat(pieces: readonly Piece[], count: Value, written: Registers, emit: (index: number) => void): void {
    const { code } = this;
    const pairs = this.turns?.pairs;
    pairs?.hold((n) => this.x(n));
    const length = lengthOf(pieces);
    const least = code.variable('i32', this.budget.get().sub(count.mul(length)));
    // Some turn before has written any of them.
    for (const n of written.general) this.unsavedX.set(n, 0);
    for (const n of written.vectors) this.unsavedV.set(n, 0);
    const body = (): void =>
      code.loop((again) => {
        this.charge(length);
        for (; this.current < length; this.current++) emit(this.current);
        code.branch(again, this.budget.get().gtS(least.get()));
      });
    this.leavable(pieces, body, () => this.saveAll());
    pairs?.release();
  }

  /** In repeat(): goes elsewhere behind the current instruction where `condition` holds. */
  leaveTurnIf(condition: Value, go: () => void): void {
    this.code.if(condition, () => {
      this.saveAll();
      this.refundRest();
      go();
    });
  }

  /** Instructions any of which may leave: `save` stores what is then newer than STATE. */
  private leavable(pieces: readonly Piece[], body: () => void, save: (reached: Value) => void): void {
    const { code } = this;
    this.near.forget();
    this.leaving.length = 0;
    this.current = 0;
    this.length = lengthOf(pieces);
    code.scope((done) => {
      code.scope((exit) => {
        this.exit = exit;
        body();
        this.saveAll();
        code.branch(done);
      });
      // Turns without lookups may have nothing that leaves.
      if (this.leaving.length === 0) return;
      const reached = this.progress.get();
      save(reached);
      this.refund(code.i32(this.length).sub(reached));
      const isNear = pageOf((pieces[0] as Piece).at) === 0;
      const addressOf = (at: number): Value => (isNear ? code.i64(this.home + at) : this.pcOf(at));
      this.goTo(isNear ? NEAR.interpret : FAR.interpret, instructionOf(pieces, reached, addressOf));
    });
  }

  private charge(count: number): void {
    this.budget.set(this.budget.get().sub(count));
    this.count(PROFILE.executed, count);
  }

  /** Lets the interpreter execute the current instruction, which has had no effect yet. */
  deopt(): void {
    this.deoptIf(undefined);
  }
  deoptIf(condition: Value | undefined): void {
    if (this.leaving.at(-1) !== this.current) this.leaving.push(this.current);
    this.progress.set(this.current);
    this.code.branch(this.exit as Label, condition);
  }

  /** Stores what had been written when the instruction was reached that left the block. */
  private saveUpTo(reached: Value): void {
    let from = 0;
    for (const k of this.leaving) {
      const isNext = ([, first]: [number, number]): boolean => first >= from && first < k;
      const general = [...this.unsavedX].filter(isNext);
      const vectors = [...this.unsavedV].filter(isNext);
      from = k;
      if (general.length + vectors.length === 0) continue;
      this.code.if(reached.geU(k), () => {
        for (const [n] of general) this.saveX(n);
        for (const [n] of vectors) this.saveV(n);
      });
    }
  }

  /**
   * Before control passes to a place in another page: leaves the region unless that page is mapped as it was when
   * the region was found. Nothing changes a mapping while a region runs, so each page is looked up once.
   */
  prove(at: number): void {
    const index = pageOf(at);
    if (index === 0) return;
    const { code } = this;
    const proven = this.once(this.proven, index, 'i32');
    code.if(proven.get().eqz(), () => {
      const address = this.pcOf(index * CODE_PAGE);
      const entry = tlbEntry(this.tlb(false), address);
      const other = code.load('i64.load', entry, TLB.execTag, 'state').xor(address).and(-CODE_PAGE).ne(0);
      const moved = hostAddress(code, entry, address).ne(this.pages.get(index) as number);
      const guarded = code.load('i32.load', entry, TLB.info, 'state').and(TLB_INFO_GUARDED);
      const unlike = guarded.ne(code.load('i32.load', code.param(0), STATE.pageGuarded, 'state'));
      code.if(other.or(moved).or(unlike), () => this.enter(at));
      proven.set(1);
    });
  }

  private saveX(n: number): void {
    this.code.store('i64.store', this.code.param(0), STATE.x + n * 8, this.localX(n).get(), 'state');
  }
  private saveV(n: number): void {
    this.code.store('v128.store', this.code.param(0), STATE.v + n * 16, this.localV(n).get(), 'state');
  }

  /** Stops behind the current instruction, which is at a place. */
  stopAfterIf(condition: Value, at: number): void {
    this.code.if(condition, () => {
      this.saveAll();
      this.refundRest();
      const after = at + 4;
      if (pageOf(after) === 0) this.goTo(NEAR.stop, this.code.i64(this.home + after));
      else this.goTo(FAR.stop, this.pcOf(after));
    });
  }

  /** Gives back what was charged for the instructions behind the current one. */
  private refundRest(): void {
    const rest = this.length - this.current - 1;
    if (rest > 0) this.refund(this.code.i32(rest));
  }

  /** Gives back what was charged for instructions that have not run. */
  private refund(instructions: Value): void {
    this.budget.set(this.budget.get().add(instructions));
    this.count(PROFILE.executed, instructions.neg().sext());
  }

  private saveAll(): void {
    this.turns?.pairs.restore((n, v) => this.localX(n).set(v));
    for (const n of this.unsavedX.keys()) this.saveX(n);
    for (const n of this.unsavedV.keys()) this.saveV(n);
  }

  /** Leaves for the region or the interpreter at a place in the code, where everything is stored. */
  enter(at: number): void {
    if (pageOf(at) === 0) this.goTo(NEAR.enter, this.code.i64(this.home + at));
    else this.goTo(FAR.enter, this.pcOf(at));
  }

  /** Leaves for the caller. */
  return(target: Value): void {
    this.goTo('ret', target);
  }
  jumpIndirect(target: Value, btype: number): void {
    this.goOn('jumpIndirect', target, this.code.i32(btype));
  }

  /** Calls a function outside of the region and waits for its return to `returnAt`, in page 0: `after` goes on there. */
  call(at: number, returnAt: number, after: () => void): void {
    const continuation = pageOf(at) === 0 ? NEAR.enter : FAR.enter;
    const target = pageOf(at) === 0 ? this.code.i32(this.home + at) : this.pcOf(at);
    this.waitFor(continuation, returnAt, after, target);
    this.enter(at);
  }
  callIndirect(target: Value, btype: number, returnAt: number, after: () => void): void {
    this.waitFor('jumpIndirect', returnAt, after, target, this.code.i32(btype));
    this.jumpIndirect(target, btype);
  }

  /**
   * Where as many calls are waited for as can be, what is written after this goes on instead. What returns has stored
   * everything; if the page is mapped as it was and no code has changed, the region goes on, else whatever is there now.
   */
  private waitFor(
    continuation: string,
    returnAt: number,
    after: () => void,
    target: Value,
    ...more: Value[]
  ): void {
    const { code } = this;
    const cpu = code.param(0);
    const load = (name: 'returnDepth' | 'budget'): Value => code.load('i32.load', cpu, STATE[name], 'state');
    const generation = (): Value =>
      code.load('i32.load', code.i32(this.environment.codeGeneration), 0, 'state');
    const depth = load('returnDepth');
    code.if(depth.ltU(RETURNS), () => {
      code.store('i64.store', cpu.add(depth.shl(3)), STATE.returns, this.pcOf(returnAt), 'state');
      code.store('i32.store', cpu, STATE.returnDepth, depth.add(1), 'state');
      const before = code.variable('i32', generation());
      this.saveFlags();
      const status = code.call(this.helper(continuation), cpu, target, this.budget.get(), ...more) as Value;
      code.if(status.ne(RETURNED), () => code.return(status));
      this.budget.set(load('budget'));
      const delta = code.load('i64.load', cpu, STATE.pcDelta, 'state');
      const isOther = delta.ne((this.pcDelta as Variable).get()).or(generation().ne(before.get()));
      code.if(isOther, () => {
        const host = this.pcOf(returnAt).sub(delta).wrap();
        code.tailCall(this.helper(NEAR.enter), cpu, host, this.budget.get());
      });
      this.atEnd(() => this.reload());
      after();
    });
  }

  /** By the way out that all share that go on like this. */
  private goTo(continuation: Shared, target: Value): void {
    this.target.set(target);
    this.code.branch(this.ways.get(continuation) as Label);
    this.used.add(continuation);
  }

  private goOn(continuation: string, target: Value, ...more: Value[]): void {
    const { code } = this;
    this.saveFlags();
    code.tailCall(this.helper(continuation), code.param(0), target, this.budget.get(), ...more);
  }

  /** Flags are stored as what they were computed from; who needs them otherwise computes them (Runtime.settleFlags). */
  private saveFlags(): void {
    const { code } = this;
    // What is written later may set them, too, and lead here.
    this.atEnd(() => {
      if (!this.setsFlags) return;
      const cpu = code.param(0);
      code.if(this.flagsKind.get(), () => {
        code.store('i32.store', cpu, STATE.flagsKind, this.flagsKind.get(), 'state');
        code.store('i64.store', cpu, STATE.flagsA, this.flagsA.get(), 'state');
        code.store('i64.store', cpu, STATE.flagsB, this.flagsB.get(), 'state');
      });
    });
  }

  /** Statements for this place that are written when the rest of the function is. */
  private atEnd(write: () => void): void {
    const fill = this.code.later();
    this.putOff.push(() => fill(write));
  }

  countEntry(): void {
    this.count(PROFILE.entries, 1);
  }
  private count(word: number, by: number | Value): void {
    if (this.counter === undefined) return;
    const { code } = this;
    const at = code.i32(this.counter);
    code.store('i64.store', at, word, code.load('i64.load', at, word, 'state').add(by), 'state');
  }

  /** Counts an entry at `at`, by the word at `countdown`; the one that makes it zero is announced instead. */
  countDown(countdown: number, at: number): void {
    const { code } = this;
    const word = code.i32(countdown);
    const left = code.load('i32.load', word, 0, 'state').sub(1);
    code.store('i32.store', word, 0, left, 'state');
    code.if(left.eqz(), () =>
      code.tailCall(this.helper('hot'), code.param(0), code.i32(this.home + at), code.param(1)),
    );
  }

  /** Builds the whole function: `before` anything else, then `body` after the locals are loaded. */
  build(body: () => void, before: () => void): void {
    const { code } = this;
    this.atEnd(() => {
      before();
      this.budget.set(code.param(1));
      this.pcDelta?.set(code.load('i64.load', code.param(0), STATE.pcDelta, 'constant'));
      this.loadAll();
    });
    const nest = ([continuation, ...others]: readonly Shared[]): void => {
      if (continuation === undefined) {
        body();
        return;
      }
      code.scope((label) => {
        this.ways.set(continuation, label);
        nest(others);
      });
      if (!this.used.has(continuation)) return;
      const target = this.target.get();
      this.goOn(continuation, BY_HOST_OFFSET.has(continuation) ? target.wrap() : target);
    };
    nest(SHARED);
    for (const write of this.putOff) write();
  }

  /** Locals after a call that has returned. */
  private reload(): void {
    this.loadAll();
    if (this.setsFlags) this.flagsKind.set(0);
    for (const proven of this.proven.values()) proven.set(0);
  }

  /** What other code may have changed while the region did not run. */
  private loadAll(): void {
    const { code } = this;
    const cpu = code.param(0);
    for (const n of this.readX) this.localX(n).set(code.load('i64.load', cpu, STATE.x + n * 8, 'constant'));
    for (const n of this.readV) this.localV(n).set(code.load('v128.load', cpu, STATE.v + n * 16, 'constant'));
    for (const [unprivileged, variable] of this.tlbs) {
      variable.set(code.load('i32.load', cpu, unprivileged ? STATE.tlbUnprivileged : STATE.tlb, 'constant'));
    }
  }
}
