// The values and variables of a function body under construction: dataflow, with no order but what their epochs say.

import type { Block } from './block.ts';
import type { Code } from './code.ts';
import { type Opcode, opcode, type Type } from './opcodes.ts';

export type Operand = Value | number | bigint;

/** Positions at which something that values may depend on (CPU state, guest memory, one variable) is changed. */
export class Epoch {
  /** Ascending. */
  private readonly changes: number[] = [];
  change(position: number): void {
    this.changes.push(position);
  }
  changedBetween(from: number, to: number): boolean {
    const { changes } = this;
    let low = 0;
    let high = changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((changes[middle] as number) > from) high = middle;
      else low = middle + 1;
    }
    return low < changes.length && (changes[low] as number) < to;
  }
}

export type Source =
  | { readonly kind: 'op'; readonly op: Opcode; readonly immediate: readonly number[] }
  | { readonly kind: 'const'; readonly value: bigint }
  | { readonly kind: 'v128'; readonly bytes: Uint8Array }
  | { readonly kind: 'param'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'call' };

const OPCODES: Record<Type, Map<string, Opcode>> = {
  i32: new Map(),
  i64: new Map(),
  f32: new Map(),
  f64: new Map(),
  v128: new Map(),
};

/** The opcode of an operation on a type, found without building its name each time. */
function opcodeOn(type: Type, name: string): Opcode {
  const known = OPCODES[type];
  let op = known.get(name);
  if (!op) {
    op = opcode(`${type}.${name}`);
    known.set(name, op);
  }
  return op;
}

export class Value {
  /** Among the items of a block (block.ts). */
  readonly kind = 'value';
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
    const op = opcodeOn(this.type, name);
    return other === undefined ? this.code.unary(op, this) : this.code.binary(op, this, other);
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
