export * from './attributes.ts';
export { FAULTED, Mmu, NOT_MEMORY, type Outcome, STOPPED, TRANSLATED, type WatchedPages } from './mmu.ts';
export { type Half, PA_BITS, Regime, TCF_ASYMMETRIC, TCF_ASYNC, TCF_NONE, TCF_SYNC } from './regime.ts';
