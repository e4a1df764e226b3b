export { type EngineClient, Interpreter } from './interpreter/interpreter.ts';
