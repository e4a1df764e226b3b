// Sample encodings of every row and their recorded text, for tests of the assembly syntax.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { allRows, Random, type Row, randomInstruction } from '../../../src/hardware/a64/index.ts';

export interface Sample {
  readonly row: Row;
  readonly word: number;
}

/** Encodings as an assembler would write them, so many of each row that a machine with all features has. */
export function syntaxSamples(perRow: number, seed: number): Sample[] {
  const random = new Random(seed);
  return allRows.flatMap((row) => {
    if (row.without) return [];
    return Array.from({ length: perRow }, () => randomInstruction(row, random, { canonical: true })).flatMap(
      (word) => (word === undefined ? [] : [{ row, word }]),
    );
  });
}

const HINT_SPACE = 0xd503201f;
export const isNamedHint = (row: Row): boolean =>
  (row.pattern.value & 0xfffff01f) >>> 0 === HINT_SPACE && row.name !== 'HINT';

/** objdump calls CONSTRAINED UNPREDICTABLE register combinations of these undefined, and as refuses some. */
export const UNPREDICTABLE_FOR_OBJDUMP = /^LDPSW /;

/** Further, it wants the bits of these that should be one to be one. */
export const UNDEFINED_FOR_OBJDUMP = /^(LDPSW|LDARB?|LDARH) /;

/**
 * What objdump knows and we do not: absent extensions (page.ts lists them), instructions of debug state, and some
 * that it takes for more than they are: MSR and MRS with op0 below 2, FMLAL with a size.
 */
export const UNSUPPORTED = new RegExp(
  [
    /\b[zp]\d+(\.[bhsdq])?\b|\bza|\b\w+, (mul|vl\d+|pow2|all)\b|^(inc|dec|[su]q(inc|dec))[bhwdp]|^add(s?[pv]l)|^rdf?fr|^cnt[bhwd]/,
    /^bf(cvt|dot|mla|mmla)|^(us|u|s)m+la|^(us|su)dot|^usmmla/,
    /^sm[34]|^cpy|^set(g?[pme])|^bc\.|^(ld|st)64b|^wf[ei]t/,
    /^(abs|cnt|ctz|smax|smin|umax|umin) [wx]/,
    /^t(start|commit|cancel|test)|^dcps|^drps|nxs$|^smst|^ldadda?p/,
    /^fml[as]l2? |^m[rs][rs] .*s[01]_|^(sys|msr) .*, xzr$/,
  ]
    .map((r) => r.source)
    .join('|'),
);

export const SYNTAX_GOLDEN = 'test/golden/isa-syntax.txt.gz';

/** Words with what objdump wrote of them, the first at address 0. Lines are '8b020020 add x0, x1, x2'. */
export const readSyntax = (): { word: number; text: string }[] =>
  gunzipSync(readFileSync(SYNTAX_GOLDEN))
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => ({ word: Number.parseInt(line.slice(0, 8), 16), text: line.slice(9) }));
