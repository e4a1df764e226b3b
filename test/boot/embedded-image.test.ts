// The committed image is what its sources make, where the compiler that made it is installed.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EMBEDDED } from './kernels.ts';

const COMPILER = '12.2.0';
const installed = spawnSync('aarch64-linux-gnu-gcc', ['-dumpfullversion'], {
  encoding: 'utf8',
}).stdout?.trim();
const script = resolve(import.meta.dirname, '../../guests/embedded/build.sh');

describe('guests/embedded.Image', () => {
  it.skipIf(installed !== COMPILER)(`is built byte for byte by gcc ${COMPILER}`, { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringfence-embedded-'));
    try {
      execFileSync('sh', [script, join(folder, 'Image')]);
      expect(readFileSync(join(folder, 'Image')).equals(readFileSync(EMBEDDED))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is smaller than 64 KiB', () => {
    expect(statSync(EMBEDDED).size).toBeLessThan(64 << 10);
  });
});
