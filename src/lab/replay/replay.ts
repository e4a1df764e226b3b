// Replays a recording of a real KVM on Ringfence and compares every answer. It reads lines, not files; who calls it
// opens and unpacks.

import type { Host } from '../../hypervisor/slots/index.ts';
import { cpuRunners, type Runners } from './guest-runner.ts';
import { Performer } from './perform.ts';
import { PkvmPerformer } from './pkvm-perform.ts';
import type { Player } from './player.ts';
import { type Answer, checkFields, parseLine, type RawLine, RecordingError } from './recording.ts';

export interface ReplayOptions {
  /** Differences that are kept in detail; all are counted. Default 10. */
  readonly keep?: number;
  /** Calls of the same sequence that are shown before a difference. Default 5. */
  readonly context?: number;
  /** Who runs the guest's program in a recording of KVM. Default: the emulated CPU. */
  readonly runners?: Runners;
  /** Called after each call, for whoever wants to look (an audit). */
  readonly afterCall?: (host: Host) => void;
}

export interface Difference {
  /** Counts from 1. */
  readonly line: number;
  /** The `seq` of the VM, or -1 before the first. */
  readonly sequence: number;
  readonly call: RawLine;
  /** Only what differs, on both sides. */
  readonly expected: Answer;
  readonly got: Answer;
  /** The calls before it in the sequence, oldest first, as recorded. */
  readonly before: readonly string[];
}

export interface ReplayResult {
  readonly calls: number;
  readonly differ: number;
  readonly differences: readonly Difference[];
}

/** Throws RecordingError for a line that is none of a recording. */
export function replay(lines: Iterable<string>, options: ReplayOptions = {}): ReplayResult {
  const { keep = 10, context = 5, runners = cpuRunners, afterCall } = options;
  const differences: Difference[] = [];
  let player: Player | undefined;
  let before: string[] = [];
  let sequence = -1;
  let started = false;
  let [calls, differ, number] = [0, 0, 0];
  for (const text of lines) {
    number++;
    if (text.trim() === '') continue;
    const call = parseLine(text, number);
    if (call.op === 'end') continue;
    player ??= playerFor(call, runners);
    if (!Object.hasOwn(player.answerFields, call.op))
      throw new RecordingError(number, `has no known "op": ${call.op}`);
    checkFields(call, player.askedFields[call.op], number);
    if (call.op !== 'vm' && call.op !== 'caps' && !started)
      throw new RecordingError(number, `${call.op} comes before the first "vm"`);
    if (call.op === 'vm') {
      started = true;
      sequence = call.seq ?? -1;
      before = [];
    }
    const answer = perform(player, call, number);
    afterCall?.(player.host);
    calls++;
    const difference = compare(player.answerFields[call.op], call, answer);
    if (difference !== undefined) {
      differ++;
      const found = { line: number, sequence, call, ...difference, before: [...before] };
      if (differences.length < keep) differences.push(found);
    }
    before.push(text);
    if (before.length > context) before.shift();
  }
  player?.dispose();
  return { calls, differ, differences };
}

/** A recording of pKVM says of its first VM whether it is protected; one of KVM begins with capabilities. */
const playerFor = (first: RawLine, runners: Runners): Player =>
  'protected' in first ? new PkvmPerformer() : new Performer(runners);

function perform(player: Player, call: RawLine, number: number): Answer {
  try {
    return player.perform(call);
  } catch (error) {
    // A field that is absent or no number fails where it is read.
    if (error instanceof SyntaxError)
      throw new RecordingError(number, `a field is no number: ${error.message}`);
    throw error;
  }
}

/** What of our answer is not what was recorded; fields that only one side has count. */
function compare(
  fields: readonly string[],
  call: RawLine,
  got: Answer,
): { expected: Answer; got: Answer } | undefined {
  const recorded: Answer = { ...call };
  const differing = fields.filter((field) => JSON.stringify(got[field]) !== JSON.stringify(recorded[field]));
  if (differing.length === 0) return undefined;
  const pick = (answer: Answer): Answer =>
    Object.fromEntries(differing.map((field) => [field, answer[field]]));
  return { expected: pick(recorded), got: pick(got) };
}

/** The first differences with the calls that led to them, and as the last line `replay: N calls, N differ`. */
export function formatReplay({ calls, differ, differences }: ReplayResult): string {
  const out: string[] = [];
  for (const { line, sequence, call, expected, got, before } of differences) {
    out.push(
      `line ${line} (sequence ${sequence}): ${call.op} came to ${JSON.stringify(got)}, recorded ${JSON.stringify(expected)}`,
    );
    for (const text of before) out.push(`    ${text}`);
    out.push(`  > ${JSON.stringify(call)}`);
  }
  if (differ > differences.length) out.push(`and ${differ - differences.length} more`);
  out.push(`replay: ${calls} calls, ${differ} differ`);
  return out.join('\n');
}
