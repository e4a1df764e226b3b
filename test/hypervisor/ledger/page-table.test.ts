import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageTable } from '../../../src/hypervisor/ledger/index.ts';

const FAR = 2 ** 39 + 5;

describe('PageTable', () => {
  it('holds entries near and far, and 0 for all others', () => {
    const table = new PageTable();
    for (const page of [0, 1023, 1024, 16_777_216, FAR]) table.set(page, (page % 1000) + 1);
    expect([0, 1023, 1024, 16_777_216, FAR].map((page) => table.get(page))).toEqual([
      1,
      24,
      25,
      217,
      (FAR % 1000) + 1,
    ]);
    expect([1, 2047, 2 ** 26, FAR + 1, FAR - 1024].map((page) => table.get(page))).toEqual([0, 0, 0, 0, 0]);
  });

  it('visits a range in order, also while the visitor clears it', () => {
    const table = new PageTable();
    for (const page of [FAR, 5000, 3, 70_000_000, 4095]) table.set(page, 1);
    const seen: number[] = [];
    table.forEach(4, FAR, (page) => {
      seen.push(page);
      table.set(page, 0);
    });
    expect(seen).toEqual([4095, 5000, 70_000_000]);
    seen.length = 0;
    table.each((page) => seen.push(page));
    expect(seen).toEqual([3, FAR]);
  });

  it('clearing what was never set makes nothing', () => {
    const table = new PageTable();
    table.set(12345, 0);
    table.forEach(0, 2 ** 40, () => expect.unreachable());
  });

  it('is the same table in whatever order it is filled', () => {
    const spread = fc.oneof(fc.nat(2 ** 16), fc.nat(2 ** 28), fc.integer({ min: 2 ** 39, max: 2 ** 40 - 1 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(spread, fc.nat(3))), (entries) => {
        const table = new PageTable();
        const model = new Map<number, number>();
        for (const [page, entry] of entries) {
          table.set(page, entry);
          if (entry === 0) model.delete(page);
          else model.set(page, entry);
          expect(table.get(page)).toBe(entry);
        }
        const found: [number, number][] = [];
        table.each((page, entry) => found.push([page, entry]));
        expect(found).toEqual([...model].sort(([a], [b]) => a - b));
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});
