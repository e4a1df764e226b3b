// Whether the process's memory stays flat under guests that make, load and drop code without end:
//
//   node scripts/run.js test/boot/memory.ts [options] [jit] [modules] [mixed]
//
//   --minutes N   how long each load runs (default 10)
//   --warm N      minutes of all loads in turn before (default 3): what V8's optimizing compiler once used stays resident
//   --every S     seconds between samples (default 5)
//   --collect     collects garbage before each sample: what still grows then is no garbage
//
// Needs Debian (./ringfence pull debian-13), aarch64-linux-gnu-gcc and Linux. What is judged is resident memory without
// the guest's own, which grows as the guest touches more of it. It is flat where the least-squares line through the
// second half of a load's samples rises, from that half's start to its end, by less than 5 % of its mean or 8 MiB.
// Exit status: 0 flat, 1 not, 2 unusable options or lacking a need.

import { parseArgs } from 'node:util';
import type { Machine } from '../../src/vmm/index.ts';
import type { Guest } from './drive.ts';
import { bootMemoryGuest, LOADS, type Load, memoryGuest, runUnit } from './memory-load.ts';
import { collectGarbage, resident, trend } from './resident.ts';

const FLAT_PART = 0.05;
const FLAT_BYTES = 8 << 20;
const COUNTERS = ['regionsCompiled', 'revalidated', 'evicted'] as const;

interface Sample {
  readonly seconds: number;
  /** Resident bytes without the guest's. */
  readonly own: number;
  readonly code: number;
  readonly regions: number;
}

const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1);
const cells = (texts: readonly string[]): string => texts.map((text) => text.padStart(10)).join(' ');

function sample(machine: Machine, started: number): Sample {
  const seconds = (performance.now() - started) / 1000;
  const { total, guest, code, rest } = resident();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const { counters } = machine.stats();
  console.log(
    cells([
      seconds.toFixed(0),
      ...[total, guest, code, rest, heapUsed, external, arrayBuffers].map(mib),
      ...COUNTERS.map((name) => String(counters[name] ?? 0)),
      mib(counters.wasmBytes ?? 0),
    ]),
  );
  return { seconds, own: total - guest, code, regions: counters.regionsCompiled ?? 0 };
}

/** The verdict on a load in a line, and whether it is flat. */
function judge(samples: readonly Sample[]): { flat: boolean; text: string } {
  const half = samples.slice(Math.floor(samples.length / 2));
  const { rise, mean } = trend(half.map(({ seconds, own }) => ({ at: seconds, value: own })));
  const limit = Math.max(FLAT_PART * mean, FLAT_BYTES);
  const flat = rise < limit;
  const regions = (half.at(-1)?.regions ?? 0) - (half[0]?.regions ?? 0);
  const per = regions > 0 ? `, ${(rise / regions).toFixed(0)} bytes for each region compiled` : '';
  return {
    flat,
    text: `${flat ? 'flat' : 'NOT FLAT'}: the second half rises by ${mib(rise)} MiB of ${mib(mean)} (limit ${mib(limit)})${per}`,
  };
}

interface Settings {
  readonly minutes: number;
  readonly warm: number;
  readonly every: number;
  readonly collect: boolean;
}

async function watch(machine: Machine, guest: Guest, load: Load, settings: Settings): Promise<boolean> {
  console.log(`\n${load.name}: ${load.title}`);
  console.log(
    cells(['seconds', 'RSS', 'guest', 'code', 'rest', 'heap', 'external', 'buffers', ...COUNTERS, 'wasm']),
  );
  const started = performance.now();
  const samples: Sample[] = [];
  const timer = setInterval(() => {
    if (settings.collect) collectGarbage();
    samples.push(sample(machine, started));
  }, settings.every * 1000);
  try {
    for (let n = 0; performance.now() - started < settings.minutes * 60_000; n++)
      await runUnit(guest, load, n);
  } finally {
    clearInterval(timer);
  }
  const { flat, text } = judge(samples);
  console.log(text);
  collectGarbage();
  console.log('after a collection:');
  sample(machine, started);
  return flat;
}

function options(): (Settings & { readonly loads: readonly Load[] }) | string {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '10' },
      warm: { type: 'string', default: '3' },
      every: { type: 'string', default: '5' },
      collect: { type: 'boolean', default: false },
    },
  });
  const [minutes, warm, every] = [values.minutes, values.warm, values.every].map(Number) as [
    number,
    number,
    number,
  ];
  if (!(minutes > 0 && warm >= 0 && every > 0)) return '--minutes, --warm and --every are positive numbers';
  const unknown = positionals.find((name) => !LOADS.some((load) => load.name === name));
  if (unknown !== undefined) return `${unknown} is none of ${LOADS.map(({ name }) => name).join(', ')}`;
  const loads = LOADS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  return { minutes, warm, every, collect: values.collect, loads };
}

async function main(): Promise<number> {
  const settings = options();
  const files = await memoryGuest();
  if (typeof settings === 'string' || !files) {
    console.error(
      typeof settings === 'string'
        ? settings
        : 'needs ./ringfence pull debian-13 and aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu)',
    );
    return 2;
  }
  console.log('MiB; RSS = guest + code + rest; wasm: modules written since the start');
  const { machine, guest } = await bootMemoryGuest(files);
  for (let n = 0; performance.now() < settings.warm * 60_000; n++)
    await runUnit(guest, LOADS[n % LOADS.length] as Load, Math.floor(n / LOADS.length));
  let flat = true;
  for (const load of settings.loads) flat = (await watch(machine, guest, load, settings)) && flat;
  machine.dispose();
  return flat ? 0 : 1;
}

process.exitCode = await main();
