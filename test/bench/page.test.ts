import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Cell, Results } from '../../bench/measure.ts';
import { findMisses, type PageContents, type ShownPeer, writePage } from '../../bench/page.ts';
import { readResults, writeResults } from '../../bench/results-file.ts';
import type { Row } from '../../bench/rows.ts';
import { median, sectionsOf, significant } from '../../bench/text.ts';

const peer = (name: string, target?: 'qemu' | 'v86'): ShownPeer => ({
  ...{ name, title: name.toUpperCase(), version: `${name} 1`, guest: 'Linux' },
  ...(target && { target }),
});

const rate: Row = {
  kind: 'work',
  name: 'rate',
  title: 'a rate',
  smp: 1,
  targets: { qemu: 2, v86: 1 },
  run: 'true',
  rate: { amount: 100, unit: 'k/s' },
};
const boot: Row = {
  kind: 'boot',
  name: 'boot',
  title: 'a boot',
  smp: 1,
  until: 'init',
  targets: { qemu: 2.5, v86: 1 / 3 },
};

const cell = (...seconds: number[]): Cell => ({
  seconds: seconds.map((host) => ({ host, cpu: host * 2 })),
  stats: [],
});

function contents(cells: Record<string, Record<string, Cell>>): PageContents {
  const results: Results = {
    cells: new Map(Object.entries(cells).map(([row, of]) => [row, new Map(Object.entries(of))])),
    mebibytes: new Map([['ringfence', [256, 300, 200]]]),
  };
  return {
    ...{ command: 'npm run bench', machine: 'a machine', rounds: 3, time: 'host', absent: [] },
    peers: [peer('ringfence'), peer('qemu', 'qemu'), peer('other'), peer('v86', 'v86')],
    ...{ rows: [boot, rate], results, interpreter: undefined },
    notes: new Map([
      ['rate', 'Because.'],
      ['boot', 'Never shown.'],
    ]),
  };
}

const CELLS = {
  boot: { ringfence: cell(2, 9, 1), qemu: cell(1), other: cell(0.1), v86: cell(20) },
  rate: {
    ringfence: cell(50),
    qemu: cell(10, 10, 30),
    other: cell(1),
    v86: { seconds: [], stats: [], failure: 'no such thing' },
  },
};

describe('the page', () => {
  it('shows medians and ratios, in bold where a target is missed, and the note of such rows only', () => {
    const page = writePage(contents(CELLS));
    expect(page).toContain('| a boot | 2.00 s | 1.00 s | 2.00 | 0.10 s | 20.0 | 20.0 s | 0.10 |');
    expect(page).toContain('| a rate | 2.00 k/s | 10.0 k/s | **5.00** | 100 k/s | 50.0 | - |  |');
    expect(page).toContain('### a rate\n\n5.00 of QEMU, target 2.00.\n\nBecause.');
    expect(page).not.toContain('Never shown');
    expect(page).toContain('- V86: no such thing (rate)');
    expect(page).toContain('| RINGFENCE | 256 MiB | 0.25 |');
  });

  it('is the same from a file of the numbers, with the notes of now', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringfence-bench-page-'));
    const file = join(folder, 'results.json');
    expect(readResults(file)).toBeUndefined();
    const all = contents(CELLS);
    writeResults(file, all);
    expect(writePage({ ...readResults(file)!, notes: all.notes })).toBe(writePage(all));
    rmSync(folder, { recursive: true });
  });

  it('finds misses by the clock that was asked for', () => {
    const all = contents({
      boot: { ringfence: cell(2), qemu: { seconds: [{ host: 1, cpu: 0.5 }], stats: [] } },
    });
    expect(findMisses(all)).toEqual([]);
    expect(findMisses({ ...all, time: 'cpu' })).toMatchObject([{ ratio: 8, target: 2.5 }]);
  });
});

describe('numbers', () => {
  it('has a middle for odd and even counts', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });

  it('shows about three digits', () => {
    expect([0.1234, 1.005, 9.996, 12.34, 99.96, 1234.5].map(significant)).toEqual([
      ...['0.12', '1.00', '10.0', '12.3', '100', '1235'],
    ]);
  });

  it('reads notes by their headings', () => {
    expect([...sectionsOf('intro\n\n## a\n\none\ntwo\n\n## b-c\nthree\n')]).toEqual([
      ['a', 'one\ntwo'],
      ['b-c', 'three'],
    ]);
  });
});
