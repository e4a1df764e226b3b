// Statements of a function body under construction, in blocks that nest.

import type { FunctionRef, Signature } from './module.ts';
import type { Opcode } from './opcodes.ts';
import type { Value, Variable } from './value.ts';

export interface Block {
  readonly parent: Block | undefined;
  /** The innermost loop, so that nothing is moved into one that was computed outside. */
  loop: Block | undefined;
  readonly items: Item[];
  /** Whether something branches to it. */
  isTarget: boolean;
}

/** A branch target: the end of a block, or the start of a loop. */
export interface Label {
  readonly body: Block;
}

export type Item = Value | Effect;

export type Effect = { readonly position: number } & (
  | {
      readonly kind: 'effect';
      readonly op: Opcode;
      readonly immediate: readonly number[];
      readonly args: readonly Value[];
    }
  | { readonly kind: 'set'; readonly variable: Variable; readonly value: Value }
  | { readonly kind: 'if'; readonly condition: Value; readonly taken: Block; readonly otherwise: Block }
  | { readonly kind: 'block' | 'loop'; readonly body: Block }
  | { readonly kind: 'branch'; readonly label: Label; readonly condition: Value | undefined }
  | {
      readonly kind: 'switch';
      readonly index: Value;
      readonly labels: readonly Label[];
      readonly fallback: Label;
    }
  | {
      readonly kind: 'call';
      readonly target: FunctionRef;
      readonly args: readonly Value[];
      readonly result: Value | undefined;
    }
  | { readonly kind: 'return'; readonly args: readonly Value[] }
  | { readonly kind: 'tailCall'; readonly target: FunctionRef; readonly args: readonly Value[] }
  | {
      readonly kind: 'tailCallIndirect';
      readonly signature: Signature;
      readonly index: Value;
      readonly args: readonly Value[];
    }
);
