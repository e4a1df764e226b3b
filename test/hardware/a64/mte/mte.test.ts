// Tag instructions on both engines: against recorded results of a reference CPU, and what the reference cannot tell
// (IRG, tags inaccessible, blocks of tags, DC GVA and GZVA) against the manual's pseudocode.

import { describe, expect, it } from 'vitest';
import { assemble } from '../../../../src/hardware/a64/index.ts';
import { STATE } from '../../../../src/hardware/cpu/index.ts';
import { Interpreter, Jit } from '../../../../src/hardware/engine/index.ts';
import type { EngineClient } from '../../../../src/hardware/engine/interpreter/interpreter.ts';
import { AF, ATTR, mapped, RAM, type TestMachine, USER } from '../../cpu/machine.ts';
import {
  changed,
  GRANULES,
  generateCases,
  PAGE_ADDRESS,
  patternByte,
  patternTag,
  readGolden,
  type TagResult,
} from './cases.ts';

const ATA = 1n << 43n;
const ATA0 = 1n << 42n;
const TBI = 3n << 37n;
const CODE = 0x10_0000n;
const CODE_FRAME = RAM + 0x10000;
const DATA_FRAME = RAM + 0x2000;
const SVC = 0xd4000001;
const EC_SVC = 0x15;
const EC_UNDEFINED = 0;
const ALIGNMENT = 0x21;
const SIGBUS = 7;
const LIMIT = { timeout: 60_000 };

type Engine = (machine: TestMachine) => (client: EngineClient) => number;
const ENGINES: Record<string, Engine> = {
  interpreter: ({ memory }) => {
    const engine = new Interpreter(memory);
    return (client) => engine.run(client);
  },
  jit: ({ memory }) => {
    const engine = new Jit(memory, undefined, { hot: 1, batch: 1 });
    return (client) => {
      engine.codeChanged('all');
      return engine.run(client);
    };
  },
};

class Runner {
  readonly machine: TestMachine;
  private readonly engine: (client: EngineClient) => number;

  constructor(create: Engine, sctlr = ATA | ATA0, attribute = ATTR(2)) {
    const { machine, tables } = mapped({ tcr: TBI, sctlr });
    tables.map(CODE, CODE_FRAME, AF | USER | (1n << 7n));
    tables.map(BigInt(PAGE_ADDRESS), DATA_FRAME, AF | USER | attribute);
    this.machine = machine;
    this.engine = create(machine);
  }

  get tags(): Uint8Array {
    const { memory } = this.machine;
    const at = memory.tagBias + (memory.framesBase + DATA_FRAME - RAM) / 16;
    return memory.u8.subarray(at, at + GRANULES);
  }
  get data(): Uint8Array {
    return this.machine.data(DATA_FRAME);
  }
  fill(): void {
    for (let k = 0; k < GRANULES; k++) this.tags[k] = patternTag(k);
    for (let k = 0; k < this.data.length; k++) this.data[k] = patternByte(k);
  }
  x(n: number): bigint {
    return this.machine.cpu.state.x(n);
  }

  /** Runs an instruction and an SVC; the syndrome of what ended it. */
  run(word: number, x: readonly bigint[], el: 0 | 1 = 1): number {
    const { cpu, memory } = this.machine;
    const code = new DataView(memory.u8.buffer, this.machine.data(CODE_FRAME).byteOffset);
    code.setUint32(0, word, true);
    code.setUint32(4, SVC, true);
    this.machine.el(el);
    for (let n = 0; n < 31; n++) cpu.state.setX(n, x[n] ?? 0n);
    memory.u32[(cpu.base + STATE.nzcv) / 4] = 0;
    cpu.state.pc = CODE;
    cpu.begin(100);
    this.engine(cpu);
    return this.machine.syndrome.esr;
  }
}

const ecOf = (esr: number): number => (esr >>> 26) & 63;
const word = (text: string): number => assemble(text)[0] as number;
const address = (tag: number, offset: number): bigint => (BigInt(tag) << 56n) | BigInt(PAGE_ADDRESS + offset);
const tagOf = (pointer: bigint): number => Number((pointer >> 56n) & 15n);

/** AArch64.RandomTag and ChooseNonExcludedTag, as the manual has them (J1.1.3). */
class Generator {
  tag: number;
  seed: number;
  constructor(tag: number, seed: number) {
    this.tag = tag;
    this.seed = seed;
  }
  private bit(): number {
    const { seed } = this;
    const top = ((seed >> 5) ^ (seed >> 3) ^ (seed >> 2) ^ seed) & 1;
    this.seed = (top << 15) | (seed >> 1);
    return top;
  }
  next(exclude: number): number {
    let offset = 0;
    for (let k = 0; k < 4; k++) offset |= this.bit() << k;
    let { tag } = this;
    const excluded = (): boolean => ((exclude >> tag) & 1) === 1;
    if (exclude === 0xffff) tag = 0;
    else {
      if (offset === 0) while (excluded()) tag = (tag + 1) & 15;
      for (; offset > 0; offset--) {
        tag = (tag + 1) & 15;
        while (excluded()) tag = (tag + 1) & 15;
      }
    }
    this.tag = tag;
    return tag;
  }
}

describe('the recorded results', () => {
  it('are those of the cases as they are generated', () => {
    expect(readGolden().cases.map(([c]) => c)).toEqual(generateCases());
  });
});

describe.each(Object.entries(ENGINES))('tag instructions, %s', (_, create) => {
  it('do what the reference does', LIMIT, () => {
    const runner = new Runner(create);
    const wrong: unknown[] = [];
    for (const [c, expected] of readGolden().cases) {
      runner.fill();
      runner.machine.cpu.writeRegister('GCR_EL1', BigInt(c.exclude));
      const x = c.x.map((n) => BigInt(`0x${n}`));
      const esr = runner.run(c.word, x, 0);
      const signal = ecOf(esr) === EC_SVC ? 0 : (esr & 0x3f) === ALIGNMENT ? SIGBUS : esr;
      const actual: TagResult = {
        x: [0, 1, 2, 3].map((n) => runner.x(n).toString(16)),
        nzcv: signal === 0 ? runner.machine.syndrome.spsr >>> 28 : 0,
        signal,
        tags: changed(runner.tags, patternTag),
        data: changed(runner.data, patternByte),
      };
      if (JSON.stringify(actual) !== JSON.stringify(expected)) wrong.push({ case: c, actual, expected });
    }
    expect(wrong).toEqual([]);
  });

  it('IRG follows the generator of RGSR_EL1, GCR_EL1 and Xm (C6.2.136)', LIMIT, () => {
    const runner = new Runner(create);
    const { cpu } = runner.machine;
    for (const [exclude, more, rrnd] of [
      [0, 0, 0],
      [1, 0x8000, 0],
      [0xfffe, 0, 1],
      [0xf0f0, 0x0f00, 1],
      [0xffff, 0, 0],
    ] as const) {
      const generator = new Generator(3, 0xace1);
      cpu.writeRegister('GCR_EL1', BigInt(exclude | (rrnd << 16)));
      cpu.writeRegister('RGSR_EL1', (0xace1n << 8n) | 3n);
      for (let k = 0; k < 20; k++) {
        runner.run(word('irg x0, x1, x2'), [0n, 0x0a55_0000_0000_1234n, BigInt(more)]);
        const tag = generator.next(exclude | more);
        expect(runner.x(0)).toBe(0x0055_0000_0000_1234n | (BigInt(tag) << 56n));
        expect(cpu.readRegister('RGSR_EL1')).toBe(BigInt((generator.seed << 8) | tag));
      }
    }
  });

  it('IRG with RRND makes different tags from a seed of zero', LIMIT, () => {
    const runner = new Runner(create);
    runner.machine.cpu.writeRegister('GCR_EL1', 0x1_0001n);
    runner.machine.cpu.writeRegister('RGSR_EL1', 0n);
    const seen = new Set<number>();
    for (let k = 0; k < 200; k++) {
      runner.run(word('irg x0, x1'), []);
      seen.add(tagOf(runner.x(0)));
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_v, k) => k + 1));
  });

  it('choose tag 0 and move no tags where ATA does not let them (D10.2)', LIMIT, () => {
    const runner = new Runner(create, 0n);
    runner.fill();
    runner.run(word('irg x0, x1'), [0n, address(5, 0)]);
    expect(runner.x(0)).toBe(address(0, 0));
    runner.run(word('addg x0, x1, #32, #3'), [0n, address(5, 0)]);
    expect(runner.x(0)).toBe(address(0, 32));
    runner.run(word('ldg x0, [x1]'), [address(9, 0), address(0, 16)]);
    expect(runner.x(0)).toBe(address(0, 0));
    runner.run(word('stzg x1, [x1]'), [0n, address(5, 0x40)]);
    expect(changed(runner.tags, patternTag)).toEqual([]);
    expect(runner.data.subarray(0x40, 0x50)).toEqual(new Uint8Array(16));
    runner.run(word('ldgm x0, [x1]'), [1n, address(0, 0)]);
    expect(runner.x(0)).toBe(0n);
  });

  it('read tag 0 of untagged memory, and leave its tags alone', LIMIT, () => {
    const runner = new Runner(create, ATA | ATA0, ATTR(0));
    runner.fill();
    runner.run(word('ldg x0, [x1]'), [address(9, 0), address(0, 16)]);
    expect(runner.x(0)).toBe(address(0, 0));
    runner.run(word('stg x1, [x1]'), [0n, address(5, 0x40)]);
    expect(changed(runner.tags, patternTag)).toEqual([]);
  });

  it('move blocks of tags at EL1 and are UNDEFINED at EL0 (C6.2.167, 322, 356)', LIMIT, () => {
    const runner = new Runner(create);
    runner.fill();
    runner.run(word('ldgm x0, [x1]'), [0n, address(0, 0x130)]);
    const expected = Array.from({ length: 16 }, (_v, k) => BigInt(patternTag(16 + k)) << BigInt(4 * k));
    expect(runner.x(0)).toBe(expected.reduce((a, b) => a | b));
    runner.run(word('stgm x0, [x1]'), [0xfedc_ba98_7654_3210n, address(0, 0x2a0)]);
    expect([...runner.tags.subarray(0x20, 0x30)]).toEqual(Array.from({ length: 16 }, (_v, k) => k));
    runner.run(word('stzgm x0, [x1]'), [0xabn, address(0, 0x450)]);
    expect([...runner.tags.subarray(0x44, 0x48)]).toEqual([11, 11, 11, 11]);
    expect(runner.tags[0x48]).toBe(patternTag(0x48));
    expect(changed(runner.data, patternByte).every(([k, n]) => n === 0 && k >= 0x440 && k < 0x480)).toBe(
      true,
    );
    for (const text of ['ldgm x0, [x1]', 'stgm x0, [x1]', 'stzgm x0, [x1]']) {
      expect(ecOf(runner.run(word(text), [0n, address(0, 0)], 0))).toBe(EC_UNDEFINED);
    }
  });

  it('set the tags of a block with DC GVA and GZVA (C5.3)', LIMIT, () => {
    const runner = new Runner(create);
    for (const [op, zeroes] of [
      [3, false],
      [4, true],
      [3, false],
      [4, true],
    ] as const) {
      runner.fill();
      runner.run(word(`sys #3, c7, c4, #${op}, x1`), [0n, address(13, 0x1f8)]);
      expect([...runner.tags.subarray(0x1c, 0x20)]).toEqual([13, 13, 13, 13]);
      expect(changed(runner.tags, patternTag).every(([k]) => k >= 0x1c && k < 0x20)).toBe(true);
      const cleared = changed(runner.data, patternByte).map(([k]) => k);
      expect(cleared.length === 0).toBe(!zeroes);
      expect(cleared.every((k) => k >= 0x1c0 && k < 0x200)).toBe(true);
    }
  });

  it('check the four granules of DC ZVA', LIMIT, () => {
    const runner = new Runner(create, ATA | ATA0 | (1n << 40n));
    const { state } = runner.machine.cpu;
    runner.fill();
    runner.tags.fill(6, 0, 8);
    state.tco = 0;
    for (let turn = 0; turn < 2; turn++) {
      expect(ecOf(runner.run(word('sys #3, c7, c4, #1, x1'), [0n, address(6, 0x44)]))).toBe(EC_SVC);
    }
    runner.tags[6] = 7;
    const esr = runner.run(word('sys #3, c7, c4, #1, x1'), [0n, address(6, 0x44)]);
    expect(esr & 0x7f).toBe(0x51);
  });
});
