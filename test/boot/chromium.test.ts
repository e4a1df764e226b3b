// The machine in a Web Worker of a real browser: a guest does there what it does in Node, to the instruction, with all
// code that the JIT compiles and with room for little of it.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from './chromium.ts';
import { ChromiumGuest } from './chromium-guest.ts';
import { onQemu } from './drive.ts';
import { EMBEDDED } from './kernels.ts';
import { type WholeRun, wholeRun } from './whole-run.ts';

const LIMIT = 120_000;
const GUEST = { append: 'auto', memory: '128M', smp: 2 };
const image = readFileSync(EMBEDDED);

let browser: ChromiumGuest;

const both = async (jit: {
  hot: number;
  regions?: number;
}): Promise<{ node: WholeRun; chromium: WholeRun }> => ({
  node: await wholeRun({ ...GUEST, kernel: image, jit }),
  chromium: await browser.order('wholeRun', { ...GUEST, kernel: '/kernel', jit }),
});

describe.skipIf(!hasChromium() || onQemu)('in a Web Worker of Chromium', () => {
  beforeAll(async () => {
    browser = await ChromiumGuest.start({ kernel: image });
  }, LIMIT);
  afterAll(() => browser?.[Symbol.dispose]());

  it('the embedded guest ends as in Node, after as many instructions', { timeout: LIMIT }, async () => {
    const { node, chromium } = await both({ hot: 300 });
    expect(chromium).toEqual(node);
    expect(chromium).toMatchObject({ status: 0, evicted: 0 });
    expect(chromium.console).toMatch(/\n\d+ checks passed, 0 failed\r?\n/);
    expect(chromium.regionsCompiled).toBeGreaterThan(10);
  });

  it('it does so with room for few regions, which come and go', { timeout: LIMIT }, async () => {
    const { node, chromium } = await both({ hot: 20, regions: 16 });
    expect(chromium).toEqual(node);
    expect(chromium.evicted).toBeGreaterThan(100);
    const { status, instructions } = await wholeRun({ ...GUEST, kernel: image, jit: {} });
    expect(chromium).toMatchObject({ status, instructions });
  });
});
