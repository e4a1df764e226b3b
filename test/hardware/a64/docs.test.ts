import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { completeDecoder } from '../../../src/hardware/a64/index.ts';
import { ABSENT, instructionsPage } from '../../../src/hardware/a64/page.ts';

describe('docs/INSTRUCTIONS.md', () => {
  it('is what npm run docs:isa writes', () => {
    // A plain comparison: a difference of the whole page would be unreadable.
    expect(readFileSync('docs/INSTRUCTIONS.md', 'utf8') === instructionsPage()).toBe(true);
  });

  it.each(ABSENT)('says rightly that %s (%s) is not supported: %s', (_name, _what, _example, word) => {
    expect(completeDecoder().decode(word)).toBeUndefined();
  });
});
