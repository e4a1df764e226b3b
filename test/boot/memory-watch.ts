// Watches the resident memory of a process while a guest in it works: the options, the table and the verdict of the
// memory commands, which say what they watch.
//
//   --minutes N   how long each load runs (default 10)
//   --warm N      minutes of all loads in turn before (default 3): what V8's optimizing compiler once used stays resident
//   --every S     seconds between samples (default 5)
//   --collect     collects garbage before each sample: what still grows then is no garbage
//
// What is judged is resident memory without the guest's own, which grows as the guest touches more of it. It is flat
// where the least-squares line through the second half of a load's samples rises, from that half's start to its end, by
// less than 5 % of its mean or 8 MiB.

import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LOADS, type Load } from './memory-load.ts';
import { type Resident, trend } from './resident.ts';

const FLAT_PART = 0.05;
const FLAT_BYTES = 8 << 20;
/** For a line through the second half. */
const FEWEST_SAMPLES = 8;
const COUNTERS = ['regionsCompiled', 'revalidated', 'evicted'] as const;

/** What a sample finds. */
export interface Figures {
  readonly resident: Resident;
  /** Bytes as V8 accounts for them, where it says so. */
  readonly heap?: Readonly<Record<'heapUsed' | 'external' | 'arrayBuffers', number>>;
  /** MachineStats.counters. */
  readonly counters: Readonly<Record<string, number>>;
}

/** The process, and the guest in it. */
export interface Watched {
  /** One unit of a load. */
  work(load: Load, n: number): Promise<void>;
  sample(): Figures | Promise<Figures>;
  collectGarbage(): void | Promise<void>;
}

export interface Settings {
  readonly minutes: number;
  readonly warm: number;
  readonly every: number;
  readonly collect: boolean;
  readonly loads: readonly Load[];
}

interface Sample {
  readonly seconds: number;
  /** Resident bytes without the guest's. */
  readonly own: number;
  readonly regions: number;
}

const mib = (bytes: number | undefined): string =>
  bytes === undefined ? '-' : (bytes / (1 << 20)).toFixed(1);
const cells = (texts: readonly string[]): string => texts.map((text) => text.padStart(10)).join(' ');

/** From the command line; `names` are the loads where it names none. A sentence where it makes no sense. */
export function settings(names: readonly string[]): Settings | string {
  const parsed = commandLine();
  if (typeof parsed === 'string') return parsed;
  const { values, positionals } = parsed;
  const [minutes, warm, every] = [values.minutes, values.warm, values.every].map(Number) as [
    number,
    number,
    number,
  ];
  if (!(minutes > 0 && warm >= 0 && every > 0)) return '--minutes, --warm and --every are positive numbers';
  if (minutes * 60 < every * FEWEST_SAMPLES)
    return `--minutes ${minutes} has no room for ${FEWEST_SAMPLES} samples, one every ${every} seconds`;
  const wanted = positionals.length > 0 ? positionals : names;
  const unknown = wanted.find((name) => !LOADS.some((load) => load.name === name));
  if (unknown !== undefined) return `${unknown} is none of ${LOADS.map(({ name }) => name).join(', ')}`;
  return {
    ...{ minutes, warm, every, collect: values.collect },
    loads: LOADS.filter(({ name }) => wanted.includes(name)),
  };
}

const OPTIONS = {
  minutes: { type: 'string', default: '10' },
  warm: { type: 'string', default: '3' },
  every: { type: 'string', default: '5' },
  collect: { type: 'boolean', default: false },
} as const;

function commandLine(): ReturnType<typeof parse> | string {
  try {
    return parse();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const parse = () => parseArgs({ allowPositionals: true, options: OPTIONS });

/** Warms up and runs each load; whether memory was flat under all. */
export async function watchLoads(watched: Watched, settings: Settings): Promise<boolean> {
  const warm = performance.now() + settings.warm * 60_000;
  for (let n = 0; performance.now() < warm; n++)
    await watched.work(LOADS[n % LOADS.length] as Load, Math.floor(n / LOADS.length));
  console.log('MiB; RSS = guest + code + rest; wasm: modules written since the start');
  let flat = true;
  for (const load of settings.loads) flat = (await watchLoad(watched, load, settings)) && flat;
  return flat;
}

async function watchLoad(
  watched: Watched,
  load: Load,
  { minutes, every, collect }: Settings,
): Promise<boolean> {
  console.log(`\n${load.name}: ${load.title}`);
  console.log(
    cells(['seconds', 'RSS', 'guest', 'code', 'rest', 'heap', 'external', 'buffers', ...COUNTERS, 'wasm']),
  );
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const samples: Sample[] = [];
  const working = async (): Promise<void> => {
    for (let n = 0; seconds() < minutes * 60; n++) await watched.work(load, n);
  };
  const sampling = async (): Promise<void> => {
    for (let at = every; at <= minutes * 60; at += every) {
      await delay((at - seconds()) * 1000);
      if (collect) await watched.collectGarbage();
      samples.push(print(seconds(), await watched.sample()));
    }
  };
  await Promise.all([working(), sampling()]);
  const { flat, text } = judge(samples);
  console.log(text);
  await watched.collectGarbage();
  console.log('after a collection:');
  print(seconds(), await watched.sample());
  return flat;
}

function print(seconds: number, { resident, heap, counters }: Figures): Sample {
  const { total, guest, code, rest } = resident;
  console.log(
    cells([
      seconds.toFixed(0),
      ...[total, guest, code, rest, heap?.heapUsed, heap?.external, heap?.arrayBuffers].map(mib),
      ...COUNTERS.map((name) => String(counters[name] ?? 0)),
      mib(counters.wasmBytes ?? 0),
    ]),
  );
  return { seconds, own: total - guest, regions: counters.regionsCompiled ?? 0 };
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
