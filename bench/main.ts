// npm run bench: the same guest work on Ringfence and on other emulators, interleaved in one run, because machines differ
// and drift. Prints the page and writes it to docs/PERFORMANCE.md.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Architecture, ImageError } from '../src/images/index.ts';
import { type BenchGuest, makeGuest } from './guest.ts';
import { killAll, type Moment } from './guest-process.ts';
import { measureInterpreter } from './interpreter.ts';
import { type Guests, measure } from './measure.ts';
import { findMisses, type PageContents, writePage } from './page.ts';
import { PEERS, type Peer } from './peers.ts';
import { readResults, writeResults } from './results-file.ts';
import { ROWS, type Row, type WorkRow } from './rows.ts';
import { removeFolders } from './session.ts';
import { sectionsOf } from './text.ts';

const PAGE = 'docs/PERFORMANCE.md';
const NOTES = 'bench/notes.md';
const WORK = 'build/bench';
const RESULTS = `${WORK}/results.json`;
const ROUNDS = 5;
/** The exit status for options that make no sense, as the command line's. */
const USAGE = 2;

interface Options {
  readonly rounds: number;
  readonly rows?: readonly Row[];
  readonly peers?: readonly Peer[];
  readonly time: keyof Moment;
  readonly sources?: string;
  readonly interpreter: boolean;
  readonly write: boolean;
  readonly render: boolean;
}

/** Reads `a,b` as things of a table. */
function listed<T extends { readonly name: string }>(what: string, all: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((name) => {
      const found = all.find((candidate) => candidate.name === name);
      if (found) return found;
      const names = all.map((candidate) => candidate.name).join(', ');
      throw new InvalidArgumentError(`there is no ${what} ${name}; there are ${names}.`);
    });
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('give a number from 1 to 999.');
  return Number(text);
}

const names = (all: readonly { readonly name: string }[]): string => all.map((one) => one.name).join(', ');

const program = new Command('npm run bench --')
  .description(`the same guest work on Ringfence and on other emulators; writes ${PAGE}`)
  .option('--rounds <n>', 'how often each row runs; the page shows medians', wholeNumber, ROUNDS)
  .option('--rows <a,b>', 'only these rows', listed('row', ROWS))
  .option('--peers <a,b>', 'only these emulators; Ringfence is always among them', listed('emulator', PEERS))
  .addOption(
    new Option(
      '--time <clock>',
      'host: as it passes; cpu: what the emulator uses of processors, for a machine that others use too',
    )
      .choices(['host', 'cpu'])
      .default('host'),
  )
  .option('--sources <file>', "an apt sources file to use instead of the system's")
  .option('--no-interpreter', 'leave out the run with --engine interpreter')
  .option('--no-write', `only print, and leave ${PAGE} alone`)
  .option(
    '--render',
    `measure nothing: write ${PAGE} from the last run's numbers and the notes of now`,
    false,
  )
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE))
  .addHelpText('after', `\nRows: ${names(ROWS)}\nEmulators: ${names(PEERS)}`);

const progress = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

interface Present {
  readonly peers: Peer[];
  readonly guests: Guests;
  readonly absent: string[];
}

/** The wanted emulators that are here, with a guest for each; and a sentence about each of the others. */
async function findPresent(wanted: readonly Peer[], sourcesFile: string | undefined): Promise<Present> {
  const guests = new Map<Architecture, BenchGuest>();
  const absent: string[] = [];
  const peers: Peer[] = [];
  for (const peer of PEERS.filter((one) => one.name === 'ringfence' || wanted.includes(one))) {
    try {
      if (peer.version() === undefined) absent.push(`${peer.title} is not installed (${peer.install})`);
      else {
        const { architecture } = peer;
        if (!guests.has(architecture))
          guests.set(architecture, await makeGuest(architecture, { work: WORK, sourcesFile }));
        peers.push(peer);
      }
    } catch (error) {
      if (!(error instanceof ImageError) || peer.name === 'ringfence') throw error;
      absent.push(`${peer.title} has no guest here: ${error.message}`);
    }
  }
  return { peers, guests, absent };
}

/** How to measure the same again, without what only says where files are. */
function commandOf({ rounds, rows, peers, time, interpreter }: Options): string {
  const words = [
    ...(rounds === ROUNDS ? [] : ['--rounds', `${rounds}`]),
    ...(rows ? ['--rows', rows.map((row) => row.name).join()] : []),
    ...(peers ? ['--peers', peers.map((peer) => peer.name).join()] : []),
    ...(time === 'host' ? [] : ['--time', time]),
    ...(interpreter ? [] : ['--no-interpreter']),
  ];
  return ['npm run bench', ...(words.length > 0 ? ['--'] : []), ...words].join(' ');
}

async function run(): Promise<void> {
  program.parse();
  const given = program.opts<Options>();
  if (given.render) {
    const last = readResults(RESULTS);
    if (!last) program.error(`error: there is no ${RESULTS}; run npm run bench first`);
    else show(last, given.write);
    return;
  }
  const contents = await measureAll(given);
  writeResults(RESULTS, contents);
  show(contents, given.write);
}

async function measureAll(given: Options): Promise<PageContents> {
  const { rounds, time } = given;
  execFileSync(process.execPath, ['scripts/build.js'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const rows = ROWS.filter((row) => given.rows?.includes(row) ?? true);
  const { peers, guests, absent } = await findPresent(given.peers ?? PEERS, given.sources);
  for (const line of absent) progress(line);
  const results = await measure({ peers, rows, guests, rounds, progress });
  const loop = rows.find((row): row is WorkRow => row.name === 'loop');
  const ringfence = { ringfence: peers[0]!, guest: guests.get('arm64')! };
  const interpreter =
    given.interpreter && loop
      ? await measureInterpreter({ ...ringfence, row: loop, rounds, time, progress })
      : undefined;
  return {
    command: commandOf(given),
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} CPUs`,
    ...{ rounds, time, rows, results, interpreter, absent },
    peers: peers.map((peer) => ({
      ...peer,
      version: peer.version() ?? '',
      guest: guests.get(peer.architecture)!.description,
    })),
    notes: new Map(),
  };
}

function show(measured: Omit<PageContents, 'notes'>, write: boolean): void {
  const contents = { ...measured, notes: sectionsOf(readFileSync(NOTES, 'utf8')) };
  const page = writePage(contents);
  process.stdout.write(page);
  if (write) writeFileSync(PAGE, page);
  for (const { row, peer, ratio, target } of findMisses(contents))
    progress(`over its target: ${row.title}, ${ratio.toFixed(2)} of ${peer.title} (${target.toFixed(2)})`);
}

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const) {
  process.once(signal, () => process.exit(128 + number));
}
process.on('exit', () => {
  killAll();
  removeFolders();
});

try {
  await run();
} catch (error) {
  if (!(error instanceof ImageError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
