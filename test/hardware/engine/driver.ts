// Drives an engine without a Cpu: one code page, one data page, flat, EL0, exceptions recorded as the signals
// that Linux would send. Differential tests run their cases (../oracle) through it; it knows no MMU and no
// system registers beyond what generated code does by itself.

import {
  EXCEPTION,
  INVALID_TAG,
  MEM_ALIGNED,
  STATE,
  STATE_BYTES,
  TLB,
  tlbIndex,
} from '../../../src/hardware/cpu/index.ts';
import { type EngineClient, Interpreter } from '../../../src/hardware/engine/interpreter/interpreter.ts';
import { PhysicalMemory } from '../../../src/hardware/memory/index.ts';
import { frameNumber } from '../../../src/lib/index.ts';
import { type Case, CODE_ADDRESS, DATA_ADDRESS, DATA_BYTES, type Result, SIGNAL } from '../oracle/case.ts';

const BRK_FILL = 0xd4200000;
/** Instructions that a case may execute before it counts as endless. */
const BUDGET = 100_000;
const PAGE_MASK = 0xfffn;

export interface Engine {
  run(client: EngineClient): number;
}

export class EngineDriver implements EngineClient {
  readonly base: number;
  private readonly memory: PhysicalMemory;
  private readonly engine: Engine;
  private readonly code: Uint32Array;
  private readonly data: Uint8Array;
  private readonly codeHost: number;
  private readonly x: BigUint64Array;
  private readonly v: BigUint64Array;
  private end = 0n;
  private signal: number = SIGNAL.none;
  private done = false;

  /** `createEngine` may reserve tables in the memory; it is the only memory the engine ever sees. */
  constructor(createEngine: (memory: PhysicalMemory) => Engine) {
    this.memory = new PhysicalMemory({ frames: 4 });
    const { buffer } = this.memory.memory;
    this.base = this.memory.reserve(STATE_BYTES, 64);
    const tlb = this.memory.reserve(TLB.entries * TLB.entryBytes, 64);
    this.word(STATE.tlb, tlb);
    this.word(STATE.tlbUnprivileged, tlb);
    this.codeHost = this.memory.offsetOf(frameNumber(1));
    const dataHost = this.memory.offsetOf(frameNumber(2));
    this.code = new Uint32Array(buffer, this.codeHost, 1024).fill(BRK_FILL);
    this.data = new Uint8Array(buffer, dataHost, DATA_BYTES);
    this.x = new BigUint64Array(buffer, this.base + STATE.x, 33);
    this.v = new BigUint64Array(buffer, this.base + STATE.v, 64);
    this.fillTlb(tlb, dataHost);
    this.engine = createEngine(this.memory);
  }

  /** Every entry empty but the data page's, so that both the inline and the slow path are used. */
  private fillTlb(tlb: number, dataHost: number): void {
    const { i64, u32 } = this.memory;
    for (let k = 0; k < TLB.entries; k++) {
      const entry = tlb + k * TLB.entryBytes;
      const invalid = INVALID_TAG | (BigInt(k ^ (TLB.entries / 2)) << 12n);
      for (const tag of [TLB.readTag, TLB.writeTag, TLB.execTag]) i64[(entry + tag) / 8] = invalid;
    }
    const entry = tlb + tlbIndex(DATA_ADDRESS) * TLB.entryBytes;
    i64[(entry + TLB.readTag) / 8] = BigInt(DATA_ADDRESS);
    i64[(entry + TLB.writeTag) / 8] = BigInt(DATA_ADDRESS);
    u32[(entry + TLB.addend) / 4] = dataHost - DATA_ADDRESS;
  }

  private word(offset: number, value?: number): number {
    const at = (this.base + offset) / 4;
    if (value !== undefined) this.memory.u32[at] = value;
    return this.memory.u32[at] as number;
  }
  private doubleWord(offset: number, value?: bigint): bigint {
    const at = (this.base + offset) / 8;
    if (value !== undefined) this.memory.u64[at] = value;
    return this.memory.u64[at] as bigint;
  }

  run(c: Case): Result {
    this.code.set(c.code);
    this.code.fill(BRK_FILL, c.code.length, 16);
    this.end = BigInt(CODE_ADDRESS + 4 * c.code.length);
    this.x.fill(0n);
    if (c.x) this.x.set(c.x.subarray(0, 31));
    this.x[32] = c.sp ?? BigInt(DATA_ADDRESS + DATA_BYTES / 2);
    if (c.v) this.v.set(c.v.subarray(0, 64));
    else this.v.fill(0n);
    if (c.memory) this.data.set(c.memory.subarray(0, DATA_BYTES));
    else this.data.fill(0);
    this.word(STATE.nzcv, c.nzcv ?? 0);
    this.word(STATE.fpcr, c.fpcr ?? 0);
    this.word(STATE.fpsr, c.fpsr ?? 0);
    this.word(STATE.exclusive, 0);
    this.word(STATE.btype, 0);
    this.doubleWord(STATE.pc, BigInt(CODE_ADDRESS));
    this.word(STATE.budget, BUDGET);
    this.word(STATE.budgetStart, BUDGET);
    this.signal = SIGNAL.none;
    this.done = false;
    // A service that leaves without a signal (an exception resumed) goes on; a used-up budget does not.
    while (!this.done) {
      if (this.engine.run(this) === 0) this.raise(SIGNAL.endless, this.doubleWord(STATE.pc));
    }
    const result = {
      x: this.x.slice(0, 31),
      sp: this.x[32] as bigint,
      v: this.v.slice(),
      nzcv: this.word(STATE.nzcv),
      fpcr: this.word(STATE.fpcr),
      fpsr: this.word(STATE.fpsr),
      pc: this.doubleWord(STATE.pc),
      signal: this.signal,
    };
    return c.memory ? { ...result, memory: this.data.slice() } : result;
  }

  private raise(signal: number, pc: bigint): number {
    this.signal = signal;
    this.doubleWord(STATE.pc, pc);
    this.done = true;
    return 1;
  }
  private current(): bigint {
    return BigInt.asUintN(64, this.doubleWord(STATE.pcDelta) + BigInt(this.word(STATE.hpc)));
  }

  /** The address of an access without its top byte, which Linux has ignored at EL0 (TCR_EL1.TBI0). */
  private address(): bigint {
    return BigInt.asUintN(56, this.doubleWord(STATE.slowVa));
  }

  /** Offset into the data of an access, or -1 where it leaves the page. */
  private dataOffset(bytes: number): number {
    const offset = this.address() - BigInt(DATA_ADDRESS);
    return offset >= 0n && offset + BigInt(bytes) <= BigInt(DATA_BYTES) ? Number(offset) : -1;
  }

  /** Host offset of bytes of the data or, for literals, of the code; -1 where neither holds them. */
  private readable(bytes: number): number {
    const at = this.dataOffset(bytes);
    if (at >= 0) return this.data.byteOffset + at;
    const offset = this.address() - BigInt(CODE_ADDRESS);
    return offset >= 0n && offset + BigInt(bytes) <= 4096n ? this.codeHost + Number(offset) : -1;
  }

  /** Ordered and atomic accesses must be aligned: this is a CPU without FEAT_LSE2, as the reference is. */
  private misaligned(descriptor: number): boolean {
    const bytes = BigInt(1 << (descriptor & 7));
    return (descriptor & MEM_ALIGNED) !== 0 && (this.doubleWord(STATE.slowVa) & (bytes - 1n)) !== 0n;
  }

  load(descriptor: number): number {
    const bytes = 1 << (descriptor & 7);
    if (this.misaligned(descriptor)) return this.raise(SIGNAL.alignment, this.current());
    const at = this.readable(bytes);
    if (at < 0) return this.raise(SIGNAL.segv, this.current());
    this.memory.u8.fill(0, this.base + STATE.slowData, this.base + STATE.slowData + 16);
    this.memory.u8.copyWithin(this.base + STATE.slowData, at, at + bytes);
    return 0;
  }

  store(descriptor: number): number {
    const bytes = 1 << (descriptor & 7);
    if (this.misaligned(descriptor)) return this.raise(SIGNAL.alignment, this.current());
    const at = this.dataOffset(bytes);
    if (at < 0) return this.raise(SIGNAL.segv, this.current());
    const from = this.base + STATE.slowData;
    this.data.set(this.memory.u8.subarray(from, from + bytes), at);
    return 0;
  }

  probeWrite(descriptor: number): number {
    const bytes = 1 << (descriptor & 7);
    if (this.doubleWord(STATE.slowVa) & BigInt(bytes - 1)) {
      this.raise(SIGNAL.alignment, this.current());
      return 0;
    }
    const at = this.dataOffset(bytes);
    if (at >= 0) return this.data.byteOffset + at;
    this.raise(SIGNAL.segv, this.current());
    return 0;
  }

  fetch(): number {
    const pc = this.doubleWord(STATE.pc);
    if (pc - (pc & PAGE_MASK) !== BigInt(CODE_ADDRESS)) {
      this.raise(SIGNAL.segv, pc);
      return 0;
    }
    this.doubleWord(STATE.pcDelta, BigInt(CODE_ADDRESS - this.codeHost));
    return this.codeHost + Number(pc & PAGE_MASK);
  }

  system(_insn: number): number {
    return this.raise(SIGNAL.undefined, this.current());
  }

  exception(kind: number, _imm: number): number {
    const pc = this.current();
    // Whatever the word there does: that is the end of the case.
    if (pc === this.end) return this.raise(SIGNAL.none, pc);
    if (kind === EXCEPTION.brk) return this.raise(SIGNAL.breakpoint, pc);
    if (kind === EXCEPTION.pcAlignment || kind === EXCEPTION.spAlignment) {
      return this.raise(SIGNAL.alignment, pc);
    }
    return this.raise(SIGNAL.undefined, pc);
  }
}

let shared: EngineDriver | undefined;

/** A driver of the interpreter, built once a process (the module takes a moment to compile). */
export function interpreterDriver(): EngineDriver {
  shared ??= new EngineDriver((memory) => new Interpreter(memory));
  return shared;
}
