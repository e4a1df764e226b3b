export { archFunctions } from './arch.ts';
export {
  BOTH_CONDUITS,
  type Call,
  type CallOutcome,
  type CallRegisters,
  type Conduit,
  type FunctionCall,
  type FunctionSet,
  NOT_SUPPORTED,
  type SmcccFunction,
} from './call.ts';
export { CallDispatcher, type FunctionTable } from './dispatcher.ts';
export { KVM_PTP, kvmVendorFunctions, type TimeSource } from './kvm-vendor.ts';
export { type GuardCalls, mmioGuardFunctions } from './mmio-guard.ts';
export { pkvmFunctions, type SharedMemory, type SharingResult } from './pkvm.ts';
export { psciFunctions, type StartResult, type VcpuPower } from './psci.ts';
export { type RealmServices, RSI_BASE, rsiFunctions, type StateChange } from './rsi.ts';
export { type RandomSource, trngFunctions } from './trng.ts';
