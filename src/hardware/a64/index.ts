export {
  assemble,
  assembleProgram,
  completeDecoder,
  disassemble,
  type Labels,
  type Program,
} from './assembly/index.ts';
export {
  buildDecoder,
  type Decoder,
  decodeFields,
  decoderWith,
  KEY_BITS,
  keyOf,
  packTree,
  type Switch,
  UNDEFINED,
  unpackTree,
  type Variant,
} from './decoder.ts';
export { type GenerateOptions, Random, randomInstruction } from './generate.ts';
export type { BuiltHelper, Helpers, HostContext, HostHelper } from './helpers.ts';
export {
  floatNzcv,
  Insn,
  type MemoryOptions,
  type ReachOptions,
  type RegisterRef,
  type StateWord,
} from './insn.ts';
export { extract, extractField, type Field, type Fields, fieldsOf, type Pattern } from './pattern.ts';
export { type Feature, type Flow, type Row, UNALLOCATED } from './row.ts';
export { allRows, builtHelpers, hostHelpers, instructionTable } from './table.ts';
