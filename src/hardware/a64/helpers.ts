// Functions that semantics call: written once in the module (built), or in TypeScript (host). Rows name them with
// i.helper(name); the engine adds to its module those that are used.

import type { Code, FunctionRef, Type } from '../wasm/index.ts';

/** A function of the generated module. */
export interface BuiltHelper {
  readonly params: readonly Type[];
  readonly results: readonly Type[];
  /** Writes the body; ends with c.return(...). `helper` finds other helpers. */
  readonly build: (c: Code, helper: (name: string) => FunctionRef) => void;
}

/** What host helpers are made from. */
export interface HostContext {
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly u8: Uint8Array;
}

/** A function in TypeScript, for slow paths: i64 parameters arrive as signed bigint, i32 as signed number. */
export interface HostHelper {
  readonly params: readonly Type[];
  readonly results: readonly Type[];
  readonly create: (context: HostContext) => (...args: never[]) => number | bigint | undefined;
}

export type Helpers<T> = Readonly<Record<string, T>>;
