// Records what the reference makes of the tag instructions: `node scripts/run.js test/hardware/a64/mte/record.ts`.
// Needs aarch64-linux-gnu-gcc and qemu-aarch64.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  changed,
  GOLDEN,
  GRANULES,
  generateCases,
  PAGE,
  patternByte,
  patternTag,
  type TagResult,
  writeGolden,
} from './cases.ts';

const REQUEST = 40;
const RESPONSE = 40 + GRANULES + PAGE;

const folder = mkdtempSync(join(tmpdir(), 'mte-'));
try {
  const program = join(folder, 'oracle');
  const source = 'test/hardware/a64/mte/oracle.c';
  execFileSync('aarch64-linux-gnu-gcc', ['-static', '-O1', '-march=armv8.5-a+memtag', '-o', program, source]);
  const cases = generateCases();
  const input = new DataView(new ArrayBuffer(cases.length * REQUEST));
  for (const [k, c] of cases.entries()) {
    input.setUint32(k * REQUEST, c.word, true);
    input.setUint32(k * REQUEST + 4, c.exclude, true);
    for (const [n, x] of c.x.entries()) input.setBigUint64(k * REQUEST + 8 + 8 * n, BigInt(`0x${x}`), true);
  }
  const options = { input: new Uint8Array(input.buffer), maxBuffer: 1 << 28, timeout: 60_000 };
  const output = Uint8Array.from(execFileSync('qemu-aarch64', ['-cpu', 'max', program], options));
  if (output.length !== cases.length * RESPONSE) throw new Error(`${output.length} bytes of results`);
  const view = new DataView(output.buffer);
  const results = cases.map((_, k): TagResult => {
    const at = k * RESPONSE;
    return {
      x: [0, 1, 2, 3].map((n) => view.getBigUint64(at + 8 * n, true).toString(16)),
      nzcv: view.getUint32(at + 32, true),
      signal: view.getUint32(at + 36, true),
      tags: changed(output.subarray(at + 40, at + 40 + GRANULES), patternTag),
      data: changed(output.subarray(at + 40 + GRANULES, at + RESPONSE), patternByte),
    };
  });
  const reference = execFileSync('qemu-aarch64', ['--version']).toString().split('\n')[0] as string;
  writeGolden({ reference, cases: cases.map((c, k) => [c, results[k] as TagResult]) });
  console.log(`${GOLDEN}: ${cases.length} cases, ${reference}`);
} finally {
  rmSync(folder, { recursive: true });
}
