// One line of a recording of a real KVM (test/golden/kvm-recordings.md): a call and the answer it got. Numbers in
// quotes are hexadecimal.

interface Line<Op extends string> {
  readonly op: Op;
}

export interface CapsLine extends Line<'caps'> {
  readonly mte: number;
  readonly gmem: number;
  readonly gmemflags: number;
  readonly attrs: number;
  readonly slots: number;
  readonly ipa: number;
  readonly ring: number;
  readonly ringacq: number;
  readonly sync: number;
}

export interface VmLine extends Line<'vm'> {
  readonly seq: number;
  readonly earlyvcpu?: number;
  readonly mte?: number;
  readonly manual?: number;
  readonly manualr?: number;
  readonly code: number;
  readonly vcpu: number;
}

export interface MemfdLine extends Line<'memfd'> {
  readonly size: string;
  readonly flags: number;
  readonly r: number;
}

export interface RegionLine extends Line<'region'> {
  readonly v: 1 | 2;
  readonly slot: number;
  readonly flags: number;
  readonly gpa: string;
  readonly size: string;
  readonly arena: string;
  readonly fd: number;
  readonly off: string;
  readonly r: number;
}

export interface DirtyLogLine extends Line<'dirtylog'> {
  readonly slot: number;
  readonly r: number;
  readonly bits: string;
}

export interface ClearDirtyLine extends Line<'cleardirty'> {
  readonly slot: number;
  readonly first: number;
  readonly num: number;
  readonly r: number;
}

export interface TagsLine extends Line<'tags'> {
  readonly ipa: string;
  readonly len: string;
  readonly flags: number;
  readonly rsv: number;
  readonly fill: number;
  readonly r: number;
  readonly tags?: string;
}

export interface FallocLine extends Line<'falloc'> {
  readonly fd: number;
  readonly mode: number;
  readonly off: string;
  readonly len: string;
  readonly r: number;
}

export interface CloseLine extends Line<'closefd'> {
  readonly fd: number;
  readonly r: number;
}

export interface FdMmapLine extends Line<'fdmmap'> {
  readonly fd: number;
  readonly shared: number;
  readonly off: string;
  readonly r: number;
  readonly w?: string | number;
  readonly v?: string;
  readonly sig?: number;
}

export interface VmmLine extends Line<'vmm'> {
  readonly arena: string;
  readonly w: string | number;
  readonly v: string;
}

export interface DontneedLine extends Line<'dontneed'> {
  readonly arena: string;
  readonly r: number;
}

export interface CapMteLine extends Line<'capmte'> {
  readonly flags: number;
  readonly r: number;
}

export interface GuestLine extends Line<'guest'> {
  readonly gpa: string;
  readonly val: string;
  readonly w: number;
  readonly r: number | 'ok' | 'abort' | 'mmio';
  readonly v?: string;
  readonly len?: number;
  readonly fault?: { readonly gpa: string; readonly size: string; readonly flags: number };
}

export type Call =
  | CapsLine
  | VmLine
  | MemfdLine
  | RegionLine
  | DirtyLogLine
  | ClearDirtyLine
  | TagsLine
  | FallocLine
  | CloseLine
  | FdMmapLine
  | VmmLine
  | DontneedLine
  | CapMteLine
  | GuestLine
  | Line<'end'>;

/** The part of a line that is the answer: what a replay has to come to as well. */
export type Answer = Readonly<Record<string, unknown>>;

/** The fields of each op that are its answer; the others are what was asked. */
export const ANSWER_FIELDS: Readonly<Record<Call['op'], readonly string[]>> = {
  caps: ['mte', 'gmem', 'gmemflags', 'attrs', 'slots', 'ipa', 'ring', 'ringacq', 'sync'],
  vm: ['earlyvcpu', 'mte', 'manualr', 'code', 'vcpu'],
  memfd: ['r'],
  region: ['r'],
  dirtylog: ['r', 'bits'],
  cleardirty: ['r'],
  tags: ['r', 'tags'],
  falloc: ['r'],
  closefd: ['r'],
  fdmmap: ['r', 'v', 'sig'],
  vmm: ['v', 'sig'],
  dontneed: ['r'],
  capmte: ['r'],
  guest: ['r', 'v', 'len', 'fault', 'exit'],
  end: [],
};

/** What is asked in a line: fields that are hexadecimal, and fields that are numbers. */
export interface AskedFields {
  readonly hex?: readonly string[];
  readonly numbers?: readonly string[];
}

export const ASKED_FIELDS: Readonly<Record<Call['op'], AskedFields>> = {
  caps: {},
  vm: {},
  memfd: { hex: ['size'], numbers: ['flags'] },
  region: { hex: ['gpa', 'size', 'arena', 'off'], numbers: ['v', 'slot', 'flags', 'fd'] },
  dirtylog: { numbers: ['slot'] },
  cleardirty: { numbers: ['slot', 'first', 'num'] },
  tags: { hex: ['ipa', 'len'], numbers: ['flags', 'rsv', 'fill'] },
  falloc: { hex: ['off', 'len'], numbers: ['fd', 'mode'] },
  closefd: { numbers: ['fd'] },
  fdmmap: { hex: ['off'], numbers: ['fd', 'shared'] },
  vmm: { hex: ['arena'] },
  dontneed: { hex: ['arena'] },
  capmte: { numbers: ['flags'] },
  guest: { hex: ['gpa', 'val'], numbers: ['w'] },
  end: {},
};

const HEX = /^[0-9a-f]{1,32}$/i;

/** Throws RecordingError where a field that the call needs is absent or is nothing that it could be. */
export function checkFields(line: RawLine, { hex = [], numbers = [] }: AskedFields, number: number): void {
  const fields = new Map(Object.entries(line));
  for (const name of hex) {
    const value: unknown = fields.get(name);
    if (typeof value !== 'string' || !HEX.test(value))
      throw new RecordingError(number, `"${name}" of ${line.op} is no hexadecimal number in quotes`);
  }
  for (const name of numbers) {
    if (!Number.isSafeInteger(fields.get(name)))
      throw new RecordingError(number, `"${name}" of ${line.op} is no whole number`);
  }
}

/** A line that is no call of a recording: whose fault it is, the file's, is for the caller to say. */
export class RecordingError extends Error {
  readonly line: number;

  constructor(line: number, sentence: string) {
    super(`line ${line}: ${sentence}`);
    this.name = 'RecordingError';
    this.line = line;
  }
}

/** A line as it stands in the file, before anybody knows which recording it is of. */
export interface RawLine {
  readonly op: string;
  readonly seq?: number;
}

/** Throws RecordingError. `number` counts from 1. */
export function parseLine(text: string, number: number): RawLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RecordingError(number, 'is not JSON');
  }
  const op = typeof value === 'object' && value !== null && 'op' in value ? value.op : undefined;
  if (typeof op !== 'string') throw new RecordingError(number, 'has no "op"');
  // The recorder wrote the fields that kvm-recordings.md lists for this op.
  return value as RawLine;
}

export const fromHex = (text: string): bigint => BigInt(`0x${text}`);
export const toHex = (value: bigint | number): string => value.toString(16);
