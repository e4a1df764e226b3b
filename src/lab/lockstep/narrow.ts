// From two captures between which the engines part to the instruction: the reference runs the part in single steps
// once; the subject, which steps would make another engine, runs it to one place at a time, and the first place that
// differs is found by halving.

import { type Capture, differencesOf } from './capture.ts';
import type { Pair } from './lockstep.ts';
import type { Side, SideOptions } from './side.ts';

export interface Culprit {
  /** Before the instruction, on both sides. */
  readonly before: Capture;
  /** After it. */
  readonly reference: Capture;
  readonly subject: Capture;
  /** Virtual addresses and words of the instructions that the subject ran as one, the first that can be at fault first. */
  readonly instructions: readonly Instruction[];
}

export interface Instruction {
  readonly address: bigint;
  readonly word: number | undefined;
}

const FOREVER = 1e15;
const STRIDE = 2_000_000;

async function runTo(
  pair: Pair,
  which: 'reference' | 'subject',
  options: Omit<SideOptions, 'slice'>,
): Promise<Side> {
  const side = await pair.create(which, options);
  await side.advance(FOREVER);
  await side.dispose();
  return side;
}

/** The number of the first capture at which 8 bytes of memory differ. */
export async function findMemoryCapture(pair: Pair, watch: number): Promise<number | undefined> {
  const reference = await pair.create('reference', { watch });
  const subject = await pair.create('subject', { watch });
  try {
    let before = 0;
    for (;;) {
      await reference.advance(STRIDE);
      await subject.advance(STRIDE);
      const [a, b] = [reference.captures.splice(0), subject.captures.splice(0)];
      const at = a.findIndex(({ memory }, n) => memory !== b[n]?.memory);
      if (at >= 0) return before + at;
      if (reference.ended || subject.ended) return undefined;
      before += a.length;
    }
  } finally {
    await subject.dispose();
    await reference.dispose();
  }
}

/** [n]: after n instructions of a part; words[n]: the instruction that comes next there. */
interface Trace {
  readonly captures: readonly Capture[];
  readonly words: readonly (number | undefined)[];
}

/** The whole part before capture number `capture`, cut nowhere else than `at` says. */
async function partOf(
  pair: Pair,
  which: 'reference' | 'subject',
  options: { readonly capture: number; readonly watch: number | undefined; at(n: number): boolean },
): Promise<Trace> {
  const { capture, watch, at } = options;
  const captures: Capture[] = [];
  const words: (number | undefined)[] = [];
  const side = await runTo(pair, which, { watch, cuts: { capture, at, captures, words } });
  return { captures: [...captures, ...side.captures], words };
}

/** What is at fault before capture number `capture`; undefined where the difference does not come again. */
export async function findCulprit(pair: Pair, capture: number, watch?: number): Promise<Culprit | undefined> {
  const trace = await partOf(pair, 'reference', { capture, watch, at: () => true });
  const last = trace.captures.length - 1;
  /** The subject after n instructions where it differs. */
  const differingAt = async (n: number): Promise<Capture | undefined> => {
    const part = await partOf(pair, 'subject', { capture, watch, at: (k) => k === n && n < last });
    const subject = part.captures[1];
    const reference = trace.captures[n] as Capture;
    return subject && differencesOf(reference, subject).length > 0 ? subject : undefined;
  };
  let subject = last < 1 ? undefined : await differingAt(last);
  if (!subject) return undefined;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const differing = await differingAt(middle);
    subject = differing ?? subject;
    if (differing) high = middle;
    else low = middle;
  }
  return culpritAt(trace, high, subject);
}

function culpritAt({ captures, words }: Trace, after: number, subject: Capture): Culprit {
  const reference = captures[after] as Capture;
  const first = firstSuspect(captures, after, subject);
  const instructions: Instruction[] = [];
  for (let n = first; n < after; n++)
    instructions.push({ address: (captures[n] as Capture).registers.pc, word: words[n] });
  return { before: captures[first] as Capture, reference, subject, instructions };
}

/**
 * Instructions that follow one another may have run as one: of those, the first that made a register which differs
 * what it is.
 */
function firstSuspect(captures: readonly Capture[], after: number, subject: Capture): number {
  const pcAt = (n: number): bigint => (captures[n] as Capture).registers.pc;
  let start = after - 1;
  while (start > 0 && pcAt(start - 1) + 4n === pcAt(start)) start--;
  const differing = new Set(differencesOf(captures[after] as Capture, subject).map(({ name }) => name));
  if (differing.size > 1) differing.delete('pc');
  let first = after;
  for (const name of differing) first = Math.min(first, lastWriter(captures, name, start, after));
  return Math.min(first, after - 1);
}

/** The last instruction of some that changed a value; the first of them where none did: one may have written the same. */
function lastWriter(captures: readonly Capture[], changed: string, start: number, after: number): number {
  for (let n = after - 1; n > start; n--) {
    const changes = differencesOf(captures[n] as Capture, captures[n + 1] as Capture);
    if (changes.some(({ name }) => name === changed)) return n;
  }
  return start;
}
