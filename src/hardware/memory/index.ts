export { AllocationTags, MIXED, type UniformTagCache } from './allocation-tags.ts';
export { PhysicalMemory, type PhysicalMemoryOptions } from './physical.ts';
