import { describe, expect, it } from 'vitest';
import { GicV2, type GicV2Options } from '../../../src/hypervisor/irq/index.ts';

const GICD = 0x08000000;
const GICC = 0x08010000;
const V2M = 0x08020000;
const CTLR = 0x00;
const PMR = 0x04;
const BPR = 0x08;
const IAR = 0x0c;
const EOIR = 0x10;
const RPR = 0x14;
const HPPIR = 0x18;
const ABPR = 0x1c;
const AIAR = 0x20;
const AEOIR = 0x24;
const AHPPIR = 0x28;
const DIR = 0x1000;

function bench(options: Partial<GicV2Options> = {}) {
  const irq: boolean[] = [false, false];
  const fiq: boolean[] = [false, false];
  const gic = new GicV2({
    vcpus: 2,
    ...options,
    lines: (vcpu, i, f) => {
      irq[vcpu] = i;
      fiq[vcpu] = f;
    },
  });
  const at = (address: number) => {
    const found = gic.windows.find((w) => address >= w.base && address < w.base + w.size);
    if (!found) throw new Error('no window there');
    return found;
  };
  const read = (address: number, vcpu = 0, size = 4) =>
    Number(at(address).read(vcpu, address - at(address).base, size));
  const write = (address: number, value: number, vcpu = 0, size = 4) =>
    at(address).write(vcpu, address - at(address).base, size, BigInt(value));
  return { gic, irq, fiq, read, write };
}

/** Enabled as Linux leaves it: Group 0 by IRQ. */
function enabled(options: Partial<GicV2Options> = {}) {
  const b = bench(options);
  b.write(GICD, 1);
  for (let vcpu = 0; vcpu < (options.vcpus ?? 2); vcpu++) {
    b.write(GICC + PMR, 0xf0, vcpu);
    b.write(GICC + CTLR, 1, vcpu);
  }
  const spi = (intid: number, priority: number, targets = 1) => {
    b.write(GICD + 0x400 + intid, priority, 0, 1);
    b.write(GICD + 0x800 + intid, targets, 0, 1);
    b.write(GICD + 0x100 + (intid >> 5) * 4, 2 ** (intid & 31));
  };
  return { ...b, spi };
}

describe('GICv2 distributor, IHI0048 4.3', () => {
  it('identifies itself: GICv2, 288 INTIDs, two CPU interfaces', () => {
    const b = bench();
    expect(b.read(GICD + 4)).toBe(8 | (1 << 5));
    expect(b.read(GICD + 0xfe8)).toBe(0x2b);
    expect(b.read(GICC + 0xfc)).toBe(0x04b2043b);
  });

  it('private interrupts are banked by the accessing vCPU', () => {
    const b = bench();
    b.write(GICD + 0x104, 0, 0);
    b.write(GICD + 0x100, 1 << 27, 1);
    expect([b.read(GICD + 0x100, 0), b.read(GICD + 0x100, 1)]).toEqual([0xffff, 0x800ffff]);
    b.write(GICD + 0x400 + 27, 0x48, 1, 1);
    expect([b.read(GICD + 0x418, 0), b.read(GICD + 0x418, 1)]).toEqual([0, 0x48000000]);
  });

  it('ITARGETSR shows each vCPU its own bit for private interrupts, and keeps existing targets for shared', () => {
    const b = bench();
    expect([b.read(GICD + 0x800, 0), b.read(GICD + 0x800, 1)]).toEqual([0x01010101, 0x02020202]);
    b.write(GICD + 0x820, 0xff030201);
    expect(b.read(GICD + 0x820)).toBe(0x03030201);
    const lone = bench({ vcpus: 1 });
    lone.write(GICD + 0x820, 0x01010101);
    expect(lone.read(GICD + 0x820)).toBe(0);
  });

  it('an SPI goes to the first of its targets, nowhere without, and always to a lone vCPU', () => {
    const b = enabled();
    b.spi(40, 0xa0, 0);
    b.gic.setSpi(40, true);
    expect(b.irq).toEqual([false, false]);
    b.write(GICD + 0x800 + 40, 2, 0, 1);
    expect(b.irq).toEqual([false, true]);
    b.write(GICD + 0x800 + 40, 3, 0, 1);
    expect(b.irq).toEqual([true, false]);
    const lone = enabled({ vcpus: 1 });
    lone.spi(40, 0xa0, 0);
    lone.gic.setSpi(40, true);
    expect(lone.irq[0]).toBe(true);
  });
});

describe('GICv2 CPU interface, IHI0048 4.4', () => {
  it('acknowledge, running priority and EOI', () => {
    const b = enabled();
    b.spi(40, 0xa0);
    b.gic.setSpi(40, true);
    expect(b.read(GICC + HPPIR)).toBe(40);
    expect(b.read(GICC + IAR)).toBe(40);
    expect([b.irq[0], b.read(GICC + RPR), b.read(GICC + IAR)]).toEqual([false, 0xa0, 1023]);
    b.gic.setSpi(40, false);
    b.write(GICC + EOIR, 40);
    expect(b.read(GICC + RPR)).toBe(0xff);
    expect(b.read(GICD + 0x304)).toBe(0);
  });

  it('PMR masks, a better priority preempts', () => {
    const b = enabled();
    b.spi(40, 0xa0);
    b.spi(41, 0x20);
    b.write(GICC + PMR, 0xa0);
    b.gic.setSpi(40, true);
    expect(b.irq[0]).toBe(false);
    b.write(GICC + PMR, 0xff);
    expect(b.read(GICC + PMR)).toBe(0xf8);
    b.read(GICC + IAR);
    b.gic.setSpi(41, true);
    expect(b.read(GICC + IAR)).toBe(41);
    b.write(GICC + EOIR, 41);
    expect(b.read(GICC + RPR)).toBe(0xa0);
  });

  it('EOImode splits drop and deactivation', () => {
    const b = enabled();
    b.spi(40, 0xa0);
    b.write(GICC + CTLR, 0x201);
    expect(b.read(GICC + CTLR)).toBe(0x201);
    b.gic.setSpi(40, true);
    b.read(GICC + IAR);
    b.write(GICC + EOIR, 40);
    expect([b.read(GICC + RPR), b.irq[0]]).toEqual([0xff, false]);
    b.write(GICC + DIR, 40);
    expect(b.irq[0]).toBe(true);
  });

  it('FIQEn makes Group 0 FIQ; Group 1 is 1022 in IAR, and taken by AIAR', () => {
    const b = enabled();
    b.write(GICD, 3);
    b.write(GICC + CTLR, 0xb);
    b.spi(40, 0xa0);
    b.spi(41, 0xa8);
    b.write(GICD + 0x84, 1 << 9);
    b.gic.setSpi(40, true);
    b.gic.setSpi(41, true);
    expect([b.irq[0], b.fiq[0]]).toEqual([false, true]);
    expect([b.read(GICC + AHPPIR), b.read(GICC + AIAR)]).toEqual([1023, 1023]);
    expect(b.read(GICC + IAR)).toBe(40);
    b.gic.setSpi(40, false);
    b.write(GICC + AEOIR, 40);
    expect(b.read(GICC + RPR)).toBe(0xa0);
    b.write(GICC + EOIR, 40);
    expect([b.irq[0], b.fiq[0]]).toEqual([true, false]);
    expect([b.read(GICC + HPPIR), b.read(GICC + IAR)]).toEqual([1022, 1022]);
    expect(b.read(GICC + AIAR)).toBe(41);
    b.write(GICC + AEOIR, 41);
    b.write(GICC + CTLR, 0xf);
    expect(b.read(GICC + IAR)).toBe(41);
    b.write(GICC + EOIR, 41);
    expect(b.read(GICC + RPR)).toBe(0xff);
  });

  it('binary points have their minimum, and CBPR joins them', () => {
    const b = enabled();
    b.write(GICC + BPR, 0);
    b.write(GICC + ABPR, 0);
    expect([b.read(GICC + BPR), b.read(GICC + ABPR)]).toEqual([2, 3]);
    b.write(GICC + CTLR, 0x11);
    b.write(GICC + BPR, 5);
    expect(b.read(GICC + ABPR)).toBe(6);
  });

  it('special INTIDs cannot be ended', () => {
    const b = enabled();
    b.spi(40, 0xa0);
    b.gic.setSpi(40, true);
    b.read(GICC + IAR);
    for (const intid of [1023, 1022, 700]) b.write(GICC + EOIR, intid);
    expect(b.read(GICC + RPR)).toBe(0xa0);
  });
});

describe('GICv2 SGIs, IHI0048 4.3.15', () => {
  it('an SGI is taken once from each sender, which IAR names', () => {
    const b = enabled();
    b.write(GICD + 0xf00, (1 << 16) | 5, 1);
    b.write(GICD + 0xf00, (1 << 16) | 5, 0);
    expect(b.read(GICC + IAR)).toBe(5);
    expect(b.irq[0]).toBe(false);
    b.write(GICC + EOIR, 5);
    expect(b.read(GICC + IAR)).toBe(5 | (1 << 10));
    b.write(GICC + EOIR, 5 | (1 << 10));
    expect(b.irq[0]).toBe(false);
  });

  it('TargetListFilter: all but the sender, and the sender alone', () => {
    const b = enabled();
    b.write(GICD + 0xf00, (1 << 24) | 3, 0);
    expect(b.irq).toEqual([false, true]);
    b.write(GICD + 0xf00, (2 << 24) | 3, 0);
    expect(b.irq).toEqual([true, true]);
    const c = enabled();
    c.write(GICD + 0xf00, (3 << 24) | (3 << 16) | 3, 0);
    expect(c.irq).toEqual([false, false]);
  });

  it('SPENDSGIR and CPENDSGIR set and clear senders; ISPENDR does not', () => {
    const b = enabled();
    b.write(GICD + 0x200, 1 << 3);
    expect(b.irq[0]).toBe(false);
    b.write(GICD + 0xf20 + 3, 0xff, 0, 1);
    expect([b.irq[0], b.read(GICD + 0xf20), b.read(GICD + 0x200)]).toEqual([true, 0x03000000, 8]);
    b.write(GICD + 0x280, 1 << 3);
    b.write(GICD + 0xf10, 0x01000000);
    expect(b.read(GICD + 0xf10)).toBe(0x02000000);
    b.write(GICD + 0xf10 + 3, 2, 0, 1);
    expect(b.irq[0]).toBe(false);
  });
});

describe('GICv2m', () => {
  it('a message is one edge of its SPI', () => {
    const b = enabled();
    expect(b.read(V2M + 8)).toBe((80 << 16) | 64);
    b.spi(100, 0xa0);
    expect(b.gic.send(0, V2M + 0x40, 100)).toBe(false);
    b.write(GICD + 0xc00 + 24, 2 << 8);
    expect(b.gic.send(0, V2M + 0x40, 100)).toBe(true);
    expect(b.read(GICC + IAR)).toBe(100);
    b.write(GICC + EOIR, 100);
    b.write(V2M + 0x40, 100);
    expect(b.read(GICC + IAR)).toBe(100);
  });

  it('interrupts outside the frame and other addresses are refused', () => {
    const b = enabled();
    b.write(GICD + 0xc00 + 16, 0xffffffff);
    for (const intid of [79, 144, 5, 1023]) expect(b.gic.send(0, V2M + 0x40, intid)).toBe(false);
    expect(b.gic.send(0, V2M + 0x44, 100)).toBe(false);
  });

  it('a frame beyond the SPIs is EINVAL', () => {
    expect(() => bench({ spis: 32 })).toThrow('EINVAL');
    expect(() => bench({ vcpus: 9 })).toThrow('EINVAL');
  });
});

describe('GICv2 saved state', () => {
  it('save, restore and save again are equal, senders of SGIs included', () => {
    const a = enabled();
    a.spi(40, 0xa0, 2);
    a.gic.setSpi(40, true);
    a.write(GICC + CTLR, 0x21d, 1);
    a.write(GICD + 0xf00, (1 << 16) | 5, 1);
    a.write(GICD + 0xf00, (1 << 16) | 5, 0);
    a.read(GICC + IAR);
    const saved = a.gic.save();
    const b = bench();
    b.gic.restore(JSON.parse(JSON.stringify(saved)));
    expect(b.gic.save()).toEqual(saved);
    expect([b.irq, b.fiq]).toEqual([a.irq, a.fiq]);
    b.write(GICC + EOIR, 5);
    expect(b.read(GICC + IAR)).toBe(5 | (1 << 10));
  });

  it('reset takes everything back', () => {
    const b = enabled();
    const fresh = bench().gic.save();
    b.spi(40, 0xa0);
    b.gic.setSpi(40, true);
    b.gic.reset();
    expect(b.gic.save()).toEqual(fresh);
    expect(b.irq).toEqual([false, false]);
  });
});
