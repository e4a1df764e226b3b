export { Cpu, type CpuOptions } from './cpu.ts';
export { type GuestDebug, NO_DEBUG, type Watch } from './debug.ts';
export type { CpuExit, MmioSyndrome } from './exits.ts';
export { type CpuFeatures, DEFAULT_FEATURES } from './features.ts';
export * from './layout.ts';
export { ATTR_TAGGED, STOPPED, TRANSLATED } from './mmu/index.ts';
export type { CodeChanged, TranslationCaches } from './operations.ts';
export * from './services.ts';
export type { CpuSnapshot } from './snapshot.ts';
export * from './stage2.ts';
export { CpuState } from './state.ts';
export { FSC } from './syndrome.ts';
export {
  type PlainRegister,
  plainRegisters,
  type RegisterRow,
  registerKey,
  registerOffset,
  registerTable,
  ZERO_BLOCK,
  ZERO_PROHIBITED,
} from './sysregs/index.ts';
export type { ExternalSystemRegisters } from './system.ts';
export { COUNTER_FREQUENCY, type Counter, type TimerLine, type TimerName } from './timer.ts';
