export type { MemoryPort, Refusal } from './port.ts';
