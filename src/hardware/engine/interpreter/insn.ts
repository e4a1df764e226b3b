// The interpreter's side of Insn: one handler per variant, fields read from the instruction word at run time,
// registers in STATE. Every handler ends by fetching, decoding and tail-calling the next. A handler that may need the
// system half comes as two: a brief one, which knows only what needs no call and so keeps nothing on the stack, and the
// whole one, to which it passes an instruction on before it has had an effect.

import type { Fields, MemoryOptions, ReachOptions, RegisterRef, Variant } from '../../a64/index.ts';
import { extractField, Insn } from '../../a64/index.ts';
import { EXCEPTION, SP, STATE, XZR } from '../../cpu/index.ts';
import type { Code, FunctionRef, Value } from '../../wasm/index.ts';
import { memoryDescriptor } from '../memory-descriptor.ts';
import { tagOffset } from '../tlb-lookup.ts';
import type { Runtime } from './runtime.ts';

export class InterpreterInsn extends Insn {
  readonly c: Code;
  readonly cpu: Value;
  readonly f: Fields;
  private readonly insn: Value;
  private readonly hpc: Value;
  private readonly rowEnd: Value;
  private readonly variant: Variant;
  private readonly runtime: Runtime;
  /** The whole handler; undefined in it. */
  private readonly whole: (() => FunctionRef) | undefined;
  private readonly root: unknown;
  private ended = false;

  /** `whole` declares the whole handler; without it, this is the one. */
  constructor(c: Code, variant: Variant, runtime: Runtime, whole?: () => FunctionRef) {
    super();
    this.c = c;
    this.variant = variant;
    this.runtime = runtime;
    this.whole = whole;
    this.f = variant.fields;
    this.cpu = c.param(0);
    this.insn = c.param(1);
    this.hpc = c.param(2);
    this.rowEnd = c.param(3);
    this.root = c.block;
  }

  /** Emits the row's semantics and what follows. */
  emit(): void {
    const { row } = this.variant;
    if (row.simd) {
      const trapped = this.c.load('i32.load', this.cpu, STATE.fpTrapped, 'state');
      this.exceptionIf(trapped, EXCEPTION.fpTrap, 0);
    }
    row.semantics(this);
    if (this.ended) return;
    const next = this.hpc.add(4);
    // No region holds this instruction, so that one may start behind it.
    if (row.flow === 'leave') this.runtime.enterAt(this.c, next, this.rowEnd);
    else this.runtime.continueAt(this.c, next, this.rowEnd);
  }

  /** What remains after this instruction. */
  private get budget(): Value {
    return this.runtime.budgetAt(this.c, this.hpc.add(4));
  }

  /** Whether what needs the system half is the whole handler's. */
  get isBrief(): boolean {
    return this.whole !== undefined;
  }

  /** Has the whole handler execute the instruction, which has had no effect yet. */
  leaveToWhole(condition?: Value): void {
    const leave = (): void => {
      const whole = (this.whole as () => FunctionRef)();
      this.c.tailCall(whole, this.cpu, this.insn, this.hpc, this.rowEnd);
      this.end();
    };
    if (condition) this.c.if(condition, leave);
    else leave();
  }

  /** After a statement that ends the instruction: whether the rest of the handler is unreachable. */
  private end(): void {
    if (this.c.block === this.root) this.ended = true;
  }

  field(name: string): Value {
    const known = this.f[name];
    return known !== undefined ? this.i32(known) : extractField(this.variant.row.pattern, name, this.insn);
  }

  /** cpu + (register << shift), where `first` STATE bytes are added by the access itself. */
  private register(r: RegisterRef, shift: number): { readonly base: Value; readonly index: number } {
    if (typeof r === 'number') return { base: this.cpu, index: r };
    const [name, plus] = r.split('+') as [string, string | undefined];
    let n = this.field(name);
    if (plus !== undefined) n = n.add(Number(plus)).and(31);
    if (n.constant !== undefined) return { base: this.cpu, index: Number(n.constant) };
    return { base: this.cpu.add(n.shl(shift)), index: 0 };
  }

  x(r: RegisterRef): Value {
    const { base, index } = this.register(r, 3);
    return this.c.load('i64.load', base, STATE.x + index * 8, 'state');
  }

  setX(r: RegisterRef, v: Value): void {
    if (r === XZR) return;
    const { base, index } = this.register(r, 3);
    this.c.store('i64.store', base, STATE.x + index * 8, v, 'state');
    if (typeof r === 'string') this.c.store('i64.store', this.cpu, STATE.x + XZR * 8, 0, 'state');
  }

  /** 0..30 as they are, 31 as the slot of SP. */
  private spSlot(r: RegisterRef): Value {
    if (typeof r === 'number') return this.cpu.add((r === XZR ? SP : r) * 8);
    const n = this.field(r);
    return this.cpu.add(n.add(n.add(1).shrU(5)).shl(3));
  }
  xsp(r: RegisterRef): Value {
    return this.c.load('i64.load', this.spSlot(r), STATE.x, 'state');
  }
  setXsp(r: RegisterRef, v: Value): void {
    this.c.store('i64.store', this.spSlot(r), STATE.x, v, 'state');
  }

  v(r: RegisterRef): Value {
    const { base, index } = this.register(r, 4);
    return this.c.load('v128.load', base, STATE.v + index * 16, 'state');
  }
  setV(r: RegisterRef, v: Value): void {
    const { base, index } = this.register(r, 4);
    this.c.store('v128.store', base, STATE.v + index * 16, v, 'state');
  }
  private elementAddress(r: RegisterRef, bits: number, index: Value): { base: Value; offset: number } {
    const { base, index: n } = this.register(r, 4);
    return { base: base.add(index.shl(Math.log2(bits / 8))), offset: STATE.v + n * 16 };
  }
  element(r: RegisterRef, bits: 8 | 16 | 32 | 64, index: Value): Value {
    const { base, offset } = this.elementAddress(r, bits, index);
    const load = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' }[bits];
    return this.c.load(load, base, offset, 'state');
  }
  setElement(r: RegisterRef, bits: 8 | 16 | 32 | 64, index: Value, v: Value): void {
    const { base, offset } = this.elementAddress(r, bits, index);
    const store = { 8: 'i32.store8', 16: 'i32.store16', 32: 'i32.store', 64: 'i64.store' }[bits];
    this.c.store(store, base, offset, v, 'state');
  }

  nzcv(): Value {
    return this.word('nzcv');
  }
  setNzcv(v: Value): void {
    this.setWord('nzcv', v);
  }
  condition(field: string): Value {
    const at = this.field(field).shl(4).or(this.nzcv()).add(this.runtime.conditionTable);
    return this.c.load('i32.load8_u', at, 0, 'constant');
  }

  pc(): Value {
    return this.c.load('i64.load', this.cpu, STATE.pcDelta, 'state').add(this.hpc.zext());
  }

  branch(offset: Value): void {
    const target = this.hpc.add(offset.wrap());
    this.c.if(
      target.xor(this.hpc).ltU(4096),
      () => this.runtime.enter(this.c, target, this.budget),
      () => this.runtime.jump(this.c, this.pc().add(offset), this.budget),
    );
    this.end();
  }
  branchIf(condition: Value, offset: Value): void {
    this.c.if(condition, () => this.branch(offset));
  }
  branchTo(target: Value, btype: number): void {
    if (btype === 0) this.runtime.ret(this.c, target, this.budget);
    else this.runtime.jumpIndirect(this.c, target, this.budget, this.i32(btype));
    this.end();
  }

  /** Stores what services rely on: where we are and what remains. */
  private settle(): void {
    this.c.store('i32.store', this.cpu, STATE.hpc, this.hpc, 'state');
    this.c.store('i32.store', this.cpu, STATE.budget, this.budget, 'state');
  }
  private leave(): void {
    this.c.return(1);
    this.end();
  }
  private service(name: string, ...args: Value[]): Value {
    return this.c.call(this.runtime.service(name), ...args) as Value;
  }

  load(address: Value, bytes: 1 | 2 | 4 | 8 | 16, options: MemoryOptions = {}): Value {
    return this.runtime.load(this, address, bytes, memoryDescriptor(this, bytes, options), options);
  }
  store(address: Value, bytes: 1 | 2 | 4 | 8 | 16, v: Value, options: MemoryOptions = {}): void {
    this.runtime.store(this, address, bytes, v, memoryDescriptor(this, bytes, options), options);
  }
  loadPair(address: Value, bytes: 4 | 8 | 16, options: MemoryOptions = {}): [Value, Value] {
    return this.runtime.loadPair(this, address, bytes, memoryDescriptor(this, bytes, options), options);
  }
  storePair(
    address: Value,
    bytes: 4 | 8 | 16,
    first: Value,
    second: Value,
    options: MemoryOptions = {},
  ): void {
    this.runtime.storePair(
      this,
      address,
      bytes,
      first,
      second,
      memoryDescriptor(this, bytes, options),
      options,
    );
  }
  writable(address: Value, bytes: 1 | 2 | 4 | 8 | 16, options: MemoryOptions = {}): Value {
    return this.runtime.writable(this, address, bytes, memoryDescriptor(this, bytes, options), options);
  }
  reach(address: Value, bytes: number, options: ReachOptions): Value {
    return this.runtime.reach(this, address, bytes, options);
  }
  tagOffset(host: Value): Value {
    return tagOffset(host, this.runtime.tagBias(this.c));
  }
  loadTags(address: Value, bytes: 16 | 256): Value {
    return this.runtime.loadTags(this, address, bytes);
  }
  storeTags(address: Value, bytes: 16 | 32 | 64 | 256, tags: Value, zero: boolean): void {
    this.runtime.storeTags(this, address, bytes, tags, zero);
  }
  /** For Runtime's memory paths: calls a service and leaves where it says so; returns its result. */
  callOrLeave(name: string, isLeave: (result: Value) => Value, ...args: Value[]): Value {
    if (this.isBrief) {
      this.leaveToWhole();
      return this.i32(0);
    }
    this.settle();
    const result = this.service(name, ...args);
    this.c.if(isLeave(result), () => this.c.return(1));
    return result;
  }

  exception(kind: number, imm: Value): void {
    if (this.isBrief) {
      this.leaveToWhole();
      return;
    }
    this.settle();
    const result = this.service('exception', this.i32(kind), imm);
    // WFI and WFE with a wake-up pending complete at once.
    if (
      kind === EXCEPTION.wfi ||
      kind === EXCEPTION.wfe ||
      kind === EXCEPTION.wfit ||
      kind === EXCEPTION.wfet
    ) {
      this.c.if(result, () => this.c.return(1));
    } else this.leave();
  }
  exceptionIf(condition: Value, kind: number, imm: number): void {
    this.c.if(condition, () => this.exception(kind, this.i32(imm)));
  }
  system(): void {
    this.callOrLeave('system', (r) => r, this.insn);
  }
  leaveForInterrupt(): void {
    const waiting = this.c.load('i32.load', this.cpu, STATE.interrupts, 'state');
    this.c.if(waiting, () =>
      this.runtime.stopAt(this.c, this.runtime.pcOf(this.c, this.hpc.add(4)), this.budget),
    );
  }
  resynchronize(): void {
    this.runtime.jump(this.c, this.pc().add(4), this.budget);
    this.end();
  }
  helper(name: string): FunctionRef {
    return this.runtime.helper(name);
  }
}
