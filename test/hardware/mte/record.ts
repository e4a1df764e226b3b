// Records what the reference does in every case of the tag-check suite: `npm run record:mte`. Needs
// qemu-system-aarch64 of version 10 or later, by the name in QEMU if that is set: 7.2 takes the tag of a page's first
// granule for the whole page.

import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suiteDigest, writeGolden } from './golden.ts';
import { LAYOUT, RESULT_BYTES } from './harness.ts';
import { cases, suiteImage } from './image.ts';

const QEMU = process.env.QEMU ?? 'qemu-system-aarch64';
const RAM = 0x4000_0000;
const MEGABYTES = 64;
/** 7.2 to 9 do some of what this suite looks at wrongly. */
const OLDEST = 10;

const reference = execFileSync(QEMU, ['--version']).toString().split('\n')[0] as string;
const major = Number(/version (\d+)/.exec(reference)?.[1]);
const folder = mkdtempSync(join(tmpdir(), 'mte-'));
try {
  if (!(major >= OLDEST)) throw new Error(`${reference} is older than ${OLDEST}`);
  // The machine's memory is a file: the suite stands in it before, and its results after.
  const ram = join(folder, 'ram');
  const image = suiteImage(true);
  const file = openSync(ram, 'w');
  ftruncateSync(file, MEGABYTES << 20);
  writeSync(file, image, 0, image.length, LAYOUT.base - RAM);
  closeSync(file);
  const memory = `memory-backend-file,id=ram,size=${MEGABYTES}M,mem-path=${ram},share=on`;
  const machine = ['-M', 'virt,mte=on,gic-version=3,memory-backend=ram', '-object', memory];
  const quiet = ['-display', 'none', '-monitor', 'none', '-serial', 'none', '-net', 'none'];
  const start = ['-device', `loader,addr=${LAYOUT.code},cpu-num=0`];
  const cpu = ['-cpu', 'max,pauth-impdef=on', '-m', `${MEGABYTES}M`];
  execFileSync(QEMU, [...machine, ...cpu, ...quiet, ...start], { timeout: 120_000 });
  const from = LAYOUT.results - RAM;
  const results = readFileSync(ram).subarray(from, from + cases.length * RESULT_BYTES);
  writeGolden({ reference, digest: suiteDigest(), results });
  console.log(`${cases.length} cases, ${reference}`);
} finally {
  rmSync(folder, { recursive: true });
}
