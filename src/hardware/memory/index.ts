export { PhysicalMemory, type PhysicalMemoryOptions } from './physical.ts';
