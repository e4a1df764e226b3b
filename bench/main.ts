// npm run bench: the same guest work on Ringfence and on other emulators, interleaved in one run, because machines differ
// and drift. Prints the page and writes it to docs/PERFORMANCE.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { ImageError } from '../src/images/index.ts';
import { makeGuest } from './guest.ts';
import { killAll } from './guest-process.ts';
import { measureInterpreter } from './interpreter.ts';
import { type Guests, measure } from './measure.ts';
import { findMisses, writePage } from './page.ts';
import { PEERS, type Peer } from './peers.ts';
import { ROWS, type Row, type WorkRow } from './rows.ts';
import { removeFolders } from './session.ts';
import { sectionsOf } from './text.ts';

const PAGE = 'docs/PERFORMANCE.md';
const NOTES = 'bench/notes.md';
const WORK = 'build/bench';

interface Options {
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly peers: readonly Peer[];
  readonly interpreter: boolean;
  readonly write: boolean;
  readonly json?: string;
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
  .option('--rounds <n>', 'how often each row runs; the page shows medians', wholeNumber, 5)
  .option('--rows <a,b>', 'only these rows', listed('row', ROWS))
  .option('--peers <a,b>', 'only these emulators; Ringfence is always among them', listed('emulator', PEERS))
  .option('--no-interpreter', 'leave out the run with --engine interpreter')
  .option('--no-write', `only print, and leave ${PAGE} alone`)
  .option('--json <file>', 'write every measured value and counter as JSON')
  .addHelpText('after', `\nRows: ${names(ROWS)}\nEmulators: ${names(PEERS)}`);

const progress = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

function chosenPeers(wanted: readonly Peer[]): { peers: Peer[]; absent: string[] } {
  const peers = PEERS.filter((peer) => peer.name === 'ringfence' || wanted.includes(peer));
  const present = peers.filter((peer) => peer.version() !== undefined);
  const absent = peers
    .filter((peer) => !present.includes(peer))
    .map((peer) => `${peer.title} is not installed (${peer.install}).`);
  return { peers: present, absent };
}

async function run(): Promise<void> {
  program.parse();
  const given = program.opts<Partial<Options>>();
  const rounds = given.rounds ?? 1;
  const rows = ROWS.filter((row) => given.rows?.includes(row) ?? true);
  const { peers, absent } = chosenPeers(given.peers ?? PEERS);
  for (const line of absent) progress(line);
  const guests: Guests = new Map(
    await Promise.all(
      [...new Set(peers.map((peer) => peer.architecture))].map(
        async (architecture) => [architecture, await makeGuest(architecture, WORK)] as const,
      ),
    ),
  );
  const results = await measure({ peers, rows, guests, rounds, progress });
  const loop = rows.find((row): row is WorkRow => row.name === 'loop');
  const interpreter =
    given.interpreter && loop
      ? await measureInterpreter(peers[0]!, guests.get('arm64')!, loop, rounds, progress)
      : undefined;
  const page = writePage({
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(
      ' ',
    ),
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} CPUs`,
    rounds,
    peers,
    rows,
    guests,
    results,
    interpreter,
    absent,
    notes: sectionsOf(readFileSync(NOTES, 'utf8')),
  });
  process.stdout.write(page);
  if (given.json !== undefined) {
    const cells = Object.fromEntries(
      [...results.cells].map(([row, cell]) => [row, Object.fromEntries(cell)]),
    );
    writeFileSync(given.json, `${JSON.stringify({ cells, interpreter }, undefined, 1)}\n`);
  }
  if (given.write) writeFileSync(PAGE, page);
  for (const { row, peer, ratio, target } of findMisses({ peers, rows, results }))
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
