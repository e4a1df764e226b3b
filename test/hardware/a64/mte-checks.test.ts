// Tag checks of every load and store of the instruction table, on both engines: with the right tag, with a wrong one,
// and by SP, which is exempt where there is neither write-back nor an index register (Arm ARM D10.4).

import { describe, expect, it } from 'vitest';
import {
  allRows,
  completeDecoder,
  decodeFields,
  fieldsOf,
  Random,
  type Row,
  randomInstruction,
} from '../../../src/hardware/a64/index.ts';
import { STATE } from '../../../src/hardware/cpu/index.ts';
import { Interpreter, Jit } from '../../../src/hardware/engine/index.ts';
import type { EngineClient } from '../../../src/hardware/engine/interpreter/interpreter.ts';
import { AF, ATTR, mapped, RAM, type TestMachine } from '../cpu/machine.ts';

const ATA = 1n << 43n;
const TCF = (mode: number): bigint => BigInt(mode) << 40n;
const TBI = 3n << 37n;
const TCMA0 = 1n << 57n;
const FP = 3n << 20n;
const [SYNC, ASYNC] = [1, 2];
const TAG_FAULT = 0x9600_0011;
const WNR = 0x40;
const HVC = 0xd4000002;
const CODE = 0x10_0000n;
const DATA = 0x2200n;
const SP_TEST = 31;

const tagged = (tag: number, address: bigint): bigint => address | (BigInt(tag) << 56n);

/** Loads and stores of data by a base register. */
const rows = allRows.filter(
  (row) => row.syntax.includes('[{Rn:xsp}') && !/^PRF/.test(row.name) && !/^MTE/.test(row.feature ?? ''),
);

interface Outcome {
  /** 0 where the instruction completed. */
  readonly esr: number;
  readonly far: bigint;
}

class Checker {
  readonly machine: TestMachine;
  readonly run: (client: EngineClient) => number;

  constructor(create: (machine: TestMachine) => (client: EngineClient) => number, sctlr: bigint, tcr = 0n) {
    const { machine, tables } = mapped({ tcr: TBI | tcr, sctlr });
    tables.map(CODE, RAM + 0x10000, AF);
    for (const page of [0x1000, 0x2000, 0x3000]) tables.map(BigInt(page), RAM + page, AF | ATTR(2));
    machine.tag(RAM + 0x1000, 0x3000, 5);
    machine.cpu.writeRegister('CPACR_EL1', FP);
    this.machine = machine;
    this.run = create(machine);
  }

  /** Runs one instruction with its base at an address, and what the base is. */
  execute(word: number, base: number, address: bigint): Outcome {
    const { machine } = this;
    const { cpu, memory } = machine;
    const { state } = cpu;
    for (let n = 0; n < 31; n++) state.setX(n, 0n);
    memory.u64[(cpu.base + STATE.x) / 8 + (base === 31 ? 32 : base)] = address;
    state.tco = 0;
    memory.u32[(cpu.base + STATE.exclusive) / 4] = 0;
    const code = machine.data(RAM + 0x10000);
    new DataView(code.buffer, code.byteOffset).setUint32(0, word, true);
    new DataView(code.buffer, code.byteOffset).setUint32(4, HVC, true);
    cpu.writeRegister('ESR_EL1', 0n);
    state.pc = CODE;
    cpu.begin(100);
    this.run(cpu);
    if (machine.exit?.kind === 'hvc') return { esr: 0, far: 0n };
    return machine.syndrome;
  }
}

/** An encoding of a row with its registers apart and no offset, and its base. */
function encoding(row: Row, base: number, random: Random): number | undefined {
  const registers: Record<string, number> = { Rn: base, Rt: 2, Rt2: 4, Rs: 6, Rm: 8 };
  for (let attempt = 0; attempt < 100; attempt++) {
    let word = randomInstruction(row, random) ?? 0;
    for (const f of row.pattern.fields) {
      const n = registers[f.name] ?? (/^imm(12|9|7|s9)$|^imms9$/.test(f.name) ? 0 : undefined);
      if (n !== undefined) word = ((word & ~((2 ** f.width - 1) << f.low)) | (n << f.low)) >>> 0;
    }
    if (decodeFields(completeDecoder(), word)?.row === row && fieldsOf(row.pattern, word).Rn === base)
      return word;
  }
  return undefined;
}

const ENGINES: Record<string, (machine: TestMachine) => (client: EngineClient) => number> = {
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

/** A store exclusive without its monitor writes nothing, and checks nothing. */
const isStoreExclusive = (row: Row): boolean => /^STL?X/.test(row.name);
const isRead = (row: Row): boolean => /^LD/.test(row.name) && row.feature !== 'LSE';
const isStore = (row: Row): boolean => /^ST/.test(row.name);
/** By SP: checked all the same. */
const checkedBySp = (row: Row): boolean => /pre-index|post-index|register offset/.test(row.name);

describe.each(Object.entries(ENGINES))('tag checks of every load and store, %s', (_, create) => {
  const encodings = (base: number): [Row, number][] => {
    const random = new Random(7);
    return rows
      .filter((row) => !isStoreExclusive(row))
      .map((row) => [row, encoding(row, base, random) as number]);
  };

  it('finds an encoding of each row', () => {
    expect(rows.length).toBeGreaterThan(250);
    expect(encodings(1).filter(([, word]) => word === undefined)).toEqual([]);
  });

  it('lets the right tag pass and faults on a wrong one, with its address and direction', {
    timeout: 60_000,
  }, () => {
    const checker = new Checker(create, ATA | TCF(SYNC));
    for (const [row, word] of encodings(1)) {
      const right = checker.execute(word, 1, tagged(5, DATA));
      expect(`${row.name}: ${right.esr.toString(16)}`).toBe(`${row.name}: 0`);
      const wrong = checker.execute(word, 1, tagged(6, DATA));
      expect(`${row.name}: ${(wrong.esr & ~WNR).toString(16)}`).toBe(
        `${row.name}: ${TAG_FAULT.toString(16)}`,
      );
      expect(`${row.name}: ${wrong.far.toString(16)}`).toBe(`${row.name}: ${tagged(6, DATA).toString(16)}`);
      if (isRead(row)) expect(`${row.name}: ${wrong.esr & WNR}`).toBe(`${row.name}: 0`);
      if (isStore(row)) expect(`${row.name}: ${wrong.esr & WNR}`).toBe(`${row.name}: ${WNR}`);
    }
  });

  it('exempts SP without write-back or index, and nothing else by SP', { timeout: 60_000 }, () => {
    const checker = new Checker(create, ATA | TCF(SYNC));
    for (const [row, word] of encodings(SP_TEST)) {
      const { esr } = checker.execute(word, SP_TEST, tagged(6, DATA));
      const expected = checkedBySp(row) ? TAG_FAULT : 0;
      expect(`${row.name}: ${(esr & ~WNR).toString(16)}`).toBe(`${row.name}: ${expected.toString(16)}`);
    }
  });

  it('faults on the second granule of an access that spans two', { timeout: 60_000 }, () => {
    const checker = new Checker(create, ATA | TCF(SYNC));
    checker.machine.tag(RAM + Number(DATA), 16, 7);
    for (const [row, word] of encodings(1)) {
      const from = DATA - 4n;
      const { esr, far } = checker.execute(word, 1, tagged(5, from));
      if (esr === 0) continue; // Four bytes or fewer: all in the first.
      // Ordered and atomic accesses across 16 bytes are misaligned first.
      const misaligned = (esr & 0x3f) === 0x21;
      if (!misaligned)
        expect(`${row.name}: ${far.toString(16)}`).toBe(`${row.name}: ${tagged(5, DATA).toString(16)}`);
    }
  });

  it('records instead of faulting in asynchronous mode', { timeout: 60_000 }, () => {
    const checker = new Checker(create, ATA | TCF(ASYNC));
    for (const [row, word] of encodings(1)) {
      checker.machine.cpu.writeRegister('TFSR_EL1', 0n);
      expect(`${row.name}: ${checker.execute(word, 1, tagged(6, DATA)).esr}`).toBe(`${row.name}: 0`);
      expect(`${row.name}: ${checker.machine.cpu.readRegister('TFSR_EL1')}`).toBe(`${row.name}: 1`);
    }
  });

  it('lets everything pass under TCO, by TCMA0 with tag 0, and without ATA', { timeout: 60_000 }, () => {
    const withTcma = new Checker(create, ATA | TCF(SYNC), TCMA0);
    const withoutAta = new Checker(create, TCF(SYNC));
    for (const [row, word] of encodings(1)) {
      expect(`${row.name}: ${withTcma.execute(word, 1, DATA).esr}`).toBe(`${row.name}: 0`);
      expect(`${row.name}: ${withTcma.execute(word, 1, tagged(15, DATA)).esr & 0x3f}`).toBe(
        `${row.name}: 17`,
      );
      expect(`${row.name}: ${withoutAta.execute(word, 1, tagged(6, DATA)).esr}`).toBe(`${row.name}: 0`);
    }
  });
});
