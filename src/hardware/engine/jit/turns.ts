// Accesses of a loop's turn: of code that copies, fills, compares or sums up. The lookups of one turn serve the turns that
// follow for as long as they stay in the same pages, and how many do is known before, for an address moves by the same
// distance each turn. It knows values of the function being written; nothing of translation.

import type { Block, Code, Value, Variable } from '../../wasm/index.ts';
import { itself, type Linear, linear, sameTerms } from './linear.ts';
import { RegisterPairs } from './register-pairs.ts';

const PAGE = 4096;

/** One access, where it is served. */
interface Access {
  readonly address: Value;
  readonly bytes: number;
  readonly write: boolean;
  /** Whether by the soft TLB of unprivileged accesses. */
  readonly unprivileged: boolean;
}

/** Accesses that lie by each other in every turn. */
interface Stream {
  readonly start: Linear;
  readonly unprivileged: boolean;
  /** What they reach, relative to the sum of the terms when a turn starts: from the first byte to behind the last. */
  from: number;
  to: number;
  writes: boolean;
  /** Writes what makes the access that was served known: the last one, of those that write where any does. */
  note: () => void;
  /** i64: the page, and i32: how far away it is in the host. */
  readonly page: Variable;
  readonly delta: Variable;
}

/** Where memory is: a host offset (i32) and a distance that the instruction adds. */
export interface Place {
  readonly host: Value;
  readonly offset: number;
}

/** Numbers of general-purpose and vector registers. */
export interface Registers {
  readonly general: ReadonlySet<number>;
  readonly vectors: ReadonlySet<number>;
}

export class Turns {
  private readonly code: Code;
  /** What is written in it, and in nothing inside it, runs in each turn. */
  private always: Block | undefined;
  /** Registers that it moves two at a time. */
  readonly pairs: RegisterPairs;
  /** What a turn writes. */
  readonly writes = { general: new Set<number>(), vectors: new Set<number>() } satisfies Registers;
  /** What registers are, relative to when the turn started, since some position; undefined where it is not known. */
  private readonly registers = new Map<Variable, { since: number; is: Linear | undefined }[]>();
  private streams: Stream[] = [];
  /** In the turns that need no lookups: host offset where each stream's first byte is in this turn. */
  private hosts: ReadonlyMap<Stream, Value> | undefined;

  constructor(code: Code) {
    this.code = code;
    this.pairs = new RegisterPairs(code);
  }

  /** A block of the first turn starts. */
  enter(): void {
    this.always = this.code.block;
  }

  private sumOf(value: Value): Linear | undefined {
    return linear(value, (variable, position) => {
      const known = this.registers.get(variable)?.findLast(({ since }) => since < position);
      return known ? known.is : itself(variable);
    });
  }

  /** A register is set to a value next. */
  assigning(register: Variable, value: Value): void {
    const is = this.code.block === this.always ? this.sumOf(value) : undefined;
    const since = this.code.nextPosition();
    const known = this.registers.get(register);
    if (known) known.push({ since, is });
    else this.registers.set(register, [{ since, is }]);
  }

  /** A block of the first turn has written these. */
  written(general: Iterable<number>, vectors: Iterable<number>): void {
    for (const n of general) this.writes.general.add(n);
    for (const n of vectors) this.writes.vectors.add(n);
  }

  /** An access of the first turn has been served at a host offset. One that it may leave out tells nothing. */
  served({ address, bytes, write, unprivileged }: Access, host: Value): void {
    const { code } = this;
    if (this.hosts || code.block !== this.always) return;
    const start = this.sumOf(address);
    if (!start || start.terms.size === 0) return;
    let stream = this.find(start, unprivileged);
    const [from, to] = [start.offset, start.offset + bytes];
    if (!stream) {
      const [page, delta] = [code.variable('i64'), code.variable('i32')];
      stream = { start, unprivileged, from, to, writes: false, note: () => {}, page, delta };
      this.streams.push(stream);
    }
    stream.from = Math.min(stream.from, from);
    stream.to = Math.max(stream.to, to);
    // Pages that can be written can be read.
    if (stream.writes && !write) return;
    stream.writes = write;
    const { page, delta } = stream;
    const fill = code.later();
    stream.note = () =>
      fill(() => {
        page.set(address.and(-PAGE));
        delta.set(host.sub(address.wrap()));
      });
  }

  private find(start: Linear, unprivileged: boolean): Stream | undefined {
    return this.streams.find((s) => s.unprivileged === unprivileged && sameTerms(s.start, start));
  }

  /** How far a stream moves in a turn, in bytes; undefined where that is not always the same. */
  private step({ start }: Stream): number | undefined {
    let step = 0;
    for (const [variable, times] of start.terms) {
      const end = this.registers.get(variable)?.at(-1);
      if (!end) continue;
      if (!end.is || !sameTerms(end.is, itself(variable))) return undefined;
      step += times * end.is.offset;
    }
    return step;
  }

  /** Behind the first turn: whether the next ones can do without some of its lookups. */
  isSteady(): boolean {
    this.streams = this.streams.filter(
      (stream) => stream.to - stream.from <= PAGE && this.step(stream) !== undefined,
    );
    for (const stream of this.streams) stream.note();
    return this.streams.length > 0;
  }

  /** How many turns may follow so, i32, if at most `most` (i32) may. */
  count(most: Value): Value {
    const { code } = this;
    const count = code.variable('i32', 0);
    code.scope((none) => {
      let least = most;
      for (const stream of this.streams) {
        const room = PAGE - (stream.to - stream.from);
        const inPage = this.firstByte(stream).sub(stream.page.get());
        code.branch(none, inPage.gtU(room));
        const step = this.step(stream) as number;
        if (step === 0) continue;
        const ahead = step > 0 ? code.i32(room).sub(inPage.wrap()) : inPage.wrap();
        const turns = ahead.divU(Math.abs(step)).add(1);
        least = code.select(turns.ltU(least), turns, least);
      }
      count.set(least);
    });
    return count.get();
  }

  /** Another turn starts, whose accesses need no lookup. */
  begin(): void {
    this.enter();
    this.registers.clear();
    this.hosts = new Map(
      this.streams.map((stream) => [stream, this.firstByte(stream).wrap().add(stream.delta.get())]),
    );
  }

  private firstByte({ start, from }: Stream): Value {
    let sum = this.code.i64(from);
    for (const [variable, times] of start.terms) sum = sum.add(variable.get().mul(times));
    return sum;
  }

  /** Where an access is in such a turn; undefined where it needs its lookup. */
  place({ address, bytes, write, unprivileged }: Access): Place | undefined {
    const start = this.hosts && this.sumOf(address);
    const stream = start && this.find(start, unprivileged);
    const host = stream && this.hosts?.get(stream);
    if (!host || (write && !stream.writes)) return undefined;
    const { offset } = start;
    if (offset < stream.from || offset + bytes > stream.to) return undefined;
    return { host, offset: offset - stream.from };
  }
}
