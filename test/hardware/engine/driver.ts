// Drives an engine without a Cpu: one code page, one data page, flat, EL0, exceptions recorded as the signals
// that Linux would send. Differential tests run their cases (../oracle) through it, at once or in budgets; it knows no
// MMU, and of the system registers those that a user program has. On request the data is tagged memory.

import {
  EXCEPTION,
  INVALID_TAG,
  MEM_ALIGNED,
  MEM_TAG,
  MEM_UNCHECKED,
  registerOffset,
  STATE,
  STATE_BYTES,
  TLB,
  TLB_INFO_CHECKED,
  TLB_INFO_TAGS,
  TLB_TAG_CHECKED,
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

/** SCTLR_EL1 for EL0: tags may be reached (ATA0), and accesses are checked, synchronously (TCF0). */
const CHECKED_AT_EL0 = (1n << 42n) | (1n << 38n);
const GRANULE = 16;
/** In a 48-bit address space whose top byte is ignored. */
const PAC_BITS = 0x007f_0000_0000_0000n;
const PAC_KEYS = ['APIAKey', 'APIBKey', 'APDAKey', 'APDBKey', 'APGAKey'] as const;
/** Registers that a user program has, by bits 20:5 of MRS and MSR; where in the register the word stands. */
const USER_REGISTERS: ReadonlyMap<number, { readonly word: number; readonly shift: number }> = new Map([
  [0xda10, { word: STATE.nzcv, shift: 28 }],
  [0xda20, { word: STATE.fpcr, shift: 0 }],
  [0xda21, { word: STATE.fpsr, shift: 0 }],
]);
const READS = 1 << 21;

export interface Engine {
  run(client: EngineClient): number;
  codeChanged?(what: 'all'): void;
}

export interface DriverOptions {
  /** The data is tagged memory; accesses through pointers whose tag is not 0 are checked. */
  readonly tagged?: boolean;
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
  private running: Case = { code: [] };
  private count = 0;
  private readonly tags: Uint8Array | undefined;

  /** `createEngine` may reserve tables in the memory; it is the only memory the engine ever sees. */
  constructor(createEngine: (memory: PhysicalMemory) => Engine, { tagged = false }: DriverOptions = {}) {
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
    if (tagged) this.tags = this.memory.tags(frameNumber(2));
    this.fillTlb(tlb, dataHost);
    this.setSystemRegisters();
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
    const tag = BigInt(DATA_ADDRESS | (this.tags ? TLB_TAG_CHECKED : 0));
    i64[(entry + TLB.readTag) / 8] = tag;
    i64[(entry + TLB.writeTag) / 8] = tag;
    u32[(entry + TLB.addend) / 4] = dataHost - DATA_ADDRESS;
    // The top byte is ignored, and the tag that matches any is 0.
    if (this.tags) u32[(entry + TLB.info) / 4] = 8 | TLB_INFO_CHECKED | TLB_INFO_TAGS;
  }

  /** Pointer authentication is on with every key. */
  private setSystemRegisters(): void {
    for (let k = 0; k < 4; k++) this.doubleWord(STATE.pacMask + 8 * k, PAC_BITS);
    this.word(STATE.pacEnabled, 15);
    for (const [k, name] of PAC_KEYS.entries()) {
      this.doubleWord(registerOffset(`${name}Lo_EL1`), 0x9e37_79b9_7f4a_7c15n + BigInt(k));
      this.doubleWord(registerOffset(`${name}Hi_EL1`), 0xd6e8_feb8_6659_fd93n + BigInt(k));
    }
    if (this.tags) this.doubleWord(registerOffset('SCTLR_EL1'), CHECKED_AT_EL0);
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
    this.start(c);
    if (!this.advance(BUDGET)) this.raise(SIGNAL.endless, this.doubleWord(STATE.pc));
    return this.result();
  }

  /** Everything as before a case's first instruction. */
  start(c: Case): void {
    this.code.fill(BRK_FILL, c.code.length, this.running.code.length);
    this.code.set(c.code);
    this.engine.codeChanged?.('all');
    this.running = c;
    this.count = 0;
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
    this.doubleWord(registerOffset('RGSR_EL1'), 0n);
    if (c.tags) this.tags?.set(c.tags);
    else this.tags?.fill(0);
    this.doubleWord(STATE.pc, BigInt(CODE_ADDRESS));
    this.signal = SIGNAL.none;
    this.done = false;
  }

  /** Runs at most so many instructions; whether the case has ended. */
  advance(instructions: number): boolean {
    if (this.done) return true;
    this.word(STATE.budget, instructions);
    this.word(STATE.budgetStart, instructions);
    // A service that leaves without a signal (an exception resumed) goes on; a used-up budget does not.
    let goesOn = true;
    while (goesOn && !this.done) goesOn = this.engine.run(this) !== 0;
    this.count += instructions - this.word(STATE.budget);
    return this.done;
  }

  /** Instructions that have run, with the one that raised a signal or ended the case. */
  get executed(): number {
    return this.count;
  }

  /** The state as it is now. */
  result(): Result {
    const c = this.running;
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
    return {
      ...result,
      ...(c.memory && { memory: this.data.slice() }),
      ...(this.tags && { tags: this.tags.slice() }),
    };
  }

  private raise(signal: number, pc: bigint): number {
    this.signal = signal;
    this.doubleWord(STATE.pc, pc);
    this.done = true;
    return 1;
  }
  private here(): bigint {
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

  /** Whether tags refuse an access to the data that the soft TLB does not serve; all such accesses to tags are. */
  private refused(descriptor: number, bytes: number): boolean {
    if (!this.tags || descriptor & MEM_UNCHECKED) return false;
    if (descriptor & MEM_TAG) return true;
    const tag = Number((this.doubleWord(STATE.slowVa) >> 56n) & 15n);
    const first = this.dataOffset(bytes);
    if (tag === 0 || first < 0) return false;
    const granules = this.tags.subarray(Math.floor(first / GRANULE), Math.ceil((first + bytes) / GRANULE));
    return granules.some((found) => found !== tag);
  }

  load(descriptor: number): number {
    const bytes = 1 << (descriptor & 7);
    if (this.misaligned(descriptor)) return this.raise(SIGNAL.alignment, this.here());
    const at = this.readable(bytes);
    if (at < 0 || this.refused(descriptor, bytes)) return this.raise(SIGNAL.segv, this.here());
    this.memory.u8.fill(0, this.base + STATE.slowData, this.base + STATE.slowData + 16);
    this.memory.u8.copyWithin(this.base + STATE.slowData, at, at + bytes);
    return 0;
  }

  store(descriptor: number): number {
    const bytes = 1 << (descriptor & 7);
    if (this.misaligned(descriptor)) return this.raise(SIGNAL.alignment, this.here());
    const at = this.dataOffset(bytes);
    if (at < 0 || this.refused(descriptor, bytes)) return this.raise(SIGNAL.segv, this.here());
    const from = this.base + STATE.slowData;
    this.data.set(this.memory.u8.subarray(from, from + bytes), at);
    return 0;
  }

  probeWrite(descriptor: number): number {
    const bytes = 1 << (descriptor & 7);
    if (this.doubleWord(STATE.slowVa) & BigInt(bytes - 1)) {
      this.raise(SIGNAL.alignment, this.here());
      return 0;
    }
    const at = this.dataOffset(bytes);
    if (at >= 0 && !this.refused(descriptor, bytes)) return this.data.byteOffset + at;
    this.raise(SIGNAL.segv, this.here());
    return 0;
  }

  /** PC without its top byte where Linux has it ignored at EL0 (AArch64.BranchAddr): in the lower half. */
  private cleanPc(): bigint {
    const pc = this.doubleWord(STATE.pc);
    return this.doubleWord(STATE.pc, (pc >> 55n) & 1n ? pc : BigInt.asUintN(56, pc));
  }

  fetch(): number {
    const pc = this.cleanPc();
    if (pc - (pc & PAGE_MASK) !== BigInt(CODE_ADDRESS)) {
      this.raise(SIGNAL.segv, pc);
      return 0;
    }
    this.doubleWord(STATE.pcDelta, BigInt(CODE_ADDRESS - this.codeHost));
    return this.codeHost + Number(pc & PAGE_MASK);
  }

  system(insn: number): number {
    const register = USER_REGISTERS.get((insn >>> 5) & 0xffff);
    if (!register) return this.raise(SIGNAL.undefined, this.here());
    const { word, shift } = register;
    const n = insn & 31;
    if (!(insn & READS)) this.word(word, Number(BigInt.asUintN(32, this.x[n] as bigint)) >>> shift);
    else if (n !== 31) this.x[n] = BigInt((this.word(word) << shift) >>> 0);
    return 0;
  }

  exception(kind: number, _imm: number): number {
    const pc = this.here();
    // Whatever the word there does: that is the end of the case.
    if (pc === this.end) return this.raise(SIGNAL.none, pc);
    if (kind === EXCEPTION.brk) return this.raise(SIGNAL.breakpoint, pc);
    if (kind === EXCEPTION.pcAlignment) return this.raise(SIGNAL.alignment, this.cleanPc());
    if (kind === EXCEPTION.spAlignment) return this.raise(SIGNAL.alignment, pc);
    return this.raise(SIGNAL.undefined, pc);
  }
}

const shared = new Map<boolean, EngineDriver>();

/** A driver of the interpreter, one a process for each kind of data (the module takes a moment to compile). */
export function interpreterDriver(options: DriverOptions = {}): EngineDriver {
  const kind = options.tagged ?? false;
  const driver = shared.get(kind) ?? new EngineDriver((memory) => new Interpreter(memory), options);
  shared.set(kind, driver);
  return driver;
}
