export type { Feature } from '../a64/index.ts';
export { generatedImages, offerImage } from './interpreter/image.ts';
export { type EngineClient, Interpreter } from './interpreter/interpreter.ts';
export { type Batch, type Compiled, compileBatch } from './jit/compile.ts';
export { inlineCompiler, type RegionCompiler } from './jit/compiler.ts';
export { Jit, type JitCounters, type JitOptions } from './jit/jit.ts';
export type { ProfiledRegion } from './jit/profile.ts';
