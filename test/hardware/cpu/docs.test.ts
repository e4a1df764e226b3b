import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemPage } from '../../../src/hardware/cpu/page.ts';

describe('docs/SYSTEM.md', () => {
  it('is what the tables say', () => {
    expect(readFileSync('docs/SYSTEM.md', 'utf8') === systemPage()).toBe(true);
  });
});
