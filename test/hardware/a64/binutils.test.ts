// The disassembler and the assembler against GNU binutils, on random encodings of every row (Arm ARM C1.2, C6, C7).
// Skipped where binutils for AArch64 is not installed; syntax.test.ts has recordings then.

import { describe, expect, it } from 'vitest';
import { assemble, completeDecoder, disassemble, Random } from '../../../src/hardware/a64/index.ts';
import { ALIAS_LINES } from './aliases.ts';
import { assembleWithBinutils, binutilsAvailable, objdump } from './binutils.ts';
import {
  isNamedHint,
  syntaxSamples,
  UNDEFINED_FOR_OBJDUMP,
  UNPREDICTABLE_FOR_OBJDUMP,
  UNSUPPORTED,
} from './syntax.ts';

const available = binutilsAvailable();
const PER_ROW = 20;

describe.skipIf(!available)('assembly text against binutils', () => {
  const samples = available ? syntaxSamples(PER_ROW, 11) : [];
  const words = samples.map((s) => s.word);
  const ours = words.map((word, k) => disassemble(word, 4 * k));

  it('disassembles as objdump -M no-aliases does', { timeout: 60_000 }, () => {
    const plain = objdump(words);
    const named = objdump(words, true);
    const wrong = samples.flatMap(({ row, word }, k) => {
      // objdump writes every hint as a number when it may not use aliases.
      const theirs = isNamedHint(row) ? named[k] : plain[k];
      if (theirs === ours[k] || (UNPREDICTABLE_FOR_OBJDUMP.test(row.name) && theirs?.startsWith('.inst')))
        return [];
      return [`${row.name}: ${ours[k]} but objdump ${theirs} (${word.toString(16)})`];
    });
    expect(wrong).toEqual([]);
  });

  it('assembles its own text as as does', { timeout: 60_000 }, () => {
    // A target that is an absolute number would be a relocation for as, which knows no page of it either.
    const forAs = ours.map((line, k) =>
      line
        .replace(
          /^(b|bl|b\.\w+|cbn?z \w+,|tbn?z \w+, #\d+,|adr \w+,|(?:ldr|ldrsw|prfm) [^,]+,) 0x([0-9a-f]+)$/,
          (_, head: string, to: string) => {
            const offset = BigInt.asIntN(64, BigInt(`0x${to}`) - BigInt(4 * k));
            return `${head} .${offset < 0n ? '' : '+'}${offset}`;
          },
        )
        .replace(/^adrp .*/, 'nop'),
    );
    const theirs = assembleWithBinutils(forAs);
    const wrong = samples.flatMap(({ row, word }, k) => {
      const line = ours[k] as string;
      const [mine] = assemble(line, 4 * k);
      // Where as takes the text, its encoding counts: a mask has several that mean the same.
      const wanted = forAs[k] === 'nop' || theirs[k] === undefined ? word : theirs[k];
      return mine === wanted
        ? []
        : [`${row.name}: ${line} is ${mine?.toString(16)}, not ${wanted.toString(16)}`];
    });
    expect(wrong).toEqual([]);
    const refused = samples.filter((_, k) => theirs[k] === undefined).map((s) => s.row.name);
    expect(new Set(refused.filter((name) => !UNPREDICTABLE_FOR_OBJDUMP.test(name)))).toEqual(new Set());
  });

  it('claims what objdump knows, but for absent extensions, and nothing else (C4.1)', {
    timeout: 60_000,
  }, () => {
    const random = new Random(12);
    // Anything, and neighbours of what is known.
    const near = samples.flatMap(({ word }) => [
      (word ^ (1 << random.below(32))) >>> 0,
      (word ^ (1 << random.below(32)) ^ (1 << random.below(32))) >>> 0,
    ]);
    const all = [...near, ...Array.from({ length: 100_000 }, () => random.u32())];
    const texts = objdump(all);
    const wrong = all.flatMap((word, k) => {
      const row = completeDecoder().decode(word)?.row;
      const text = texts[k] as string;
      const unknown = text.startsWith('.inst');
      if (!row && !unknown && !UNSUPPORTED.test(text)) return [`${word.toString(16)} is ${text}`];
      if (row && unknown && !UNDEFINED_FOR_OBJDUMP.test(row.name))
        return [`${word.toString(16)} is no ${row.name}`];
      return [];
    });
    expect(wrong.slice(0, 20)).toEqual([]);
  });

  it('assembles aliases as as does', () => {
    const theirs = assembleWithBinutils(ALIAS_LINES);
    const wrong = ALIAS_LINES.flatMap((line, k) => {
      const mine = assemble(line, 4 * k)[0];
      return mine === theirs[k] ? [] : [`${line} is ${mine?.toString(16)}, not ${theirs[k]?.toString(16)}`];
    });
    expect(wrong).toEqual([]);
  });
});
