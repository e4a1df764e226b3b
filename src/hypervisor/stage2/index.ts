export * from './capabilities.ts';
export { DirtyLog } from './dirty-log.ts';
export { type ExplainedAccess, type Explanation, explain, formatExplanation } from './explain.ts';
export { type ConversionPolicy, DomainPort, IommuDomain } from './iommu-domain.ts';
export { type Custody, exportPage, importPage, type MigratedPage } from './migration.ts';
export { type FaultExit, MEMORY_FAULT_PRIVATE } from './outcome.ts';
export { type VcpuAccess, VcpuPort } from './vcpu-port.ts';
export { VcpuStage2 } from './vcpu-stage2.ts';
export {
  MEMORY_ATTRIBUTE_PRIVATE,
  type MemoryAttributes,
  type ShareResult,
  VmMemory,
  type VmMemoryOptions,
} from './vm-memory.ts';
