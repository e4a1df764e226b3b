export type { Feature } from '../a64/index.ts';
export { type EngineClient, Interpreter } from './interpreter/interpreter.ts';
export { Jit, type JitCounters } from './jit/jit.ts';
