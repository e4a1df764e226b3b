// The benchmark's own machinery, with a program that only talks like a guest in place of emulators.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BenchGuest } from '../../bench/guest.ts';
import { measure, type Results } from '../../bench/measure.ts';
import type { Peer } from '../../bench/peers.ts';
import type { BootRow, Row, WorkRow } from '../../bench/rows.ts';

/** Answers `sh /bench/ROW`; the row "broken" is none of its, "fatal" ends it. */
const TALKER = `
const [value, log] = process.argv.slice(1);
const { appendFileSync } = require('node:fs');
process.stdout.write('BENCH-INIT\\r\\n~ # ');
process.stdin.on('data', (bytes) => {
  const row = /bench\\/([a-z]+)/.exec(bytes)[1];
  appendFileSync(log, value + ' ' + row + '\\n');
  process.stdout.write(bytes + '\\n');
  if (row === 'fatal') process.exit(7);
  if (row !== 'broken') {
    process.stdout.write('BENCH-BEGIN\\r\\n');
    setTimeout(() => process.stdout.write('BENCH-END ' + value + '\\r\\n~ # '), 20);
  } else process.stdout.write('sh: not found\\r\\n~ # ');
});
`;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringfence-bench-test-'));
  writeFileSync(join(folder, 'disk'), '');
  writeFileSync(join(folder, 'log'), '');
});
afterEach(() => rmSync(folder, { recursive: true }));

const seen: string[] = [];

function talker(name: string, value: string, more: Partial<Peer> = {}): Peer {
  return {
    name,
    title: name,
    architecture: 'arm64',
    largestSmp: 1,
    hasCounters: false,
    install: '',
    version: () => '1',
    command: ({ disk }) => {
      seen.push(disk);
      return [process.execPath, '-e', TALKER, value, join(folder, 'log')];
    },
    ...more,
  };
}

const targets = { qemu: 1, v86: 1 };
const boot: BootRow = { kind: 'boot', name: 'boot', title: 'boot', smp: 1, until: 'init', targets };
const work = (name: string, smp = 1): WorkRow => ({
  kind: 'work',
  name,
  title: name,
  smp,
  targets,
  run: 'true',
});

function measured(peers: readonly Peer[], rows: readonly Row[], rounds = 1): Promise<Results> {
  const guest: BenchGuest = {
    description: '',
    kernel: '',
    initrd: '',
    append: '',
    disk: join(folder, 'disk'),
    firmware: undefined,
    missing: new Map([['absent', 'no compiler']]),
  };
  const guests = new Map([['arm64', guest] as const, ['i386', guest] as const]);
  return measure({ peers, rows, guests, rounds, progress: () => {} });
}

describe('measuring', () => {
  it('gives a value a round, and takes turns row by row, each round beginning with another peer', async () => {
    const peers = [talker('one', 'x'), talker('two', 'y', { architecture: 'i386' })];
    const { cells } = await measured(peers, [boot, work('a'), work('b')], 2);
    expect(readFileSync(join(folder, 'log'), 'utf8').trim().split('\n')).toEqual([
      ...['x a', 'y a', 'x b', 'y b'],
      ...['y a', 'x a', 'y b', 'x b'],
    ]);
    for (const row of ['boot', 'a', 'b'])
      for (const peer of ['one', 'two']) {
        const { seconds, failure } = cells.get(row)!.get(peer)!;
        expect(failure).toBeUndefined();
        expect(seconds).toHaveLength(2);
      }
    for (const { host } of cells.get('a')!.get('one')!.seconds) expect(host).toBeGreaterThanOrEqual(0.018);
  });

  it('names a row that fails, and goes on with a new guest', async () => {
    const { cells } = await measured([talker('one', 'x')], [work('broken'), work('fatal'), work('a')]);
    const cell = (row: string) => cells.get(row)!.get('one')!;
    expect(cell('broken').failure).toBe('broken did not begin');
    expect(cell('fatal').failure).toMatch(/^it ended \(7\)/);
    expect(cell('a')).toMatchObject({ seconds: [expect.any(Object)] });
    expect(cell('a').failure).toBeUndefined();
  });

  it('does not count work whose result differs from that of another peer', async () => {
    const { cells } = await measured([talker('one', 'x'), talker('two', 'y')], [work('a')]);
    expect(cells.get('a')!.get('one')!.failure).toBeUndefined();
    expect(cells.get('a')!.get('two')!.failure).toBe("the guest's result is y, elsewhere x");
  });

  it('tells of a peer that does not start, and of rows that a peer or guest cannot run', async () => {
    const gone = talker('gone', '', { command: () => ['/nonexistent/emulator'] });
    const { cells } = await measured(
      [talker('one', 'x'), gone],
      [work('a'), work('absent'), work('wide', 4)],
    );
    expect(cells.get('a')!.get('gone')!.failure).toMatch(/the boot failed: .*ENOENT/);
    expect(cells.get('absent')!.get('one')!.failure).toBe('no compiler');
    expect(cells.get('wide')!.get('one')!.failure).toBe('no more than 1 CPU');
  });

  it('leaves no disk of a guest behind', async () => {
    await measured([talker('one', 'x')], [work('fatal'), work('a')]);
    expect(seen.length).toBeGreaterThan(0);
    for (const disk of seen) expect(existsSync(disk)).toBe(false);
  });
});
