// Finds the function that an HVC or SMC names and calls it (DEN0028 chapter 2). It knows identifiers and
// conduits; what functions do is in their tables.

import {
  type Call,
  type CallOutcome,
  type CallRegisters,
  type Conduit,
  type FunctionCall,
  type FunctionSet,
  HANDLED,
  is64Bit,
  NOT_SUPPORTED,
  type SmcccFunction,
} from './call.ts';

/** Builds a family's table; `functions` is the finished set, to be asked when a call is handled, not before. */
export type FunctionTable = (functions: FunctionSet) => readonly SmcccFunction[];

class RunningCall implements FunctionCall {
  readonly conduit: Conduit;
  readonly vcpu: number;
  readonly regs: CallRegisters;
  readonly id: number;

  constructor(call: Call, id: number) {
    this.conduit = call.conduit;
    this.vcpu = call.vcpu;
    this.regs = call.regs;
    this.id = id;
  }

  arg(n: number): bigint {
    return BigInt.asUintN(is64Bit(this.id) ? 64 : 32, this.regs.get(n));
  }

  result(...values: (bigint | number)[]): CallOutcome {
    for (let n = 0; n < 4; n++) this.regs.set(n, BigInt.asUintN(64, BigInt(values[n] ?? 0)));
    return HANDLED;
  }
}

export class CallDispatcher implements FunctionSet {
  private readonly functions = new Map<number, SmcccFunction>();

  /** Throws where two tables claim one identifier. */
  constructor(tables: readonly FunctionTable[]) {
    for (const row of tables.flatMap((table) => table(this))) {
      const other = this.functions.get(row.id);
      if (other)
        throw new Error(`${row.name} and ${other.name} share the identifier 0x${row.id.toString(16)}`);
      this.functions.set(row.id, row);
    }
  }

  has(id: number, conduit: Conduit): boolean {
    return this.functions.get(id)?.conduits.includes(conduit) ?? false;
  }

  /** All functions, for listings; in the order of their tables. */
  list(): readonly SmcccFunction[] {
    return [...this.functions.values()];
  }

  /** Performs a call. An unknown function answers -1 in X0, 64 bits wide, whichever convention was used. */
  handle(call: Call): CallOutcome {
    const id = Number(BigInt.asUintN(32, call.regs.get(0)));
    const running = new RunningCall(call, id);
    const row = this.functions.get(id);
    if (!row?.conduits.includes(call.conduit)) return running.result(NOT_SUPPORTED);
    return row.handle(running);
  }
}
