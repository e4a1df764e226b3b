// A Cpu on a machine of one flat stretch of memory, with page tables built by hand: what the CPU's tests run on.

import {
  Cpu,
  type CpuExit,
  type CpuFeatures,
  type CpuOptions,
  DEFAULT_FEATURES,
} from '../../../src/hardware/cpu/index.ts';
import {
  ACCESS_WRITE,
  type Access,
  STAGE2_EXIT,
  STAGE2_MEMORY,
  STAGE2_MMIO,
  STAGE2_SIZE_FAULT,
  type Stage2,
  type Stage2Outcome,
  type Stage2Page,
} from '../../../src/hardware/cpu/stage2.ts';
import { registerKey, registerTable } from '../../../src/hardware/cpu/sysregs/index.ts';
import { PhysicalMemory } from '../../../src/hardware/memory/index.ts';
import { frameNumber, type Gpa, hostOffset } from '../../../src/lib/index.ts';

export const RAM = 0x4000_0000;
export const RAM_BYTES = 16 << 20;
export const MMIO = 0x0900_0000;
const GPA_LIMIT = 2 ** 40;

/** Identity from RAM on, MMIO below, nothing beyond; pages can be made read-only, untagged or exit. */
export class FlatStage2 implements Stage2 {
  readonly readOnly = new Set<number>();
  readonly exiting = new Set<number>();
  tagged = true;
  walks = 0;
  private readonly memory: PhysicalMemory;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  translate(ipa: Gpa, access: Access, inWalk: boolean, out: Stage2Page): Stage2Outcome {
    if (inWalk) this.walks++;
    if (this.exiting.has(ipa)) return STAGE2_EXIT;
    if (ipa >= GPA_LIMIT) return STAGE2_SIZE_FAULT;
    if (ipa < RAM || ipa >= RAM + RAM_BYTES) return STAGE2_MMIO;
    const readOnly = this.readOnly.has(ipa);
    if (readOnly && access === ACCESS_WRITE) return STAGE2_MMIO;
    out.frame = hostOffset(this.memory.framesBase + (ipa - RAM));
    out.writable = !readOnly;
    out.executable = true;
    out.tagged = this.tagged;
    return STAGE2_MEMORY;
  }
}

export interface MachineOptions {
  readonly features?: Partial<CpuFeatures>;
  readonly cpu?: Partial<CpuOptions>;
}

export class TestMachine {
  readonly memory = new PhysicalMemory({ frames: RAM_BYTES / 4096 });
  readonly stage2 = new FlatStage2(this.memory);
  readonly cpu: Cpu;
  ticks = 0;
  readonly lines: string[] = [];
  readonly codeChanges: (number | 'all')[] = [];

  constructor(options: MachineOptions = {}) {
    this.cpu = new Cpu({
      memory: this.memory,
      stage2: this.stage2,
      counter: { ticks: () => this.ticks },
      features: { ...DEFAULT_FEATURES, ...options.features },
      timerLine: (timer, level) => this.lines.push(`${timer} ${level ? 'up' : 'down'}`),
      codeChanged: (what) => this.codeChanges.push(what),
      ...options.cpu,
    });
    this.cpu.begin(1000);
  }

  private host(ipa: number): number {
    return this.memory.framesBase + (ipa - RAM);
  }
  read64(ipa: number): bigint {
    return this.memory.u64[this.host(ipa) / 8] as bigint;
  }
  write64(ipa: number, value: bigint): void {
    this.memory.u64[this.host(ipa) / 8] = value;
  }
  /** Sets the allocation tags of bytes. */
  tag(ipa: number, bytes: number, tag: number): void {
    const at = this.memory.tagBias + this.host(ipa) / 16;
    this.memory.u8.fill(tag, at, at + bytes / 16);
  }
  data(ipa: number): Uint8Array {
    return this.memory.data(frameNumber((ipa - RAM) / 4096));
  }

  /** Puts the CPU at a PC as if generated code were executing there; where nothing is mapped, that does not matter. */
  at(pc: bigint): void {
    const { state } = this.cpu;
    state.pc = pc;
    state.pcDelta = pc;
    state.hpc = 0;
  }

  /** A load through the slow path: the value, or undefined where it left. */
  load(va: bigint, log2: number, flags = 0): bigint | undefined {
    this.cpu.state.slowVa = va;
    this.cpu.state.budget--;
    return this.cpu.load(log2 | flags) === 0 ? this.cpu.state.slowData : undefined;
  }
  store(va: bigint, log2: number, value: bigint, flags = 0): boolean {
    this.cpu.state.slowVa = va;
    this.cpu.state.slowData = value;
    this.cpu.state.budget--;
    return this.cpu.store(log2 | flags) === 0;
  }
  /** fetch() at a PC: the IPA that the host offset means, or undefined. */
  fetch(va: bigint): number | undefined {
    const { state } = this.cpu;
    state.pc = va;
    state.pcDelta = va;
    state.hpc = 0;
    state.budget--;
    const host = this.cpu.fetch();
    return host === 0 ? undefined : host - this.memory.framesBase + RAM;
  }

  /** What ESR, FAR, ELR and SPSR say after an exception. */
  get syndrome(): { esr: number; far: bigint; elr: bigint; spsr: number } {
    return {
      esr: Number(this.cpu.readRegister('ESR_EL1')),
      far: this.cpu.readRegister('FAR_EL1'),
      elr: this.cpu.readRegister('ELR_EL1'),
      spsr: Number(this.cpu.readRegister('SPSR_EL1')),
    };
  }

  get exit(): CpuExit | undefined {
    return this.cpu.takeExit();
  }

  /** Executes MSR name, x0. Returns the service's result. */
  msr(name: string, value: bigint): number {
    this.cpu.state.setX(0, value);
    return this.cpu.system(0xd500_0000 | (keyOf(name) << 5));
  }
  /** Executes MRS x0, name: the value, or undefined where it left. */
  mrs(name: string): bigint | undefined {
    return this.cpu.system(0xd520_0000 | (keyOf(name) << 5)) === 0 ? this.cpu.state.x(0) : undefined;
  }
  /** Executes SYS with x0. */
  sys(op1: number, crn: number, crm: number, op2: number, x0 = 0n): number {
    this.cpu.state.setX(0, x0);
    return this.cpu.system(0xd500_0000 | (registerKey(1, op1, crn, crm, op2) << 5));
  }
  el(el: 0 | 1, flags = 0): void {
    this.cpu.setPstate(BigInt(flags | (el === 0 ? 0 : 5)));
  }
}

const keyOf = (name: string): number => {
  const row = registerTable.find((r) => r.name === name);
  if (!row) throw new Error(`no register ${name}`);
  return row.key;
};

// Descriptor bits (Arm ARM D8.3).
export const VALID = 1n;
export const TABLE = 3n;
export const PAGE = 3n;
export const USER = 1n << 6n;
export const READ_ONLY = 1n << 7n;
export const AF = 1n << 10n;
export const NOT_GLOBAL = 1n << 11n;
export const GUARDED = 1n << 50n;
export const DBM = 1n << 51n;
export const PXN = 1n << 53n;
export const UXN = 1n << 54n;
export const ATTR = (n: number): bigint => BigInt(n) << 2n;
/** MAIR: 0 Normal WB, 1 Device-nGnRnE, 2 Normal Tagged. */
export const MAIR = 0xf0_00ffn;

export type Granule = 12 | 14 | 16;

/** Builds translation tables in RAM, from `next` on. */
export class Tables {
  readonly root: number;
  private next: number;
  private readonly machine: TestMachine;
  private readonly granule: Granule;
  private readonly bits: number;

  constructor(machine: TestMachine, granule: Granule = 12, bits = 48, base = RAM + (8 << 20)) {
    this.machine = machine;
    this.granule = granule;
    this.bits = bits;
    this.next = base;
    this.root = this.take();
  }

  private take(): number {
    const size = 2 ** this.granule;
    const at = Math.ceil(this.next / size) * size;
    this.next = at + size;
    return at;
  }

  private get startLevel(): number {
    return 4 - Math.ceil((this.bits - this.granule) / (this.granule - 3));
  }

  /** Address of the descriptor for a VA at a level, making tables on the way; `table` are extra bits of theirs. */
  descriptor(va: bigint, level = 3, table = 0n): number {
    const stride = this.granule - 3;
    let at = this.root;
    for (let l = this.startLevel; ; l++) {
      const shift = this.granule + (3 - l) * stride;
      const width = l === this.startLevel ? this.bits - shift : stride;
      const index = Number((va >> BigInt(shift)) & ((1n << BigInt(width)) - 1n));
      const entry = at + index * 8;
      if (l === level) return entry;
      const now = this.machine.read64(entry);
      if (now & 1n) at = Number(now & 0xffff_ffff_f000n);
      else {
        at = this.take();
        this.machine.write64(entry, BigInt(at) | TABLE | table);
      }
    }
  }

  map(va: bigint, pa: number, attributes: bigint, level = 3, table = 0n): number {
    const at = this.descriptor(va, level, table);
    this.machine.write64(at, BigInt(pa) | attributes | (level === 3 ? PAGE : VALID));
    return at;
  }
}

/** TCR for one granule in both halves; `extra` are further bits. */
export function tcr(granule: Granule, bits = 48, extra = 0n): bigint {
  const tg0 = { 12: 0n, 14: 2n, 16: 1n }[granule];
  const tg1 = { 12: 2n, 14: 1n, 16: 3n }[granule];
  const size = BigInt(64 - bits);
  return size | (size << 16n) | (tg0 << 14n) | (tg1 << 30n) | (5n << 32n) | extra;
}

export const SCTLR_M = 1n;

/** A machine whose MMU is on, with the same tables for both halves. */
export function mapped(
  options: { granule?: Granule; bits?: number; tcr?: bigint; sctlr?: bigint } & MachineOptions = {},
): { machine: TestMachine; tables: Tables } {
  const machine = new TestMachine(options);
  const granule = options.granule ?? 12;
  const tables = new Tables(machine, granule, options.bits ?? 48);
  const { cpu } = machine;
  cpu.writeRegister('MAIR_EL1', MAIR);
  cpu.writeRegister('TCR_EL1', tcr(granule, options.bits ?? 48, options.tcr ?? 0n));
  cpu.writeRegister('TTBR0_EL1', BigInt(tables.root));
  cpu.writeRegister('TTBR1_EL1', BigInt(tables.root));
  cpu.writeRegister('VBAR_EL1', 0xffff_0000_0000_8000n);
  cpu.writeRegister('SCTLR_EL1', cpu.readRegister('SCTLR_EL1') | SCTLR_M | (options.sctlr ?? 0n));
  machine.at(0x1000n);
  return { machine, tables };
}
