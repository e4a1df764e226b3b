// What memory tagging costs, in CPU seconds of the process: `node scripts/run.js test/mte/cost.ts [ROW...]`. Boots the
// small kernel with and without KASAN; and on Debian's kernel runs the rows of bench/ that do something with memory, in turn
// with heaps and anonymous memory tagged and checked synchronously, and not, in one boot; once before anything is counted,
// so that the code is compiled. docs/MTE.md has the figures.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { cachedImage, makeInitramfs, writeCpio } from '../../src/images/index.ts';
import { type Guest, startGuest } from '../boot/drive.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 4);

/** By the names that the rows have in bench/rows.ts; less work, as each is done some ten times. */
const WORK: Readonly<Record<string, string>> = {
  sha256: 'dd if=/dev/zero bs=1M count=16 2>/dev/null | sha256sum',
  gzip: 'dd if=/dev/zero bs=1M count=32 2>/dev/null | gzip | wc -c',
  loop: 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done',
  dd: 'dd if=/dev/zero of=/dev/null bs=1M count=1024 2>/dev/null',
  memcpy: '/program memcpy 2048',
  'memcpy-16m': '/program memcpy-16m 128',
  memset: '/program memset 4096',
  chase: '/program chase 2000000',
  syscall: '/program syscall 200000',
  switch: '/program switch 20000',
  fault: '/program fault 65536',
  'fork-exec': '/program fork-exec 200',
};
const wanted = process.argv.slice(2);
const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name);

/** Programs of the test tree run at the project's root. */
const kasanKernel = resolve('../shared/guests/linux-7.2-guest.Image.gz');
const debian = await cachedImage('debian-13');
if (!existsSync(kasanKernel) || !debian)
  throw new Error('the small kernel or debian-13 (ringfence pull) is not here');
const initrd = Buffer.concat([
  makeInitramfs({ busybox: readFileSync(debian.busybox) }),
  writeCpio([{ kind: 'file', path: 'program', mode: 0o755, data: compileProgram() }]),
]);

function compileProgram(): Uint8Array {
  mkdirSync('build', { recursive: true });
  const out = `build/mte-program.${process.pid}`;
  execFileSync('aarch64-linux-gnu-gcc', ['-O2', '-static', '-o', out, 'bench/guest/program.c', '-lm']);
  const program = readFileSync(out);
  rmSync(out);
  return program;
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage();
  await work();
  return process.cpuUsage(before).user / 1e6;
};

async function boot(kernel: string, options: string): Promise<Guest> {
  // Without randomization, by which hot pages share entries of the soft TLB in some runs and not in others.
  const append = `console=ttyAMA0 norandmaps ${options}`;
  // As much memory as in bench/: with less, what a program gets is scattered in some runs and not in others.
  const guest = await startGuest({ kernel, initrd, append, memory: '1G' });
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
const guest = await boot(debian.kernel, '');
for (const [name, command] of Object.entries(WORK)) {
  if (!isWanted(name)) continue;
  const run = async (tagging: number): Promise<number> => {
    await guest.command(`export GLIBC_TUNABLES=glibc.mem.tagging=${tagging}`);
    if (!command.startsWith('/program')) return await seconds(() => guest.command(`sh -c '${command}'`));
    // What it prepares, and tags, is not counted.
    guest.type(`${command}\r`);
    await guest.until('BENCH-BEGIN');
    const used = await seconds(() => guest.until('BENCH-END'));
    await guest.prompt();
    return used;
  };
  for (const tagging of [0, 3, 0, 3]) await run(tagging);
  row(name, await inTurn((tagged) => run(tagged ? 3 : 0)));
}
guest.kill();
if (isWanted('boot'))
  row(
    'boot to the shell, KASAN',
    await inTurn((kasan) => seconds(async () => (await boot(kasanKernel, kasan ? '' : 'kasan=off')).kill())),
  );
process.exit(0);
