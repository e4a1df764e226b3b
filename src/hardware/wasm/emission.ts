// From statements and values to bytes: decides what is computed where it is used and what is kept in a local.

import type { Block, Item, Label } from './block.ts';
import type { Code } from './code.ts';
import { uleb } from './module.ts';
import { TYPE_CODE, type Type } from './opcodes.ts';
import type { Value } from './value.ts';

/** One pass back over the body to learn what is used and where, one forward to write it. */
export class Emission {
  private readonly code: Code;
  private readonly out: number[] = [];
  private readonly locals: Type[] = [];
  private readonly labels: (Block | undefined)[] = [];
  /** The local.set that was written last, and where: a local.get right after it makes it a local.tee. */
  private lastSet = -1;
  private lastSetStart = -1;
  private lastSetEnd = -1;

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

  private useAll(values: readonly Value[], position: number, block: Block): void {
    for (const value of values) this.use(value, position, block);
  }

  private survey(block: Block): void {
    for (let k = block.items.length - 1; k >= 0; k--) {
      const item = block.items[k] as Item;
      switch (item.kind) {
        case 'value':
          this.place(item);
          break;
        case 'if':
          this.survey(item.otherwise);
          this.survey(item.taken);
          this.use(item.condition, item.position, block);
          break;
        case 'block':
        case 'loop':
          this.survey(item.body);
          break;
        case 'set':
          this.use(item.value, item.position, block);
          break;
        case 'branch':
          if (item.condition) this.use(item.condition, item.position, block);
          break;
        case 'switch':
          this.use(item.index, item.position, block);
          break;
        case 'call':
          if (item.result && item.result.uses > 0) item.result.local = this.newLocal(item.result.type);
          this.useAll(item.args, item.position, block);
          break;
        case 'tailCallIndirect':
          this.use(item.index, item.position, block);
          this.useAll(item.args, item.position, block);
          break;
        default:
          this.useAll(item.args, item.position, block);
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

  private bytesOf(bytes: readonly number[]): void {
    for (let k = 0; k < bytes.length; k++) this.out.push(bytes[k] as number);
  }

  private sleb(n: bigint): void {
    if (n >= -0x8000_0000n && n < 0x8000_0000n) {
      this.smallSleb(Number(n));
      return;
    }
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

  private smallSleb(n: number): void {
    let rest = n;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
      this.out.push(done ? low : low | 0x80);
      if (done) return;
    }
  }

  private index(opcodeByte: number, n: number): void {
    this.out.push(opcodeByte);
    uleb(this.out, n);
  }

  private getLocal(n: number): void {
    if (this.lastSet !== n || this.lastSetEnd !== this.out.length) {
      this.index(0x20, n);
      return;
    }
    this.out[this.lastSetStart] = 0x22;
    this.lastSet = -1;
  }

  private setLocal(n: number): void {
    this.lastSet = n;
    this.lastSetStart = this.out.length;
    this.index(0x21, n);
    this.lastSetEnd = this.out.length;
  }

  private value(value: Value): void {
    if (value.local !== undefined) this.getLocal(value.local);
    else this.compute(value);
  }

  private compute(value: Value): void {
    const { source } = value;
    switch (source.kind) {
      case 'const':
        this.out.push(value.type === 'i64' ? 0x42 : 0x41);
        if (source.value < 0x8000_0000n) this.smallSleb(Number(source.value));
        else this.sleb(BigInt.asIntN(value.type === 'i64' ? 64 : 32, source.value));
        break;
      case 'v128':
        this.byte(0xfd, 0x0c, ...source.bytes);
        break;
      case 'param':
        this.getLocal(source.index);
        break;
      case 'variable':
        source.variable.local ??= this.newLocal(value.type);
        this.getLocal(source.variable.local);
        break;
      case 'op':
        for (const arg of value.args) this.value(arg);
        this.bytesOf(source.op.bytes);
        this.bytesOf(source.immediate);
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
        if (item.uses > 0 && item.local !== undefined) {
          this.compute(item);
          this.setLocal(item.local);
        }
        break;
      case 'effect':
        for (const arg of item.args) this.value(arg);
        this.bytesOf(item.op.bytes);
        this.bytesOf(item.immediate);
        break;
      case 'set':
        this.value(item.value);
        item.variable.local ??= this.newLocal(item.variable.type);
        this.setLocal(item.variable.local);
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
        if (!item.body.isTarget) {
          this.body(item.body);
          break;
        }
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
        if (item.result?.local !== undefined) this.setLocal(item.result.local);
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
    const bytes = new Uint8Array(head.length + this.out.length);
    bytes.set(head);
    bytes.set(this.out, head.length);
    return bytes;
  }
}
