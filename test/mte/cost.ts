// What memory tagging costs, in CPU seconds of the process: `node scripts/run.js test/mte/cost.ts`. Boots the small
// kernel with and without KASAN, and runs programs with their heaps tagged and checked, with tagging off, and on a CPU
// without MTE. docs/MTE.md has the figures.

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { cachedImage, makeInitramfs } from '../../src/images/index.ts';
import { type Guest, startGuest } from '../boot/drive.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 3);

const WORK: Readonly<Record<string, string>> = {
  'sha256sum of 32 MiB': 'head -c 33554432 /dev/zero | sha256sum',
  'gzip of 32 MiB': 'head -c 33554432 /dev/zero | gzip | wc -c',
  'shell loop, 50,000 turns': 'i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done',
  'awk, 200,000 turns': `awk 'BEGIN { for (n = 0; n < 200000; n++) { a[n % 1000] = a[(n * 7) % 1000] n % 10; if (length(a[n % 1000]) > 50) a[n % 1000] = "" } }'`,
};

interface Configuration {
  readonly name: string;
  readonly mte: boolean;
  readonly kasan: boolean;
  /** glibc.mem.tagging. */
  readonly tagging: 0 | 3;
}
const CONFIGURATIONS: readonly Configuration[] = [
  { name: 'mte=off', mte: false, kasan: false, tagging: 0 },
  { name: 'tagging=0', mte: true, kasan: false, tagging: 0 },
  { name: 'tagging=3', mte: true, kasan: false, tagging: 3 },
  { name: 'KASAN, tagging=3', mte: true, kasan: true, tagging: 3 },
];

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage();
  await work();
  return process.cpuUsage(before).user / 1e6;
};
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

interface Files {
  readonly kernel: string;
  readonly initrd: Uint8Array;
}

async function measure(files: Files, c: Configuration, into: Map<string, number[]>): Promise<void> {
  const note = (what: string, value: number): void => void into.set(what, [...(into.get(what) ?? []), value]);
  const append = `console=ttyAMA0${c.kasan ? '' : ' kasan=off'}`;
  let guest: Guest | undefined;
  note(
    'boot to the shell',
    await seconds(async () => {
      guest = await startGuest({ ...files, append, more: { cpu: { mte: c.mte } } });
      await guest.prompt();
    }),
  );
  const g = guest as Guest;
  await g.command(`export GLIBC_TUNABLES=glibc.mem.tagging=${c.tagging}`);
  for (const [name, command] of Object.entries(WORK)) {
    note(name, await seconds(() => g.command(`sh -c '${command.replaceAll("'", "'\\''")}'`)));
  }
  g.kill();
}

/** Programs of the test tree run at the project's root. */
const kernel = resolve('../shared/guests/linux-7.2-guest.Image.gz');
const debian = await cachedImage('debian-13');
if (!existsSync(kernel) || !debian)
  throw new Error('the small kernel or debian-13 (ringfence pull) is not here');
const files = { kernel, initrd: makeInitramfs({ busybox: readFileSync(debian.busybox) }) };
const results = CONFIGURATIONS.map(() => new Map<string, number[]>());
for (let round = 0; round < ROUNDS; round++) {
  for (const [n, configuration] of CONFIGURATIONS.entries()) {
    await measure(files, configuration, results[n] as Map<string, number[]>);
  }
}
const names = [...(results[0] as Map<string, number[]>).keys()];
console.log(`| CPU seconds, medians of ${ROUNDS} | ${CONFIGURATIONS.map(({ name }) => name).join(' | ')} |`);
console.log(`|---|${CONFIGURATIONS.map(() => '---:|').join('')}`);
for (const name of names) {
  const row = results.map((of) => median(of.get(name) as number[]));
  const base = row[1] as number;
  const cells = row.map((s) => `${s.toFixed(2)} (${(s / base).toFixed(2)}x)`);
  console.log(`| ${name} | ${cells.join(' | ')} |`);
}
process.exit(0);
