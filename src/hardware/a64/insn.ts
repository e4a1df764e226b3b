// What a row's semantics may ask for and do. The interpreter's generator and the region JIT each implement the
// few primitives; everything else is built on them here, so that semantics are written once and cannot tell which
// engine they are in. A method that may fault ends the instruction at that point when it does, with no later
// effect: semantics check first and write last.

import { STATE } from '../cpu/index.ts';
import type { Code, FunctionRef, Operand, Value } from '../wasm/index.ts';
import type { Fields } from './pattern.ts';

/** 'Rd' names a register field; 'Rt+1' the next register (modulo 32); a number is that register. */
export type RegisterRef = string | number;

export interface MemoryOptions {
  /** LDTR and friends. */
  readonly unprivileged?: boolean;
  /** Must lie within 16 aligned bytes whatever SCTLR.A says: exclusive and atomic, or only ordered (FEAT_LSE2). */
  readonly aligned?: boolean | 'ordered';
  /** No MTE tag check: PC-relative, and SP-relative by immediate, which may be known at run time only (i32 0 or 1). */
  readonly unchecked?: boolean | Value;
  /** Bytes behind these that the instruction stores next: nothing is stored unless all of it can be. */
  readonly following?: number;
  /** Reported as an atomic read-modify-write. */
  readonly atomic?: boolean;
  /** For the syndrome of single-register accesses without write-back: the register field, width and extension. */
  readonly syndrome?: {
    readonly rt: string;
    readonly sf: boolean;
    readonly signed: boolean;
    readonly acquire?: boolean;
  };
}

/** What reach() looks for. */
export interface ReachOptions {
  readonly write: boolean;
  /** Alignment that the address must have. */
  readonly align: number;
  /** The access is to allocation tags, which must be accessible; it is not checked itself. */
  readonly tags: boolean;
}

/** Names of the u32 words of STATE that semantics may use directly. */
export type StateWord =
  | 'nzcv'
  | 'el'
  | 'spsel'
  | 'daif'
  | 'pan'
  | 'uao'
  | 'dit'
  | 'ssbs'
  | 'tco'
  | 'btype'
  | 'fpcr'
  | 'fpsr';

export abstract class Insn {
  /** The function body under construction; its operations are the vocabulary of semantics. */
  abstract readonly c: Code;
  /** The state base of the vCPU. */
  abstract readonly cpu: Value;
  /** Static fields (in the JIT: all fields, but semantics rely on static ones only). */
  abstract readonly f: Fields;

  // Primitives.

  /** A field's value, i32, unsigned. */
  abstract field(name: string): Value;
  /** X register, i64; 31 reads zero. */
  abstract x(r: RegisterRef): Value;
  /** X register or SP, i64. */
  abstract xsp(r: RegisterRef): Value;
  /** 31 discards. */
  abstract setX(r: RegisterRef, v: Value): void;
  abstract setXsp(r: RegisterRef, v: Value): void;
  /** All 128 bits of a vector register. */
  abstract v(r: RegisterRef): Value;
  abstract setV(r: RegisterRef, v: Value): void;
  /** One unsigned element (i32 for 8, 16, 32 bits, else i64) at an index known only at run time (i32, in range). */
  abstract element(r: RegisterRef, bits: 8 | 16 | 32 | 64, index: Value): Value;
  abstract setElement(r: RegisterRef, bits: 8 | 16 | 32 | 64, index: Value, v: Value): void;
  /** NZCV as 4 bits, i32. */
  abstract nzcv(): Value;
  abstract setNzcv(v: Value): void;
  /** Whether a condition code field holds, i32 0 or 1. */
  abstract condition(field: string): Value;
  /** Address of this instruction, i64. */
  abstract pc(): Value;
  /** pc + offset bytes (i64), known to be a multiple of 4. */
  abstract branch(offset: Value): void;
  abstract branchIf(condition: Value, offset: Value): void;
  /** To any address; `btype` is what PSTATE.BTYPE becomes (BR 1 or 3, BLR 2), 0 for RET. */
  abstract branchTo(target: Value, btype: number): void;
  /** 1, 2, 4 or 8 bytes zero-extended to i64, or 16 as v128. */
  abstract load(address: Value, bytes: 1 | 2 | 4 | 8 | 16, options?: MemoryOptions): Value;
  /** i64 or v128 (16 bytes). */
  abstract store(address: Value, bytes: 1 | 2 | 4 | 8 | 16, v: Value, options?: MemoryOptions): void;
  /** Two neighbours of 4 or 8 bytes (i64 each) or 16 (v128), aligned and checked as two accesses. */
  abstract loadPair(address: Value, bytes: 4 | 8 | 16, options?: MemoryOptions): [Value, Value];
  abstract storePair(
    address: Value,
    bytes: 4 | 8 | 16,
    first: Value,
    second: Value,
    options?: MemoryOptions,
  ): void;
  /** Host offset (i32) of writable memory at an address, for read-modify-writes; faults as they do. */
  abstract writable(address: Value, bytes: 1 | 2 | 4 | 8 | 16, options?: MemoryOptions): Value;
  /**
   * Host offset (i32) of memory that such an access reaches without any help, or 0 where a slow path must look.
   * It never faults.
   */
  abstract reach(address: Value, bytes: number, options: ReachOptions): Value;
  /** Where the allocation tag (a byte) of the granule at a host offset is, i32. */
  abstract tagOffset(host: Value): Value;
  /** Tags at an address by way of the CPU, i64: one of a granule (16), or 16 tags of 256 aligned bytes. */
  abstract loadTags(address: Value, bytes: 16 | 256): Value;
  /** Sets tags by way of the CPU: to one of 16, 32 or 64 bytes, or to 16 of 256 bytes. `zero` clears the data too. */
  abstract storeTags(address: Value, bytes: 16 | 32 | 64 | 256, tags: Value, zero: boolean): void;
  /** Takes an exception (cpu/services.ts, EXCEPTION) with a 16-bit immediate; ends the instruction. */
  abstract exception(kind: number, imm: Value): void;
  /** The same where `condition` (i32) holds. */
  abstract exceptionIf(condition: Value, kind: number, imm: number): void;
  /** MRS, MSR, SYS and SYSL that have side effects: the system register table does it. */
  abstract system(): void;
  /** Ends this instruction and leaves generated code when an unmasked interrupt waits. */
  abstract leaveForInterrupt(): void;
  /** Ends this instruction and looks the next one up anew, as after a context synchronization event. */
  abstract resynchronize(): void;
  /** A function of the module that all handlers share, by the name it was registered under (engine/helpers). */
  abstract helper(name: string): FunctionRef;

  // Built on them.

  /** A field as i64, unsigned. */
  field64(name: string): Value {
    return this.field(name).zext();
  }

  /** A field of `bits` bits, sign-extended to i64 and shifted left. */
  signed(name: string, bits: number, shift = 0): Value {
    const up = 64 - bits;
    return this.field64(name).shl(up).shrS(up).shl(shift);
  }

  /** W or X by the static field sf: i32 or i64. */
  r(r: RegisterRef, sf: number = this.f.sf as number): Value {
    return sf ? this.x(r) : this.x(r).wrap();
  }
  /** The same with SP for 31. */
  rsp(r: RegisterRef, sf: number = this.f.sf as number): Value {
    return sf ? this.xsp(r) : this.xsp(r).wrap();
  }
  /** Writes an i32 (zero-extended) or i64. */
  setR(r: RegisterRef, v: Value): void {
    this.setX(r, v.zext());
  }
  setRsp(r: RegisterRef, v: Value): void {
    this.setXsp(r, v.zext());
  }

  word(name: StateWord): Value {
    return this.c.load('i32.load', this.cpu, STATE[name], 'state');
  }
  setWord(name: StateWord, v: Operand): void {
    this.c.store('i32.store', this.cpu, STATE[name], v, 'state');
  }

  /**
   * A value that only system() changes in a way that matters, by a name that is its own: engines may compute it once
   * for several instructions.
   */
  steady(_name: string, compute: () => Value): Value {
    return compute();
  }

  select(condition: Value, a: Value, b: Value): Value {
    return this.c.select(condition, a, b);
  }
  i32(n: number | bigint): Value {
    return this.c.i32(n);
  }
  i64(n: number | bigint): Value {
    return this.c.i64(n);
  }

  /** N and Z of a result (i32 or i64), C and V as given (i32 0 or 1), to NZCV. Engines may defer the work. */
  setFlags(result: Value, carry: Operand, overflow: Operand): void {
    const top = result.type === 'i64' ? 63 : 31;
    const n = result.shrU(top).wrap();
    const z = result.eqz();
    this.setNzcv(n.shl(3).or(z.shl(2)).or(this.i32(0).or(carry).shl(1)).or(overflow));
  }

  /** a + b: sets NZCV (AddWithCarry with carry in 0) and returns the sum. */
  addFlags(a: Value, b: Value): Value {
    const sum = a.add(b);
    this.setFlags(sum, sum.ltU(a), overflowOf(a, b, sum));
    return sum;
  }

  /** a - b: sets NZCV (AddWithCarry of NOT(b) with carry in 1) and returns the difference. */
  subFlags(a: Value, b: Value): Value {
    const difference = a.sub(b);
    this.setFlags(difference, a.geU(b), overflowOf(a, b.not(), difference));
    return difference;
  }

  /** Sets NZCV as a comparison of two numbers (f64) does, or of what is not one. */
  floatFlags(a: Value, b: Value): void {
    this.setNzcv(floatNzcv(a, b));
  }

  /** UNDEFINED, as an instruction or part of one. */
  undefined(): void {
    this.exception(0, this.i32(0));
  }
}

/** NZCV, i32, of comparing two numbers (f64), or what is not one (Arm ARM FPCompare). */
export function floatNzcv(a: Value, b: Value): Value {
  const { code } = a;
  const unequal = code.select(a.op('f64.gt', b), code.i32(0b0010), code.i32(0b0011));
  const ordered = code.select(a.op('f64.eq', b), code.i32(0b0110), unequal);
  return code.select(a.op('f64.lt', b), code.i32(0b1000), ordered);
}

/** V of a + b (+ carry) = sum: both operands differ from the sum in sign. */
export function overflowOf(a: Value, b: Value, sum: Value): Value {
  return a
    .xor(sum)
    .and(b.xor(sum))
    .shrU(a.type === 'i64' ? 63 : 31)
    .wrap();
}
