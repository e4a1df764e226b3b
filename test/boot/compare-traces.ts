// Two traces of what should be the same run (trace.ts): where they part, and how much there was to compare.

import { isDeepStrictEqual } from 'node:util';
import type { TraceHeader } from './trace.ts';

export interface Compared {
  /** Lines of registers and of memory that both have, equal. */
  readonly registers: number;
  readonly memory: number;
  /** Instructions of all vCPUs, over all resets. */
  readonly instructions: number;
  readonly difference: TraceDifference | undefined;
}

export interface TraceDifference {
  /** Number of the first line that differs, the header's being 0. */
  readonly line: number;
  readonly reference: string;
  readonly subject: string;
  /** Of the vCPU that the reference's line is of: up to here both did the same. */
  readonly sameUntil: number;
}

/** What two machines were not given alike, by name. */
export function differentInputs({ inputs: a }: TraceHeader, { inputs: b }: TraceHeader): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter((name) => !isDeepStrictEqual(a[name], b[name]));
}

/**
 * Compares what follows the headers. A trace may be longer than the other where its guest did not end by itself: the end
 * of a test ends a machine after some turns of the host's.
 */
export function compareTraces(reference: Buffer, subject: Buffer): Compared {
  const [a, b] = [afterHeader(reference), afterHeader(subject)];
  const same = commonLines(a, b);
  const { lines, reached, ...compared } = count(a.toString('latin1', 0, same));
  if (Math.min(a.length, b.length) === same) return { ...compared, difference: undefined };
  const line = (of: Buffer): string => of.toString('latin1', same, of.indexOf(10, same));
  const [vcpu = ''] = line(a).split(' ');
  const sameUntil = reached.get(vcpu) ?? 0;
  return {
    ...compared,
    difference: { line: lines + 1, reference: line(a), subject: line(b), sameUntil },
  };
}

const afterHeader = (trace: Buffer): Buffer => trace.subarray(trace.indexOf(10) + 1);

/** Bytes of the whole lines with which both begin. */
function commonLines(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  if (a.compare(b, 0, length, 0, length) === 0) return length;
  let [low, high] = [0, length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (a.compare(b, low, middle, low, middle) === 0) low = middle;
    else high = middle;
  }
  return a.lastIndexOf(10, low - 1) + 1;
}

interface Counts extends Omit<Compared, 'difference'> {
  readonly lines: number;
  /** Instructions of each vCPU since the last reset. */
  readonly reached: ReadonlyMap<string, number>;
}

function count(text: string): Counts {
  const reached = new Map<string, number>();
  let [lines, registers, memory, past] = [0, 0, 0, 0];
  const sum = (): number => [...reached.values()].reduce((a, b) => a + b, 0);
  for (let at = 0; at < text.length; lines++) {
    const end = text.indexOf('\n', at);
    const [first = '', second] = text.slice(at, end).split(' ', 2);
    if (first === 'power-on') {
      past += sum();
      reached.clear();
    } else if (first === 'memory') memory++;
    else if (first !== 'end') {
      registers++;
      reached.set(first, Number(second));
    }
    at = end + 1;
  }
  return { lines, registers, memory, instructions: past + sum(), reached };
}
