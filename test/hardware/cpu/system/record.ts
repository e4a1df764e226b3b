// Records what the reference does with every system case: `node scripts/run.js test/hardware/cpu/system/record.ts`. Needs aarch64-linux-gnu-as and -ld
// and qemu-system-aarch64.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemCases } from './cases.ts';
import { GOLDEN, type Recording, writeGolden } from './golden.ts';
import { LINKER_SCRIPT, payloadText, VARIANTS, type Variant } from './payload.ts';

const MACHINE = [
  '-M',
  'virt,mte=on,gic-version=3',
  '-cpu',
  'max,pauth-impdef=on',
  '-m',
  '64M',
  '-net',
  'none',
];
const LOAD = 1;

function segmentsOf(elf: Buffer): Pick<Recording, 'segments' | 'entry'> {
  const headers = Number(elf.readBigUInt64LE(32));
  const segments = Array.from({ length: elf.readUInt16LE(56) }, (_, n) => headers + 56 * n)
    .filter((at) => elf.readUInt32LE(at) === LOAD)
    .map((at) => {
      const offset = Number(elf.readBigUInt64LE(at + 8));
      const bytes = elf.subarray(offset, offset + Number(elf.readBigUInt64LE(at + 32)));
      return { address: Number(elf.readBigUInt64LE(at + 16)), bytes: bytes.toString('base64') };
    });
  return { segments, entry: Number(elf.readBigUInt64LE(24)) };
}

function record(folder: string, variant: Variant): Recording {
  const file = (suffix: string): string => join(folder, `${variant}.${suffix}`);
  writeFileSync(file('S'), payloadText(variant));
  writeFileSync(file('ld'), LINKER_SCRIPT);
  execFileSync('aarch64-linux-gnu-as', ['-o', file('o'), file('S')]);
  execFileSync('aarch64-linux-gnu-ld', ['-T', file('ld'), '-o', file('elf'), file('o')], { stdio: 'ignore' });
  const console = ['-display', 'none', '-monitor', 'none', '-serial', `file:${file('txt')}`];
  execFileSync('qemu-system-aarch64', [...MACHINE, ...console, '-kernel', file('elf')], { timeout: 60_000 });
  const lines = readFileSync(file('txt'), 'latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => line.trim());
  if (lines.length !== systemCases.length) throw new Error(`${variant}: ${lines.length} lines`);
  return { ...segmentsOf(readFileSync(file('elf'))), lines };
}

const folder = mkdtempSync(join(tmpdir(), 'system-'));
try {
  const recordings = Object.fromEntries(
    Object.keys(VARIANTS).map((variant) => [variant, record(folder, variant as Variant)]),
  ) as Record<Variant, Recording>;
  const reference = execFileSync('qemu-system-aarch64', ['--version']).toString().split('\n')[0] as string;
  writeGolden({ reference, names: systemCases.map((c) => c.name), recordings });
  console.log(`${GOLDEN}: ${systemCases.length} cases, ${reference}`);
} finally {
  rmSync(folder, { recursive: true });
}
