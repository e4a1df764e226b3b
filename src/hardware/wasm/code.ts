// Builds one WebAssembly function body. Its user writes plain dataflow: every operation returns a Value that may
// be used any number of times, anywhere later in its block. What order things must happen in (a register read
// before a later write, a call in between) is worked out when the body is finished: a value is computed where it
// is used if that is the same, and kept in a local otherwise. Dead values vanish.

import { fold, identity } from './fold.ts';
import type { FunctionRef, ModuleWriter, Signature } from './module.ts';
import { uleb } from './module.ts';
import { type Opcode, opcode, TYPE_CODE, type Type } from './opcodes.ts';

export type Operand = Value | number | bigint;

/** Positions at which something that values may depend on (CPU state, guest memory, one variable) is changed. */
class Epoch {
  private readonly changes: number[] = [];
  change(position: number): void {
    this.changes.push(position);
  }
  changedBetween(from: number, to: number): boolean {
    return this.changes.some((p) => p > from && p < to);
  }
}

type Source =
  | { readonly kind: 'op'; readonly op: Opcode; readonly immediate: readonly number[] }
  | { readonly kind: 'const'; readonly value: bigint }
  | { readonly kind: 'v128'; readonly bytes: Uint8Array }
  | { readonly kind: 'param'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'call' };

export class Value {
  /** Filled in when the body is finished. */
  uses = 0;
  emitPosition = 0;
  emitBlock: Block | undefined;
  local: number | undefined;
  readonly code: Code;
  readonly type: Type;
  readonly source: Source;
  readonly args: readonly Value[];
  readonly epochs: readonly Epoch[];
  readonly position: number;
  readonly block: Block;

  constructor(code: Code, type: Type, source: Source, args: readonly Value[], epochs: readonly Epoch[]) {
    this.code = code;
    this.type = type;
    this.source = source;
    this.args = args;
    this.epochs = epochs;
    this.position = code.nextPosition();
    this.block = code.block;
  }

  /** The constant this value is known to be (unsigned), or undefined. */
  get constant(): bigint | undefined {
    return this.source.kind === 'const' ? this.source.value : undefined;
  }

  /** Any WebAssembly instruction whose first operand this is, by its full name. */
  op(name: string, ...rest: Operand[]): Value {
    return this.code.op(name, this, ...rest);
  }

  private int(name: string, other?: Operand): Value {
    return other === undefined ? this.op(`${this.type}.${name}`) : this.op(`${this.type}.${name}`, other);
  }
  add(o: Operand): Value {
    return this.int('add', o);
  }
  sub(o: Operand): Value {
    return this.int('sub', o);
  }
  mul(o: Operand): Value {
    return this.int('mul', o);
  }
  and(o: Operand): Value {
    return this.int('and', o);
  }
  or(o: Operand): Value {
    return this.int('or', o);
  }
  xor(o: Operand): Value {
    return this.int('xor', o);
  }
  shl(o: Operand): Value {
    return this.int('shl', o);
  }
  shrU(o: Operand): Value {
    return this.int('shr_u', o);
  }
  shrS(o: Operand): Value {
    return this.int('shr_s', o);
  }
  rotr(o: Operand): Value {
    return this.int('rotr', o);
  }
  rotl(o: Operand): Value {
    return this.int('rotl', o);
  }
  divS(o: Operand): Value {
    return this.int('div_s', o);
  }
  divU(o: Operand): Value {
    return this.int('div_u', o);
  }
  eq(o: Operand): Value {
    return this.int('eq', o);
  }
  ne(o: Operand): Value {
    return this.int('ne', o);
  }
  ltS(o: Operand): Value {
    return this.int('lt_s', o);
  }
  ltU(o: Operand): Value {
    return this.int('lt_u', o);
  }
  gtS(o: Operand): Value {
    return this.int('gt_s', o);
  }
  gtU(o: Operand): Value {
    return this.int('gt_u', o);
  }
  leS(o: Operand): Value {
    return this.int('le_s', o);
  }
  leU(o: Operand): Value {
    return this.int('le_u', o);
  }
  geS(o: Operand): Value {
    return this.int('ge_s', o);
  }
  geU(o: Operand): Value {
    return this.int('ge_u', o);
  }
  eqz(): Value {
    return this.int('eqz');
  }
  clz(): Value {
    return this.int('clz');
  }
  ctz(): Value {
    return this.int('ctz');
  }
  popcnt(): Value {
    return this.int('popcnt');
  }
  /** Bitwise not. */
  not(): Value {
    return this.xor(-1);
  }
  neg(): Value {
    return this.code.constant(this.type, 0).sub(this);
  }
  /** Low 32 bits of an i64; an i32 stays. */
  wrap(): Value {
    return this.type === 'i32' ? this : this.op('i32.wrap_i64');
  }
  /** Zero-extended to i64; an i64 stays. */
  zext(): Value {
    return this.type === 'i64' ? this : this.op('i64.extend_i32_u');
  }
  /** Sign-extended to i64; an i64 stays. */
  sext(): Value {
    return this.type === 'i64' ? this : this.op('i64.extend_i32_s');
  }
  /** The low `bits` (8, 16, 32) of this value, sign-extended within its type. */
  signExtend(bits: number): Value {
    return bits === 64 || (bits === 32 && this.type === 'i32') ? this : this.int(`extend${bits}_s`);
  }
}

/** A local that may be assigned more than once. */
export class Variable {
  local: number | undefined;
  readonly epoch = new Epoch();
  readonly code: Code;
  readonly type: Type;

  constructor(code: Code, type: Type) {
    this.code = code;
    this.type = type;
  }

  get(): Value {
    return this.code.record(
      new Value(this.code, this.type, { kind: 'variable', variable: this }, [], [this.epoch]),
    );
  }

  set(value: Operand): void {
    this.code.assign(this, value);
  }
}

export interface Block {
  readonly parent: Block | undefined;
  /** The innermost loop, so that nothing is moved into one that was computed outside. */
  loop: Block | undefined;
  readonly items: Item[];
}

/** A branch target: the end of a block, or the start of a loop. */
export interface Label {
  readonly body: Block;
}

type Item = { readonly position: number } & (
  | { readonly kind: 'value'; readonly value: Value }
  | {
      readonly kind: 'effect';
      readonly op: Opcode;
      readonly immediate: readonly number[];
      readonly args: readonly Value[];
    }
  | { readonly kind: 'set'; readonly variable: Variable; readonly value: Value }
  | { readonly kind: 'if'; readonly condition: Value; readonly taken: Block; readonly otherwise: Block }
  | { readonly kind: 'block' | 'loop'; readonly body: Block }
  | { readonly kind: 'branch'; readonly label: Label; readonly condition: Value | undefined }
  | {
      readonly kind: 'switch';
      readonly index: Value;
      readonly labels: readonly Label[];
      readonly fallback: Label;
    }
  | {
      readonly kind: 'call';
      readonly target: FunctionRef;
      readonly args: readonly Value[];
      readonly result: Value | undefined;
    }
  | { readonly kind: 'return'; readonly args: readonly Value[] }
  | { readonly kind: 'tailCall'; readonly target: FunctionRef; readonly args: readonly Value[] }
  | {
      readonly kind: 'tailCallIndirect';
      readonly signature: Signature;
      readonly index: Value;
      readonly args: readonly Value[];
    }
);

type NewItem = Item extends infer I ? (I extends Item ? Omit<I, 'position'> : never) : never;

export class Code {
  readonly module: ModuleWriter;
  readonly signature: Signature;
  private readonly root: Block = { parent: undefined, loop: undefined, items: [] };
  block: Block = this.root;
  /** What loads marked 'state' and 'guest' depend on; calls change both. */
  private readonly stateEpoch = new Epoch();
  private readonly guestEpoch = new Epoch();
  private position = 0;

  constructor(module: ModuleWriter, signature: Signature) {
    this.module = module;
    this.signature = signature;
  }

  nextPosition(): number {
    return this.position++;
  }

  record(value: Value): Value {
    this.block.items.push({ kind: 'value', value, position: value.position });
    return value;
  }

  private effect(item: NewItem): void {
    this.block.items.push({ ...item, position: this.nextPosition() } as Item);
  }

  param(index: number): Value {
    const type = this.signature.params[index] as Type;
    return new Value(this, type, { kind: 'param', index }, [], []);
  }

  constant(type: Type, n: number | bigint): Value {
    if (type !== 'i32' && type !== 'i64') throw new Error(`integer constant of type ${type}`);
    const value = BigInt.asUintN(type === 'i64' ? 64 : 32, BigInt(n));
    return new Value(this, type, { kind: 'const', value }, [], []);
  }
  i32(n: number | bigint): Value {
    return this.constant('i32', n);
  }
  i64(n: number | bigint): Value {
    return this.constant('i64', n);
  }

  /** A 128-bit constant from its low and high halves. */
  v128(low: bigint, high: bigint = low): Value {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt.asUintN(64, low), true);
    view.setBigUint64(8, BigInt.asUintN(64, high), true);
    return new Value(this, 'v128', { kind: 'v128', bytes }, [], []);
  }

  /** A variable, zero to begin with. */
  variable(type: Type, initial?: Operand): Variable {
    const variable = new Variable(this, type);
    if (initial !== undefined) variable.set(initial);
    return variable;
  }

  private operand(o: Operand, type: Type): Value {
    if (o instanceof Value) return o;
    return this.constant(type, o);
  }

  private operands(op: Opcode, args: readonly Operand[]): Value[] {
    if (args.length !== op.params.length) throw new Error(`${op.name} takes ${op.params.length} operands`);
    return args.map((arg, k) => {
      const value = this.operand(arg, op.params[k] as Type);
      if (value.type !== op.params[k])
        throw new Error(`${op.name}: operand ${k} is ${value.type}, not ${op.params[k]}`);
      return value;
    });
  }

  /** A pure instruction by name. Lane instructions take the lane as `lane()` does. */
  op(name: string, ...args: Operand[]): Value {
    const op = opcode(name);
    const values = this.operands(op, args);
    return (
      this.simplify(op, values) ??
      this.record(new Value(this, op.result as Type, { kind: 'op', op, immediate: [] }, values, []))
    );
  }

  private simplify(op: Opcode, values: readonly Value[]): Value | undefined {
    const [a, b] = values as [Value, Value | undefined];
    if (op.result !== 'i32' && op.result !== 'i64') return undefined;
    const constants = values.map((v) => v.constant);
    if (constants.every((n) => n !== undefined)) {
      const n = fold(op.name, a.type, op.result, constants as bigint[]);
      return n === undefined ? undefined : this.constant(op.result, n);
    }
    const bits = op.result === 'i64' ? 64 : 32;
    const commutes = /\.(add|mul|and|or|xor)$/.test(op.name);
    const [x, k] = commutes && a.constant !== undefined ? [b as Value, a.constant] : [a, b?.constant];
    if (k !== undefined && a.type === op.result) {
      const kept = identity(op.name, bits, k);
      if (kept === 'x') return x;
      if (kept === 'zero') return this.constant(op.result, 0);
    }
    if (op.name === 'i32.wrap_i64' && a.source.kind === 'op' && a.source.op.name.startsWith('i64.extend_i32'))
      return a.args[0];
    return undefined;
  }

  /** A SIMD instruction with a lane immediate: extract_lane, replace_lane. */
  lane(name: string, lane: number, ...args: Operand[]): Value {
    const op = opcode(name);
    return this.record(
      new Value(this, op.result as Type, { kind: 'op', op, immediate: [lane] }, this.operands(op, args), []),
    );
  }

  /** i8x16.shuffle: result byte k is byte lanes[k] of a (0..15) or b (16..31). */
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    const op = opcode('i8x16.shuffle');
    return this.record(
      new Value(this, 'v128', { kind: 'op', op, immediate: [...lanes] }, this.operands(op, [a, b]), []),
    );
  }

  /** condition (i32) ? a : b. Both are computed. */
  select(condition: Value, a: Value, b: Value): Value {
    if (a.type !== b.type) throw new Error(`select between ${a.type} and ${b.type}`);
    if (condition.constant !== undefined) return condition.constant !== 0n ? a : b;
    return this.record(
      new Value(this, a.type, { kind: 'op', op: opcode('select'), immediate: [] }, [a, b, condition], []),
    );
  }

  private static memarg(offset: number): number[] {
    // Alignment is a hint only; 0 (bytes) is always valid.
    const out = [0];
    uleb(out, offset);
    return out;
  }

  /** A load at base + offset. `from` says what changes it: the CPU's own state, guest memory, or nothing. */
  load(name: string, base: Value, offset: number, from: 'state' | 'guest' | 'constant'): Value {
    const op = opcode(name);
    const epochs = from === 'state' ? [this.stateEpoch] : from === 'guest' ? [this.guestEpoch] : [];
    const source: Source = { kind: 'op', op, immediate: Code.memarg(offset) };
    return this.record(new Value(this, op.result as Type, source, this.operands(op, [base]), epochs));
  }

  store(name: string, base: Value, offset: number, value: Operand, to: 'state' | 'guest'): void {
    const op = opcode(name);
    const args = this.operands(op, [base, value]);
    (to === 'state' ? this.stateEpoch : this.guestEpoch).change(this.position);
    this.effect({ kind: 'effect', op, immediate: Code.memarg(offset), args });
  }

  assign(variable: Variable, value: Operand): void {
    const v = this.operand(value, variable.type);
    if (v.type !== variable.type) throw new Error(`variable of ${variable.type} set to ${v.type}`);
    variable.epoch.change(this.position);
    this.effect({ kind: 'set', variable, value: v });
  }

  private nested(loop: boolean, fill: (label: Label) => void): Block {
    const outer = this.block;
    const body: Block = { parent: outer, loop: outer.loop, items: [] };
    if (loop) body.loop = body;
    this.block = body;
    fill({ body });
    this.block = outer;
    return body;
  }

  /** Statements before all others, which may be written when what they must provide is known. */
  prologue(fill: () => void): void {
    const outer = this.block;
    const before: Block = { parent: undefined, loop: undefined, items: [] };
    this.block = before;
    fill();
    this.block = outer;
    this.root.items.unshift(...before.items);
  }

  /** Whether `block` is the current block or around it. */
  isInside(block: Block): boolean {
    for (let b: Block | undefined = this.block; b; b = b.parent) if (b === block) return true;
    return false;
  }

  /** A known condition leaves only the arm taken. */
  if(condition: Value, then: () => void, otherwise: () => void = () => {}): void {
    if (condition.constant !== undefined) {
      (condition.constant !== 0n ? then : otherwise)();
      return;
    }
    const a = this.nested(false, then);
    const b = this.nested(false, otherwise);
    this.effect({ kind: 'if', condition, taken: a, otherwise: b });
  }

  /** A block that `branch(label)` leaves. */
  scope(fill: (label: Label) => void): void {
    const body = this.nested(false, fill);
    this.effect({ kind: 'block', body });
  }

  /** A loop that `branch(label)` repeats. */
  loop(fill: (label: Label) => void): void {
    const body = this.nested(true, fill);
    this.effect({ kind: 'loop', body });
  }

  branch(label: Label, condition?: Value): void {
    this.effect({ kind: 'branch', label, condition });
  }

  /** Branches to labels[index], or to fallback beyond them. */
  switch(index: Value, labels: readonly Label[], fallback: Label): void {
    this.effect({ kind: 'switch', index, labels, fallback });
  }

  /** Calls; the result is undefined for a function without one. State and guest memory may change. */
  call(target: FunctionRef, ...args: Operand[]): Value | undefined {
    const values = this.arguments(target.signature, args);
    this.stateEpoch.change(this.position);
    this.guestEpoch.change(this.position);
    const [type] = target.signature.results;
    const result = type && new Value(this, type, { kind: 'call' }, [], []);
    this.effect({ kind: 'call', target, args: values, result });
    return result;
  }

  return(...args: Operand[]): void {
    this.effect({
      kind: 'return',
      args: args.map((a, k) => this.operand(a, this.signature.results[k] as Type)),
    });
  }

  tailCall(target: FunctionRef, ...args: Operand[]): void {
    this.effect({ kind: 'tailCall', target, args: this.arguments(target.signature, args) });
  }

  /** Tail call of table element `index`. */
  tailCallIndirect(signature: Signature, index: Value, ...args: Operand[]): void {
    this.effect({ kind: 'tailCallIndirect', signature, index, args: this.arguments(signature, args) });
  }

  private arguments(signature: Signature, args: readonly Operand[]): Value[] {
    if (args.length !== signature.params.length) throw new Error(`call with ${args.length} arguments`);
    return args.map((a, k) => {
      const value = this.operand(a, signature.params[k] as Type);
      if (value.type !== signature.params[k]) throw new Error(`argument ${k} is ${value.type}`);
      return value;
    });
  }

  /** The finished body, ready for ModuleWriter.define. */
  finish(): Uint8Array {
    return new Emission(this).bytes();
  }
}

/** One pass back over the body to learn what is used and where, one forward to write it. */
class Emission {
  private readonly code: Code;
  private readonly out: number[] = [];
  private readonly locals: Type[] = [];
  private readonly labels: (Block | undefined)[] = [];

  constructor(code: Code) {
    this.code = code;
    this.survey(code.block);
  }

  private newLocal(type: Type): number {
    return this.code.signature.params.length + this.locals.push(type) - 1;
  }

  private use(value: Value, position: number, block: Block): void {
    value.uses++;
    value.emitPosition = position;
    value.emitBlock = block;
  }

  private survey(block: Block): void {
    for (let k = block.items.length - 1; k >= 0; k--) {
      const item = block.items[k] as Item;
      const use = (v: Value): void => this.use(v, item.position, block);
      switch (item.kind) {
        case 'value':
          this.place(item.value);
          break;
        case 'if':
          this.survey(item.otherwise);
          this.survey(item.taken);
          use(item.condition);
          break;
        case 'block':
        case 'loop':
          this.survey(item.body);
          break;
        case 'set':
          use(item.value);
          break;
        case 'branch':
          if (item.condition) use(item.condition);
          break;
        case 'switch':
          use(item.index);
          break;
        case 'call':
          if (item.result && item.result.uses > 0) item.result.local = this.newLocal(item.result.type);
          item.args.forEach(use);
          break;
        case 'tailCallIndirect':
          use(item.index);
          item.args.forEach(use);
          break;
        default:
          item.args.forEach(use);
      }
    }
  }

  /** Decides whether a value is computed where it is used or kept in a local from where it was written. */
  private place(value: Value): void {
    if (value.uses === 0) return;
    const moved = value.emitBlock as Block;
    const keep =
      value.uses > 1 ||
      moved.loop !== value.block.loop ||
      value.epochs.some((epoch) => epoch.changedBetween(value.position, value.emitPosition));
    if (keep) value.local = this.newLocal(value.type);
    const position = keep ? value.position : value.emitPosition;
    for (const arg of value.args) this.use(arg, position, keep ? value.block : moved);
  }

  private byte(...bytes: readonly number[]): void {
    for (const b of bytes) this.out.push(b);
  }

  private sleb(n: bigint): void {
    let rest = n;
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.out.push(low);
        return;
      }
      this.out.push(low | 0x80);
    }
  }

  private index(opcodeByte: number, n: number): void {
    this.out.push(opcodeByte);
    uleb(this.out, n);
  }

  private value(value: Value): void {
    if (value.local !== undefined) this.index(0x20, value.local);
    else this.compute(value);
  }

  private compute(value: Value): void {
    const { source } = value;
    switch (source.kind) {
      case 'const':
        this.byte(value.type === 'i64' ? 0x42 : 0x41);
        this.sleb(BigInt.asIntN(value.type === 'i64' ? 64 : 32, source.value));
        break;
      case 'v128':
        this.byte(0xfd, 0x0c, ...source.bytes);
        break;
      case 'param':
        this.index(0x20, source.index);
        break;
      case 'variable':
        source.variable.local ??= this.newLocal(value.type);
        this.index(0x20, source.variable.local);
        break;
      case 'op':
        for (const arg of value.args) this.value(arg);
        this.byte(...source.op.bytes, ...source.immediate);
        break;
      case 'call':
        throw new Error('result of a call used before the call');
    }
  }

  private depth(label: Label): number {
    const at = this.labels.lastIndexOf(label.body);
    if (at < 0) throw new Error('branch out of a block that does not enclose it');
    return this.labels.length - 1 - at;
  }

  private body(block: Block): void {
    for (const item of block.items) this.item(item);
  }

  private item(item: Item): void {
    switch (item.kind) {
      case 'value':
        if (item.value.uses > 0 && item.value.local !== undefined) {
          this.compute(item.value);
          this.index(0x21, item.value.local);
        }
        break;
      case 'effect':
        for (const arg of item.args) this.value(arg);
        this.byte(...item.op.bytes, ...item.immediate);
        break;
      case 'set':
        this.value(item.value);
        item.variable.local ??= this.newLocal(item.variable.type);
        this.index(0x21, item.variable.local);
        break;
      case 'if':
        this.value(item.condition);
        this.byte(0x04, 0x40);
        this.labels.push(item.taken);
        this.body(item.taken);
        if (item.otherwise.items.length > 0) {
          this.byte(0x05);
          this.labels[this.labels.length - 1] = item.otherwise;
          this.body(item.otherwise);
        }
        this.labels.pop();
        this.byte(0x0b);
        break;
      case 'block':
      case 'loop':
        this.byte(item.kind === 'block' ? 0x02 : 0x03, 0x40);
        this.labels.push(item.body);
        this.body(item.body);
        this.labels.pop();
        this.byte(0x0b);
        break;
      case 'branch':
        if (item.condition) this.value(item.condition);
        this.index(item.condition ? 0x0d : 0x0c, this.depth(item.label));
        break;
      case 'switch':
        this.value(item.index);
        this.index(0x0e, item.labels.length);
        for (const label of item.labels) uleb(this.out, this.depth(label));
        uleb(this.out, this.depth(item.fallback));
        break;
      case 'call':
        for (const arg of item.args) this.value(arg);
        this.index(0x10, item.target.index);
        if (item.result?.local !== undefined) this.index(0x21, item.result.local);
        else if (item.result) this.byte(0x1a);
        break;
      case 'return':
        for (const arg of item.args) this.value(arg);
        this.byte(0x0f);
        break;
      case 'tailCall':
        for (const arg of item.args) this.value(arg);
        this.index(0x12, item.target.index);
        break;
      case 'tailCallIndirect':
        for (const arg of item.args) this.value(arg);
        this.value(item.index);
        this.index(0x13, this.code.module.type(item.signature));
        this.byte(0x00);
        break;
    }
  }

  bytes(): Uint8Array {
    this.body(this.code.block);
    // Control never falls off the end of a body built here without a result; say so to the validator.
    if (this.code.signature.results.length > 0) this.byte(0x00);
    this.byte(0x0b);
    const head: number[] = [];
    uleb(head, this.locals.length);
    for (const type of this.locals) head.push(1, TYPE_CODE[type]);
    return Uint8Array.from([...head, ...this.out]);
  }
}
