export * from './capabilities.ts';
export { DirtyLog } from './dirty-log.ts';
export { type FaultExit, MEMORY_FAULT_PRIVATE } from './outcome.ts';
export { type VcpuAccess, VcpuPort } from './vcpu-port.ts';
export { VcpuStage2 } from './vcpu-stage2.ts';
export { type ShareResult, VmMemory, type VmMemoryOptions } from './vm-memory.ts';
