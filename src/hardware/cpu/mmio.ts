// Accesses that the VMM answers. The instruction leaves with an exit, and when the answer is there it runs again:
// its accesses then take the answers in order, so that an instruction of several accesses makes progress too.

import { type Gpa, gpa } from '../../lib/index.ts';
import type { Core } from './core.ts';
import type { MmioSyndrome } from './exits.ts';
import { MEM_AR, MEM_NO_SYNDROME, MEM_SF, MEM_SRT_SHIFT, MEM_SSE } from './services.ts';

interface Answer {
  readonly ipa: Gpa;
  readonly size: number;
  readonly write: boolean;
  readonly value: bigint;
}

type Size = 1 | 2 | 4 | 8 | 16;

function syndromeOf(descriptor: number): MmioSyndrome {
  return {
    valid: (descriptor & MEM_NO_SYNDROME) === 0,
    register: (descriptor >>> MEM_SRT_SHIFT) & 31,
    signExtend: (descriptor & MEM_SSE) !== 0,
    sixtyFour: (descriptor & MEM_SF) !== 0,
    acquireRelease: (descriptor & MEM_AR) !== 0,
  };
}

/** Answers that a snapshot carries. */
export interface MmioState {
  readonly answers: readonly { ipa: number; size: number; write: boolean; value: bigint }[];
}

export class Mmio {
  private readonly core: Core;
  /** Answers for the instruction that `instruction` counts, and how many it has taken in this run. */
  private answers: Answer[] = [];
  private taken = 0;
  private instruction = -1;
  private waiting: Answer | undefined;

  constructor(core: Core) {
    this.core = core;
  }

  reset(): void {
    this.answers = [];
    this.taken = 0;
    this.instruction = -1;
    this.waiting = undefined;
  }

  /** An answered instruction has not run again yet: nothing may come in between. */
  get armed(): boolean {
    return this.taken < this.answers.length;
  }
  /** An exit has not been answered. */
  get unanswered(): boolean {
    return this.waiting !== undefined;
  }

  /** The value for the access that is executing, or undefined after having recorded the exit. */
  access(
    ipa: number,
    size: Size,
    write: boolean,
    data: bigint,
    descriptor: number,
    address: bigint,
  ): bigint | undefined {
    const { core } = this;
    if (this.instruction !== core.instructions) {
      this.instruction = core.instructions;
      this.answers = [];
      this.taken = 0;
    }
    const answer = this.answers[this.taken];
    if (answer && answer.ipa === ipa && answer.size === size && answer.write === write) {
      this.taken++;
      return answer.value;
    }
    this.answers.length = this.taken;
    this.taken = 0;
    this.waiting = { ipa: gpa(ipa), size, write, value: data };
    core.leaveToRepeat({
      kind: 'mmio',
      ipa: gpa(ipa),
      size,
      write,
      data,
      syndrome: syndromeOf(descriptor),
      user: core.state.el === 0,
      address,
    });
    return undefined;
  }

  /** Answers the exit; `value` counts for a load only. False where none waits. */
  complete(value: bigint): boolean {
    const { waiting } = this;
    if (!waiting) return false;
    const mask = (1n << BigInt(8 * waiting.size)) - 1n;
    this.answers.push(waiting.write ? waiting : { ...waiting, value: value & mask });
    this.waiting = undefined;
    return true;
  }

  /** Forgets an exit that gets an abort instead of an answer, and the answers before it. */
  cancel(): void {
    this.reset();
  }

  save(): MmioState {
    return { answers: this.answers.slice(this.armed ? 0 : this.answers.length) };
  }
  restore(state: MmioState): void {
    this.reset();
    this.answers = state.answers.map((a) => ({ ...a, ipa: gpa(a.ipa) }));
    this.instruction = this.core.instructions + 1;
  }
}
