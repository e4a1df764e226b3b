// A bare program over several pages with translation on, run by an engine in budgets: what the tests of regions that
// follow calls into other pages share. The program ends with HVC.

import { expect } from 'vitest';
import { assemble } from '../../../src/hardware/a64/index.ts';
import type { CpuSnapshot } from '../../../src/hardware/cpu/index.ts';
import { Interpreter, Jit, type JitCounters } from '../../../src/hardware/engine/index.ts';
import type { PhysicalMemory } from '../../../src/hardware/memory/index.ts';
import { AF, ATTR, mapped, RAM, type Tables, type TestMachine } from '../cpu/machine.ts';

export const VECTORS = 0x2_0000;
/** Two pages, the second of them for the stack. */
export const DATA = 0x3_0000;
export const STACK_TOP = DATA + 0x2000;
/** The level-3 table that maps all of these addresses, as data. */
export const TABLE = 0x4_0000;
/** Where the page of code n is mapped for writing. */
export const WRITABLE = 0x5_0000;
export const UNMAPPED = 0x7_0000;

const CODE_FRAMES = RAM + 0x10_0000;
export const DATA_FRAMES = RAM + 0x20_0000;
/** Of which a program maps all but the first two itself. */
export const DATA_PAGES = 8;
const PAGE = 4096;

/** The frame of a page of code. */
export const frameOf = (page: number): number => CODE_FRAMES + page;

export interface PagedProgram {
  /** By virtual address. The first page's first instruction is the first that runs. */
  readonly pages: Readonly<Record<number, string>>;
  /** Bits of a page's descriptor besides the usual. */
  readonly attributes?: Readonly<Record<number, bigint>>;
  /** Whether it takes exceptions. */
  readonly faults?: boolean;
  /** How many regions it has at least, where there are few. */
  readonly regions?: number;
  readonly sctlr?: bigint;
  readonly tcr?: bigint;
  prepare?(machine: TestMachine, tables: Tables): void;
}

/** x24 and x25 gather what each exception says; the instruction is skipped. */
const HANDLER = `
  mrs x26, esr_el1
  eor x24, x26, x24, ror #7
  mrs x26, far_el1
  eor x24, x24, x26
  mrs x26, elr_el1
  eor x25, x26, x25, ror #11
  add x25, x25, x30
  add x26, x26, #4
  msr elr_el1, x26
  mrs x26, spsr_el1
  eor x25, x25, x26
  bic x26, x26, #0xc00
  msr spsr_el1, x26
  eret
`;

/** Thresholds at which a loop of some hundred rounds is compiled, and again with what it calls. */
const EAGER = { hot: 3, hotter: 25, batch: 1 };

export type EngineName = 'interpreter' | 'jit';

export class Run {
  ended = false;
  private readonly machine: TestMachine;
  private readonly engine: Interpreter | Jit;

  constructor(program: PagedProgram, engine: EngineName) {
    let changed: (what: number | 'all') => void = () => {};
    const { machine, tables } = mapped({
      features: { mte: true },
      sctlr: program.sctlr ?? 0n,
      tcr: program.tcr ?? 0n,
      cpu: { codeChanged: (what) => changed(what) },
    });
    this.machine = machine;
    const { cpu } = machine;
    this.engine = engineOf(engine, machine.memory);
    if (this.engine instanceof Jit) {
      const jit = this.engine;
      changed = (what) => jit.codeChanged(what);
    }
    const sources = { ...program.pages, [VECTORS]: `${'nop\n'.repeat(0x200 / 4)}${HANDLER}` };
    for (const [text, source] of Object.entries(sources)) {
      const page = Number(text);
      const words = assemble(source, page);
      const bytes = machine.data(frameOf(page));
      new Uint32Array(bytes.buffer, bytes.byteOffset, PAGE / 4).set(words);
      tables.map(BigInt(page), frameOf(page), AF | (program.attributes?.[page] ?? 0n));
      tables.map(BigInt(WRITABLE + (page & 0xffff)), frameOf(page), AF);
    }
    for (const n of [0, PAGE]) tables.map(BigInt(DATA + n), DATA_FRAMES + n, AF | ATTR(2));
    tables.map(BigInt(TABLE), tables.descriptor(0n), AF);
    cpu.writeRegister('VBAR_EL1', BigInt(VECTORS));
    program.prepare?.(machine, tables);
    cpu.state.pc = BigInt(Math.min(...Object.keys(program.pages).map(Number)));
    cpu.state.sp = BigInt(STACK_TOP);
  }

  /** At most so many instructions. */
  run(budget: number): void {
    const { cpu } = this.machine;
    const end = cpu.instructions + budget;
    while (!this.ended && cpu.instructions < end) {
      const allowed = cpu.prepare();
      if (allowed > 0) {
        cpu.begin(Math.min(allowed, end - cpu.instructions));
        this.engine.run(cpu);
      }
      this.ended = cpu.takeExit() !== undefined;
    }
  }

  get registers(): CpuSnapshot {
    return this.machine.cpu.save();
  }
  /** What the frames hold that are the data's, mapped or not. */
  get data(): Buffer {
    const frames = Array.from({ length: DATA_PAGES }, (_, k) => this.machine.data(DATA_FRAMES + k * PAGE));
    return Buffer.concat(frames);
  }
  get counters(): JitCounters {
    if (!(this.engine instanceof Jit)) throw new Error('only a JIT counts');
    return this.engine.counters;
  }
}

function engineOf(name: EngineName, memory: PhysicalMemory): Interpreter | Jit {
  return name === 'jit' ? new Jit(memory, undefined, EAGER) : new Interpreter(memory);
}

/** Budgets one after another: always the same, or drawn from few and many. */
function* budgets(kind: number | (() => number)): Generator<number> {
  for (;;) yield typeof kind === 'number' ? kind : kind();
}

/** Runs a program on both engines with the same budgets; what the JIT did. */
export function compare(program: PagedProgram, kind: number | (() => number), name = ''): Run {
  const [reference, jit] = [new Run(program, 'interpreter'), new Run(program, 'jit')];
  for (const budget of budgets(kind)) {
    reference.run(budget);
    jit.run(budget);
    expect(jit.registers, name).toEqual(reference.registers);
    if (reference.ended || reference.registers.instructions > 100_000) break;
  }
  expect(jit.ended).toBe(reference.ended);
  expect(jit.data.equals(reference.data)).toBe(true);
  return jit;
}
