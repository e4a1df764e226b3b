// The hypervisor's public face: the KVM-shaped API, and what it is made from.

export {
  type GuestDebug,
  NO_DEBUG,
  PhysicalMemory,
  type ProfiledRegion,
  type Watch,
} from '../hardware/index.ts';
export {
  developmentCpak,
  keyFromJwk,
  type PublicKey,
  type ReadableClaims,
  TokenError,
  type TokenReport,
  verifyToken,
} from './attestation/index.ts';
export { BARE_VCPU_BYTES, BareVcpu } from './bare-vcpu.ts';
export type { GuestClock } from './clock.ts';
export { VcpuDebugger, VmDebugger } from './debugger.ts';
export type { VcpuExit } from './exits.ts';
export { History, type HistoryEntry, type MemoryPort, type Refusal } from './ledger/index.ts';
export type { RealmMonitor } from './realm/index.ts';
export {
  AddressSpace,
  EVERYTHING,
  type Extensions,
  GUEST_MEMFD_INIT_SHARED,
  GUEST_MEMFD_MMAP,
  GuestMemfd,
  Host,
  MEM_GUEST_MEMFD,
  type MemoryRegion,
  type MemoryRegion2,
  UPSTREAM,
} from './slots/index.ts';
export {
  type ExplainedAccess,
  type Explanation,
  explain,
  formatExplanation,
  VmMemory,
} from './stage2/index.ts';
export { Vcpu } from './vcpu.ts';
export {
  type EngineFactory,
  jitEngine,
  type RealmOptions,
  Vm,
  type VmEngine,
  type VmOptions,
} from './vm.ts';
