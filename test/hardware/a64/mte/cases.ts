// Single tag instructions to compare with the reference CPU: what is generated, and how results are recorded
// (test/golden/mte.json.gz). IRG is not here: where the reference's generator stands cannot be known.

import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  allRows,
  completeDecoder,
  decodeFields,
  Random,
  randomInstruction,
} from '../../../../src/hardware/a64/index.ts';

/** Programs of the test tree run at the project's root. */
export const GOLDEN = 'test/golden/mte.json.gz';
export const PAGE_ADDRESS = 0x6000_0000;
export const PAGE = 4096;
export const GRANULES = PAGE / 16;

export interface TagCase {
  readonly word: number;
  /** GCR_EL1.Exclude. */
  readonly exclude: number;
  /** X0..X3 in hexadecimal. */
  readonly x: readonly string[];
}
export interface TagResult {
  readonly x: readonly string[];
  readonly nzcv: number;
  readonly signal: number;
  /** Tags and bytes that are not the pattern's: index and value. */
  readonly tags: readonly (readonly [number, number])[];
  readonly data: readonly (readonly [number, number])[];
}
export interface Golden {
  readonly reference: string;
  readonly cases: readonly (readonly [TagCase, TagResult])[];
}

export const patternTag = (granule: number): number => (granule * 7) & 15;
export const patternByte = (at: number): number => (at * 31 + 1) & 0xff;

export const changed = (after: Uint8Array, before: (k: number) => number): [number, number][] =>
  [...after].flatMap((n, k): [number, number][] => (n === before(k) ? [] : [[k, n]]));

export const readGolden = (): Golden => JSON.parse(gunzipSync(readFileSync(GOLDEN)).toString()) as Golden;
export const writeGolden = (golden: Golden): void =>
  writeFileSync(GOLDEN, gzipSync(JSON.stringify(golden), { level: 9 }));

const EACH = 24;
export const rows = allRows.filter((row) => row.feature === 'MTE' && row.name !== 'IRG');

/** Registers are X0..X3 and XZR; a memory operand reaches the page, at times misaligned. */
export function generateCases(): TagCase[] {
  const random = new Random(11);
  return rows.flatMap((row) =>
    Array.from({ length: EACH }, (): TagCase => {
      let word = randomInstruction(row, random) as number;
      for (const f of row.pattern.fields) {
        if (!f.name.startsWith('R')) continue;
        const n = f.name === 'Rn' || f.name === 'Rd' || !random.once(6) ? random.below(4) : 31;
        word = ((word & ~(31 << f.low)) | (n << f.low)) >>> 0;
      }
      // SP would be the reference's own stack.
      const isStoreOfSp = (word & 31) === 31 && row.syntax.includes('{Rt:xsp}');
      const isSp = (word & (31 << 16)) === 31 << 16 && row.syntax.includes('{Rm:xsp}');
      if (isStoreOfSp) word &= ~31;
      if (isSp) word &= ~(31 << 16);
      word >>>= 0;
      const x = Array.from({ length: 4 }, () => random.u64() >> BigInt(random.once(3) ? 32 : 0));
      const fields = decodeFields(completeDecoder(), word)?.fields ?? {};
      if (row.syntax.includes('[')) {
        const scaled = fields.imm9 ?? fields.imm7 ?? 0;
        const width = fields.imm9 === undefined ? 7 : 9;
        const offset = row.name.includes('post')
          ? 0
          : 16 * (scaled >= 2 ** (width - 1) ? scaled - 2 ** width : scaled);
        const granule = random.below(GRANULES - 2);
        const astray = random.once(8) ? random.below(16) : 0;
        const tag = BigInt(random.below(16)) << 56n;
        const base = BigInt.asUintN(56, BigInt(PAGE_ADDRESS + 16 * granule + astray - offset)) | tag;
        x[fields.Rn as number] = base;
      }
      const exclude = random.pick([
        0,
        0xffff,
        1,
        0x7fff,
        0xfffe,
        random.u32() & 0xffff,
        random.u32() & 0xffff,
      ]);
      return { word, exclude, x: x.map((n) => n.toString(16)) };
    }),
  );
}
