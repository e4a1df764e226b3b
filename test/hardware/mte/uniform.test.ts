// Pages whose granules all have one tag, which the soft TLB knows by that tag: whoever changes a tag, by whatever
// address, privilege, vCPU or hand, the next access finds the tags as they are. Against a plain model, on both engines.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/hardware/a64/index.ts';
import { Cpu, TLB, TLB_COUNT, TLB_TAG_CHECKED, TLB_TAG_STORED } from '../../../src/hardware/cpu/index.ts';
import { Interpreter, Jit } from '../../../src/hardware/engine/index.ts';
import type { EngineClient } from '../../../src/hardware/engine/interpreter/interpreter.ts';
import type { PhysicalMemory } from '../../../src/hardware/memory/index.ts';
import { frameNumber } from '../../../src/lib/index.ts';
import { AF, ATTR, mapped, RAM, USER } from '../cpu/machine.ts';

/** Synchronous checks at EL1; two bits below, at EL0. */
const TCF = 1n << 40n;
/** ATA, ATA0, TCF, TCF0, DZE. */
const SCTLR_SYNC = (1n << 43n) | (1n << 42n) | TCF | (TCF >> 2n) | (1n << 14n);
const TCR_TBI = 3n << 37n;
const TCR_TCMA = 3n << 57n;
const UPPER = 0xff_0000_0000_0000n;
const CODE = 0x10_0000n;
const CODE_FRAME = RAM + 0x10000;
const PAGE = 4096;
const GRANULES = 256;

/** Two frames; each has two addresses in each half, all of them with soft TLB entries of their own. */
const ADDRESSES = [
  [0x1000n, 0x40_3000n],
  [0x2000n, 0x80_7000n],
] as const;

/** What vCPUs run, each as a program of its own that ends in SVC: X0 address, X1 a tag in its place. */
const PROGRAMS = {
  ldrb: { text: 'ldrb w2, [x0]', bytes: 1 },
  ldr: { text: 'ldr x2, [x0]', bytes: 8 },
  str: { text: 'str x3, [x0]', bytes: 8 },
  ldxr: { text: 'ldxr x2, [x0]', bytes: 8, aligned: true },
  ldadd: { text: 'ldadd x3, x2, [x0]', bytes: 8, aligned: true },
  ldp: { text: 'ldp q0, q1, [x0]', bytes: 32 },
  stp: { text: 'stp x2, x3, [x0]', bytes: 16 },
  ld4: { text: 'ld1 {v0.16b, v1.16b, v2.16b, v3.16b}, [x0]', bytes: 64 },
} as const;
const TAG_PROGRAMS = {
  stg: { text: 'stg x1, [x0]', granules: 1 },
  st2g: { text: 'st2g x1, [x0]', granules: 2 },
  stzg: { text: 'stzg x1, [x0]', granules: 1 },
  'dc gva': { text: 'sys #3, C7, C4, #3, x1', granules: 4 },
  'dc gzva': { text: 'sys #3, C7, C4, #4, x1', granules: 4 },
  'stg all': { text: 'add x2, x0, #4096\n1: stg x1, [x0], #16\ncmp x0, x2\nb.ne 1b', granules: GRANULES },
  'st2g down': {
    text: 'add x2, x0, #4096\n1: st2g x1, [x2, #-32]!\ncmp x0, x2\nb.ne 1b',
    granules: GRANULES,
  },
  stgm: { text: 'stgm x4, [x0]', granules: 16, kernel: true },
  stzgm: { text: 'stzgm x4, [x0]', granules: 4, kernel: true },
} as const;
/** A loop that runs without checks, with them, and then with X0's tag changed by X7; X6 is SCTLR_EL1 with them. */
const OTHERS = {
  turns: {
    text: `2: mov x5, #20
1: ldr x2, [x0]
subs x5, x5, #1
b.ne 1b
cbz x6, 3f
msr sctlr_el1, x6
isb
mov x6, #0
b 2b
3: eor x0, x0, x7
b 2b`,
  },
} as const;
type Access = keyof typeof PROGRAMS;
type TagStore = keyof typeof TAG_PROGRAMS;

const ENGINES: Record<string, (memory: PhysicalMemory) => { run(client: EngineClient): number }> = {
  interpreter: (memory) => new Interpreter(memory),
  jit: (memory) => new Jit(memory, undefined, { hot: 1, batch: 1 }),
};

interface Place {
  readonly cpu: number;
  readonly el: 0 | 1;
  readonly frame: number;
  readonly alias: number;
  readonly upper: boolean;
  readonly tag: number;
}

/** Two vCPUs with the same tables. */
class Pair {
  readonly memory: PhysicalMemory;
  readonly cpus: readonly Cpu[];
  private readonly engine: { run(client: EngineClient): number };
  private readonly entries = new Map<string, bigint>();

  constructor(engine: string, matchAll = false) {
    const { machine, tables } = mapped({ tcr: TCR_TBI | (matchAll ? TCR_TCMA : 0n), sctlr: SCTLR_SYNC });
    const { memory, stage2, cpu } = machine;
    this.memory = memory;
    cpu.writeRegister('CPACR_EL1', 3n << 20n);
    const other = new Cpu({ memory, stage2, counter: { ticks: () => 0 } });
    for (const name of [
      'MAIR_EL1',
      'TCR_EL1',
      'TTBR0_EL1',
      'TTBR1_EL1',
      'VBAR_EL1',
      'CPACR_EL1',
      'SCTLR_EL1',
    ])
      other.writeRegister(name, cpu.readRegister(name));
    this.cpus = [cpu, other];
    ADDRESSES.forEach((addresses, frame) => {
      for (const va of addresses) tables.map(va, RAM + frame * PAGE, AF | USER | ATTR(2));
    });
    // Executable at both privileges; not writable, by which EL1 could not execute what EL0 can write.
    tables.map(CODE, CODE_FRAME, AF | USER | (1n << 7n));
    const words = machine.data(CODE_FRAME);
    let at = 0;
    for (const [name, { text }] of Object.entries({ ...PROGRAMS, ...TAG_PROGRAMS, ...OTHERS })) {
      const code = assemble(`${text}\nsvc #0`, CODE + BigInt(at));
      words.set(new Uint8Array(code.buffer, code.byteOffset, code.byteLength), at);
      this.entries.set(name, CODE + BigInt(at));
      at += code.byteLength;
    }
    this.engine = (ENGINES[engine] as (typeof ENGINES)[string])(memory);
  }

  address({ frame, alias, upper, tag }: Place, offset: number): bigint {
    const va = (ADDRESSES[frame] as readonly bigint[])[alias] as bigint;
    return (upper ? UPPER : 0n) | va | BigInt(offset) | (BigInt(tag) << 56n) | (upper ? 0xf0n << 56n : 0n);
  }

  /** Runs a program to its SVC or fault: the address of a tag check fault, or undefined. */
  run(
    name: string,
    place: Place,
    offset: number,
    more: { tag?: number; tco?: boolean } = {},
  ): bigint | undefined {
    const cpu = this.cpus[place.cpu] as Cpu;
    const { state } = cpu;
    cpu.setPstate(place.el === 0 ? 0n : 5n);
    state.tco = more.tco ? 1 : 0;
    const tag = more.tag ?? 0;
    state.setX(0, this.address(place, offset));
    state.setX(1, this.address({ ...place, tag }, offset));
    state.setX(3, 1n);
    state.setX(4, BigInt(tag) * 0x1111_1111_1111_1111n);
    state.pc = this.entries.get(name) as bigint;
    cpu.writeRegister('ESR_EL1', 0n);
    cpu.begin(10_000);
    let esr = 0n;
    // It also leaves for less than an exception.
    for (let turn = 0; esr === 0n && turn < 10; turn++) {
      this.engine.run(cpu);
      esr = cpu.readRegister('ESR_EL1');
    }
    if (esr >> 26n === 0x15n) return undefined;
    expect((esr >> 27n) & 31n, `${name}: ESR ${esr.toString(16)}`).toBe(0x12n);
    expect(esr & 63n).toBe(0x11n);
    return cpu.readRegister('FAR_EL1');
  }

  /** Data words of soft TLB entries by which a page of one tag is known, of all vCPUs. */
  get known(): number {
    let count = 0;
    for (const { mmu } of this.cpus) {
      for (let n = 0; n < TLB.entries * TLB_COUNT; n++) {
        const at = ((mmu.tlb.bases[0] as number) + n * TLB.entryBytes) >>> 2;
        const word = this.memory.u32[at + TLB.readTag / 4] as number;
        const high = this.memory.u32[at + TLB.readTag / 4 + 1] as number;
        const frame = (word + (this.memory.u32[at + TLB.addend / 4] as number)) >>> 0;
        if ((frame - this.memory.framesBase) >>> 12 >= 2 || (word & (TLB_TAG_CHECKED | TLB_TAG_STORED)) !== 0)
          continue;
        if (high !== 0x0080_0000) count++;
      }
    }
    return count;
  }
}

const HERE: Place = { cpu: 0, el: 0, frame: 0, alias: 0, upper: false, tag: 5 };
const LIMIT = { timeout: 120_000 };

describe.each(Object.keys(ENGINES))('a page of one tag, on the %s', (engine) => {
  /** A page of tag 5 that HERE has just read. */
  function known(place: Place = HERE): Pair {
    const pair = new Pair(engine);
    pair.memory.writableTags(frameNumber(0)).fill(5);
    expect(pair.run('ldr', place, 0x48)).toBeUndefined();
    expect(pair.known).toBe(1);
    return pair;
  }
  /** The store of tag 6 to granule 4 has its effect for both ways to look at it. */
  function check(pair: Pair, place: Place = HERE): void {
    expect(pair.run('ldr', place, 0x48)).toBe(pair.address(place, 0x48));
    expect(pair.run('ldr', { ...place, tag: 6 }, 0x48)).toBeUndefined();
    expect(pair.run('str', place, 0x30)).toBeUndefined();
    expect(pair.run('stp', place, 0x38)).toBe(pair.address(place, 0x40));
  }

  it.each([
    ['the same address', HERE],
    ['an alias', { ...HERE, alias: 1 }],
    ['the other half', { ...HERE, upper: true }],
    ['EL1', { ...HERE, el: 1 }],
    ['another vCPU', { ...HERE, cpu: 1 }],
    ['an alias at EL1 of another vCPU', { ...HERE, cpu: 1, el: 1, alias: 1 }],
  ] as const)('is looked at again after a tag was stored by %s', (_, by) => {
    const pair = known();
    expect(pair.run('stg', by, 0x40, { tag: 6 })).toBeUndefined();
    expect(pair.known).toBe(0);
    check(pair);
  });

  it('is looked at again after the host wrote its tags or scrubbed it', () => {
    const pair = known();
    pair.memory.writableTags(frameNumber(0))[4] = 6;
    check(pair);
    pair.memory.scrub(frameNumber(0));
    expect(pair.run('ldr', HERE, 0x48)).toBe(pair.address(HERE, 0x48));
    expect(pair.run('ldr', { ...HERE, tag: 0 }, 0x48)).toBeUndefined();
    pair.memory.writableTags(frameNumber(0)).fill(5);
    expect(pair.run('ldr', HERE, 0x48)).toBeUndefined();
  });

  it('becomes one of another tag when all of it was stored, at the next access', () => {
    const pair = known();
    expect(pair.run('stg all', HERE, 0, { tag: 6 })).toBeUndefined();
    expect(pair.known).toBe(0);
    expect(pair.run('ldr', HERE, 0x48)).toBe(pair.address(HERE, 0x48));
    expect(pair.run('ldr', { ...HERE, tag: 6 }, 0x48)).toBeUndefined();
    expect(pair.known).toBe(1);
  });

  it('is left alone where its tags change and come back again and again', () => {
    const pair = known();
    for (const tag of [6, 5]) expect(pair.run('stg', HERE, 0x40, { tag })).toBeUndefined();
    expect(pair.run('ldr', HERE, 0x48)).toBeUndefined();
    expect(pair.known).toBe(0);
  });

  it('serves whoever is exempt too', () => {
    const pair = new Pair(engine, true);
    pair.memory.writableTags(frameNumber(0)).fill(5);
    const kernel: Place = { ...HERE, el: 1, upper: true };
    for (const tag of [5, 15, 5, 15]) expect(pair.run('ldr', { ...kernel, tag }, 0x48)).toBeUndefined();
    expect(pair.run('ldr', { ...kernel, tag: 6 }, 0x48)).toBe(pair.address({ ...kernel, tag: 6 }, 0x48));
    expect(pair.run('ldr', { ...kernel, tag: 6 }, 0x48, { tco: true })).toBeUndefined();
  });

  it('is no page of one tag for code that was made before anything was checked', () => {
    const pair = new Pair(engine);
    const [cpu] = pair.cpus as [Cpu];
    pair.memory.writableTags(frameNumber(0)).fill(5);
    const sctlr = cpu.readRegister('SCTLR_EL1');
    cpu.writeRegister('SCTLR_EL1', sctlr & ~(TCF | (TCF >> 2n)));
    cpu.state.setX(6, sctlr);
    cpu.state.setX(7, 3n << 56n);
    const by: Place = { ...HERE, el: 1 };
    expect(pair.run('turns', by, 0x48)).toBe(pair.address({ ...by, tag: 6 }, 0x48));
    expect(pair.known).toBe(1);
  });

  // Much the same place again and again, so that what one operation leaves behind is there for the next.
  const mostly = <T>(usual: T, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T> =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary });
  const place = fc.record({
    cpu: mostly(0, fc.constant(1)),
    el: fc.constantFrom(0 as const, 1 as const),
    frame: mostly(0, fc.constant(1)),
    alias: mostly(0, fc.constant(1)),
    upper: mostly(false, fc.constant(true)),
    tag: fc.constantFrom(0, 5, 5, 5, 6, 15),
  });
  const tag = fc.constantFrom(0, 5, 5, 6, 15);
  const granule = mostly(0, fc.nat(GRANULES - 1));
  const offset = fc.oneof({ weight: 3, arbitrary: fc.nat(31) }, { weight: 1, arbitrary: fc.nat(PAGE - 1) });
  const operation = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        op: fc.constant('access' as const),
        name: fc.constantFrom(...(Object.keys(PROGRAMS) as Access[])),
        place,
        offset,
        tco: fc.oneof(
          { weight: 9, arbitrary: fc.constant(false) },
          { weight: 1, arbitrary: fc.constant(true) },
        ),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        op: fc.constant('store' as const),
        name: fc.constantFrom(...(Object.keys(TAG_PROGRAMS) as TagStore[])),
        place,
        granule,
        tag,
      }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('host' as const), frame: fc.nat(1), granule, tag }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('fill' as const), frame: fc.nat(1), tag }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('scrub' as const), frame: fc.nat(1) }) },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constant('drop' as const), cpu: fc.nat(1), frame: fc.nat(2) }),
    },
  );

  it('never lets an access through that the tags refuse, nor refuses one that they allow', LIMIT, () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(operation, { minLength: 100, maxLength: 250, size: 'max' }),
        (matchAll, operations) => {
          const pair = new Pair(engine, matchAll);
          const { memory } = pair;
          const model = [0, 1].map(() => new Uint8Array(GRANULES));
          for (const todo of operations) {
            switch (todo.op) {
              case 'access': {
                const { name, tco } = todo;
                const { bytes, aligned } = { aligned: false, ...PROGRAMS[name] };
                const offset = Math.min(aligned ? todo.offset & -bytes : todo.offset, PAGE - bytes);
                const exempt = tco || (matchAll && todo.place.tag === (todo.place.upper ? 15 : 0));
                const tags = model[todo.place.frame] as Uint8Array;
                let wrong = -1;
                for (let at = offset + bytes - 1; at >= offset; at--)
                  if (tags[at >> 4] !== todo.place.tag) wrong = at;
                const fault = exempt || wrong < 0 ? undefined : pair.address(todo.place, wrong);
                expect(pair.run(name, todo.place, offset, { tco })).toBe(fault);
                break;
              }
              case 'store': {
                const { granules: count, kernel } = { kernel: false, ...TAG_PROGRAMS[todo.name] };
                const first = todo.granule & -count;
                const by = kernel ? { ...todo.place, el: 1 as const } : todo.place;
                expect(pair.run(todo.name, by, first * 16, { tag: todo.tag })).toBeUndefined();
                (model[by.frame] as Uint8Array).fill(todo.tag, first, first + count);
                break;
              }
              case 'host':
                memory.writableTags(frameNumber(todo.frame))[todo.granule] = todo.tag;
                (model[todo.frame] as Uint8Array)[todo.granule] = todo.tag;
                break;
              case 'fill':
                memory.writableTags(frameNumber(todo.frame)).fill(todo.tag);
                (model[todo.frame] as Uint8Array).fill(todo.tag);
                break;
              case 'scrub':
                memory.scrub(frameNumber(todo.frame));
                (model[todo.frame] as Uint8Array).fill(0);
                break;
              case 'drop': {
                const cpu = pair.cpus[todo.cpu] as Cpu;
                if (todo.frame === 2) cpu.dropAll();
                else cpu.dropFrame(memory.offsetOf(frameNumber(todo.frame)));
              }
            }
          }
          model.forEach((tags, frame) => {
            expect([...memory.tags(frameNumber(frame))]).toEqual([...tags]);
          });
        },
      ),
      { numRuns: 40, seed: 1, endOnFailure: true },
    );
  });
});
