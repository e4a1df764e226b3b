// Registers that a loop's turn does nothing with but load and store them two at a time, as copying loops do: in the turns
// that follow, one v128 stands for the two, which takes half the accesses and leaves more of the host's registers free.

import type { Code, Value, Variable } from '../../wasm/index.ts';

interface Pair {
  readonly first: number;
  readonly second: number;
}

export class RegisterPairs {
  private readonly code: Code;
  /** How often the first turn reads or sets each register, and how often it does so with two that it moves at once. */
  private readonly uses = new Map<number, number>();
  private readonly moves: (Pair & { times: number })[] = [];
  private held: readonly (Pair & { readonly both: Variable })[] = [];

  constructor(code: Code) {
    this.code = code;
  }

  /** A register is read or set by the first turn. */
  use(n: number): void {
    this.uses.set(n, (this.uses.get(n) ?? 0) + 1);
  }

  /** Whether a pair holds a register, so that loading the pair sets it. */
  holds(n: number): boolean {
    return this.held.some(({ first, second }) => n === first || n === second);
  }

  /** Two registers are loaded or stored at once; what holds them, the first one low. */
  moving(first: number, second: number): Variable | undefined {
    const isPair = (pair: Pair): boolean => pair.first === first && pair.second === second;
    const known = this.moves.find(isPair);
    if (known) known.times++;
    else this.moves.push({ first, second, times: 1 });
    return this.held.find(isPair)?.both;
  }

  /** Behind the first turn: from here on, pairs hold the registers that are used in no other way. */
  hold(register: (n: number) => Value): void {
    const { code } = this;
    const pairs = this.moves.filter(
      ({ first, second, times }) => times === this.uses.get(first) && times === this.uses.get(second),
    );
    this.held = pairs.map(({ first, second }) => {
      const low = code.op('i64x2.splat', register(first));
      const both = code.variable('v128', code.lane('i64x2.replace_lane', 1, low, register(second)));
      return { first, second, both };
    });
  }

  /** Puts the registers back on a way that leaves the turns. */
  restore(set: (n: number, value: Value) => void): void {
    for (const { first, second, both } of this.held) {
      set(first, this.code.lane('i64x2.extract_lane', 0, both.get()));
      set(second, this.code.lane('i64x2.extract_lane', 1, both.get()));
    }
  }

  /** Registers are themselves again. */
  release(): void {
    this.held = [];
  }
}
