export { assemble, assembleProgram, type Labels, type Program } from './assemble.ts';
export { completeDecoder, disassemble } from './disassemble.ts';
