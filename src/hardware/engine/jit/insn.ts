// The JIT's side of Insn: fields are constants, registers are WebAssembly locals, and whatever is not the fast path
// leaves the region before the instruction has done anything: the interpreter then executes it.

import {
  type Fields,
  fieldsOf,
  Insn,
  type MemoryOptions,
  type ReachOptions,
  type RegisterRef,
  type Variant,
} from '../../a64/index.ts';
import { SP, STATE, TLB, XZR } from '../../cpu/index.ts';
import type { Block, Code, FunctionRef, Operand, Value, Variable } from '../../wasm/index.ts';
import {
  hostAddress,
  infoOf,
  LOADS,
  type Lookup,
  lookTwice,
  reachOffset,
  STORES,
  tagOffset,
  tlbDifference,
  tlbEntry,
} from '../tlb-lookup.ts';
import { conditionOf, FLAGS, type FlagsKind, packedFlags } from './flags.ts';
import type { Near } from './near-accesses.ts';
import type { RegionState } from './region-state.ts';
import type { Place } from './turns.ts';

/** How a block's last instruction passes control on, as its semantics said. */
export type Ending =
  | { readonly kind: 'jump' }
  | { readonly kind: 'branch'; readonly condition: Value }
  | { readonly kind: 'indirect'; readonly target: Value; readonly btype: number };

type Bytes = 1 | 2 | 4 | 8 | 16;

const isScalar = ({ source }: Value): boolean =>
  source.kind === 'op' && /^f(32x4|64x2).replace_lane$/.test(source.op.name);

export class JitInsn extends Insn {
  readonly c: Code;
  readonly cpu: Value;
  f: Fields = {};
  ending: Ending | undefined;
  private readonly state: RegionState;
  /** Place of the current instruction, and whether its registers are vectors. */
  private at = 0;
  private isSimd = false;
  /** What the flags are, where that is known at this point of the program. */
  private flags:
    | { readonly kind: FlagsKind; readonly a: Value; readonly b: Value; readonly block: Block }
    | undefined;
  private simdAllowed: Block | undefined;
  /** What vector registers were set to that now hold a number and zeros, so that the number is used as such. */
  private readonly scalars = new Map<number, Value>();
  /** Since the block began. */
  private readonly steadyValues = new Map<string, Value>();

  constructor(state: RegionState) {
    super();
    this.state = state;
    this.c = state.code;
    this.cpu = state.code.param(0);
  }

  /** Forgets what held in the block before. */
  beginBlock(): void {
    this.flags = undefined;
    this.simdAllowed = undefined;
    this.scalars.clear();
    this.steadyValues.clear();
  }

  /** Another turn of a loop, in a place that is reached only from where one has run. */
  beginTurn(): void {
    this.beginBlock();
    this.simdAllowed = this.c.block;
  }

  /** Emits the instruction at a place. */
  emit(at: number, word: number, { row }: Variant): void {
    this.at = at;
    this.isSimd = row.simd ?? false;
    this.f = fieldsOf(row.pattern, word);
    this.ending = undefined;
    if (this.isSimd && !(this.simdAllowed && this.c.isInside(this.simdAllowed))) {
      this.deoptIf(this.c.load('i32.load', this.cpu, STATE.fpTrapped, 'state'));
      this.simdAllowed = this.c.block;
    }
    row.semantics(this);
  }

  private deopt(): void {
    this.state.deopt();
  }
  private deoptIf(condition: Value): void {
    this.state.deoptIf(condition);
  }

  field(name: string): Value {
    return this.i32(this.f[name] as number);
  }

  private number(r: RegisterRef): number {
    if (typeof r === 'number') return r;
    const named = this.f[r];
    if (named !== undefined) return named;
    const [name, plus] = r.split('+') as [string, string];
    return ((this.f[name] as number) + Number(plus)) & 31;
  }

  x(r: RegisterRef): Value {
    const n = this.number(r);
    return n === XZR ? this.i64(0) : this.state.x(n);
  }
  setX(r: RegisterRef, v: Value): void {
    const n = this.number(r);
    if (n !== XZR) this.state.setX(n, v);
  }
  private spNumber(r: RegisterRef): number {
    const n = this.number(r);
    return n === XZR ? SP : n;
  }
  xsp(r: RegisterRef): Value {
    return this.state.x(this.spNumber(r));
  }
  setXsp(r: RegisterRef, v: Value): void {
    this.state.setX(this.spNumber(r), v);
  }
  v(r: RegisterRef): Value {
    const n = this.number(r);
    const scalar = this.scalars.get(n);
    return scalar && this.c.isInside(scalar.block) ? scalar : this.state.v(n);
  }
  setV(r: RegisterRef, v: Value): void {
    const n = this.number(r);
    this.state.setV(n, v);
    if (isScalar(v)) this.scalars.set(n, v);
    else this.scalars.delete(n);
  }

  element(r: RegisterRef, bits: 8 | 16 | 32 | 64, index: Value): Value {
    const lane = Number(index.constant);
    const name = {
      8: 'i8x16.extract_lane_u',
      16: 'i16x8.extract_lane_u',
      32: 'i32x4.extract_lane',
      64: 'i64x2.extract_lane',
    };
    return this.c.lane(name[bits], lane, this.v(r));
  }
  setElement(r: RegisterRef, bits: 8 | 16 | 32 | 64, index: Value, v: Value): void {
    const lane = Number(index.constant);
    this.setV(r, this.c.lane(`i${bits}x${128 / bits}.replace_lane`, lane, this.v(r), v));
  }

  // Flags.

  private keepFlags(kind: FlagsKind, a: Value, b: Value): void {
    this.state.setFlags(kind, a, b);
    this.flags = { kind, a, b, block: this.c.block };
  }
  /** The flags as they are known here: set in this block or in one around it, with nothing set since. */
  private known(): { readonly kind: FlagsKind; readonly a: Value; readonly b: Value } | undefined {
    return this.flags && this.c.isInside(this.flags.block) ? this.flags : undefined;
  }

  nzcv(): Value {
    const { state } = this;
    const known = this.known();
    if (known) return packedFlags(known.kind, known.a, known.b);
    const kind = state.flagsKind.get();
    const nzcv = this.c.variable('i32');
    this.c.if(
      kind,
      () =>
        nzcv.set(this.c.call(this.helper('flagsOf'), kind, state.flagsA.get(), state.flagsB.get()) as Value),
      () => nzcv.set(this.c.call(this.helper('settleFlags'), this.cpu) as Value),
    );
    return nzcv.get();
  }
  setNzcv(v: Value): void {
    this.keepFlags(FLAGS.packed, v.zext(), this.i64(0));
  }
  override setFlags(result: Value, carry: Operand, overflow: Operand): void {
    if (carry === 0 && overflow === 0) this.keepFlags(FLAGS.logic, result.sext(), this.i64(0));
    else super.setFlags(result, carry, overflow);
  }
  override addFlags(a: Value, b: Value): Value {
    this.keepFlags(a.type === 'i64' ? FLAGS.add64 : FLAGS.add32, a.sext(), b.sext());
    return a.add(b);
  }
  override subFlags(a: Value, b: Value): Value {
    this.keepFlags(a.type === 'i64' ? FLAGS.sub64 : FLAGS.sub32, a.sext(), b.sext());
    return a.sub(b);
  }
  override floatFlags(a: Value, b: Value): void {
    this.keepFlags(FLAGS.float, a.op('i64.reinterpret_f64'), b.op('i64.reinterpret_f64'));
  }
  condition(field: string): Value {
    const cond = this.f[field] as number;
    if (cond >= 14) return this.i32(1);
    const known = this.known();
    const direct = known && conditionOf(this, known.kind, known.a, known.b, cond);
    if (direct) return direct;
    const at = this.nzcv().add(this.state.conditionTable + (cond << 4));
    return this.c.load('i32.load8_u', at, 0, 'constant');
  }

  // Control.

  pc(): Value {
    return this.state.pcOf(this.at);
  }
  branch(): void {
    this.ending = { kind: 'jump' };
  }
  branchIf(condition: Value): void {
    this.ending = { kind: 'branch', condition };
  }
  branchTo(target: Value, btype: number): void {
    this.ending = { kind: 'indirect', target, btype };
  }
  exception(): void {
    this.deopt();
  }
  exceptionIf(condition: Value): void {
    this.deoptIf(condition);
  }
  system(): void {
    this.deopt();
  }
  leaveForInterrupt(): void {
    const waiting = this.c.load('i32.load', this.cpu, STATE.interrupts, 'state');
    this.state.stopAfterIf(waiting, this.at);
  }
  resynchronize(): void {
    this.deopt();
  }
  override steady(name: string, compute: () => Value): Value {
    const known = this.steadyValues.get(name);
    if (known && this.c.isInside(known.block)) return known;
    const value = compute();
    this.steadyValues.set(name, value);
    return value;
  }
  helper(name: string): FunctionRef {
    return this.state.helper(name);
  }

  // Memory.

  private lookup(tag: number, address: Value, bytes: number, options: MemoryOptions): Lookup {
    const entry = tlbEntry(this.state.tlb(options.unprivileged ?? false), address);
    const { unchecked = false, aligned = false } = options;
    const info = infoOf(this.c, entry);
    // Code that knows of no tag checks finds no page on which they are made.
    const isUnchecked =
      this.state.checksTags && (typeof unchecked === 'boolean' ? unchecked : unchecked.constant === 1n);
    return { entry, info, tag, address, bytes, unchecked: isUnchecked, aligned };
  }
  /** Where an access is that the soft TLB serves and whose tags match; leaves the region for any other. */
  private hit(lookup: Lookup, unprivileged = false): Place {
    const { state } = this;
    const { address, bytes, tag } = lookup;
    if (lookup.aligned) this.deoptIf(address.and(bytes - 1).ne(0));
    if (state.checksTags && lookup.unchecked !== true) return { host: this.fullHit(lookup), offset: 0 };
    const access = { address, bytes, write: tag === TLB.writeTag, unprivileged };
    const known = state.turns?.place(access);
    if (known) return known;
    const near = unprivileged ? undefined : state.near.find(address, bytes, access.write);
    const host = near ? this.nearHit(lookup, near) : this.fullHit(lookup);
    if (!near && !unprivileged) state.near.remember(address, bytes, access.write, host);
    state.turns?.served(access, host);
    return { host, offset: 0 };
  }
  private fullHit(lookup: Lookup): Value {
    const { c, state } = this;
    const host = hostAddress(c, lookup.entry, lookup.address);
    const difference = tlbDifference(c, lookup);
    c.if(difference.ne(0), () => {
      if (lookup.unchecked === true) this.deoptIf(difference.shl(lookup.info).ne(0));
      else if (state.checksTags) {
        lookTwice(c, lookup, difference, host, c.i32(state.tagBias), () => this.deopt());
      } else {
        const shift = c.load('i64.load8_u', lookup.entry, TLB.plainShift, 'state');
        this.deoptIf(difference.shl(shift).ne(0));
      }
    });
    return host;
  }
  /** The same by the page of an access near by; where that is another one, by a lookup out of line. */
  private nearHit({ address, bytes, tag, unchecked }: Lookup, near: Near): Value {
    const { c } = this;
    const host = c.variable('i32', near.host);
    c.if(near.isOutside, () => {
      const tlb = this.state.tlb(false);
      const exempt = unchecked === true ? 1 : 0;
      const found = c.call(this.helper('lookUp'), tlb, address, bytes - 1, tag, exempt) as Value;
      host.set(found);
      this.deoptIf(found.eqz());
    });
    return host.get();
  }

  load(address: Value, bytes: Bytes, options: MemoryOptions = {}): Value {
    const place = this.hit(this.lookup(TLB.readTag, address, bytes, options), options.unprivileged);
    return this.loadAt(place, bytes);
  }
  store(address: Value, bytes: Bytes, v: Value, options: MemoryOptions = {}): void {
    const all = bytes + (options.following ?? 0);
    const place = this.hit(this.lookup(TLB.writeTag, address, all, options), options.unprivileged);
    this.storeAt(place, bytes, v);
  }
  loadPair(address: Value, bytes: 4 | 8 | 16, options: MemoryOptions = {}): [Value, Value] {
    const place = this.hit(this.lookup(TLB.readTag, address, bytes * 2, options), options.unprivileged);
    // Where a pair is set here, setX() does nothing with what is returned, and those loads vanish.
    this.pair(bytes)?.set(this.loadAt(place, 16));
    return [this.loadAt(place, bytes), this.loadAt(place, bytes, bytes)];
  }
  storePair(
    address: Value,
    bytes: 4 | 8 | 16,
    first: Value,
    second: Value,
    options: MemoryOptions = {},
  ): void {
    const place = this.hit(this.lookup(TLB.writeTag, address, bytes * 2, options), options.unprivileged);
    const pair = this.pair(bytes);
    if (pair) {
      this.storeAt(place, 16, pair.get());
      return;
    }
    this.storeAt(place, bytes, first);
    this.storeAt(place, bytes, second, bytes);
  }
  /** What holds the registers of the current instruction, which moves a pair. */
  private pair(bytes: Bytes): Variable | undefined {
    const [first, second] = [this.number('Rt'), this.number('Rt2')];
    if (bytes !== 8 || this.isSimd || first === XZR || second === XZR) return undefined;
    return this.state.turns?.pairs.moving(first, second);
  }
  private loadAt({ host, offset }: Place, bytes: Bytes, behind = 0): Value {
    return this.c.load(LOADS[bytes], host, offset + behind, 'guest');
  }
  private storeAt({ host, offset }: Place, bytes: Bytes, v: Value, behind = 0): void {
    this.c.store(STORES[bytes], host, offset + behind, v, 'guest');
  }
  writable(address: Value, bytes: Bytes, options: MemoryOptions = {}): Value {
    const { host, offset } = this.hit({
      ...this.lookup(TLB.writeTag, address, bytes, options),
      aligned: true,
    });
    return host.add(offset);
  }
  reach(address: Value, bytes: number, options: ReachOptions): Value {
    const entry = tlbEntry(this.state.tlb(false), address);
    const places = { tags: this.i32(this.state.tagBias), marks: this.i32(this.state.markBias) };
    return reachOffset(this.c, this.cpu, entry, address, bytes, options, places);
  }
  tagOffset(host: Value): Value {
    return tagOffset(host, this.i32(this.state.tagBias));
  }
  loadTags(): Value {
    this.deopt();
    return this.i64(0);
  }
  storeTags(): void {
    this.deopt();
  }
}
