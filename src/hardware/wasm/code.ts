// Builds one WebAssembly function body. Its user writes plain dataflow: every operation returns a Value that may
// be used any number of times, anywhere later in its block. What order things must happen in (a register read
// before a later write, a call in between) is worked out when the body is finished: a value is computed where it
// is used if that is the same, and kept in a local otherwise. Dead values vanish.

import type { Block, Effect, Label } from './block.ts';
import { Emission } from './emission.ts';
import { fold, identity } from './fold.ts';
import { laneStore, shorterLane, shorterSplat } from './lanes.ts';
import type { FunctionRef, ModuleWriter, Signature } from './module.ts';
import { uleb } from './module.ts';
import { type Opcode, opcode, type Type } from './opcodes.ts';
import { Epoch, type Operand, type Source, Value, Variable } from './value.ts';

const COMMUTATIVE = new Set(['add', 'mul', 'and', 'or', 'xor']);
/** The first numbers as constants, which most constants are. */
const SMALL = Array.from({ length: 4096 }, (_, n) => BigInt(n));
const NONE: readonly never[] = [];
const pureSources = new Map<Opcode, Source>();
/** Memory arguments by offset: there are as many as fields of the CPU's state, and some. */
const memoryArguments = new Map<number, readonly number[]>();

/** The source of a value that is nothing but an instruction's result; one object an opcode. */
function pure(op: Opcode): Source {
  let source = pureSources.get(op);
  if (!source) {
    source = { kind: 'op', op, immediate: NONE };
    pureSources.set(op, source);
  }
  return source;
}

export class Code {
  readonly module: ModuleWriter;
  readonly signature: Signature;
  private readonly root: Block = { parent: undefined, loop: undefined, items: [], isTarget: false };
  block: Block = this.root;
  /** What loads marked 'state' and 'guest' depend on; calls change both. */
  private readonly stateEpoch = new Epoch();
  private readonly guestEpoch = new Epoch();
  private readonly stateEpochs = [this.stateEpoch];
  private readonly guestEpochs = [this.guestEpoch];
  private position = 0;

  constructor(module: ModuleWriter, signature: Signature) {
    this.module = module;
    this.signature = signature;
  }

  nextPosition(): number {
    return this.position++;
  }

  record(value: Value): Value {
    this.block.items.push(value);
    return value;
  }

  private effect(item: Effect): void {
    this.block.items.push(item);
  }

  param(index: number): Value {
    const type = this.signature.params[index] as Type;
    return new Value(this, type, { kind: 'param', index }, NONE, NONE);
  }

  constant(type: Type, n: number | bigint): Value {
    if (type !== 'i32' && type !== 'i64') throw new Error(`integer constant of type ${type}`);
    const small = typeof n === 'number' ? SMALL[n] : undefined;
    const value = small ?? BigInt.asUintN(type === 'i64' ? 64 : 32, BigInt(n));
    return new Value(this, type, { kind: 'const', value }, NONE, NONE);
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
    const [a, b] = values;
    if (a && values.length === 1) return this.unary(op, a);
    if (a && b && values.length === 2) return this.binary(op, a, b);
    return this.record(new Value(this, op.result as Type, pure(op), values, NONE));
  }

  /** An instruction of one operand. */
  unary(op: Opcode, a: Value): Value {
    if (a.type !== op.params[0]) throw new Error(`${op.name}: operand is ${a.type}`);
    return (
      this.simplify(op, a, undefined) ?? this.record(new Value(this, op.result as Type, pure(op), [a], NONE))
    );
  }

  /** An instruction of two operands. */
  binary(op: Opcode, a: Value, other: Operand): Value {
    const b = this.operand(other, op.params[1] as Type);
    if (a.type !== op.params[0] || b.type !== op.params[1])
      throw new Error(`${op.name} of ${a.type} and ${b.type}`);
    return this.simplify(op, a, b) ?? this.record(new Value(this, op.result as Type, pure(op), [a, b], NONE));
  }

  /** A shorter way to the same integer value, where there is one. */
  private simplify(op: Opcode, a: Value, b: Value | undefined): Value | undefined {
    const result = op.result;
    if (result === 'v128' && !b) return shorterSplat(this, op.name, a);
    if (
      op.name === 'f64.reinterpret_i64' &&
      a.source.kind === 'op' &&
      a.source.op.name === 'i64.reinterpret_f64'
    )
      return a.args[0];
    if (result !== 'i32' && result !== 'i64') return undefined;
    const [m, n] = [a.constant, b?.constant];
    if (m !== undefined && (b === undefined || n !== undefined)) {
      const value = fold(op.operation, a.type, result, n === undefined ? [m] : [m, n]);
      return value === undefined ? undefined : this.constant(result, value);
    }
    if (b !== undefined && (m !== undefined || n !== undefined)) {
      const swap = m !== undefined && COMMUTATIVE.has(op.operation);
      const [x, k] = swap ? [b, m] : [a, n];
      if (k !== undefined && x.type === result) {
        const kept = identity(op.operation, result === 'i64' ? 64 : 32, k);
        if (kept === 'x') return x;
        if (kept === 'zero') return this.constant(result, 0);
      }
      return undefined;
    }
    if (
      op.name === 'i32.wrap_i64' &&
      a.source.kind === 'op' &&
      a.source.op.operation.startsWith('extend_i32')
    ) {
      return a.args[0];
    }
    return undefined;
  }

  /** A SIMD instruction with a lane immediate: extract_lane, replace_lane. */
  lane(name: string, lane: number, ...args: Operand[]): Value {
    const op = opcode(name);
    const values = this.operands(op, args);
    return (
      shorterLane(this, name, lane, values) ??
      this.record(new Value(this, op.result as Type, { kind: 'op', op, immediate: [lane] }, values, []))
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

  private static memarg(offset: number): readonly number[] {
    let known = memoryArguments.get(offset);
    if (!known) {
      // Alignment is a hint only; 0 (bytes) is always valid.
      const out = [0];
      uleb(out, offset);
      known = out;
      memoryArguments.set(offset, known);
    }
    return known;
  }

  /** A load at base + offset. `from` says what changes it: the CPU's own state, guest memory, or nothing. */
  load(name: string, base: Value, offset: number, from: 'state' | 'guest' | 'constant'): Value {
    const op = opcode(name);
    const epochs = from === 'state' ? this.stateEpochs : from === 'guest' ? this.guestEpochs : NONE;
    const source: Source = { kind: 'op', op, immediate: Code.memarg(offset) };
    return this.record(new Value(this, op.result as Type, source, this.operands(op, [base]), epochs));
  }

  /** What a load gives where another instruction reads the same memory, undefined if it may have changed since. */
  loadAgain(name: string, load: Value): Value | undefined {
    const { source, position, args, epochs } = load;
    if (source.kind !== 'op' || epochs.some((epoch) => epoch.changedBetween(position, this.position)))
      return undefined;
    const op = opcode(name);
    return this.record(
      new Value(this, op.result as Type, { kind: 'op', op, immediate: source.immediate }, args, epochs),
    );
  }

  store(name: string, base: Value, offset: number, value: Operand, to: 'state' | 'guest'): void {
    const shorter = value instanceof Value ? laneStore(name, value) : undefined;
    const op = opcode(shorter?.name ?? name);
    const args = this.operands(op, [base, shorter?.value ?? value]);
    const memory = Code.memarg(offset);
    const immediate = shorter ? [...memory, ...shorter.lane] : memory;
    (to === 'state' ? this.stateEpoch : this.guestEpoch).change(this.position);
    this.effect({ position: this.nextPosition(), kind: 'effect', op, immediate, args });
  }

  assign(variable: Variable, value: Operand): void {
    const v = this.operand(value, variable.type);
    if (v.type !== variable.type) throw new Error(`variable of ${variable.type} set to ${v.type}`);
    variable.epoch.change(this.position);
    this.effect({ position: this.nextPosition(), kind: 'set', variable, value: v });
  }

  private nested(loop: boolean, fill: (label: Label) => void): Block {
    const outer = this.block;
    const body: Block = { parent: outer, loop: outer.loop, items: [], isTarget: false };
    if (loop) body.loop = body;
    this.block = body;
    fill({ body });
    this.block = outer;
    return body;
  }

  /** A place here for statements that are written when what they must do is known. */
  later(): (fill: () => void) => void {
    const body = this.nested(false, () => {});
    this.effect({ position: this.nextPosition(), kind: 'block', body });
    return (fill) => {
      const outer = this.block;
      this.block = body;
      fill();
      this.block = outer;
    };
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
    this.effect({ position: this.nextPosition(), kind: 'if', condition, taken: a, otherwise: b });
  }

  /** A block that `branch(label)` leaves. */
  scope(fill: (label: Label) => void): void {
    const body = this.nested(false, fill);
    this.effect({ position: this.nextPosition(), kind: 'block', body });
  }

  /** A loop that `branch(label)` repeats. */
  loop(fill: (label: Label) => void): void {
    const body = this.nested(true, fill);
    this.effect({ position: this.nextPosition(), kind: 'loop', body });
  }

  branch(label: Label, condition?: Value): void {
    label.body.isTarget = true;
    this.effect({ position: this.nextPosition(), kind: 'branch', label, condition });
  }

  /** Branches to labels[index], or to fallback beyond them. */
  switch(index: Value, labels: readonly Label[], fallback: Label): void {
    for (const { body } of [...labels, fallback]) body.isTarget = true;
    this.effect({ position: this.nextPosition(), kind: 'switch', index, labels, fallback });
  }

  /** Calls; the result is undefined for a function without one. State and guest memory may change. */
  call(target: FunctionRef, ...args: Operand[]): Value | undefined {
    const values = this.arguments(target.signature, args);
    this.stateEpoch.change(this.position);
    this.guestEpoch.change(this.position);
    const [type] = target.signature.results;
    const result = type && new Value(this, type, { kind: 'call' }, [], []);
    this.effect({ position: this.nextPosition(), kind: 'call', target, args: values, result });
    return result;
  }

  return(...args: Operand[]): void {
    this.effect({
      position: this.nextPosition(),
      kind: 'return',
      args: args.map((a, k) => this.operand(a, this.signature.results[k] as Type)),
    });
  }

  tailCall(target: FunctionRef, ...args: Operand[]): void {
    this.effect({
      position: this.nextPosition(),
      kind: 'tailCall',
      target,
      args: this.arguments(target.signature, args),
    });
  }

  /** Tail call of table element `index`. */
  tailCallIndirect(signature: Signature, index: Value, ...args: Operand[]): void {
    this.effect({
      position: this.nextPosition(),
      kind: 'tailCallIndirect',
      signature,
      index,
      args: this.arguments(signature, args),
    });
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
