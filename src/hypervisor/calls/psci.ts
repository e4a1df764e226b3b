// The Power State Coordination Interface, 1.3 or 1.1 (DEN0022 chapter 5), as KVM offers it: any suspend is a wait for an
// interrupt, power domains do not exist, and switching the system off or over is the VMM's to do. It knows
// vCPUs only through VcpuPower.

import {
  BOTH_CONDUITS,
  type CallOutcome,
  type FunctionCall,
  in64Bit,
  NOT_SUPPORTED,
  type SmcccFunction,
} from './call.ts';
import type { FunctionTable } from './dispatcher.ts';

export type StartResult = 'success' | 'already-on' | 'on-pending' | 'invalid-parameters' | 'invalid-address';

/** What PSCI asks of the vCPUs. An `mpidr` is Aff3 in bits 39:32 and Aff2.Aff1.Aff0 in bits 23:0. */
export interface VcpuPower {
  /** The affinity of each vCPU, in its order. */
  readonly mpidrs: readonly bigint[];
  isOn(vcpu: number): boolean;
  /** Switches a vCPU on at `entry`, EL1, MMU off, with `context` in X0. */
  start(mpidr: bigint, entry: bigint, context: bigint): StartResult;
  /** The vCPU that called goes off. */
  stop(vcpu: number): void;
}

const SUCCESS = 0;
const INVALID_PARAMETERS = -2;
const ALREADY_ON = -4;
const ON_PENDING = -5;
const INTERNAL_FAILURE = -6;
const INVALID_ADDRESS = -9;

const START_CODES: Record<StartResult, number> = {
  success: SUCCESS,
  'already-on': ALREADY_ON,
  'on-pending': ON_PENDING,
  'invalid-parameters': INVALID_PARAMETERS,
  'invalid-address': INVALID_ADDRESS,
};

/** AFFINITY_INFO's answers. */
const ON = 0;
const OFF = 1;
/** MIGRATE_INFO_TYPE: there is no Trusted OS to migrate. */
const NO_TRUSTED_OS = 2;
/** RESET2: architectural warm reset, and the first vendor type. */
const WARM_RESET = 0n;
const VENDOR_RESET = 0x80000000n;
/** KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2. */
const RESET_FLAG_PSCI_RESET2 = 1n;
/** OFF2: hibernate, also taken for 0; and KVM_SYSTEM_EVENT_SHUTDOWN_FLAG_PSCI_OFF2. */
const HIBERNATE_OFF = 1n;
const SHUTDOWN_FLAG_PSCI_OFF2 = 1n;
/** The affinity bits of an MPIDR. */
const MPIDR_AFFINITY = 0xff00ffffffn;

const PSCI_VERSION = 0x84000000;
const CPU_SUSPEND = 0x84000001;
const CPU_OFF = 0x84000002;
const CPU_ON = 0x84000003;
const AFFINITY_INFO = 0x84000004;
const MIGRATE_INFO_TYPE = 0x84000006;
const SYSTEM_OFF = 0x84000008;
const SYSTEM_RESET = 0x84000009;
const PSCI_FEATURES = 0x8400000a;
const SYSTEM_RESET2 = 0x84000012;
const SYSTEM_OFF2 = 0x84000015;
const SMCCC_VERSION = 0x80000000n;

/** Identifiers of PSCI are functions 0 to 0x1f of the standard services, 32-bit or 64-bit. */
const isPsci = (id: bigint): boolean => (id & ~0x4000001fn) === 0x84000000n;

const systemEvent = (call: FunctionCall, event: 'shutdown' | 'reset', flags: bigint): CallOutcome => {
  // Seen only by a caller that is let run on.
  call.result(INTERNAL_FAILURE);
  return { kind: 'exit', reason: 'system-event', event, flags };
};

function cpuOn(power: VcpuPower, call: FunctionCall): CallOutcome {
  const target = call.arg(1);
  if (target & ~MPIDR_AFFINITY) return call.result(INVALID_PARAMETERS);
  return call.result(START_CODES[power.start(target, call.arg(2), call.arg(3))]);
}

/** Below level 0 lie whole clusters: on where any vCPU in them is. */
function affinityInfo(power: VcpuPower, call: FunctionCall): CallOutcome {
  const [target, level] = [call.arg(1), call.arg(2)];
  if (level > 3n || target & ~MPIDR_AFFINITY) return call.result(INVALID_PARAMETERS);
  const ignored = level === 3n ? 0xffffffn : (1n << (8n * level)) - 1n;
  const mask = MPIDR_AFFINITY & ~ignored;
  let found = false;
  for (const [vcpu, mpidr] of power.mpidrs.entries()) {
    if ((mpidr & mask) !== (target & mask)) continue;
    if (power.isOn(vcpu)) return call.result(ON);
    found = true;
  }
  return call.result(found ? OFF : INVALID_PARAMETERS);
}

function reset2(call: FunctionCall): CallOutcome {
  const type = call.arg(1);
  const known = type === WARM_RESET || type >= VENDOR_RESET;
  return known ? systemEvent(call, 'reset', RESET_FLAG_PSCI_RESET2) : call.result(INVALID_PARAMETERS);
}

function off2(call: FunctionCall): CallOutcome {
  const [type, cookie] = [call.arg(1), call.arg(2)];
  if (type > HIBERNATE_OFF || cookie !== 0n) return call.result(INVALID_PARAMETERS);
  return systemEvent(call, 'shutdown', SHUTDOWN_FLAG_PSCI_OFF2);
}

/** What PSCI_FEATURES says of a function that is there. */
const featuresOf = (id: number): number => (id === SYSTEM_OFF2 || id === in64Bit(SYSTEM_OFF2) ? 1 : 0);

/** `minor`: version 1.3, KVM's default, has SYSTEM_OFF2; 1.1 does not. */
export const psciFunctions =
  (power: VcpuPower, minor: 1 | 3 = 3): FunctionTable =>
  (functions) => {
    const row = (id: number, name: string, handle: SmcccFunction['handle']): SmcccFunction => ({
      id,
      name,
      conduits: BOTH_CONDUITS,
      handle,
    });
    const rows64 = (id: number, name: string, handle: SmcccFunction['handle']): SmcccFunction[] => [
      row(id, `${name} (32-bit)`, handle),
      row(in64Bit(id), `${name} (64-bit)`, handle),
    ];
    return [
      row(PSCI_VERSION, 'PSCI_VERSION', (call) => call.result(0x10000 | minor)),
      ...rows64(CPU_SUSPEND, 'CPU_SUSPEND', (call) => {
        call.result(SUCCESS);
        return { kind: 'exit', reason: 'wfi' };
      }),
      row(CPU_OFF, 'CPU_OFF', (call) => {
        call.result(SUCCESS);
        power.stop(call.vcpu);
        return { kind: 'exit', reason: 'cpu-off' };
      }),
      ...rows64(CPU_ON, 'CPU_ON', (call) => cpuOn(power, call)),
      ...rows64(AFFINITY_INFO, 'AFFINITY_INFO', (call) => affinityInfo(power, call)),
      row(MIGRATE_INFO_TYPE, 'MIGRATE_INFO_TYPE', (call) => call.result(NO_TRUSTED_OS)),
      row(SYSTEM_OFF, 'SYSTEM_OFF', (call) => systemEvent(call, 'shutdown', 0n)),
      row(SYSTEM_RESET, 'SYSTEM_RESET', (call) => systemEvent(call, 'reset', 0n)),
      ...rows64(SYSTEM_RESET2, 'SYSTEM_RESET2', reset2),
      ...(minor >= 3 ? rows64(SYSTEM_OFF2, 'SYSTEM_OFF2', off2) : []),
      row(PSCI_FEATURES, 'PSCI_FEATURES', (call) => {
        const id = call.arg(1);
        const known = (isPsci(id) || id === SMCCC_VERSION) && functions.has(Number(id), call.conduit);
        return call.result(known ? featuresOf(Number(id)) : NOT_SUPPORTED);
      }),
    ];
  };
