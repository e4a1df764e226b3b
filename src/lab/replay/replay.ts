// Replays a recording of a real KVM on Ringfence and compares every answer. It reads lines, not files; who calls it
// opens and unpacks.

import { Host } from '../../hypervisor/slots/index.ts';
import { type MakeGuestRunner, portRunner } from './guest-runner.ts';
import { Performer } from './perform.ts';
import { ANSWER_FIELDS, type Answer, type Call, parseLine } from './recording.ts';

export interface ReplayOptions {
  /** Differences that are kept in detail; all are counted. Default 10. */
  readonly keep?: number;
  /** Calls of the same sequence that are shown before a difference. Default 5. */
  readonly context?: number;
  /** Who runs the guest's instructions. Default: the vCPU's port, without a CPU. */
  readonly runner?: MakeGuestRunner;
  /** Called after each call, for whoever wants to look (an audit). */
  readonly afterCall?: (host: Host) => void;
}

export interface Difference {
  /** Counts from 1. */
  readonly line: number;
  /** The `seq` of the VM, or -1 before the first. */
  readonly sequence: number;
  readonly call: Call;
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

/** Frames of the host that a replay runs on; recordings use 100 pages or so at a time. */
const FRAMES = 2048;

/** Throws RecordingError for a line that is none of a recording. */
export function replay(lines: Iterable<string>, options: ReplayOptions = {}): ReplayResult {
  const { keep = 10, context = 5, runner = portRunner, afterCall } = options;
  const host = Host.create(FRAMES);
  const performer = new Performer(host, runner);
  const differences: Difference[] = [];
  let before: string[] = [];
  let calls = 0;
  let differ = 0;
  let sequence = -1;
  let number = 0;
  for (const text of lines) {
    number++;
    if (text.trim() === '') continue;
    const call = parseLine(text, number);
    if (call.op === 'end') continue;
    if (call.op === 'vm') {
      sequence = call.seq;
      before = [];
    }
    calls++;
    const difference = compare(call, performer.perform(call));
    afterCall?.(host);
    if (difference !== undefined) {
      differ++;
      if (differences.length < keep)
        differences.push({ line: number, sequence, call, ...difference, before: [...before] });
    }
    before.push(text);
    if (before.length > context) before.shift();
  }
  performer.dispose();
  return { calls, differ, differences };
}

/** What of our answer is not what was recorded; fields that only one side has count. */
function compare(call: Call, got: Answer): { expected: Answer; got: Answer } | undefined {
  const recorded: Answer = { ...call };
  const differing = ANSWER_FIELDS[call.op].filter(
    (field) => JSON.stringify(got[field]) !== JSON.stringify(recorded[field]),
  );
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
