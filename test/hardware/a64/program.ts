// Random programs of 1 to 64 instructions for engines: branches forward that overlap, loops that end and some that need
// not, calls and returns, branches by register, exclusives, pointer authentication, and any instruction in between. A
// program follows from its seed. Most end behind their last instruction; all are to be run with a limit.

import { Random } from '../../../src/hardware/a64/index.ts';
import { type Case, DATA_ADDRESS, DATA_BYTES, MAX_INSTRUCTIONS } from '../oracle/index.ts';
import { randomState } from './cases.ts';
import { BASES, COUNTERS, INDEX, NOP, plainInstruction, type Scope } from './program-instructions.ts';
import { withDistance } from './relocate.ts';

export interface RandomProgram {
  readonly seed: number;
  readonly scope: Scope;
  readonly case: Case;
}

/** A place in the program, known once it is placed. */
interface Label {
  at: number | undefined;
}

const newLabel = (): Label => ({ at: undefined });

// Encodings whose registers the shapes below choose.
const B = 0x14000000;
const BL = 0x94000000;
const bCond = (cond: number): number => 0x54000000 | cond;
const cbz = (sf: number, op: number, rt: number): number => ((sf << 31) | 0x34000000 | (op << 24) | rt) >>> 0;
const tbz = (op: number, bit: number, rt: number): number =>
  (((bit >>> 5) << 31) | 0x36000000 | (op << 24) | ((bit & 31) << 19) | rt) >>> 0;
const byRegister = (opc: number, rn: number): number => (0xd61f0000 | (opc << 21) | (rn << 5)) >>> 0;
const adr = (rd: number): number => 0x10000000 | rd;
const movzW = (rd: number, imm: number, hw = 0): number => (0x52800000 | (hw << 21) | (imm << 5) | rd) >>> 0;
const subtract1W = (s: number, rd: number): number => (0x51000400 | (s << 29) | (rd << 5) | rd) >>> 0;
const PUSH_FRAME = 0xa9bf7bfd; // stp x29, x30, [sp, #-16]!
const POP_FRAME = 0xa8c17bfd; // ldp x29, x30, [sp], #16
const AFTER_NEXT = 0x910013de; // add x30, x30, #4
const RET_X30 = 0xd65f03c0;
const [BR, BLR, RET] = [0, 1, 2];
const NE = 1;
const NZCV = 0x4200;
const FPCR = 0x4400;
const FPSR = 0x4420;
const mrs = (register: number, rt: number): number => (0xd53b0000 | register | rt) >>> 0;
const msr = (register: number, rt: number): number => (0xd51b0000 | register | rt) >>> 0;
const PACIASP = 0xd503233f;
const RETAA = 0xd65f0bff;
/** PACIA and AUTIA of Xd with Xn; BRAA. */
const pacia = (rd: number, rn: number): number => (0xdac10000 | (rn << 5) | rd) >>> 0;
const autia = (rd: number, rn: number): number => (0xdac11000 | (rn << 5) | rd) >>> 0;
const braa = (rn: number, rm: number): number => (0xd71f0800 | (rn << 5) | rm) >>> 0;

/** Where one stretch of code may go: labels that will be placed behind it, and functions. */
interface Surroundings {
  readonly depth: number;
  readonly outer: readonly Label[];
  readonly functions: readonly Label[];
}

class Generator {
  private readonly words: number[] = [];
  private readonly patches: { readonly at: number; readonly label: Label }[] = [];
  /** Where shapes begin. */
  private readonly boundaries: number[] = [];
  private readonly literals: number[] = [];
  private readonly scope: Scope;
  private readonly r: Random;
  /** Whether branches go anywhere, so that the program may never end. */
  private readonly wild: boolean;

  constructor(scope: Scope, r: Random, wild: boolean) {
    this.scope = scope;
    this.r = r;
    this.wild = wild;
  }

  program(length: number): number[] {
    const { r } = this;
    const count = length < 12 ? 0 : r.below(3);
    const functions = Array.from({ length: count }, newLabel);
    const end = newLabel();
    const part = Math.floor(length / (count + 1));
    this.body(length - count * part - (count > 0 ? 1 : 0), { depth: 0, outer: [], functions });
    if (count > 0) this.branch(B, end);
    for (const [k, label] of functions.entries()) {
      this.place(label);
      this.function(part, functions.slice(k + 1));
    }
    this.place(end);
    this.resolve();
    return this.words;
  }

  private emit(...words: number[]): void {
    this.words.push(...words);
  }
  private place(label: Label): void {
    label.at = this.words.length;
  }
  private branch(word: number, label: Label): void {
    this.patches.push({ at: this.words.length, label });
    this.emit(word);
  }

  /** A function of so many instructions that returns, in one of the usual ways. */
  private function(room: number, functions: readonly Label[]): void {
    const { r } = this;
    const inside = (n: number, callees: readonly Label[] = []): void =>
      this.body(n, { depth: 0, outer: [], functions: callees });
    const kind = r.below(6);
    if (kind < 2 && this.scope === 'all') {
      this.emit(PACIASP);
      inside(room - 2);
      this.emit(RETAA);
    } else if (kind < 4) {
      this.emit(PUSH_FRAME);
      inside(room - 3, functions);
      this.emit(POP_FRAME, RET_X30);
    } else if (kind === 4 && functions.length > 0) {
      inside(room - 1);
      this.branch(B, r.pick(functions));
    } else {
      const skips = r.once(6);
      inside(room - (skips ? 2 : 1));
      if (skips) this.emit(AFTER_NEXT);
      this.emit(RET_X30);
    }
  }

  /** So many instructions. Labels that its branches go to are placed in it, at the latest behind it. */
  private body(room: number, surroundings: Surroundings): void {
    const { r } = this;
    const end = this.words.length + room;
    const pending: Label[] = [];
    while (this.words.length < end) {
      for (let k = pending.length - 1; k >= 0; k--) {
        if (r.once(3)) this.place(pending.splice(k, 1)[0] as Label);
      }
      this.boundaries.push(this.words.length);
      this.shape(end - this.words.length, pending, surroundings);
    }
    for (const label of pending) this.place(label);
  }

  private shape(room: number, pending: Label[], surroundings: Surroundings): void {
    const { r } = this;
    const { depth, functions } = surroundings;
    const kind = r.below(20);
    if (kind < 5) this.branch(this.condition(), this.forward(pending, surroundings));
    else if (kind === 5 && r.below(2)) this.branch(B, this.forward(pending, surroundings));
    else if (kind === 6 && room >= 4 && depth < COUNTERS.length) this.loop(room, pending, surroundings);
    else if (kind === 7 && functions.length > 0) this.call(room, r.pick(functions));
    else if (kind === 8 && room >= 2) this.jumpByRegister(room, this.forward(pending, surroundings));
    else if (kind === 9 && room >= 4) this.exclusive();
    else if (kind === 10) this.system(room);
    else if (kind === 11 && room >= 2) this.rebase();
    else if (kind === 12 && this.scope === 'all' && room >= 2) this.authenticated();
    else this.plain();
  }

  private plain(): void {
    const { word, row } = plainInstruction(this.scope, this.r);
    if (/literal/.test(row.name)) this.literals.push(this.words.length);
    this.emit(word);
  }

  private condition(): number {
    const { r } = this;
    const register = r.below(20);
    return r.pick([
      bCond(r.below(16)),
      bCond(r.below(14)),
      cbz(r.below(2), r.below(2), register),
      tbz(r.below(2), r.below(64), register),
    ]);
  }

  /** Somewhere ahead; out of loops now and then; anywhere in a wild program. */
  private forward(pending: Label[], { outer }: Surroundings): Label {
    const { r } = this;
    if (this.wild && r.once(4)) return { at: r.pick(this.boundaries) };
    if (outer.length > 0 && r.once(4)) return r.pick(outer);
    if (pending.length > 0 && r.once(3)) return r.pick(pending);
    const label = newLabel();
    pending.push(label);
    return label;
  }

  private loop(room: number, pending: readonly Label[], surroundings: Surroundings): void {
    const { r } = this;
    const { depth, outer, functions } = surroundings;
    const counter = COUNTERS[depth] as number;
    this.emit(movzW(counter, 1 + r.below(r.once(8) ? 100 : 9)));
    const head = newLabel();
    this.place(head);
    const length = 1 + r.below(Math.min(room - 3, 24));
    this.body(length, { depth: depth + 1, outer: [...outer, ...pending], functions });
    const byFlags = r.below(2);
    this.emit(subtract1W(byFlags, counter));
    this.branch(byFlags ? bCond(NE) : cbz(0, 1, counter), head);
  }

  private call(room: number, target: Label): void {
    const { r } = this;
    if (room < 2 || r.below(2)) this.branch(BL, target);
    else {
      this.branch(adr(16), target);
      this.emit(byRegister(BLR, 16));
    }
  }

  private jumpByRegister(room: number, target: Label): void {
    const { r } = this;
    const register = r.pick([16, 17, 3]);
    this.branch(adr(register), target);
    if (this.scope === 'all' && room >= 3 && r.once(3)) this.emit(pacia(register, 9), braa(register, 9));
    else this.emit(byRegister(r.pick([BR, BR, RET]) as number, register));
  }

  /** A pair of exclusives, of one size and address, with arithmetic between them. */
  private exclusive(): void {
    const { r } = this;
    const size = r.below(4);
    const base = r.pick([26, 27]) << 5;
    const pair = size >= 2 && r.below(2);
    const forms = (size << 30) | (r.below(2) << 15) | base | (pair ? (1 << 21) | (5 << 10) : 31 << 10);
    this.emit((forms | 0x085f0000 | 4) >>> 0);
    this.emit(0x91000000 | (r.below(4096) << 10) | (4 << 5) | 4); // add x4, x4, #n
    this.emit((forms | 0x08000000 | (6 << 16) | r.pick([4, 7])) >>> 0);
  }

  private system(room: number): void {
    const { r } = this;
    const register = r.below(20);
    const modes = 0x0100 * r.below(8) + 0x0040 * r.below(4);
    if (r.below(2)) this.emit(mrs(r.pick([NZCV, NZCV, FPCR, FPSR]), register));
    // What a CPU keeps of other bits of FPCR is its own affair, and a return may skip the MOVZ.
    else if (room < 2 || this.scope === 'user' || r.below(2)) this.emit(msr(NZCV, register));
    else this.emit(movzW(register, modes, 1), msr(FPCR, register));
  }

  /** Sets a base that accesses have moved back to the data. */
  private rebase(): void {
    const { r } = this;
    const base = r.pick([24, 24, 25]);
    this.emit(movzW(base, DATA_ADDRESS >>> 16, 1));
    this.emit(0x91000000 | ((1024 + r.below(2048)) << 10) | (base << 5) | base); // add x, x, #n
  }

  private authenticated(): void {
    const { r } = this;
    const [pointer, modifier] = [r.below(20), r.below(20)];
    this.emit(pacia(pointer, modifier), r.below(12) ? autia(pointer, modifier) : NOP);
  }

  /** Gives branches and literals their distances. */
  private resolve(): void {
    const { words, r } = this;
    for (const { at, label } of this.patches) {
      words[at] = withDistance(words[at] as number, (label.at as number) - at);
    }
    for (const at of this.literals) {
      const target = words.length < 4 ? undefined : r.below(words.length - 3);
      words[at] = target === undefined ? NOP : withDistance(words[at] as number, target - at);
    }
  }
}

const FZ = 1 << 24;
const isFjcvtzs = (word: number): boolean => (word & 0xfffffc00) >>> 0 === 0x1e7e0000;

function stateOf(code: readonly number[], scope: Scope, r: Random): Case {
  const { x, v, nzcv, fpcr, fpsr, memory } = randomState(r);
  const tag = scope === 'all' ? r.below(16) : 0;
  for (const base of BASES) x[base] = BigInt(DATA_ADDRESS + 1024 + 16 * r.below(128));
  x[25] = BigInt.asUintN(
    64,
    ((x[25] as bigint) + BigInt(r.below(2) ? r.below(16) : 0)) | (BigInt(tag) << 56n),
  );
  x[INDEX] = BigInt(r.below(256));
  const state = { code, x, v, nzcv, fpsr, memory, sp: BigInt(DATA_ADDRESS + DATA_BYTES / 2) };
  if (scope === 'all') return { ...state, fpcr, tags: new Uint8Array(DATA_BYTES / 16).fill(tag) };
  // A monitor may be left over from an earlier program of the same process, and FPToFixedJS: see AVOIDED_INPUTS.
  return { ...state, fpcr: code.some(isFjcvtzs) ? fpcr & ~FZ : fpcr };
}

/** The program of a seed: half of them are what a user program can run on the reference CPU too. */
export function randomProgram(seed: number): RandomProgram {
  const r = new Random(seed);
  const scope: Scope = r.below(2) ? 'user' : 'all';
  const length = 1 + r.below(MAX_INSTRUCTIONS);
  const code = new Generator(scope, r, r.once(6)).program(length);
  return { seed, scope, case: stateOf(code, scope, r) };
}

/** The seed of a run's k-th program. */
export function programSeed(seed: number, k: number): number {
  return new Random((seed + Math.imul(k, 0x9e3779b1)) >>> 0).u32();
}
