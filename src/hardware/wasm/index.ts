export type { Block, Label } from './block.ts';
export { Code } from './code.ts';
export { type FunctionRef, ModuleWriter, type Signature } from './module.ts';
export { opcodeNames, type Type } from './opcodes.ts';
export { type Operand, Value, Variable } from './value.ts';
