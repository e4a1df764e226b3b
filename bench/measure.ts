// Runs the rows: all peers' guests are up at once and take turns row by row, so that a machine that drifts drifts for
// all of them; each round begins with another peer, so that warm caches favour nobody.

import type { Architecture } from '../src/images/index.ts';
import type { BenchGuest } from './guest.ts';
import type { Moment } from './guest-process.ts';
import type { Peer } from './peers.ts';
import type { Row } from './rows.ts';
import { type RowStats, Session } from './session.ts';

/** What was seen of a row on one peer, one value a round. */
export interface Cell {
  readonly seconds: Moment[];
  readonly stats: RowStats[];
  /** Why there is no result. */
  failure?: string;
}

export interface Results {
  /** By row, then by peer. */
  readonly cells: Map<string, Map<string, Cell>>;
  /** The largest resident sets in MiB of the one-CPU guests, by peer. */
  readonly mebibytes: Map<string, number[]>;
}

export type Guests = ReadonlyMap<Architecture, BenchGuest>;

export interface MeasureOptions {
  readonly peers: readonly Peer[];
  readonly rows: readonly Row[];
  readonly guests: Guests;
  readonly rounds: number;
  readonly progress: (line: string) => void;
}

export async function measure(options: MeasureOptions): Promise<Results> {
  const results: Results = { cells: new Map(), mebibytes: new Map() };
  for (const row of options.rows) {
    results.cells.set(
      row.name,
      new Map(
        options.peers.map((peer) => [peer.name, { seconds: [], stats: [], ...cannot(peer, row, options) }]),
      ),
    );
  }
  const values = new Map<string, string>();
  for (let round = 0; round < options.rounds; round++) {
    for (const smp of new Set(options.rows.map((row) => row.smp))) {
      const turn = new Turn(options, results, values, smp, `round ${round + 1}/${options.rounds}`);
      const { peers } = options;
      await turn.run(peers.map((_, i) => peers[(i + round) % peers.length]!));
    }
  }
  return results;
}

function cannot(peer: Peer, row: Row, { guests }: MeasureOptions): { failure?: string } {
  if (row.smp > peer.largestSmp) return { failure: `no more than ${peer.largestSmp} CPU` };
  const failure = guests.get(peer.architecture)?.missing.get(row.name);
  return failure === undefined ? {} : { failure };
}

/** One round of the rows that need the same number of CPUs. */
class Turn {
  private readonly options: MeasureOptions;
  private readonly results: Results;
  /** What the work printed, by row and architecture. */
  private readonly values: Map<string, string>;
  private readonly smp: number;
  private readonly label: string;
  private readonly sessions = new Map<Peer, Session>();

  constructor(
    options: MeasureOptions,
    results: Results,
    values: Map<string, string>,
    smp: number,
    label: string,
  ) {
    this.options = options;
    this.results = results;
    this.values = values;
    this.smp = smp;
    this.label = label;
  }

  async run(order: readonly Peer[]): Promise<void> {
    const rows = this.options.rows.filter((row) => row.smp === this.smp);
    const able = order.filter((peer) => peer.largestSmp >= this.smp);
    try {
      for (const peer of able) await this.boot(peer, rows);
      for (const row of rows) for (const peer of able) await this.work(peer, row);
      if (this.smp === 1) this.recordMemory();
    } finally {
      await Promise.all([...this.sessions.values()].map((session) => session.end()));
    }
  }

  private async boot(peer: Peer, rows: readonly Row[]): Promise<void> {
    const session = await this.start(peer).catch((error: unknown) => {
      const failure = `the boot failed: ${sentence(error)}`;
      this.options.progress(`${this.label}: ${peer.title}: ${failure}`);
      for (const row of rows) this.cell(row, peer).failure ??= failure;
    });
    if (!session) return;
    const { stats } = session.boot;
    for (const row of rows) {
      // The counters are read at the prompt, and are of no row that ends before.
      if (row.kind === 'boot')
        this.record(row, peer, session.boot[row.until], row.until === 'shell' ? stats : undefined);
    }
  }

  private async work(peer: Peer, row: Row): Promise<void> {
    const cell = this.cell(row, peer);
    const session = this.sessions.get(peer);
    if (row.kind !== 'work' || cell.failure !== undefined) return;
    if (!session) {
      cell.failure = 'there was no guest any more';
      return;
    }
    try {
      const { seconds, value, stats } = await session.run(row);
      this.compare(peer, row, value);
      this.record(row, peer, seconds, stats, value);
    } catch (error) {
      cell.failure = sentence(error);
      this.say(peer, row, cell.failure);
      // The guest may be stuck in the row; the next rows get a new one.
      await session.end();
      this.sessions.delete(peer);
      await this.start(peer).catch(() => {});
    }
  }

  private async start(peer: Peer): Promise<Session> {
    this.options.progress(
      `${this.label}: ${peer.title} boots with ${this.smp} CPU${this.smp > 1 ? 's' : ''}`,
    );
    const guest = this.options.guests.get(peer.architecture)!;
    const session = await Session.start(peer, guest, { smp: this.smp });
    this.sessions.set(peer, session);
    return session;
  }

  private record(row: Row, peer: Peer, seconds: Moment, stats: RowStats | undefined, value = ''): void {
    const cell = this.cell(row, peer);
    cell.seconds.push(seconds);
    if (stats) cell.stats.push(stats);
    this.say(
      peer,
      row,
      `${seconds.host.toFixed(2)} s, CPU ${seconds.cpu.toFixed(2)} s${value && ` (${value})`}`,
    );
  }

  private compare(peer: Peer, row: Row, value: string): void {
    const key = `${row.name} ${peer.architecture}`;
    const expected = this.values.get(key) ?? value;
    this.values.set(key, expected);
    // A guest that gets another result has not done the same work, however fast.
    if (value !== expected) throw new Error(`the guest's result is ${value}, elsewhere ${expected}`);
  }

  private recordMemory(): void {
    for (const [peer, session] of this.sessions) {
      const peak = session.peakMebibytes();
      if (peak === undefined) continue;
      const list = this.results.mebibytes.get(peer.name) ?? [];
      list.push(peak);
      this.results.mebibytes.set(peer.name, list);
    }
  }

  private cell(row: Row, peer: Peer): Cell {
    return this.results.cells.get(row.name)!.get(peer.name)!;
  }

  private say(peer: Peer, row: Row, what: string): void {
    this.options.progress(`${this.label}: ${row.title}, ${peer.title}: ${what}`);
  }
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
