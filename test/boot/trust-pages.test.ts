// The four pages of docs/TRUST.md: what it shows is what `explain` says of a protected Linux. Numbers of frames and of
// steps differ from boot to boot and are left out of the comparison.

import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { formatPage } from '../../src/lab/explain/index.ts';
import { Machine } from '../../src/vmm/index.ts';
import { drive, onQemu } from './drive.ts';
import { small } from './kernels.ts';

const LIMIT = 300_000;
const files = onQemu ? undefined : await small();
const text = readFileSync(new URL('../../docs/TRUST.md', import.meta.url), 'utf8');

/** The blocks that show a page: the command's address and options, and its output. */
const shown = [...text.matchAll(/\(`explain (0x\w+)( --history)?`\)[^`]*```\n([^`]*)```/g)].map(
  ([, address, history, output]) => ({ address: Number(address), history: history !== undefined, output }),
);

const withoutNumbers = (output: string): string =>
  output
    .replace(/\bframe \d+/g, 'frame N')
    .replace(/^#\d+/gm, '#N')
    .trimEnd();

let machine: Machine | undefined;
afterEach(() => machine?.dispose());

describe.skipIf(!files)('docs/TRUST.md', () => {
  it('shows four pages of a protected guest as explain does', { timeout: LIMIT }, async () => {
    if (!files) return;
    const made = await Machine.create({ ...files, memory: '256M', protect: 'pkvm', history: true });
    machine = made;
    const guest = drive(made);
    await guest.prompt();
    await made.pause();
    expect(shown.map(({ address }) => address)).toEqual([0x4020_0000, 0x4e00_0000, 0x2000_0000, 0x900_0000]);
    for (const { address, history, output } of shown) {
      const page = JSON.parse(JSON.stringify(made.explain(address)));
      expect(withoutNumbers(formatPage(page, { history }))).toBe(withoutNumbers(output));
    }
  });
});
