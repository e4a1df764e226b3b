// What memory tagging costs, in CPU seconds of the process: `node scripts/run.js test/mte/cost.ts`. Boots the small
// kernel with and without KASAN; and runs programs with their heaps tagged and checked synchronously, and not, in turn
// in one boot, once before anything is counted, so that the code is compiled. docs/MTE.md has the figures.

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { cachedImage, makeInitramfs } from '../../src/images/index.ts';
import { type Guest, startGuest } from '../boot/drive.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 4);

const WORK: Readonly<Record<string, string>> = {
  'sha256sum of 32 MiB': 'head -c 33554432 /dev/zero | sha256sum',
  'gzip of 32 MiB': 'head -c 33554432 /dev/zero | gzip | wc -c',
  'shell loop, 20,000 turns': 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done',
};

/** Programs of the test tree run at the project's root. */
const kernel = resolve('../shared/guests/linux-7.2-guest.Image.gz');
const debian = await cachedImage('debian-13');
if (!existsSync(kernel) || !debian)
  throw new Error('the small kernel or debian-13 (ringfence pull) is not here');
const initrd = makeInitramfs({ busybox: readFileSync(debian.busybox) });

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage();
  await work();
  return process.cpuUsage(before).user / 1e6;
};

async function boot(kasan: boolean): Promise<Guest> {
  // Without randomization, by which hot pages share entries of the soft TLB in some runs and not in others.
  const append = `console=ttyAMA0 norandmaps${kasan ? '' : ' kasan=off'}`;
  const guest = await startGuest({ kernel, initrd, append });
  await guest.prompt();
  return guest;
}

/** The least times of two kinds, measured in turn: whatever else runs on the host only adds. */
async function inTurn(measure: (second: boolean) => Promise<number>): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    times[0].push(await measure(false));
    times[1].push(await measure(true));
  }
  return [Math.min(...times[0]), Math.min(...times[1])];
}

function row(name: string, [without, tagged]: [number, number]): void {
  console.log(
    `| ${name} | ${without.toFixed(2)} | ${tagged.toFixed(2)} | ${(tagged / without).toFixed(2)} |`,
  );
}

console.log(`| CPU seconds, least of ${ROUNDS} | without | with | ratio |\n|---|---:|---:|---:|`);
const guest = await boot(false);
for (const [name, command] of Object.entries(WORK)) {
  const run = async (tagging: number): Promise<number> => {
    await guest.command(`export GLIBC_TUNABLES=glibc.mem.tagging=${tagging}`);
    return await seconds(() => guest.command(`sh -c '${command}'`));
  };
  await run(0);
  await run(3);
  row(`${name}, glibc.mem.tagging=0 and 3`, await inTurn((tagged) => run(tagged ? 3 : 0)));
}
guest.kill();
const boots = await inTurn((kasan) => seconds(async () => (await boot(kasan)).kill()));
row('boot to the shell, kasan=off and on', boots);
process.exit(0);
