// The same guest on two engines, in turns: all registers are compared every few thousand instructions and all memory
// now and then. The first difference ends it, and is then narrowed down to an instruction by further runs from the
// start, which with the virtual clock come to the same place.

import { type EngineFactory, jitEngine } from '../../hypervisor/index.ts';
import type { MachineEnd, MachineOptions } from '../../vmm/index.ts';
import { type Capture, differencesOf } from './capture.ts';
import { firstMemoryDifference, type MemoryDifference } from './memory.ts';
import { type Culprit, findCulprit, findMemoryCapture } from './narrow.ts';
import { Side, type SideOptions } from './side.ts';

export interface LockstepOptions {
  /** Made anew for each machine: files that the guest writes must not be shared. */
  machine(): MachineOptions | Promise<MachineOptions>;
  /** Instructions of all vCPUs after which it is enough. Default: until the guest ends. */
  readonly instructions?: number;
  /** Default: the interpreter, and the JIT with thresholds that let it compile more. */
  readonly reference?: MachineOptions['engine'];
  readonly subject?: MachineOptions['engine'];
  /** Instructions between two comparisons of registers. Default 10,000. */
  readonly slice?: number;
  /** Instructions between two comparisons of memory. Default 200 million. */
  readonly memoryEvery?: number;
  /** What the reference's guest prints. */
  readonly output?: SideOptions['output'];
  /** Called now and then; true ends it. */
  progress?(instructions: number): boolean;
}

export interface LockstepResult {
  /** Instructions that both ran without a difference. */
  readonly instructions: number;
  /** Where the guest ended by itself. */
  readonly end: MachineEnd | undefined;
  readonly divergence: Divergence | undefined;
}

export interface Divergence {
  /** Where memory differs and no register does. */
  readonly memory: MemoryDifference | undefined;
  /** Undefined where a second run did not show the difference. */
  readonly culprit: Culprit | undefined;
}

/** Compiles what runs some tens of times, and soon again with what it calls. */
export const eagerJit: EngineFactory = jitEngine({ hot: 40, hotter: 400, batch: 4 });

const SLICE = 10_000;
const MEMORY_EVERY = 200e6;
/** Instructions that one side may be ahead of the other. */
const STRIDE = 2_000_000;

/** Both sides of a comparison, made anew. */
export interface Pair {
  create(which: 'reference' | 'subject', options: Omit<SideOptions, 'slice'>): Promise<Side>;
}

function pairOf(options: LockstepOptions): Pair {
  const engines = {
    reference: options.reference ?? 'interpreter',
    subject: options.subject ?? eagerJit,
  } as const;
  return {
    create: async (which, more) =>
      Side.create(
        { ...(await options.machine()), engine: engines[which] },
        { ...more, slice: options.slice ?? SLICE },
      ),
  };
}

/** Throws what Machine.create() throws. */
export async function lockstep(options: LockstepOptions): Promise<LockstepResult> {
  const pair = pairOf(options);
  const { instructions, end, first } = await search(pair, options);
  return { instructions, end, divergence: first && (await explain(pair, first)) };
}

/** What the first look shows. */
interface First {
  /** Number of the capture that differs; undefined where only memory does. */
  readonly capture: number | undefined;
  readonly memory: MemoryDifference | undefined;
}

interface Search {
  readonly instructions: number;
  readonly end: MachineEnd | undefined;
  readonly first: First | undefined;
}

async function search(pair: Pair, options: LockstepOptions): Promise<Search> {
  const { instructions: enough = Infinity, memoryEvery = MEMORY_EVERY, output, progress } = options;
  const reference = await pair.create('reference', { output });
  try {
    const subject = await pair.create('subject', {});
    try {
      let compared = 0;
      let memoryDue = memoryEvery;
      for (;;) {
        const stride = Math.max(
          1,
          Math.min(STRIDE, enough - reference.instructions, memoryDue - reference.instructions),
        );
        await reference.advance(stride);
        await subject.advance(stride);
        const differs = firstDifferent(reference.captures, subject.captures);
        if (differs !== undefined)
          return {
            instructions: compared,
            end: undefined,
            first: { capture: taken(reference) + differs, memory: undefined },
          };
        const { ended } = reference;
        const stop =
          ended !== undefined ||
          reference.instructions >= enough ||
          progress?.(reference.instructions) === true;
        if (stop || reference.instructions >= memoryDue) {
          memoryDue = reference.instructions + memoryEvery;
          const memory = firstMemoryDifference(reference, subject);
          if (memory)
            return { instructions: compared, end: undefined, first: { capture: undefined, memory } };
        }
        compared = reference.instructions;
        if (stop) return { instructions: compared, end: ended, first: undefined };
        reference.captures.length = 0;
        subject.captures.length = 0;
      }
    } finally {
      await subject.dispose();
    }
  } finally {
    await reference.dispose();
  }
}

/** Captures before those that are at hand. */
const taken = (side: Side): number => side.taken - side.captures.length;

function firstDifferent(reference: readonly Capture[], subject: readonly Capture[]): number | undefined {
  const length = Math.max(reference.length, subject.length);
  for (let n = 0; n < length; n++) {
    const [a, b] = [reference[n], subject[n]];
    if (!a || !b || differencesOf(a, b).length > 0) return n;
  }
  return undefined;
}

async function explain(pair: Pair, { capture, memory }: First): Promise<Divergence> {
  const at = capture ?? (memory && (await findMemoryCapture(pair, memory.offset)));
  const culprit = at === undefined ? undefined : await findCulprit(pair, at, memory?.offset);
  return { memory, culprit };
}
