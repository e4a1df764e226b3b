// The order in which Linux's irq-gic-v3.c and irq-gic-v3-its.c touch a GICv3 while they probe and set it up, with
// the conditions on which they give up or warn.

import { describe, expect, it } from 'vitest';
import {
  AP0R0,
  AP1R0,
  BPR1,
  bench,
  CTLR,
  EOIR1,
  enableSpi,
  GICD,
  GICR,
  IAR1,
  IGRPEN1,
  PMR,
  RAM_BASE,
  SGI1R,
  SRE,
  TestMemory,
} from './support.ts';

const GITS = 0x08080000;
const VALID = 1n << 63n;
const RAW_WB = 7n;
const VCPUS = 4;

describe('Linux', () => {
  it('probes distributor, redistributors, CPU interface and ITS, and gets SGIs, SPIs and MSIs', () => {
    const memory = new TestMemory();
    const b = bench({ vcpus: VCPUS, spis: 256, memory });
    const rwp = (address: number) =>
      expect(b.read(address) & (address === GICD ? 1n << 31n : 1n << 3n)).toBe(0n);

    // gic_validate_dist_version, gic_init_bases
    expect(b.read(GICD + 0xffe8) & 0xf0n).toBe(0x30n);
    const typer = Number(b.read(GICD + 4));
    const lines = ((typer & 31) + 1) * 32;
    expect(lines).toBe(288);
    const idBits = ((typer >> 19) & 31) + 1;
    expect([idBits, (typer >> 17) & 1]).toEqual([16, 1]);
    expect(b.read(GICD + 0xc)).toBe(0n);

    // gic_dist_init
    b.write(GICD, 0);
    rwp(GICD);
    for (let n = 32; n < lines; n += 32) b.write(GICD + 0x80 + n / 8, 0xffffffff);
    for (let n = 32; n < lines; n += 16) b.write(GICD + 0xc00 + n / 4, 0);
    for (let n = 32; n < lines; n += 4) b.write(GICD + 0x400 + n, 0xa0a0a0a0);
    for (let n = 32; n < lines; n += 32) b.write(GICD + 0x380 + n / 8, 0xffffffff);
    for (let n = 32; n < lines; n += 32) b.write(GICD + 0x180 + n / 8, 0xffffffff);
    b.write(GICD, 0x13);
    rwp(GICD);
    for (let n = 32; n < lines; n++) b.write(GICD + 0x6000 + 8 * n, 0, 8);

    const properties = RAM_BASE + 0x100000;
    const processors: bigint[] = [];
    for (let vcpu = 0; vcpu < VCPUS; vcpu++) {
      // gic_populate_rdist walks until Last
      let rd = GICR;
      for (; b.read(rd + 8, 8) >> 32n !== BigInt(vcpu); rd += 0x20000)
        expect(b.read(rd + 8, 8) & 0x10n).toBe(0n);
      expect(b.read(rd + 0xffe8) & 0xf0n).toBe(0x30n);
      const redistributor = b.read(rd + 8, 8);
      expect(redistributor & 1n).toBe(1n);
      processors.push((redistributor >> 8n) & 0xffffn);
      // gic_enable_redist
      b.write(rd + 0x14, Number(b.read(rd + 0x14)) & ~2);
      expect(b.read(rd + 0x14) & 4n).toBe(0n);
      // gic_cpu_config
      b.write(rd + 0x10080, 0xffffffff);
      b.write(rd + 0x10380, 0xffffffff);
      for (let n = 0; n < 32; n += 4) b.write(rd + 0x10400 + n, 0xa0a0a0a0);
      b.write(rd + 0x10180, 0xffff0000);
      b.write(rd + 0x10100, 0x0000ffff);
      rwp(rd);
      // gic_cpu_sys_reg_init
      const icc = b.icc(vcpu);
      expect((icc.read(SRE) ?? 0n) & 1n).toBe(1n);
      const priorityBits = Number(((icc.read(CTLR) ?? 0n) >> 8n) & 7n) + 1;
      icc.write(PMR, 1n << BigInt(8 - priorityBits));
      expect(icc.read(PMR)).not.toBe(0n);
      icc.write(PMR, 0xf0n);
      icc.write(BPR1, 0n);
      icc.write(CTLR, 0n);
      icc.write(AP0R0, 0n);
      icc.write(AP1R0, 0n);
      icc.write(IGRPEN1, 1n);
      // its_cpu_init_lpis
      expect(b.read(rd) & 1n).toBe(0n);
      const propbase = BigInt(properties) | BigInt(idBits - 1) | (1n << 10n) | (RAW_WB << 7n);
      b.write(rd + 0x70, propbase, 8);
      expect(b.read(rd + 0x70, 8)).toBe(propbase);
      const pendbase = BigInt(RAM_BASE + 0x200000 + vcpu * 0x10000) | (1n << 10n) | (RAW_WB << 7n);
      b.write(rd + 0x78, pendbase | (1n << 62n), 8);
      expect(b.read(rd + 0x78, 8)).toBe(pendbase);
      b.write(rd, Number(b.read(rd)) | 1);
    }
    expect(processors).toEqual([0n, 1n, 2n, 3n]);

    // its_probe_one: quiescent, ids, tables from the largest page size down
    expect(b.read(GITS + 0xffe8) & 0xf0n).toBe(0x30n);
    expect(b.read(GITS) >> 31n).toBe(1n);
    const its = b.read(GITS + 8, 8);
    expect([(its >> 4n) & 15n, (its >> 8n) & 31n, (its >> 13n) & 31n]).toEqual([7n, 15n, 15n]);
    expect([(its >> 19n) & 1n, (its >> 24n) & 0xffn, (its >> 36n) & 1n]).toEqual([0n, 0n, 0n]);
    const queue = RAM_BASE + 0x400000;
    for (let n = 0; n < 8; n++) {
      const baser = GITS + 0x100 + 8 * n;
      const kind = (b.read(baser, 8) >> 56n) & 7n;
      if (kind === 0n) continue;
      const fixed = b.read(baser, 8) & (0x71fn << 48n);
      const address = RAM_BASE + 0x500000 + n * 0x100000;
      const value = VALID | fixed | BigInt(address) | (RAW_WB << 59n) | (1n << 10n) | (2n << 8n) | 7n;
      b.write(baser, value, 8);
      expect(b.read(baser, 8)).toBe(value);
    }
    const cbaser = VALID | BigInt(queue) | (RAW_WB << 59n) | (1n << 10n) | 15n;
    b.write(GITS + 0x80, cbaser, 8);
    expect((b.read(GITS + 0x80, 8) ^ cbaser) & 0xc00n).toBe(0n);
    b.write(GITS + 0x88, 0n, 8);
    b.write(GITS, Number(b.read(GITS)) | 1);
    let at = 0;
    const command = (...words: bigint[]) => {
      for (let n = 0; n < 4; n++)
        memory.view.setBigUint64(queue - RAM_BASE + at + 8 * n, words[n] ?? 0n, true);
      at += 32;
      b.write(GITS + 0x88, BigInt(at), 8);
      expect(b.read(GITS + 0x90, 8)).toBe(BigInt(at));
    };
    for (const p of processors) {
      command(0x09n, 0n, VALID | (p << 16n) | p);
      command(0x05n, 0n, p << 16n);
      command(0x0dn, 0n, p);
    }
    // A function with 8 vectors; its second goes to vCPU 2.
    memory.bytes[0x100000 + 9] = 0xa0 | 1;
    command((8n << 32n) | 0x08n, 2n, VALID | BigInt(RAM_BASE + 0x700000));
    command((8n << 32n) | 0x0an, (8201n << 32n) | 1n, 2n);
    command((8n << 32n) | 0x0cn, 1n);

    expect(b.gic.send(8, GITS + 0x10040, 1)).toBe(true);
    expect(b.irq).toEqual([false, false, true, false]);
    expect(b.icc(2).read(IAR1)).toBe(8201n);
    b.icc(2).write(EOIR1, 8201n);

    b.icc(0).write(SGI1R, (1n << 24n) | 0b1000n);
    expect(b.icc(3).read(IAR1)).toBe(1n);
    b.icc(3).write(EOIR1, 1n);

    enableSpi(b, 33, 0xa0, 1);
    b.gic.setSpi(33, true);
    expect(b.icc(1).read(IAR1)).toBe(33n);
    b.gic.setSpi(33, false);
    b.icc(1).write(EOIR1, 33n);
    expect(b.irq).toEqual([false, false, false, false]);
  });
});
