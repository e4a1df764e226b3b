import { describe, expect, it } from 'vitest';
import type { GicV3State } from '../../../src/hypervisor/irq/index.ts';
import {
  type Bench,
  bench,
  EOIR1,
  enabledBench,
  GICD,
  GICR,
  HPPIR1,
  IAR1,
  RAM_BASE,
  RPR,
  TestMemory,
} from './support.ts';

const GITS = 0x08080000;
const TRANSLATER = GITS + 0x10040;
const PROPERTIES = RAM_BASE + 0x100000;
const PENDING = RAM_BASE + 0x200000;
const DEVICES = RAM_BASE + 0x300000;
const COLLECTIONS = RAM_BASE + 0x380000;
const QUEUE = RAM_BASE + 0x400000;
const ITT = RAM_BASE + 0x500000;
const VALID = 1n << 63n;
const INDIRECT = 1n << 62n;

interface ItsBench extends Bench {
  readonly memory: TestMemory;
  /** Queues commands, rings CWRITER and gives CREADR. */
  run(...commands: bigint[][]): bigint;
  msi(device: number, event: number): boolean;
}

interface Layout {
  devices?: bigint;
  collections?: bigint;
  queuePages?: number;
}

/** Two vCPUs with LPIs on, an enabled ITS with 64 KiB tables, every LPI enabled at priority 0xa0. */
function its(layout: Layout = {}): ItsBench {
  const memory = new TestMemory();
  const b = enabledBench({ memory });
  memory.bytes.fill(0xa1, PROPERTIES - RAM_BASE, PROPERTIES - RAM_BASE + 57344);
  b.write(GICR + 0x70, BigInt(PROPERTIES) | 15n, 8);
  for (let vcpu = 0; vcpu < 2; vcpu++) {
    b.write(GICR + vcpu * 0x20000 + 0x78, PENDING + vcpu * 0x10000, 8);
    b.write(GICR + vcpu * 0x20000, 1);
  }
  b.write(GITS + 0x80, VALID | BigInt(QUEUE) | BigInt((layout.queuePages ?? 1) - 1), 8);
  b.write(GITS + 0x100, layout.devices ?? VALID | BigInt(DEVICES) | (2n << 8n), 8);
  b.write(GITS + 0x108, layout.collections ?? VALID | BigInt(COLLECTIONS) | (2n << 8n), 8);
  b.write(GITS, 1);
  let at = 0;
  const bytes = 4096 * (layout.queuePages ?? 1);
  return Object.assign(b, {
    memory,
    run: (...commands: bigint[][]) => {
      for (const command of commands) {
        for (let n = 0; n < 4; n++)
          memory.view.setBigUint64(QUEUE - RAM_BASE + at + 8 * n, command[n] ?? 0n, true);
        at = (at + 32) % bytes;
      }
      b.write(GITS + 0x88, at, 8);
      return b.read(GITS + 0x90, 8);
    },
    msi: (device: number, event: number) => b.gic.send(device, TRANSLATER, event),
  });
}

const id = (device: number, opcode: number) => (BigInt(device) << 32n) | BigInt(opcode);
const mapd = (device: number, bits: number, itt = ITT, valid = true) => [
  id(device, 0x08),
  BigInt(bits - 1),
  BigInt(itt) | (valid ? VALID : 0n),
];
const mapc = (icid: number, vcpu: number, valid = true) => [
  0x09n,
  0n,
  BigInt(icid) | (BigInt(vcpu) << 16n) | (valid ? VALID : 0n),
];
const mapti = (device: number, event: number, intid: number, icid: number) => [
  id(device, 0x0a),
  (BigInt(intid) << 32n) | BigInt(event),
  BigInt(icid),
];
const mapi = (device: number, intid: number, icid: number) => [id(device, 0x0b), BigInt(intid), BigInt(icid)];
const movi = (device: number, event: number, icid: number) => [id(device, 0x01), BigInt(event), BigInt(icid)];
const onEvent = (opcode: number) => (device: number, event: number) => [id(device, opcode), BigInt(event)];
const int = onEvent(0x03);
const clear = onEvent(0x04);
const inv = onEvent(0x0c);
const discard = onEvent(0x0f);
const invall = (icid: number) => [0x0dn, 0n, BigInt(icid)];
const movall = (from: number, to: number) => [0x0en, 0n, BigInt(from) << 16n, BigInt(to) << 16n];
const sync = (vcpu: number) => [0x05n, 0n, BigInt(vcpu) << 16n];

/** Device 8, event 3 is LPI 8195 at vCPU 1. */
const mapped = (layout?: Layout): ItsBench => {
  const b = its(layout);
  b.run(mapd(8, 5), mapc(0, 0), mapc(1, 1), mapti(8, 3, 8195, 1), sync(1));
  return b;
};

describe('ITS registers, IHI0069 12.19', () => {
  it('GITS_TYPER: physical, 8-byte ITT entries, 16-bit ids, processor numbers', () => {
    const b = bench({ memory: new TestMemory() });
    expect(b.read(GITS + 8, 8)).toBe(0x1ef71n);
    expect(b.read(GITS + 0xffe8)).toBe(0x3bn);
    expect(b.read(GITS + 4)).toBe(0x4b00043bn);
  });

  it('with an ITS, distributor and redistributors announce LPIs and 16 INTID bits', () => {
    const b = bench({ memory: new TestMemory() });
    expect(b.read(GICD + 4)).toBe(BigInt(2 | (1 << 17) | (15 << 19)));
    expect(b.read(GICR + 8) & 1n).toBe(1n);
    expect(b.read(GICR)).toBe(6n);
  });

  it('GITS_BASER has two tables, of devices and collections, with fixed type and entry size', () => {
    const b = bench({ memory: new TestMemory() });
    const pages64K = 0x200n;
    expect([b.read(GITS + 0x100, 8), b.read(GITS + 0x108, 8)]).toEqual([
      (0x0107n << 48n) | pages64K,
      (0x0407n << 48n) | pages64K,
    ]);
    expect(b.read(GITS + 0x110, 8)).toBe(0n);
    for (const size of [0n, 1n, 2n]) {
      const value = VALID | INDIRECT | (0x0107n << 48n) | BigInt(DEVICES) | (size << 8n) | 7n;
      b.write(GITS + 0x100, value, 8);
      expect(b.read(GITS + 0x100, 8)).toBe(value);
    }
    b.write(GITS + 0x100, 0x300);
    expect(b.read(GITS + 0x100)).toBe(0x200n);
  });

  it('cannot be enabled without queue and tables, and is quiescent while disabled', () => {
    const b = bench({ memory: new TestMemory() });
    b.write(GITS, 1);
    expect(b.read(GITS)).toBe(0x80000000n);
    const on = its();
    expect(on.read(GITS)).toBe(1n);
    on.write(GITS, 0);
    expect(on.read(GITS)).toBe(0x80000000n);
  });

  it('queue and tables are read-only while enabled; CBASER resets CREADR and CWRITER', () => {
    const b = mapped();
    const before = [b.read(GITS + 0x80, 8), b.read(GITS + 0x100, 8)];
    b.write(GITS + 0x80, 0, 8);
    b.write(GITS + 0x100, 0, 8);
    expect([b.read(GITS + 0x80, 8), b.read(GITS + 0x100, 8)]).toEqual(before);
    b.write(GITS, 0);
    b.write(GITS + 0x80, before[0], 8);
    expect([b.read(GITS + 0x88, 8), b.read(GITS + 0x90, 8)]).toEqual([0n, 0n]);
  });

  it('a CWRITER beyond the queue is ignored, and CREADR cannot be written', () => {
    const b = its();
    b.write(GITS + 0x88, 0x1000);
    expect(b.read(GITS + 0x88)).toBe(0n);
    b.write(GITS + 0x90, 0x20);
    expect(b.read(GITS + 0x90)).toBe(0n);
  });

  it('clearing a valid table forgets its mappings', () => {
    const b = mapped();
    b.write(GITS, 0);
    const devices = b.read(GITS + 0x100, 8);
    b.write(GITS + 0x100, 0, 8);
    b.write(GITS + 0x100, devices, 8);
    b.write(GITS, 1);
    expect(b.msi(8, 3)).toBe(false);
  });

  it("a vCPU's own write to GITS_TRANSLATER does nothing", () => {
    const b = mapped();
    b.write(TRANSLATER, 3);
    expect(b.irq).toEqual([false, false]);
  });
});

describe('LPIs, IHI0069 5.1', () => {
  it('an MSI becomes an LPI at its collection; it is taken once and has no active state', () => {
    const b = mapped();
    expect(b.msi(8, 3)).toBe(true);
    expect(b.irq).toEqual([false, true]);
    expect(b.icc(1).read(HPPIR1)).toBe(8195n);
    expect(b.icc(1).read(IAR1)).toBe(8195n);
    expect(b.icc(1).read(RPR)).toBe(0xa0n);
    expect(b.msi(8, 3)).toBe(true);
    expect(b.irq[1]).toBe(false);
    b.icc(1).write(EOIR1, 8195n);
    expect(b.irq[1]).toBe(true);
    b.icc(1).read(IAR1);
    b.icc(1).write(EOIR1, 8195n);
    expect([b.irq[1], b.icc(1).read(RPR)]).toEqual([false, 0xffn]);
  });

  it('an MSI to another address, of an unmapped device or event, is nothing', () => {
    const b = mapped();
    expect(b.gic.send(8, TRANSLATER - 0x40, 3)).toBe(false);
    expect(b.msi(9, 3)).toBe(false);
    expect(b.msi(8, 4)).toBe(false);
    b.write(GITS, 0);
    expect(b.msi(8, 3)).toBe(false);
    expect(bench().gic.send(8, TRANSLATER, 3)).toBe(false);
  });

  it('configuration is cached until INV: enable and priority', () => {
    const b = mapped();
    const byte = PROPERTIES + 3;
    b.memory.bytes[byte - RAM_BASE] = 0xa0;
    expect(b.msi(8, 3)).toBe(true);
    expect(b.irq[1]).toBe(true);
    b.run(inv(8, 3));
    expect(b.irq[1]).toBe(false);
    b.memory.bytes[byte - RAM_BASE] = 0x41;
    b.run(inv(8, 3));
    expect(b.icc(1).read(IAR1)).toBe(8195n);
    expect(b.icc(1).read(RPR)).toBe(0x40n);
  });

  it('INVALL, GICR_INVLPIR and GICR_INVALLR read configuration again, too', () => {
    const b = mapped();
    const at = PROPERTIES + 3 - RAM_BASE;
    b.msi(8, 3);
    for (const [config, invalidate] of [
      [0, () => b.run(invall(1))],
      [1, () => b.write(GICR + 0xa0, 8195, 8)],
      [0, () => b.write(GICR + 0xb0, 0, 8)],
      [1, () => b.run(invall(1))],
    ] as const) {
      b.memory.bytes[at] = config;
      invalidate();
      expect(b.irq[1]).toBe(config === 1);
    }
    expect(b.read(GICR + 0xc0)).toBe(0n);
  });

  it('LPIs and SPIs compete by priority; the lower INTID of equals goes first', () => {
    const b = its();
    b.memory.bytes[PROPERTIES + 2 - RAM_BASE] = 0x81;
    b.run(mapd(0, 4), mapc(0, 0), mapti(0, 0, 8192, 0), mapti(0, 1, 8193, 0), mapti(0, 2, 8194, 0));
    b.write(GICD + 0x400 + 40, 0xa0, 1);
    b.write(GICD + 0x104, 1 << 8);
    b.gic.setSpi(40, true);
    for (const event of [1, 2, 0]) b.msi(0, event);
    const seen: (bigint | undefined)[] = [];
    for (let n = 0; n < 4; n++) {
      const intid = b.icc(0).read(IAR1) ?? 0n;
      seen.push(intid);
      if (intid === 40n) b.gic.setSpi(40, false);
      b.icc(0).write(EOIR1, intid);
    }
    expect(seen).toEqual([8194n, 40n, 8192n, 8193n]);
  });

  it('a redistributor without EnableLPIs takes none; PROPBASER is read-only while it is set', () => {
    const b = mapped();
    b.write(GICR + 0x70, 0, 8);
    expect(b.read(GICR + 0x70, 8)).toBe(BigInt(PROPERTIES) | 15n);
    b.write(GICR + 0x20000, 0);
    expect(b.msi(8, 3)).toBe(false);
  });

  it('the pending table is read when LPIs are enabled, unless PTZ, and written when disabled', () => {
    const b = mapped();
    const table = PENDING + 0x10000 - RAM_BASE;
    b.msi(8, 3);
    b.write(GICR + 0x20000, 0);
    expect(b.irq[1]).toBe(false);
    expect(b.memory.bytes[table + 1024]).toBe(8);
    b.write(GICR + 0x20000, 1);
    expect(b.icc(1).read(IAR1)).toBe(8195n);
    b.icc(1).write(EOIR1, 8195n);
    b.write(GICR + 0x20000, 0);
    expect(b.memory.bytes[table + 1024]).toBe(0);
    b.memory.bytes[table + 1024] = 8;
    b.write(GICR + 0x20078, BigInt(PENDING + 0x10000) | (1n << 62n), 8);
    expect(b.read(GICR + 0x20078, 8)).toBe(BigInt(PENDING + 0x10000));
    b.write(GICR + 0x20000, 1);
    expect(b.irq[1]).toBe(false);
  });

  it('PROPBASER.IDbits bounds the INTIDs', () => {
    const memory = new TestMemory();
    const b = enabledBench({ memory });
    b.write(GICR + 0x70, BigInt(PROPERTIES) | 12n, 8);
    b.write(GICR, 1);
    b.icc(0).write(EOIR1, 8192n);
    expect(b.icc(0).read(RPR)).toBe(0xffn);
    b.write(GICR + 0xb0, 0);
    expect(memory.reads).toBe(0);
  });
});

describe('ITS commands, IHI0069 5.3', () => {
  it('mappings stand in the tables in guest memory', () => {
    const b = mapped();
    expect(b.memory.u64(DEVICES + 8 * 8)).toBe(VALID | ((BigInt(ITT) >> 8n) << 5n) | 4n);
    expect(b.memory.u64(COLLECTIONS + 8)).toBe(VALID | (1n << 16n) | 1n);
    expect(b.memory.u64(ITT + 3 * 8)).toBe((8195n << 16n) | 1n);
    b.run(discard(8, 3), mapc(1, 0, false), mapd(8, 1, 0, false));
    expect(b.memory.u64(ITT + 3 * 8)).toBe(0n);
    expect(b.memory.u64(COLLECTIONS + 8)).toBe(0n);
    expect(b.memory.u64(DEVICES + 8 * 8)).toBe(0n);
  });

  it.each([0n, 1n, 2n])('a two-level device table with page size %i', (size) => {
    const bytes = [4096, 16384, 65536][Number(size)];
    const b = its({ devices: VALID | INDIRECT | BigInt(DEVICES) | (size << 8n) });
    const device = bytes / 8 + 5;
    b.run(mapd(device, 5), mapc(0, 0), mapti(device, 0, 8192, 0));
    expect(b.msi(device, 0)).toBe(false);
    b.memory.view.setBigUint64(DEVICES + 8 - RAM_BASE, VALID | BigInt(RAM_BASE + 0x600000), true);
    b.run(mapd(device, 5), mapti(device, 0, 8192, 0));
    expect(b.msi(device, 0)).toBe(true);
    expect(b.memory.u64(RAM_BASE + 0x600000 + 5 * 8)).not.toBe(0n);
  });

  it('MAPI uses the EventID as INTID', () => {
    const b = its();
    b.run(mapd(1, 14), mapc(0, 0), mapi(1, 8200, 0));
    expect(b.msi(1, 8200)).toBe(true);
    expect(b.icc(0).read(IAR1)).toBe(8200n);
  });

  it('INT raises and CLEAR clears', () => {
    const b = mapped();
    b.run(int(8, 3));
    expect(b.irq[1]).toBe(true);
    b.run(clear(8, 3));
    expect(b.irq[1]).toBe(false);
  });

  it('MOVI takes a pending LPI along', () => {
    const b = mapped();
    b.msi(8, 3);
    b.run(movi(8, 3, 0));
    expect(b.irq).toEqual([true, false]);
    expect(b.memory.u64(ITT + 3 * 8)).toBe(8195n << 16n);
  });

  it('MOVALL moves what is pending, MAPC what comes', () => {
    const b = mapped();
    b.msi(8, 3);
    b.run(mapc(1, 0));
    expect(b.irq).toEqual([false, true]);
    b.run(movall(1, 0));
    expect(b.irq).toEqual([true, false]);
    b.icc(0).read(IAR1);
    b.icc(0).write(EOIR1, 8195n);
    b.msi(8, 3);
    expect(b.irq).toEqual([true, false]);
  });

  it('DISCARD forgets the event and its pending state', () => {
    const b = mapped();
    b.msi(8, 3);
    b.run(discard(8, 3));
    expect(b.irq[1]).toBe(false);
    expect(b.msi(8, 3)).toBe(false);
  });

  it('MAPD and MAPC without V unmap', () => {
    const b = mapped();
    b.run(mapc(1, 0, false));
    expect(b.msi(8, 3)).toBe(false);
    b.run(mapc(1, 1));
    expect(b.msi(8, 3)).toBe(true);
    b.run(mapd(8, 1, 0, false));
    expect(b.msi(8, 3)).toBe(false);
  });

  it('an event that is mapped stays as it is', () => {
    const b = mapped();
    b.run(mapti(8, 3, 9000, 0));
    b.msi(8, 3);
    expect(b.icc(1).read(IAR1)).toBe(8195n);
  });

  it('a command before its target collection exists works once that is mapped', () => {
    const b = its();
    b.run(mapd(8, 5), mapti(8, 0, 8192, 7));
    expect(b.msi(8, 0)).toBe(false);
    b.run(mapc(7, 0));
    expect(b.msi(8, 0)).toBe(true);
  });
});

describe('malformed ITS queues', () => {
  it.each<[string, bigint[]]>([
    ['an unknown opcode', [0xffn]],
    ['a virtual-LPI command', [0x2an]],
    ['MAPD with 17 EventID bits', mapd(9, 17)],
    ['MAPD of a DeviceID beyond 16 bits', mapd(0x10000, 5)],
    ['MAPC to a vCPU that is not there', mapc(2, 2)],
    ['MAPC to a huge RDbase', [0x09n, 0n, VALID | (0x7ffffffffn << 16n)]],
    ['MAPTI on an unmapped device', mapti(7, 0, 8192, 0)],
    ['MAPTI with an event beyond the ITT', mapti(8, 32, 8192, 0)],
    ['MAPTI to an SPI', mapti(8, 5, 40, 0)],
    ['MAPTI beyond the last LPI', mapti(8, 5, 65536, 0)],
    ['MAPI of an INTID below 8192', mapi(8, 5, 0)],
    ['MOVI to an unmapped collection', movi(8, 3, 9)],
    ['MOVI of an unmapped event', movi(8, 4, 0)],
    ['INT on an unmapped event', int(8, 4)],
    ['CLEAR on an unmapped device', clear(7, 0)],
    ['INV on an unmapped event', inv(8, 4)],
    ['INVALL of an unmapped collection', invall(9)],
    ['MOVALL to a vCPU that is not there', movall(0, 2)],
    ['DISCARD of an unmapped event', discard(8, 4)],
  ])('%s is passed over', (_, command) => {
    const b = mapped();
    const before = b.gic.save().its?.mappings;
    expect(b.run(command)).toBe(0xc0n);
    expect(b.gic.save().its?.mappings).toEqual(before);
    expect(b.msi(8, 3)).toBe(true);
  });

  it('an ignored command and a stalled queue are logged', () => {
    const said: string[] = [];
    const b = bench({
      memory: new TestMemory(),
      log: (level, source, message) => said.push(`${level} ${source} ${message}`),
    });
    b.write(GITS + 0x100, VALID, 8);
    b.write(GITS + 0x108, VALID, 8);
    b.write(GITS + 0x80, VALID | BigInt(QUEUE), 8);
    b.write(GITS, 1);
    b.write(GITS + 0x88, 0x20);
    b.write(GITS, 0);
    b.write(GITS + 0x80, VALID | 0x1000n, 8);
    b.write(GITS, 1);
    b.write(GITS + 0x88, 0x20);
    expect(said).toEqual([
      'debug gicv3-its command 0x0 ignored: wrong parameters',
      'warn gicv3-its queue stalled at 0x0: no slot',
    ]);
  });

  it('a collection beyond its table is not there', () => {
    const b = its({ collections: VALID | BigInt(COLLECTIONS) });
    b.run(mapd(0, 5), mapc(511, 0), mapc(512, 0), mapti(0, 0, 8192, 511), mapti(0, 1, 8193, 512));
    expect([b.msi(0, 0), b.msi(0, 1)]).toEqual([true, false]);
  });

  it('a queue out of reach stalls, and Retry goes on', () => {
    const b = its();
    b.write(GITS, 0);
    b.write(GITS + 0x80, VALID | 0x1000_0000n, 8);
    b.write(GITS, 1);
    b.write(GITS + 0x88, 0x40);
    expect(b.read(GITS + 0x90)).toBe(1n);
    b.write(GITS + 0x88, 0x41);
    expect(b.read(GITS + 0x90)).toBe(1n);
    expect(b.read(GITS + 0x88)).toBe(0x40n);
  });

  it('an ITT out of reach stalls at its MAPTI; the guest can repair and retry', () => {
    const b = its();
    expect(b.run(mapd(8, 5, 0x10000000), mapc(0, 0), mapti(8, 0, 8192, 0))).toBe(0x41n);
    b.memory.view.setBigUint64(QUEUE - RAM_BASE + 0x40, 0xffn, true);
    b.write(GITS + 0x88, 0x61);
    expect(b.read(GITS + 0x90)).toBe(0x60n);
  });

  it('a full queue of the costliest commands is done in turns, while the guest polls', () => {
    const b = its({ queuePages: 16 });
    for (let n = 0; n < 2048; n++) b.memory.view.setBigUint64(QUEUE - RAM_BASE + n * 32, 0x0en, true);
    for (let n = 0; n < 2048; n++)
      b.memory.view.setBigUint64(QUEUE - RAM_BASE + n * 32 + 24, 1n << 16n, true);
    b.write(GITS + 0x88, 2047 * 32);
    let polls = 0;
    while (b.read(GITS + 0x90) !== BigInt(2047 * 32)) polls++;
    expect(polls).toBeGreaterThan(2);
    expect(polls).toBeLessThan(10);
  });

  it('an endless supply of events ends at a limit', () => {
    const b = its({ queuePages: 256 });
    b.run(mapc(0, 0), mapd(0, 16), mapd(1, 16, ITT + 0x100000));
    for (const device of [0, 1]) {
      for (let first = 0; first < 0x10000; first += 0x2000) {
        b.run(...Array.from({ length: 0x2000 }, (_, n) => mapti(device, first + n, 8192, 0)));
      }
    }
    expect([b.msi(0, 65535), b.msi(1, 0)]).toEqual([true, false]);
  });
});

describe('ITS saved state', () => {
  it('save, restore and save again are equal, pending LPIs and a half-done queue included', () => {
    const a = mapped();
    a.run(mapd(9, 3, ITT + 0x1000), mapti(9, 0, 9000, 0), mapti(9, 1, 9001, 1));
    a.msi(9, 0);
    a.msi(9, 1);
    a.msi(8, 3);
    const saved = a.gic.save();
    const b = bench({ memory: a.memory });
    b.gic.restore(JSON.parse(JSON.stringify(saved)));
    expect(b.gic.save()).toEqual(saved);
    expect(b.irq).toEqual([true, true]);
    expect(b.gic.send(8, TRANSLATER, 3)).toBe(true);
    expect(b.icc(1).read(IAR1)).toBe(8195n);
    expect(b.icc(0).read(IAR1)).toBe(9000n);
  });

  it.each<[string, (state: GicV3State) => void]>([
    ['an LPI twice', (s) => s.lpis?.lpis.push([8195, 0, 1])],
    ['an LPI that is none', (s) => s.lpis?.lpis.push([40, 0, 1])],
    ['an LPI pending at nobody', (s) => s.lpis?.lpis.push([9999, 0, 2])],
    ['a collection of nobody', (s) => s.its?.mappings.collections.push([5, 2])],
    [
      'a table at no address',
      (s) => s.its?.mappings.devices.push({ id: 1, itt: -8, eventBits: 1, events: [] }),
    ],
    ['an interrupt routed to nobody', (s) => s.interrupts.route.fill(2)],
  ])('%s in a state is EINVAL', (_, spoil) => {
    const b = mapped();
    b.msi(8, 3);
    const before = b.gic.save();
    const state = structuredClone(before);
    spoil(state);
    expect(() => b.gic.restore(state)).toThrow('EINVAL');
    expect(b.gic.save()).toEqual(before);
  });

  it('a GIC without an ITS takes no state with one', () => {
    expect(() => bench().gic.restore(its().gic.save())).toThrow('EINVAL');
    expect(() => its().gic.restore(bench().gic.save())).toThrow('EINVAL');
  });
});
