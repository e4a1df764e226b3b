// IPA_STATE_SET and GET with whatever a realm may pass, and a host that throws pages away between the calls: the loop
// that Linux runs always ends, and the books are right after each step.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { ALIAS, DATA, FREE, PAGE, RAM, RAM_END, RAM_PAGES, Realm } from './kit.ts';

const [SET, GET] = [7, 8];
const SUCCESS = 0n;
const INPUT = 1n;
const REJECT = 1n;
const CODE_END = BigInt(RAM + PAGE);

/** Around every edge there is, and anything at all. */
const edge = fc.constantFrom(
  ...[0, RAM, DATA, FREE, RAM_END, 0x800_0000, 0x80a_0000, 0x900_0000, ALIAS, ALIAS + FREE, 2 * ALIAS].map(
    BigInt,
  ),
  2n ** 52n,
  2n ** 63n,
  2n ** 64n - 4096n,
);
const address = fc
  .oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(edge, fc.integer({ min: -20, max: 20 })).map(([at, n]) => at + BigInt(n * PAGE)),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(edge, fc.integer({ min: -9, max: 9 })).map(([at, n]) => at + BigInt(n)),
    },
    { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  )
  .map((value) => BigInt.asUintN(64, value));
const ripas = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0n, 1n) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
);
const flags = fc.oneof(fc.constantFrom(0n, 1n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('set' as const), base: address, top: address, ripas, flags }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('get' as const), base: address, top: address }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('punch' as const),
      page: fc.integer({ min: 1, max: RAM_PAGES - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('touch' as const),
      page: fc.integer({ min: 1, max: RAM_PAGES - 1 }),
      shared: fc.boolean(),
    }),
  },
);

const isRange = (base: bigint, top: bigint): boolean =>
  base % 4096n === 0n && top % 4096n === 0n && base < top && top <= BigInt(ALIAS);

describe('IPA_STATE_SET and IPA_STATE_GET', () => {
  it('answer anything, move forward or refuse, and leave nothing half done', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const realm = new Realm();
        for (const one of steps) {
          switch (one.kind) {
            case 'set': {
              // The realm would not run on without its own code.
              const takesCode = one.ripas === 0n && one.base < CODE_END && one.top > BigInt(RAM);
              const base = takesCode ? CODE_END : one.base;
              const status = realm.rsi(SET, base, one.top, one.ripas, one.flags);
              expect(status).toBe(isRange(base, one.top) && one.ripas <= 1n ? SUCCESS : INPUT);
              if (status !== SUCCESS) break;
              const [reached, response] = [realm.x(1), realm.x(2)];
              expect(reached >= base && reached <= one.top && reached % 4096n === 0n).toBe(true);
              // Otherwise Linux would call again and again.
              expect(response === REJECT).toBe(reached === base);
              for (let at = base; at < reached; at += 4096n * 37n) {
                expect(realm.rsi(GET, at, at + 4096n)).toBe(SUCCESS);
                expect(realm.x(2)).toBe(one.ripas);
              }
              break;
            }
            case 'get': {
              const status = realm.rsi(GET, one.base, one.top);
              expect(status).toBe(isRange(one.base, one.top) ? SUCCESS : INPUT);
              if (status === SUCCESS) expect(realm.x(1) > one.base && realm.x(1) <= one.top).toBe(true);
              break;
            }
            case 'punch':
              realm.memfd.fallocate(3, one.page * PAGE, PAGE);
              break;
            case 'touch': {
              const at = RAM + one.page * PAGE;
              realm.rsi(GET, at, at + PAGE);
              const state = realm.x(2);
              const result = realm.store((one.shared ? ALIAS : 0) + at, 0x5ec4e7n);
              const expected = one.shared
                ? state === 0n
                  ? { kind: 'done' }
                  : { kind: 'exit', exit: { reason: 'mmio', gpa: at } }
                : [
                    { kind: 'exception' },
                    { kind: 'done' },
                    { kind: 'exit', exit: { reason: 'memory-fault' } },
                  ][Number(state)];
              expect(result).toMatchObject(expected);
              const seen = realm.hostReads(at);
              if (state !== 0n) expect(seen).toBe('sealed');
              else if (one.shared) expect(seen).toBe(0x5ec4e7n);
              else expect(typeof seen).toBe('bigint');
              break;
            }
          }
          expect(audit(realm.host.ledger)).toEqual([]);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("Linux's loop over all of RAM ends, whatever was done to it before", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 2, max: RAM_PAGES - 1 }), { maxLength: 6 }),
        fc.constantFrom(0, 1),
        fc.constantFrom(0, 1),
        (lost, wanted, changeDestroyed) => {
          const realm = new Realm();
          for (const page of lost) {
            realm.store(RAM + page * PAGE, 1n);
            realm.memfd.fallocate(3, page * PAGE, PAGE);
          }
          let at = BigInt(FREE);
          let calls = 0;
          while (at < BigInt(RAM_END)) {
            expect(realm.rsi(SET, at, RAM_END, wanted, changeDestroyed)).toBe(SUCCESS);
            if (realm.x(2) === REJECT) break;
            at = realm.x(1);
            expect(++calls).toBeLessThanOrEqual(RAM_PAGES);
          }
          const first = changeDestroyed === 1 || lost.length === 0 ? RAM_END : RAM + Math.min(...lost) * PAGE;
          expect(at).toBe(BigInt(first));
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });
});
