// docs/PERFORMANCE.md, whole: what was measured, on what, by which command, and which rows miss what they promise.

import type { Moment } from './guest-process.ts';
import type { InterpreterResult } from './interpreter.ts';
import type { Cell, Results } from './measure.ts';
import type { Peer } from './peers.ts';
import type { Row } from './rows.ts';
import { median, significant, table } from './text.ts';

/** A column. */
export interface ShownPeer extends Pick<Peer, 'name' | 'title' | 'target' | 'remark'> {
  readonly version: string;
  /** What its guest is. */
  readonly guest: string;
}

export interface PageContents {
  readonly command: string;
  readonly machine: string;
  readonly rounds: number;
  readonly time: keyof Moment;
  readonly peers: readonly ShownPeer[];
  readonly rows: readonly Row[];
  readonly results: Results;
  readonly interpreter: InterpreterResult | undefined;
  /** Emulators that are not here, one sentence each. */
  readonly absent: readonly string[];
  /** What is known about rows that miss a target, by name. */
  readonly notes: ReadonlyMap<string, string>;
}

export interface Miss {
  readonly row: Row;
  readonly peer: ShownPeer;
  readonly ratio: number;
  readonly target: number;
}

const MINE = 'ringfence';
const GUEST_MEBIBYTES = 1024;

export function writePage(contents: PageContents): string {
  const misses = findMisses(contents);
  return `${[
    heading(contents),
    peersTable(contents),
    rowsTable(contents, misses),
    remarksText(contents),
    memoryTable(contents),
    interpreterTable(contents.interpreter),
    missText(misses, contents.notes),
    countersTable(contents),
  ]
    .filter(Boolean)
    .join('\n\n')}\n`;
}

/** Where Ringfence takes longer than the row's targets allow. */
export function findMisses(contents: Pick<PageContents, 'peers' | 'rows'> & Measured): Miss[] {
  const { peers, rows } = contents;
  return rows.flatMap((row) =>
    peers.flatMap((peer) => {
      const target = targetOf(row, peer);
      const ratio = ratioOf(row, peer, contents);
      return target !== undefined && ratio !== undefined && ratio > target
        ? [{ row, peer, ratio, target }]
        : [];
    }),
  );
}

const targetOf = (row: Row, peer: ShownPeer): number | undefined =>
  peer.target === undefined ? undefined : row.targets[peer.target];

type Measured = Pick<PageContents, 'results' | 'time'>;

function ratioOf(row: Row, peer: ShownPeer, { results, time }: Measured): number | undefined {
  const mine = secondsOf(cellOf(row, MINE, results), time);
  const other = secondsOf(cellOf(row, peer.name, results), time);
  return mine === undefined || other === undefined || peer.name === MINE ? undefined : mine / other;
}

const cellOf = (row: Row, peer: string, results: Results): Cell | undefined =>
  results.cells.get(row.name)?.get(peer);

const secondsOf = (cell: Cell | undefined, time: keyof Moment): number | undefined =>
  cell === undefined || cell.failure !== undefined || cell.seconds.length === 0
    ? undefined
    : median(cell.seconds.map((seconds) => seconds[time]));

const TIMES: Readonly<Record<keyof Moment, string>> = {
  host: `Time is the host's, between two lines on the guest's console; for a boot, from the start of the emulator's process.`,
  cpu: `Time is what the emulator's process uses of processors between two lines on the guest's console, or from its start.`,
};

function heading({ command, machine, rounds, time }: PageContents): string {
  return `# Performance

Written by \`${command}\`

Medians of ${rounds} round${rounds === 1 ? '' : 's'}. The guests of all emulators are up at once and take turns row by row.
${TIMES[time]}
A ratio is Ringfence's time over the other's: below 1, Ringfence is faster. In bold: over the row's target.

Machine: ${machine}. Each guest has 1 GiB of memory.`;
}

function peersTable({ peers }: PageContents): string {
  const lines = peers.map(({ title, version, guest }) => [title, version, guest]);
  return table(['emulator', 'version', 'guest'], lines, 3);
}

function rowsTable(contents: PageContents, misses: readonly Miss[]): string {
  const { peers, rows, results, time } = contents;
  const heads = [
    'guest work',
    ...peers.flatMap((peer) => [peer.title, ...(peer.name === MINE ? [] : ['ratio'])]),
  ];
  const lines = rows.map((row) => [
    row.title,
    ...peers.flatMap((peer) => {
      const value = shown(row, secondsOf(cellOf(row, peer.name, results), time));
      if (peer.name === MINE) return [value];
      const ratio = ratioOf(row, peer, contents);
      const missed = misses.some((miss) => miss.row === row && miss.peer === peer);
      const text = ratio === undefined ? '' : significant(ratio);
      return [value, missed ? `**${text}**` : text];
    }),
  ]);
  return table(heads, lines);
}

/** Seconds, or the row's work per second. */
function shown(row: Row, seconds: number | undefined): string {
  if (seconds === undefined) return '-';
  if (row.kind === 'boot' || !row.rate) return `${significant(seconds)} s`;
  return `${significant(row.rate.amount / seconds)} ${row.rate.unit}`;
}

/** What a reader must know of columns, and why there are dashes. */
function remarksText({ peers, rows, results, absent }: PageContents): string {
  const reasons = new Map<string, string[]>();
  for (const row of rows) {
    for (const peer of peers) {
      const failure = cellOf(row, peer.name, results)?.failure;
      if (failure === undefined) continue;
      const key = `${peer.title}: ${failure}`;
      reasons.set(key, [...(reasons.get(key) ?? []), row.name]);
    }
  }
  const remarks = peers.filter((peer) => peer.remark).map((peer) => `- ${peer.title}: ${peer.remark}`);
  const lines = [...reasons].map(([reason, names]) => `- ${reason} (${names.join(', ')})`);
  return [...remarks, ...lines, ...absent.map((line) => `- ${line}`)].join('\n');
}

function memoryTable({ peers, results }: PageContents): string {
  const lines = peers.flatMap((peer) => {
    const list = results.mebibytes.get(peer.name) ?? [];
    if (list.length === 0) return [];
    const peak = median(list);
    return [[peer.title, `${peak.toFixed(0)} MiB`, significant(peak / GUEST_MEBIBYTES)]];
  });
  if (lines.length === 0) return '';
  return `The largest resident set of each emulator's process over the rows with one CPU:

${table(['emulator', 'resident set', 'of the guest memory'], lines)}`;
}

function interpreterTable(result: InterpreterResult | undefined): string {
  if (!result) return '';
  const { millionsPerSecond, target } = result;
  const rate = significant(millionsPerSecond);
  return `The interpreter alone (\`--engine interpreter\`):

${table(
  ['guest work', 'Ringfence', 'target'],
  [
    [
      'shell loop, guest instructions a second',
      millionsPerSecond < target ? `**${rate} M**` : `${rate} M`,
      `${target} M`,
    ],
    ['boot to /init', `${significant(result.bootSeconds)} s`, ''],
  ],
)}`;
}

function missText(misses: readonly Miss[], notes: ReadonlyMap<string, string>): string {
  if (misses.length === 0) return '';
  const names = [...new Set(misses.map((miss) => miss.row))];
  const sections = names.map((row) => {
    const over = misses
      .filter((miss) => miss.row === row)
      .map((miss) => `${significant(miss.ratio)} of ${miss.peer.title}, target ${significant(miss.target)}`);
    const note = notes.get(row.name);
    return `### ${row.title}\n\n${over.join('; ')}.${note === undefined ? '' : `\n\n${note}`}`;
  });
  return `## Rows over their targets\n\n${sections.join('\n\n')}`;
}

function countersTable({ rows, results, time }: PageContents): string {
  const lines = rows.flatMap((row) => {
    const cell = cellOf(row, MINE, results);
    const seconds = secondsOf(cell, time);
    const stats = cell?.stats ?? [];
    if (seconds === undefined || stats.length === 0) return [];
    const of = (get: (s: (typeof stats)[number]) => number): string => median(stats.map(get)).toFixed(0);
    return [
      [
        row.title,
        of((s) => s.instructions / 1e6),
        of((s) => s.instructions / 1e6 / seconds),
        of((s) => Object.values(s.exits).reduce((sum, n) => sum + n, 0)),
        of((s) => s.counters.tlbMisses ?? 0),
        of((s) => s.counters.regionsCompiled ?? 0),
      ],
    ];
  });
  if (lines.length === 0) return '';
  return `## What Ringfence did in each row

${table(['guest work', 'M instructions', 'M a second', 'exits', 'TLB misses', 'regions compiled'], lines)}`;
}
