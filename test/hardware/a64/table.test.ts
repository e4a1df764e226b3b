// The table as a whole (Arm ARM C4.1): total, free of overlap, every row there for a reason.

import { describe, expect, it } from 'vitest';
import { syntaxOf } from '../../../src/hardware/a64/assembly/syntax.ts';
import {
  allRows,
  buildDecoder,
  completeDecoder,
  type Feature,
  fieldsOf,
  instructionTable,
  Random,
  type Row,
  randomInstruction,
} from '../../../src/hardware/a64/index.ts';

const rows = instructionTable();

/** Rows by the 11 top bits of the encodings that they may have. */
const buckets = Array.from({ length: 2048 }, (_, top) =>
  rows.filter((r) => (((top << 21) ^ r.pattern.value) & r.pattern.mask & 0xffe00000) === 0),
);

/** The rows that claim a word, without the decoder. */
function claimants(word: number): Row[] {
  return (buckets[word >>> 21] as Row[]).filter(
    (r) =>
      ((word ^ r.pattern.value) & r.pattern.mask) === 0 && (!r.where || r.where(fieldsOf(r.pattern, word))),
  );
}

/** Of several claimants, the one that refines all others. */
const owner = (found: readonly Row[]): Row | undefined =>
  found.find((r) => found.every((other) => other === r || other.name === r.refines));

function disagreement(word: number): string | undefined {
  const found = claimants(word);
  const decoded = completeDecoder().decode(word)?.row;
  const wanted = owner(found);
  if (decoded === wanted && (wanted || found.length === 0)) return undefined;
  return `${word.toString(16)}: ${found.map((r) => r.name)} but decoded as ${decoded?.name}`;
}

describe('the instruction table', () => {
  it('names each row once', () => {
    const names = allRows.map((r) => r.name);
    expect(names.filter((name, k) => names.indexOf(name) !== k)).toEqual([]);
  });

  it('has a section and a readable syntax for each row', () => {
    expect(allRows.filter((r) => !/^[A-Z]\d+(\.\d+)*$/.test(r.section)).map((r) => r.name)).toEqual([]);
    for (const row of allRows) expect(syntaxOf(row).length).toBeGreaterThan(0);
  });

  it('reaches every row', () => {
    const random = new Random(1);
    const unreachable = rows.filter((row) => randomInstruction(row, random) === undefined);
    expect(unreachable.map((r) => r.name)).toEqual([]);
  });

  it('gives each encoding to one row or to none: random encodings', () => {
    const random = new Random(2);
    const wrong: string[] = [];
    for (let n = 0; n < 300_000; n++) {
      const found = disagreement(random.u32());
      if (found && wrong.length < 10) wrong.push(found);
    }
    expect(wrong).toEqual([]);
  });

  it('gives each encoding to one row or to none: one and two bits from every row', () => {
    const random = new Random(3);
    const wrong: string[] = [];
    for (const row of rows) {
      const word = randomInstruction(row, random);
      if (word === undefined) continue;
      for (let bit = 0; bit < 32; bit++) {
        for (const other of [bit, random.below(32), random.below(32)]) {
          const near = (word ^ (1 << bit) ^ (other === bit ? 0 : 1 << other)) >>> 0;
          const found = disagreement(near);
          if (found && wrong.length < 10) wrong.push(found);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('has no overlap with any one feature absent', () => {
    const features = new Set(
      allRows.flatMap((r): Feature[] => [r.feature, r.without].filter((f) => f !== undefined)),
    );
    // Building throws where rows overlap; what distinguishes tables is rows that stand in for others.
    const replaced = new Set(allRows.map((r) => r.without).filter((f) => f !== undefined));
    for (const feature of replaced)
      expect(() => buildDecoder(instructionTable(new Set([feature])))).not.toThrow();
    expect(() => buildDecoder(instructionTable(features))).not.toThrow();
  });

  it('leaves what the manual does not allocate UNDEFINED (C4.1)', () => {
    for (const word of [
      0xffffffff,
      0x1e000000 | 0xf800,
      0x9b600000 | 0x8000,
      0x5ac03c00,
      0xd4000000,
      0x00010000,
    ]) {
      expect(completeDecoder().decode(word >>> 0)?.row.name).toBeUndefined();
    }
  });
});
