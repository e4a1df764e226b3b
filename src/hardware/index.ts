export * from './cpu/index.ts';
export * from './engine/index.ts';
export * from './memory/index.ts';
