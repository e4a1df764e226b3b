// The library: `import { Machine } from 'ringfence'`.

export * from './vmm/index.ts';
