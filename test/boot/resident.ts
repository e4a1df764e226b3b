// What a process's memory consists of, and whether it grows: Linux's own account of the process (proc(5), smaps) parted
// into the guest's memory, generated code and the rest, and the line through samples of it.

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that are resident. */
export interface Resident {
  readonly total: number;
  /** The largest mapping that is not code: the linear memory that holds the guest's frames. */
  readonly guest: number;
  /** What may be executed and comes from no file. */
  readonly code: number;
  /** V8's heap, buffers, the C library's heap, the program's own pages. */
  readonly rest: number;
}

interface Mapping {
  readonly bytes: number;
  readonly executable: boolean;
  readonly writable: boolean;
  /** Of no file, and not the C library's heap. */
  readonly anonymous: boolean;
  readonly resident: number;
}

function mappings(pid: number | 'self'): Mapping[] {
  const text = readFileSync(`/proc/${pid}/smaps`, 'latin1');
  const found: Mapping[] = [];
  for (const m of text.matchAll(
    /^([\da-f]+)-([\da-f]+) (\S+) \S+ \S+ \d+ *(.*)\n(?:.*\n)*?Rss: +(\d+) kB$/gm,
  )) {
    const [, from, to, access = '', name, kib] = m;
    found.push({
      bytes: Number.parseInt(to as string, 16) - Number.parseInt(from as string, 16),
      executable: access[2] === 'x',
      writable: access[1] === 'w',
      anonymous: name === '',
      resident: Number(kib) * 1024,
    });
  }
  return found;
}

/** Of this process, or another of the same user. */
export function resident(pid: number | 'self' = 'self'): Resident {
  const all = mappings(pid);
  const sum = (list: readonly Mapping[]): number => list.reduce((bytes, m) => bytes + m.resident, 0);
  const data = all.filter((m) => m.writable && !m.executable && m.anonymous);
  const largest = data.reduce((a, b) => (a.bytes >= b.bytes ? a : b));
  const total = sum(all);
  const code = sum(all.filter((m) => m.executable && m.anonymous));
  return { total, guest: largest.resident, code, rest: total - largest.resident - code };
}

let gc: (() => void) | undefined;

/** Has this process's collector take all that nobody refers to. */
export function collectGarbage(): void {
  if (!gc) {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc') as () => void;
  }
  gc();
}

export interface Point {
  readonly at: number;
  readonly value: number;
}

/** By how much the least-squares line through points rises from the first to the last, and its mean. */
export function trend(points: readonly Point[]): { readonly rise: number; readonly mean: number } {
  const average = (of: (p: Point) => number): number => points.reduce((s, p) => s + of(p), 0) / points.length;
  const [at, mean] = [average((p) => p.at), average((p) => p.value)];
  const covariance = average((p) => (p.at - at) * (p.value - mean));
  const variance = average((p) => (p.at - at) ** 2);
  const [first, last] = [points[0] as Point, points.at(-1) as Point];
  return { rise: variance === 0 ? 0 : (covariance / variance) * (last.at - first.at), mean };
}
