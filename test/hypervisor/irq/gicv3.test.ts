import { describe, expect, it } from 'vitest';
import {
  AP0R0,
  AP0R1,
  AP1R0,
  ASGI1R,
  BPR0,
  BPR1,
  bench,
  CTLR,
  DIR,
  EOIR0,
  EOIR1,
  enabledBench,
  enableSpi,
  GICD,
  GICR,
  HPPIR0,
  HPPIR1,
  IAR0,
  IAR1,
  IGRPEN0,
  IGRPEN1,
  PMR,
  RPR,
  SGI_FRAME,
  SGI0R,
  SGI1R,
  SRE,
} from './support.ts';

const SGI_RD = (vcpu: number) => GICR + vcpu * 0x20000 + SGI_FRAME;

describe('GICv3 distributor, IHI0069 12.9', () => {
  it('identifies itself as KVM does: GICv3, no LPIs without memory, 96 INTIDs', () => {
    const b = bench();
    expect(b.read(GICD + 0xffe8)).toBe(0x3bn);
    expect(b.read(GICD + 0x4)).toBe(BigInt(2 | (9 << 19)));
    expect(b.read(GICD + 0x8)).toBe(0x4b00343bn);
    expect(b.read(GICD + 0xc)).toBe(0n);
  });

  it('GICD_CTLR keeps the group enables and always says ARE and DS', () => {
    const b = bench();
    expect(b.read(GICD)).toBe(0x50n);
    b.write(GICD, 0xffffffff);
    expect(b.read(GICD)).toBe(0x53n);
  });

  it('private interrupts read as zero in the distributor, as affinity routing demands', () => {
    const b = bench();
    b.write(GICD + 0x100, 0xffffffff);
    expect(b.read(GICD + 0x100)).toBe(0n);
    expect(b.read(SGI_RD(0) + 0x100)).toBe(0xffffn);
  });

  it('IPRIORITYR has byte access and keeps five bits', () => {
    const b = bench();
    b.write(GICD + 0x400 + 33, 0xff, 1);
    expect(b.read(GICD + 0x400 + 32)).toBe(0xf800n);
    expect(b.read(GICD + 0x400 + 33, 1)).toBe(0xf8n);
    expect(b.read(GICD + 0x104, 1)).toBe(0n);
  });

  it('ICFGR holds two bits an interrupt; SGIs are edge-triggered and PPIs level-sensitive for good', () => {
    const b = bench();
    b.write(GICD + 0xc08, 0xffffffff);
    expect(b.read(GICD + 0xc08)).toBe(0xaaaaaaaan);
    b.write(SGI_RD(0) + 0xc04, 0xffffffff);
    expect(b.read(SGI_RD(0) + 0xc00)).toBe(0xaaaaaaaan);
    expect(b.read(SGI_RD(0) + 0xc04)).toBe(0n);
  });

  it('IROUTER takes 64-bit and 32-bit accesses; Aff3 and IRM are not implemented', () => {
    const b = bench();
    b.write(GICD + 0x6000 + 8 * 40, 0xff_8003_0201n, 8);
    expect(b.read(GICD + 0x6000 + 8 * 40, 8)).toBe(0x0003_0201n);
    b.write(GICD + 0x6004 + 8 * 40, 1);
    expect(b.read(GICD + 0x6004 + 8 * 40)).toBe(0n);
    b.write(GICD + 0x6000 + 8 * 40, 1);
    expect(b.read(GICD + 0x6000 + 8 * 40, 8)).toBe(1n);
  });

  it('unaligned, odd-sized and out-of-range accesses read zero and do nothing', () => {
    const b = bench();
    b.write(GICD + 0x84, 0, 2);
    b.write(GICD + 0x85, 0, 4);
    expect(b.read(GICD + 0x84)).toBe(0xffffffffn);
    expect(b.read(GICD + 0x84, 2)).toBe(0n);
    expect(b.read(GICD + 0x88, 8)).toBe(0xffffffffn);
    expect(b.gic.windows[0].read(0, 0xfffc, 8)).toBe(0n);
  });
});

describe('GICv3 redistributors, IHI0069 12.10', () => {
  it('GICR_TYPER gives number, affinity and Last', () => {
    const b = bench({ vcpus: 18 });
    expect(b.read(GICR + 0x8, 8)).toBe(0n);
    expect(b.read(GICR + 16 * 0x20000 + 0x8, 8)).toBe((0x100n << 32n) | (16n << 8n));
    expect(b.read(GICR + 17 * 0x20000 + 0x8, 8)).toBe((0x101n << 32n) | (17n << 8n) | 0x10n);
  });

  it('GICR_WAKER reads awake and GICR_PIDR2 says GICv3', () => {
    const b = bench();
    b.write(GICR + 0x14, 2);
    expect(b.read(GICR + 0x14)).toBe(0n);
    expect(b.read(GICR + 0xffe8)).toBe(0x3bn);
  });
});

describe('GICv3 interrupt lifecycle, IHI0069 4.1', () => {
  it('a level-sensitive SPI is pending, active, and pending again while its wire stays up', () => {
    const b = enabledBench();
    const icc = b.icc(0);
    enableSpi(b, 33, 0xa0);
    b.gic.setSpi(33, true);
    expect(b.irq[0]).toBe(true);
    expect(icc.read(HPPIR1)).toBe(33n);
    expect(icc.read(IAR1)).toBe(33n);
    expect(b.irq[0]).toBe(false);
    expect(icc.read(RPR)).toBe(0xa0n);
    expect(b.read(GICD + 0x304)).toBe(2n);
    expect(b.read(GICD + 0x204)).toBe(2n);
    expect(icc.read(IAR1)).toBe(1023n);
    icc.write(EOIR1, 33n);
    expect(b.irq[0]).toBe(true);
    b.gic.setSpi(33, false);
    expect(b.irq[0]).toBe(false);
    expect(icc.read(RPR)).toBe(0xffn);
  });

  it('an edge-triggered SPI is taken once for each rising edge, also while active', () => {
    const b = enabledBench();
    const icc = b.icc(0);
    b.write(GICD + 0xc08, 0x8);
    enableSpi(b, 33, 0xa0);
    b.gic.setSpi(33, true);
    b.gic.setSpi(33, true);
    expect(icc.read(IAR1)).toBe(33n);
    expect(b.read(GICD + 0x204)).toBe(0n);
    b.gic.setSpi(33, false);
    b.gic.setSpi(33, true);
    expect(b.irq[0]).toBe(false);
    icc.write(EOIR1, 33n);
    expect(icc.read(IAR1)).toBe(33n);
    icc.write(EOIR1, 33n);
    expect(b.irq[0]).toBe(false);
  });

  it('ISPENDR makes pending, ICPENDR undoes it, but not the level of a wire', () => {
    const b = enabledBench();
    enableSpi(b, 33, 0xa0);
    b.write(GICD + 0x204, 2);
    expect(b.irq[0]).toBe(true);
    b.write(GICD + 0x284, 2);
    expect(b.irq[0]).toBe(false);
    b.gic.setSpi(33, true);
    b.write(GICD + 0x284, 2);
    expect(b.irq[0]).toBe(true);
  });

  it('ICENABLER, GICD_CTLR and IGRPEN1 each hold an interrupt back without losing it', () => {
    const b = enabledBench();
    enableSpi(b, 33, 0xa0);
    b.gic.setSpi(33, true);
    for (const [off, on] of [
      [() => b.write(GICD + 0x184, 2), () => b.write(GICD + 0x104, 2)],
      [() => b.write(GICD, 0x11), () => b.write(GICD, 0x12)],
      [() => b.icc(0).write(IGRPEN1, 0n), () => b.icc(0).write(IGRPEN1, 1n)],
      [() => b.icc(0).write(PMR, 0xa0n), () => b.icc(0).write(PMR, 0xa8n)],
    ] as const) {
      expect(b.irq[0]).toBe(true);
      off();
      expect(b.irq[0]).toBe(false);
      on();
    }
    expect(b.irq[0]).toBe(true);
  });

  it('an SPI follows IROUTER, and goes nowhere where no vCPU has the affinity', () => {
    const b = enabledBench();
    enableSpi(b, 33, 0xa0, 1);
    b.gic.setSpi(33, true);
    expect(b.irq).toEqual([false, true]);
    b.write(GICD + 0x6000 + 8 * 33, 0, 8);
    expect(b.irq).toEqual([true, false]);
    b.write(GICD + 0x6000 + 8 * 33, 7, 8);
    expect(b.irq).toEqual([false, false]);
    b.write(GICD + 0x6000 + 8 * 33, 1, 8);
    expect(b.irq).toEqual([false, true]);
  });

  it('a PPI belongs to one vCPU', () => {
    const b = enabledBench();
    b.write(SGI_RD(1) + 0x100, 1 << 27);
    b.gic.setPpi(1, 27, true);
    b.gic.setPpi(0, 27, true);
    expect(b.irq).toEqual([false, true]);
    expect(b.icc(1).read(IAR1)).toBe(27n);
    expect(b.read(SGI_RD(1) + 0x300)).toBe(BigInt(1 << 27));
    expect(b.read(SGI_RD(0) + 0x300)).toBe(0n);
  });

  it('an interrupt that does not exist is the caller error EINVAL', () => {
    const b = bench();
    expect(() => b.gic.setSpi(31, true)).toThrow('EINVAL');
    expect(() => b.gic.setSpi(96, true)).toThrow('EINVAL');
    expect(() => b.gic.setPpi(0, 15, true)).toThrow('EINVAL');
    expect(() => b.gic.setPpi(2, 27, true)).toThrow('EINVAL');
  });
});

describe('GICv3 priorities, IHI0069 4.8', () => {
  it('the best priority goes first, the lowest INTID of equals', () => {
    const b = enabledBench();
    enableSpi(b, 40, 0xa0);
    enableSpi(b, 35, 0xa0);
    enableSpi(b, 70, 0x80);
    for (const intid of [40, 35, 70]) b.gic.setSpi(intid, true);
    const seen: bigint[] = [];
    for (const intid of [70, 35, 40]) {
      seen.push(b.icc(0).read(IAR1) ?? 0n);
      b.gic.setSpi(intid, false);
      b.icc(0).write(EOIR1, seen[seen.length - 1]);
    }
    expect(seen).toEqual([70n, 35n, 40n]);
  });

  it('a better group priority preempts; EOI returns to the one below', () => {
    const b = enabledBench();
    const icc = b.icc(0);
    enableSpi(b, 40, 0xa0);
    enableSpi(b, 41, 0xa0);
    enableSpi(b, 42, 0x40);
    b.gic.setSpi(40, true);
    expect(icc.read(IAR1)).toBe(40n);
    b.gic.setSpi(41, true);
    expect(b.irq[0]).toBe(false);
    b.gic.setSpi(42, true);
    expect(b.irq[0]).toBe(true);
    expect(icc.read(IAR1)).toBe(42n);
    expect(icc.read(RPR)).toBe(0x40n);
    expect(icc.read(AP1R0)).toBe((1n << 20n) | (1n << 8n));
    icc.write(EOIR1, 42n);
    expect(icc.read(RPR)).toBe(0xa0n);
  });

  it('the binary point takes bits from preemption; it has a minimum', () => {
    const b = enabledBench();
    const icc = b.icc(0);
    icc.write(BPR1, 0n);
    icc.write(BPR0, 0n);
    expect([icc.read(BPR0), icc.read(BPR1)]).toEqual([2n, 3n]);
    icc.write(BPR1, 7n);
    enableSpi(b, 40, 0xa0);
    enableSpi(b, 41, 0x80);
    enableSpi(b, 42, 0x40);
    b.gic.setSpi(40, true);
    expect(icc.read(IAR1)).toBe(40n);
    b.gic.setSpi(41, true);
    expect(b.irq[0]).toBe(false);
    b.gic.setSpi(42, true);
    expect(b.irq[0]).toBe(true);
  });

  it('CBPR: BPR0 serves Group 1, and BPR1 reads one more and ignores writes', () => {
    const b = enabledBench();
    const icc = b.icc(0);
    icc.write(CTLR, 1n);
    icc.write(BPR0, 4n);
    icc.write(BPR1, 7n);
    expect(icc.read(BPR1)).toBe(5n);
    icc.write(CTLR, 0n);
    expect(icc.read(BPR1)).toBe(3n);
  });

  it('PMR keeps five bits', () => {
    const icc = bench().icc(0);
    icc.write(PMR, 0xffn);
    expect(icc.read(PMR)).toBe(0xf8n);
  });
});

describe('GICv3 CPU interface, IHI0069 12.2', () => {
  it('EOImode: EOIR drops the priority, DIR deactivates; without EOImode DIR does nothing', () => {
    const b = enabledBench();
    const icc = b.icc(0);
    enableSpi(b, 33, 0xa0);
    icc.write(CTLR, 2n);
    expect(icc.read(CTLR)).toBe(0x402n);
    b.gic.setSpi(33, true);
    icc.read(IAR1);
    icc.write(EOIR1, 33n);
    expect(icc.read(RPR)).toBe(0xffn);
    expect(b.read(GICD + 0x304)).toBe(2n);
    expect(b.irq[0]).toBe(false);
    icc.write(DIR, 33n);
    expect(b.read(GICD + 0x304)).toBe(0n);
    expect(b.irq[0]).toBe(true);
    icc.write(CTLR, 0n);
    icc.read(IAR1);
    icc.write(DIR, 33n);
    expect(b.read(GICD + 0x304)).toBe(2n);
  });

  it('Group 0 is FIQ and IAR0; IAR1 does not see it, nor EOIR1 end it', () => {
    const b = enabledBench();
    const icc = b.icc(0);
    icc.write(IGRPEN0, 1n);
    b.write(GICD + 0x84, 0);
    enableSpi(b, 33, 0xa0);
    b.gic.setSpi(33, true);
    expect([b.irq[0], b.fiq[0]]).toEqual([false, true]);
    expect([icc.read(HPPIR0), icc.read(HPPIR1), icc.read(IAR1)]).toEqual([33n, 1023n, 1023n]);
    expect(icc.read(IAR0)).toBe(33n);
    icc.write(EOIR1, 33n);
    expect(icc.read(RPR)).toBe(0xa0n);
    icc.write(EOIR0, 33n);
    expect(icc.read(RPR)).toBe(0xffn);
  });

  it('a disabled Group 0 interrupt does not hide a worse one of Group 1', () => {
    const b = enabledBench();
    enableSpi(b, 33, 0x20);
    enableSpi(b, 64, 0xa0);
    b.write(GICD + 0x84, 0);
    b.gic.setSpi(33, true);
    b.gic.setSpi(64, true);
    expect(b.icc(0).read(IAR1)).toBe(64n);
  });

  it('of equal active priorities in both groups, Group 0 runs and ends first', () => {
    const icc = bench().icc(0);
    icc.write(AP0R0, 1n << 20n);
    icc.write(AP1R0, 1n << 20n);
    icc.write(EOIR1, 33n);
    expect(icc.read(AP1R0)).toBe(1n << 20n);
    icc.write(EOIR0, 33n);
    icc.write(EOIR1, 33n);
    expect([icc.read(AP0R0), icc.read(AP1R0), icc.read(RPR)]).toEqual([0n, 0n, 0xffn]);
  });

  it('EOIs of special and absent INTIDs are ignored', () => {
    const b = enabledBench();
    enableSpi(b, 33, 0xa0);
    b.gic.setSpi(33, true);
    b.icc(0).read(IAR1);
    for (const intid of [1023n, 1020n, 500n, 8192n, 0xffffffn]) b.icc(0).write(EOIR1, intid);
    expect(b.icc(0).read(RPR)).toBe(0xa0n);
  });

  it('SRE is fixed; AP0R1 and wrong directions are UNDEFINED', () => {
    const icc = bench().icc(0);
    expect(icc.write(SRE, 0n)).toBe(true);
    expect(icc.read(SRE)).toBe(7n);
    expect(icc.read(AP0R1)).toBeUndefined();
    expect(icc.write(AP0R1, 0n)).toBe(false);
    expect(icc.read(SGI1R)).toBeUndefined();
    expect(icc.read(EOIR1)).toBeUndefined();
    expect(icc.write(IAR1, 0n)).toBe(false);
  });
});

describe('GICv3 SGIs, IHI0069 4.4', () => {
  const sgi = (intid: number, list: number, aff1 = 0) =>
    (BigInt(intid) << 24n) | (BigInt(aff1) << 16n) | BigInt(list);

  it('SGI1R reaches the listed vCPUs of one cluster', () => {
    const b = enabledBench({ vcpus: 18 });
    b.icc(0).write(SGI1R, sgi(5, 0b110));
    b.icc(0).write(SGI1R, sgi(6, 0b10, 1));
    expect(b.irq.flatMap((up, vcpu) => (up ? [vcpu] : []))).toEqual([1, 2, 17]);
    expect(b.icc(17).read(IAR1)).toBe(6n);
  });

  it('SGI1R with IRM reaches all but the sender', () => {
    const b = enabledBench({ vcpus: 3 });
    b.icc(1).write(SGI1R, (1n << 40n) | sgi(3, 0));
    expect(b.irq).toEqual([true, false, true]);
  });

  it('SGI0R and ASGI1R reach only SGIs of Group 0', () => {
    const b = enabledBench();
    b.icc(0).write(SGI0R, sgi(3, 1));
    b.icc(0).write(ASGI1R, sgi(4, 1));
    expect(b.read(SGI_RD(0) + 0x200)).toBe(0n);
    b.write(SGI_RD(0) + 0x80, 0xffffffff & ~8);
    b.icc(0).write(SGI0R, sgi(3, 1));
    expect(b.read(SGI_RD(0) + 0x200)).toBe(8n);
  });
});

describe('GICv3 saved state', () => {
  it('save, restore and save again are equal, and the wires follow', () => {
    const a = enabledBench();
    enableSpi(a, 33, 0xa0, 1);
    enableSpi(a, 40, 0x40);
    enableSpi(a, 41, 0x20);
    a.write(GICD + 0xc08, 0xffffffff);
    a.gic.setSpi(33, true);
    a.gic.setSpi(40, true);
    a.icc(0).read(IAR1);
    a.gic.setSpi(41, true);
    const saved = a.gic.save();
    const b = bench();
    b.gic.restore(JSON.parse(JSON.stringify(saved)));
    expect(b.gic.save()).toEqual(saved);
    expect(b.irq).toEqual([true, true]);
    expect(b.icc(0).read(IAR1)).toBe(41n);
    expect(b.icc(1).read(IAR1)).toBe(33n);
  });

  it('restoring drives every line, also those that did not change', () => {
    const a = enabledBench();
    const before = a.edges;
    a.gic.restore(a.gic.save());
    expect(a.edges - before).toBe(2);
  });

  it('reset takes everything back, wires included', () => {
    const fresh = bench().gic.save();
    const b = enabledBench();
    enableSpi(b, 33, 0xa0);
    b.gic.setSpi(33, true);
    b.gic.reset();
    expect(b.irq).toEqual([false, false]);
    expect(b.gic.save()).toEqual(fresh);
  });

  it('the state of another machine is EINVAL and changes nothing', () => {
    const b = enabledBench();
    const before = b.gic.save();
    expect(() => b.gic.restore(bench({ vcpus: 3 }).gic.save())).toThrow('EINVAL');
    expect(() => b.gic.restore(bench({ spis: 32 }).gic.save())).toThrow('EINVAL');
    expect(b.gic.save()).toEqual(before);
  });
});
