export { type Block, Code, type Label, type Operand, Value, Variable } from './code.ts';
export { type FunctionRef, ModuleWriter, type Signature } from './module.ts';
export { opcodeNames, type Type } from './opcodes.ts';
