import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Granule, mapped, RAM, RAM_BYTES, Tables, tcr } from './machine.ts';
import { type ReferenceRegime, referenceTranslate } from './reference-walk.ts';

const flag = (on: boolean, at: number): bigint => (on ? 1n << BigInt(at) : 0n);
const PAN = 1 << 22;

const controls = fc.record({
  granule: fc.constantFrom<Granule>(12, 14, 16),
  bits: fc.integer({ min: 25, max: 48 }),
  tbi: fc.boolean(),
  epd: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  e0pd: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  hpd: fc.boolean(),
  ha: fc.boolean(),
  hd: fc.boolean(),
  wxn: fc.boolean(),
  epan: fc.boolean(),
  ips: fc.constantFrom(0, 1, 5),
});

/** One mapping: a VA within the range, a level, random upper and lower attributes, and table attributes. */
const mapping = fc.record({
  page: fc.bigInt({ min: 0n, max: (1n << 36n) - 1n }),
  level: fc.constantFrom(3, 3, 3, 3, 2, 2, 1),
  output: fc.integer({ min: 0, max: RAM_BYTES / 2 / 65536 - 1 }),
  wild: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  low: fc.bigInt({ min: 0n, max: 0x3ffn }),
  high: fc.bigInt({ min: 0n, max: 0x7fn }),
  kind: fc.constantFrom(3n, 3n, 3n, 3n, 1n, 2n, 0n),
  af: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
  table: fc.integer({ min: 0, max: 63 }).map((n) => (n < 32 ? BigInt(n & 15) << 59n : 0n)),
});

const step = fc.record({
  which: fc.nat(7),
  offset: fc.nat(4095).map((n) => n & ~7),
  upper: fc.boolean(),
  topByte: fc.integer({ min: 0, max: 1535 }).map((n) => (n < 256 ? n : -1)),
  stray: fc.integer({ min: 0, max: 15 }),
  kind: fc.constantFrom('read' as const, 'write' as const, 'execute' as const),
  user: fc.boolean(),
  pan: fc.boolean(),
});

describe('stage-1 translation, against the manual told slowly (Arm ARM D8)', () => {
  it('agrees on address, fault and descriptor updates, through all caches', () => {
    fc.assert(
      fc.property(
        controls,
        fc.array(mapping, { minLength: 1, maxLength: 8 }),
        fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }),
        (c, mappings, steps) => {
          const extra =
            flag(c.tbi, 37) |
            flag(c.tbi, 38) |
            flag(c.epd, 7) |
            flag(c.e0pd, 55) |
            flag(c.e0pd, 56) |
            flag(c.hpd, 41) |
            flag(c.hpd, 42) |
            flag(c.ha, 39) |
            flag(c.hd, 40);
          const { machine, tables } = mapped({
            granule: c.granule,
            bits: c.bits,
            sctlr: flag(c.wxn, 19) | flag(c.epan, 57),
          });
          const { cpu } = machine;
          const value = (tcr(c.granule, c.bits, extra) & ~(7n << 32n)) | (BigInt(c.ips) << 32n);
          const limit = (1n << BigInt(c.bits)) - 1n;
          const startLevel = 4 - Math.ceil((c.bits - c.granule) / (c.granule - 3));
          const vas = mappings.map((m) => {
            const va = (m.page << 12n) & limit & ~((1n << BigInt(c.granule)) - 1n);
            const level = Math.max(m.level, startLevel);
            const output = m.wild ? 1n << 33n : BigInt(RAM + m.output * 65536);
            const at = tables.descriptor(va, level, m.table);
            const kind = level === 3 ? m.kind : m.kind === 3n ? 1n : m.kind;
            machine.write64(
              at,
              output | ((m.low << 2n) & ~0x400n) | (m.high << 50n) | kind | (m.af ? 0x400n : 0n),
            );
            return va;
          });
          cpu.writeRegister('TCR_EL1', value);

          // The reference works on its own copy of the tables.
          const shadow = new Tables(machine, c.granule, c.bits, RAM + (12 << 20));
          const copy = (from: bigint): bigint =>
            from >= BigInt(tables.root) ? from - BigInt(tables.root) + BigInt(shadow.root) : from;
          machine.memory.u8.copyWithin(
            machine.memory.framesBase + shadow.root - RAM,
            machine.memory.framesBase + tables.root - RAM,
            machine.memory.framesBase + tables.root - RAM + (2 << 20),
          );
          const inRam = (at: bigint) => at >= BigInt(RAM) && at < BigInt(RAM + RAM_BYTES);
          for (const s of steps) {
            const base = vas[s.which % vas.length] as bigint;
            let va = base + BigInt(s.offset);
            if (s.upper) va |= ~limit & 0xffff_ffff_ffff_ffffn;
            if (s.stray === 0) va ^= 1n << BigInt(Math.min(c.bits, 54));
            if (s.topByte >= 0) va = (va & 0x00ff_ffff_ffff_ffffn) | (BigInt(s.topByte) << 56n);
            const upper = ((va >> 55n) & 1n) === 1n;
            const regime: ReferenceRegime = {
              granule: c.granule,
              bits: c.bits,
              table: BigInt(tables.root),
              outputBits: [32, 36, 0, 0, 0, 48][c.ips] as number,
              ignoreTop: c.tbi,
              walksDisabled: c.epd && !upper,
              kernelOnly: c.e0pd,
              flatPermissions: c.hpd,
              accessFlag: c.ha,
              dirty: c.ha && c.hd,
              wxn: c.wxn,
              epan: c.epan,
            };
            let outside = false;
            const want = referenceTranslate(
              regime,
              { va, kind: s.kind, user: s.user, pan: s.pan },
              (at) => {
                if (inRam(at)) return machine.read64(Number(copy(at)));
                outside = true;
                return 0n;
              },
              (at, updated) => machine.write64(Number(copy(at)), updated),
            );
            if (outside) continue;
            cpu.setPstate(BigInt((s.user ? 0 : 5) | (s.pan ? PAN : 0)));
            machine.at(0x1000n);
            if (want.ok && !inRam(want.address)) {
              // Blocks and wild descriptors may lead out of RAM: what happens there is another test's subject.
              if (s.kind === 'execute') machine.fetch(va & ~3n);
              else if (s.kind === 'write') machine.store(va, 3, 0n);
              else machine.load(va, 3);
              continue;
            }
            let ok: boolean;
            if (s.kind === 'execute') {
              const found = machine.fetch(va & ~3n);
              ok = found !== undefined;
              if (ok && want.ok) expect(BigInt(found as number)).toBe(want.address & ~3n);
            } else if (s.kind === 'write') {
              cpu.state.slowVa = va;
              const host = cpu.probeWrite(3);
              ok = host !== 0;
              if (ok && want.ok) expect(BigInt(host - machine.memory.framesBase + RAM)).toBe(want.address);
            } else {
              if (want.ok) {
                // The data tells the address.
                const loaded = machine.load(va, 3);
                ok = loaded !== undefined;
                if (ok) expect(loaded).toBe(machine.read64(Number(want.address)));
              } else ok = machine.load(va, 3) !== undefined;
            }
            const status = ok ? -1 : machine.syndrome.esr & 0x3f;
            expect([ok, status]).toEqual([want.ok, want.ok ? -1 : want.status]);
          }
          const size = 2 << 20;
          const a = machine.memory.u8
            .subarray(machine.memory.framesBase + tables.root - RAM)
            .subarray(0, size);
          const b = machine.memory.u8
            .subarray(machine.memory.framesBase + shadow.root - RAM)
            .subarray(0, size);
          expect(Buffer.compare(a, b)).toBe(0);
        },
      ),
      { numRuns: 120, seed: 20260, endOnFailure: true },
    );
  });
});
