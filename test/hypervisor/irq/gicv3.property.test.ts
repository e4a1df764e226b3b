import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lpis } from '../../../src/hypervisor/irq/gicv3/lpis.ts';
import { Model } from './model.ts';
import {
  type Bench,
  BPR0,
  BPR1,
  bench,
  CTLR,
  DIR,
  EOIR0,
  EOIR1,
  GICD,
  GICR,
  HPPIR0,
  HPPIR1,
  IAR0,
  IAR1,
  IGRPEN0,
  IGRPEN1,
  PMR,
  RAM_BASE,
  RPR,
  SGI_FRAME,
  SGI0R,
  SGI1R,
  TestMemory,
} from './support.ts';

const VCPUS = 2;
const SPIS = 32;

/** One step, done to both; `check` compares what the step itself answers. */
type Step = (real: Bench, model: Model) => void;

// Few interrupts and priorities, so that they meet.
const vcpu = fc.nat(VCPUS - 1);
const intid = fc.constantFrom(0, 1, 15, 16, 27, 31, 32, 33, 47, 48, 63);
const spi = fc.constantFrom(32, 33, 47, 48, 63);
const ppi = fc.constantFrom(16, 27, 31);
const group = fc.constantFrom<0 | 1>(0, 1);
const priority = fc.constantFrom(0, 0x20, 0x28, 0x80, 0xa0, 0xa8, 0xf0, 0xf8);

/** Address of a register with `bits` bits an interrupt, in the distributor or the vCPU's redistributor. */
const register = (offset: number, bits: number, of: number, id: number) =>
  (id < 32 ? GICR + of * 0x20000 + SGI_FRAME : GICD) + offset + Math.floor((id * bits) / 32) * 4;
const bitOf = (id: number) => 2 ** (id % 32);

const bitStep = (offset: number, apply: (model: Model, of: number, id: number) => void) =>
  fc.tuple(vcpu, intid).map(
    ([of, id]): Step =>
      (real, model) => {
        real.write(register(offset, 1, of, id), bitOf(id), 4, of);
        apply(model, of, id);
      },
  );

const steps: fc.Arbitrary<Step>[] = [
  bitStep(0x100, (m, of, id) => (m.interrupt(of, id).enabled = true)),
  bitStep(0x100, (m, of, id) => (m.interrupt(of, id).enabled = true)),
  bitStep(0x180, (m, of, id) => (m.interrupt(of, id).enabled = false)),
  bitStep(0x200, (m, of, id) => (m.interrupt(of, id).latched = true)),
  bitStep(0x280, (m, of, id) => (m.interrupt(of, id).latched = false)),
  bitStep(0x300, (m, of, id) => (m.interrupt(of, id).active = true)),
  bitStep(0x380, (m, of, id) => (m.interrupt(of, id).active = false)),
  fc.tuple(spi, fc.boolean()).map(
    ([id, level]): Step =>
      (real, model) => {
        real.gic.setSpi(id, level);
        model.setWire(0, id, level);
      },
  ),
  fc.tuple(vcpu, ppi, fc.boolean()).map(
    ([of, id, level]): Step =>
      (real, model) => {
        real.gic.setPpi(of, id, level);
        model.setWire(of, id, level);
      },
  ),
  fc.tuple(vcpu, intid, priority).map(
    ([of, id, value]): Step =>
      (real, model) => {
        real.write((id < 32 ? GICR + of * 0x20000 + SGI_FRAME : GICD) + 0x400 + id, value, 1, of);
        model.interrupt(of, id).priority = value;
      },
  ),
  fc.tuple(vcpu, intid, group).map(
    ([of, id, value]): Step =>
      (real, model) => {
        const address = register(0x80, 1, of, id);
        const others = Number(real.read(address, 4, of)) & ~bitOf(id);
        real.write(address, BigInt((others | (value ? bitOf(id) : 0)) >>> 0), 4, of);
        model.interrupt(of, id).group = value;
      },
  ),
  fc.tuple(spi, fc.boolean()).map(
    ([id, edge]): Step =>
      (real, model) => {
        const address = register(0xc00, 2, 0, id);
        const bit = 2 ** ((id % 16) * 2 + 1);
        const others = Number(real.read(address)) & ~bit;
        real.write(address, BigInt((others | (edge ? bit : 0)) >>> 0));
        model.interrupt(0, id).edge = edge;
      },
  ),
  fc.tuple(spi, fc.nat(VCPUS)).map(
    ([id, target]): Step =>
      (real, model) => {
        real.write(GICD + 0x6000 + 8 * id, target, 8);
        model.interrupt(0, id).target = target;
      },
  ),
  fc.nat(3).map(
    (groups): Step =>
      (real, model) => {
        real.write(GICD, groups);
        model.distributor = [(groups & 1) !== 0, (groups & 2) !== 0];
      },
  ),
  fc.tuple(vcpu, group, fc.boolean()).map(
    ([of, g, on]): Step =>
      (real, model) => {
        real.icc(of).write(g ? IGRPEN1 : IGRPEN0, on ? 1n : 0n);
        model.cpus[of].enable[g] = on;
      },
  ),
  fc.tuple(vcpu, priority).map(
    ([of, value]): Step =>
      (real, model) => {
        real.icc(of).write(PMR, BigInt(value));
        model.cpus[of].pmr = value;
      },
  ),
  fc.tuple(vcpu, group, fc.nat(7)).map(
    ([of, g, value]): Step =>
      (real, model) => {
        real.icc(of).write(g ? BPR1 : BPR0, BigInt(value));
        if (g === 0 || !model.cpus[of].cbpr) model.cpus[of].bpr[g] = Math.max(value, 2 + g);
      },
  ),
  fc.tuple(vcpu, fc.nat(3)).map(
    ([of, value]): Step =>
      (real, model) => {
        real.icc(of).write(CTLR, BigInt(value));
        model.cpus[of].cbpr = (value & 1) !== 0;
        model.cpus[of].eoiMode = (value & 2) !== 0;
      },
  ),
  fc.tuple(vcpu, vcpu, group).map(
    ([of, target, g]): Step =>
      (real, model) => {
        real.icc(of).write(g ? SGI1R : SGI0R, (15n << 24n) | (1n << BigInt(target)));
        const it = model.interrupt(target, 15);
        if (g === 1 || it.group === 0) it.latched = true;
      },
  ),
  fc.tuple(vcpu, intid).map(
    ([of, id]): Step =>
      (real, model) => {
        real.icc(of).write(DIR, BigInt(id));
        model.deactivate(of, id);
      },
  ),
];
const acknowledge = fc.tuple(vcpu, group).map(
  ([of, g]): Step =>
    (real, model) => {
      expect(real.icc(of).read(g ? IAR1 : IAR0)).toBe(BigInt(model.acknowledge(of, g)));
    },
);
const end = fc.tuple(vcpu, group, fc.oneof(intid, fc.constantFrom(64, 1020, 1023, 8192))).map(
  ([of, g, id]): Step =>
    (real, model) => {
      real.icc(of).write(g ? EOIR1 : EOIR0, BigInt(id));
      model.end(of, g, id);
    },
);
// Acknowledging and ending often, or nothing ever preempts anything.
const step = fc.oneof(...steps, ...Array.from({ length: 6 }, () => acknowledge), end, end, end);

function compare(real: Bench, model: Model): void {
  for (let of = 0; of < VCPUS; of++) {
    const highest = model.highest(of);
    const signalled = model.signalled(of);
    expect({
      irq: real.irq[of],
      fiq: real.fiq[of],
      hppir: [real.icc(of).read(HPPIR0), real.icc(of).read(HPPIR1)],
      rpr: real.icc(of).read(RPR),
    }).toEqual({
      irq: signalled?.group === 1,
      fiq: signalled?.group === 0,
      hppir: [0, 1].map((g) => BigInt(highest?.group === g ? highest.intid : 1023)),
      rpr: BigInt(model.running(of)),
    });
    for (const base of [0, 32]) {
      let [pending, active] = [0, 0];
      for (let n = 0; n < 32; n++) {
        const it = model.interrupt(of, base + n);
        if (model.pending(it)) pending += 2 ** n;
        if (it.active) active += 2 ** n;
      }
      expect(real.read(register(0x200, 1, of, base))).toBe(BigInt(pending));
      expect(real.read(register(0x300, 1, of, base))).toBe(BigInt(active));
    }
  }
}

describe('GICv3 against a plain model', () => {
  it('lines, HPPIR, RPR, pending and active agree after every step (IHI0069 4.1, 4.6, 4.8)', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (all) => {
        const real = bench({ vcpus: VCPUS, spis: SPIS });
        const model = new Model(VCPUS, SPIS);
        real.write(GICD, 3);
        model.distributor = [true, true];
        for (let of = 0; of < VCPUS; of++) {
          for (const g of [IGRPEN0, IGRPEN1]) real.icc(of).write(g, 1n);
          real.icc(of).write(PMR, 0xf8n);
          Object.assign(model.cpus[of], { pmr: 0xf8, enable: [true, true] });
        }
        for (const each of all) {
          each(real, model);
          compare(real, model);
        }
        const restored = bench({ vcpus: VCPUS, spis: SPIS });
        restored.gic.restore(real.gic.save());
        compare(restored, model);
        expect(restored.gic.save()).toEqual(real.gic.save());
      }),
      { numRuns: 150, seed: 20 },
    );
  });

  it('the best LPI of each vCPU is what a scan finds, whatever is pended, cleared, moved and configured', () => {
    const LPIS = 30;
    const op = fc.record({
      what: fc.constantFrom(
        'pend',
        'pend',
        'pend',
        'pend',
        'clear',
        'take',
        'take',
        'configure',
        'move',
        'moveAll',
      ),
      lpi: fc.nat(LPIS - 1),
      vcpu,
      config: fc.tuple(priority, fc.boolean()).map(([p, on]) => p | (on ? 1 : 0)),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 200, size: 'max' }), (ops) => {
        const memory = new TestMemory(1 << 16);
        const lpis = new Lpis(VCPUS, memory, () => {});
        lpis.propertyBase[0] = RAM_BASE | 15;
        lpis.enabled.fill(1);
        // All enabled at descending priority, so that heaps grow deep from the start.
        const config = Array.from({ length: LPIS }, (_, n) => ((31 - n) << 3) | 1);
        memory.bytes.set(config);
        for (let n = 0; n < LPIS; n++) lpis.invalidate(8192 + n);
        const at = new Array<number>(LPIS).fill(-1);
        for (const { what, lpi, vcpu: v, config: c } of ops) {
          if (what === 'pend') {
            lpis.pend(8192 + lpi, v);
            if (at[lpi] < 0) at[lpi] = v;
          } else if (what === 'clear') {
            lpis.clear(8192 + lpi);
            at[lpi] = -1;
          } else if (what === 'take') {
            const best = lpis.best(v);
            if (best === 0) continue;
            lpis.clear(best);
            at[best - 8192] = -1;
          } else if (what === 'configure') {
            memory.bytes[lpi] = config[lpi] = c;
            lpis.invalidate(8192 + lpi);
          } else if (what === 'move') {
            lpis.move(8192 + lpi, v);
            if (at[lpi] >= 0) at[lpi] = v;
          } else {
            lpis.moveAll(1 - v, v);
            for (const n of at.keys()) if (at[n] === 1 - v) at[n] = v;
          }
          for (let of = 0; of < VCPUS; of++) {
            const ready = [...at.keys()].filter((n) => at[n] === of && config[n] & 1);
            ready.sort((a, b) => (config[a] & 0xf8) - (config[b] & 0xf8) || a - b);
            expect(lpis.best(of)).toBe(ready.length > 0 ? 8192 + ready[0] : 0);
          }
        }
      }),
      { numRuns: 150, seed: 21 },
    );
  });
});
