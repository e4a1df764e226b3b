export type { VcpuExit } from './exits.ts';
export type { MemoryPort, Refusal } from './ledger/index.ts';
