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
import { AF, ATTR, mapped, RAM, type TestMachine, USER } from '../cpu/machine.ts';

const ATA = 1n << 43n;
const ATA0 = 1n << 42n;
/** TCF and TCF0 alike: LDTR and STTR are checked as at EL0. */
const mode = (tcf: number): bigint => ATA | ATA0 | (BigInt(tcf) << 40n) | (BigInt(tcf) << 38n);
const TBI = 3n << 37n;
const TCMA0 = 1n << 57n;
const FP = 3n << 20n;
const [SYNC, ASYNC, ASYMMETRIC] = [1, 2, 3];
const TAG_FAULT = 0x9600_0011;
const WNR = 0x40;
const HVC = 0xd4000002;
const CODE = 0x10_0000n;
const DATA = 0x2200n;
const ALIGNMENT = 0x21;
const LIMIT = { timeout: 60_000 };

const tagged = (tag: number, address: bigint): bigint => address | (BigInt(tag) << 56n);

/** Loads and stores of data by a base register. */
const rows = allRows.filter(
  (row) => row.syntax.includes('[{Rn:xsp}') && !/^PRF/.test(row.name) && !/^MTE/.test(row.feature ?? ''),
);

const hex = (n: unknown): string =>
  typeof n === 'bigint' || typeof n === 'number' ? n.toString(16) : String(n);

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
    for (const page of [0x1000, 0x2000, 0x3000]) tables.map(BigInt(page), RAM + page, AF | USER | ATTR(2));
    machine.tag(RAM + 0x1000, 0x3000, 5);
    machine.cpu.writeRegister('CPACR_EL1', FP);
    this.machine = machine;
    this.run = create(machine);
  }

  /** Runs one instruction with its base at an address, and what the base is. */
  execute(word: number, base: number, address: bigint, tco = 0): Outcome {
    const { machine } = this;
    const { cpu, memory } = machine;
    const { state } = cpu;
    for (let n = 0; n < 31; n++) state.setX(n, 0n);
    memory.u64[(cpu.base + STATE.x) / 8 + (base === 31 ? 32 : base)] = address;
    state.tco = tco;
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
const isStore = (row: Row): boolean => /^ST/.test(row.name);
const isUnprivileged = (row: Row): boolean => /unprivileged/.test(row.name);
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

  /** Texts of what is not as expected, empty at best. */
  const wrong: string[] = [];
  const see = (row: Row, actual: unknown, expected: unknown): void => {
    if (actual !== expected) wrong.push(`${row.name}: ${hex(actual)} instead of ${hex(expected)}`);
  };

  it('lets the right tag pass and faults on a wrong one, with its address and direction', LIMIT, () => {
    const checker = new Checker(create, mode(SYNC));
    for (const [row, word] of encodings(1)) {
      see(row, checker.execute(word, 1, tagged(5, DATA)).esr, 0);
      const { esr, far } = checker.execute(word, 1, tagged(6, DATA));
      see(row, esr, isStore(row) ? TAG_FAULT + WNR : TAG_FAULT);
      see(row, far, tagged(6, DATA));
    }
    expect(wrong.splice(0)).toEqual([]);
  });

  it('exempts SP without write-back or index, and nothing else by SP', LIMIT, () => {
    const checker = new Checker(create, mode(SYNC));
    for (const [row, word] of encodings(31)) {
      const { esr } = checker.execute(word, 31, tagged(6, DATA));
      see(row, (esr & ~WNR) >>> 0, checkedBySp(row) ? TAG_FAULT : 0);
    }
    expect(wrong.splice(0)).toEqual([]);
  });

  it('faults with the address of the second granule, where that is the wrong one', LIMIT, () => {
    const checker = new Checker(create, mode(SYNC));
    checker.machine.tag(RAM + Number(DATA), 16, 7);
    let across = 0;
    for (const [row, word] of encodings(1)) {
      const { esr, far } = checker.execute(word, 1, tagged(5, DATA - 4n));
      // Four bytes or fewer are in the first granule; ordered accesses across 16 bytes are misaligned.
      if (esr === 0 || (esr & 0x3f) === ALIGNMENT) continue;
      see(row, (esr & ~WNR) >>> 0, TAG_FAULT);
      see(row, far, tagged(5, DATA));
      across++;
    }
    expect(wrong.splice(0)).toEqual([]);
    expect(across).toBeGreaterThan(100);
  });

  it('records instead of faulting in asynchronous mode', LIMIT, () => {
    const checker = new Checker(create, mode(ASYNC));
    const { cpu } = checker.machine;
    for (const [row, word] of encodings(1)) {
      const register = isUnprivileged(row) ? 'TFSRE0_EL1' : 'TFSR_EL1';
      cpu.writeRegister(register, 0n);
      see(row, checker.execute(word, 1, tagged(6, DATA)).esr, 0);
      see(row, cpu.readRegister(register), 1n);
    }
    expect(wrong.splice(0)).toEqual([]);
  });

  it('faults reads and records writes in asymmetric mode', LIMIT, () => {
    const checker = new Checker(create, mode(ASYMMETRIC));
    for (const [row, word] of encodings(1)) {
      see(row, checker.execute(word, 1, tagged(6, DATA)).esr, isStore(row) ? 0 : TAG_FAULT);
    }
    expect(wrong.splice(0)).toEqual([]);
  });

  it('lets everything pass under TCO, with the tag that TCMA exempts, and without ATA', LIMIT, () => {
    const checker = new Checker(create, mode(SYNC), TCMA0);
    const withoutAta = new Checker(create, mode(SYNC) & ~(ATA | ATA0));
    for (const [row, word] of encodings(1)) {
      see(row, checker.execute(word, 1, tagged(6, DATA), 1).esr, 0);
      see(row, checker.execute(word, 1, DATA).esr, 0);
      see(row, checker.execute(word, 1, tagged(15, DATA)).far, tagged(15, DATA));
      see(row, withoutAta.execute(word, 1, tagged(6, DATA)).esr, 0);
    }
    expect(wrong.splice(0)).toEqual([]);
  });
});
