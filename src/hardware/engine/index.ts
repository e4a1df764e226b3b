export type { Feature } from '../a64/index.ts';
export { generatedImages, offerImage } from './interpreter/image.ts';
export { type EngineClient, Interpreter } from './interpreter/interpreter.ts';
export { Jit, type JitCounters, type JitOptions } from './jit/jit.ts';
export type { ProfiledRegion } from './jit/profile.ts';
