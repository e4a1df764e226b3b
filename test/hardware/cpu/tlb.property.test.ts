import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TLB, TLB_EL0, TLB_EL1 } from '../../../src/hardware/cpu/index.ts';
import { hostOffset } from '../../../src/lib/index.ts';
import { AF, mapped, NOT_GLOBAL, RAM, READ_ONLY, Tables, USER } from './machine.ts';
import { referenceTranslate } from './reference-walk.ts';
import { softHit } from './soft-hit.ts';

const UPPER = 0xffff_0000_0000_0000n;
/** Pages of two regions of 2 MiB, and one that shares soft TLB entries with the first. */
const PAGES = [0x1000n, 0x2000n, 0x20_0000n, 0x20_5000n, 0x40_1000n, 0x80_1000n];

const page = fc.nat(PAGES.length - 1);
const space = fc.nat(2);
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('access' as const),
      page,
      write: fc.boolean(),
      user: fc.boolean(),
      upper: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('map' as const),
      page,
      space,
      frame: fc.nat(15),
      bits: fc.nat(3),
      how: fc.constantFrom(0, 1, 2, 2, 2, 3, 4),
      shared: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('block' as const),
      page,
      space,
      frame: fc.nat(3),
      how: fc.nat(1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('switch' as const), space: fc.nat(1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('stage2' as const), frame: fc.nat(15), all: fc.boolean() }),
  },
);

describe('cached translations, under correct TLB maintenance', () => {
  it('never differ from the tables', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 150, maxLength: 300, size: 'max' }), (operations) => {
        const { machine, tables } = mapped({ tcr: 1n << 36n });
        const { cpu } = machine;
        // Spaces 0 and 1 are processes with ASIDs 1 and 2; space 2 is the kernel's, global, in the upper half.
        const roots = [
          tables,
          new Tables(machine, 12, 48, RAM + (9 << 20)),
          new Tables(machine, 12, 48, RAM + (10 << 20)),
        ];
        const asid = (n: number) => (n === 2 ? 0n : BigInt(n + 1));
        const enter = (n: number) =>
          machine.msr('TTBR0_EL1', BigInt((roots[n] as Tables).root) | (asid(n) << 48n));
        let current = 0;
        enter(0);
        machine.msr('TTBR1_EL1', BigInt((roots[2] as Tables).root));
        const tlbi = (how: number, n: number, va: bigint, shared: boolean): void => {
          const crm = shared ? 3 : 7;
          const full = n === 2 ? UPPER | va : va;
          const xt = (asid(n) << 48n) | ((full >> 12n) & 0xfff_ffff_ffffn);
          // ASIDE1 does not reach global entries.
          if (how === 0 || (how === 2 && n === 2)) machine.sys(0, 8, crm, 0);
          else if (how === 2) machine.sys(0, 8, crm, 2, asid(n) << 48n);
          else machine.sys(0, 8, crm, [0, 1, 0, 3, 5][how] as number, xt);
        };
        for (const o of operations) {
          cpu.setPstate(5n);
          machine.at(0x1000n);
          switch (o.op) {
            case 'switch':
              current = o.space;
              enter(current);
              break;
            case 'stage2':
              if (o.all) cpu.dropAll();
              else cpu.dropFrame(hostOffset(machine.memory.framesBase + o.frame * 4096));
              break;
            case 'map': {
              const va = PAGES[o.page] as bigint;
              const attributes =
                (o.bits & 1 ? READ_ONLY : 0n) | USER | AF | (o.space === 2 ? 0n : NOT_GLOBAL);
              const t = roots[o.space] as Tables;
              const at2 = t.descriptor(va, 2);
              const wasBlock = (machine.read64(at2) & 3n) === 1n;
              if (wasBlock) machine.write64(at2, 0n);
              const at = t.descriptor(va, 3);
              machine.write64(at, o.bits & 2 ? BigInt(RAM + o.frame * 4096) | attributes | 3n : 0n);
              tlbi(wasBlock ? 1 : o.how, o.space, va, o.shared);
              break;
            }
            case 'block': {
              const va = (PAGES[o.page] as bigint) & ~0x1f_ffffn;
              const attributes = USER | AF | (o.space === 2 ? 0n : NOT_GLOBAL);
              machine.write64(
                (roots[o.space] as Tables).descriptor(va, 2),
                BigInt(RAM + o.frame * 0x20_0000) | attributes | 1n,
              );
              tlbi(o.how * 2, o.space, va, false);
              break;
            }
            case 'access': {
              const va = (PAGES[o.page] as bigint) | (o.upper ? UPPER : 0n);
              const context = o.user ? TLB_EL0 : TLB_EL1;
              const want = referenceTranslate(
                {
                  granule: 12,
                  bits: 48,
                  table: BigInt((roots[o.upper ? 2 : current] as Tables).root),
                  outputBits: 48,
                  ignoreTop: false,
                  walksDisabled: false,
                  kernelOnly: false,
                  flatPermissions: false,
                  accessFlag: false,
                  dirty: false,
                  wxn: false,
                  epan: false,
                },
                { va, kind: o.write ? 'write' : 'read', user: o.user, pan: false },
                (at) => machine.read64(Number(at)),
                () => {},
              );
              const expected = want.ok ? Number(want.address) - RAM + machine.memory.framesBase : undefined;
              const hit = softHit(machine, context, va, 8, o.write ? TLB.writeTag : TLB.readTag);
              if (hit !== undefined) expect(hit).toBe(expected);
              cpu.setPstate(o.user ? 0n : 5n);
              cpu.state.slowVa = va;
              const done = o.write ? cpu.probeWrite(3) !== 0 : cpu.load(3) === 0;
              expect(done).toBe(want.ok);
              if (done) expect(cpu.mmu.frame).toBe(expected);
            }
          }
        }
      }),
      { numRuns: 60, seed: 4711, endOnFailure: true },
    );
  });
});
