// A VM with RAM, ready for a board: a host of its own, the VMM's address space on it, and one memory slot. The only
// file of the machine that makes hypervisor objects; tests put a stand-in in its place.

import {
  type AddressSpace,
  type Explanation,
  explain,
  GUEST_MEMFD_INIT_SHARED,
  GUEST_MEMFD_MMAP,
  type GuestClock,
  History,
  Host,
  MEM_GUEST_MEMFD,
  PhysicalMemory,
  type ProfiledRegion,
  type RealmMonitor,
  type Vcpu,
  type VcpuDebugger,
  Vm,
  type VmDebugger,
  type VmOptions,
} from '../../hypervisor/index.ts';
import { type Hva, type Log, PAGE_SIZE } from '../../lib/index.ts';
import { RAM_BASE } from './memory-map.ts';
import type { ProtectionStatus } from './protection-watch.ts';
import type { FillRandom } from './random.ts';

/** What the machine uses of a vCPU and of a VM. */
export type MachineVcpu = Pick<
  Vcpu,
  'instructions' | 'poweredOn' | 'runnable' | 'run' | 'completeMmio' | 'completeHostCall' | 'setRegister'
>;
export type MachineVm = Pick<Vm, 'devicePort' | 'irqLine' | 'signalMsi' | 'nextDeadline' | 'dispose'>;

/** What a debugger outside the guest uses of a VM. */
export type MachineDebugger = Pick<
  VmDebugger,
  'isOpen' | 'hasMte' | 'stretches' | 'readPhysical' | 'readPhysicalTags'
> & {
  readonly vcpus: readonly VcpuDebug[];
};
export type VcpuDebug = Pick<
  VcpuDebugger,
  | 'poweredOn'
  | 'readRegister'
  | 'writeRegister'
  | 'readVirtual'
  | 'writeVirtual'
  | 'isTagged'
  | 'readTags'
  | 'writeTags'
  | 'setDebug'
  | 'hold'
>;

/** By which interface the guest's memory is kept from everybody else, if at all. */
export type Protection = 'none' | 'pkvm' | 'realm' | 'deferred';

export interface VmConfig {
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly gic: 2 | 3;
  readonly protect: Protection;
  readonly features: NonNullable<VmOptions['features']>;
  readonly engine: NonNullable<VmOptions['engine']>;
  readonly clock: GuestClock;
  readonly random: FillRandom;
  readonly log: Log;
  /** Remember which transitions each frame went through. */
  readonly history?: boolean;
  /** Count what each piece of compiled code runs. */
  readonly profile?: boolean;
}

/** Where the guest lets its VMM emulate devices. */
export interface MmioGuardListing {
  /** Accesses elsewhere are aborts for the guest. */
  readonly enforced: boolean;
  /** The guest asked for it by the list proposal's interface. */
  readonly enrolled: boolean;
  /** Aborts so far. */
  readonly denials: number;
  /** In the order of addresses; the attribute is the MAIR byte by which the guest maps the page, where it said so. */
  readonly pages: readonly { readonly address: number; readonly attribute: number | undefined }[];
}

/** Who may do what with a page, by which rule, and where there is no memory who answers. */
export interface PageExplanation extends Explanation {
  /** An access to an address without memory: emulated by the hypervisor (interrupt controller) or the VMM, or refused by the guard. */
  readonly emulation: 'hypervisor' | 'vmm' | 'refused' | 'ripas-empty' | 'ripas-destroyed' | undefined;
}

export interface PreparedVm {
  readonly vm: MachineVm;
  /** The first of them is powered on. */
  readonly vcpus: readonly MachineVcpu[];
  /** What the engine and the CPUs counted since the VM was made, by name. */
  counters(): Readonly<Record<string, number>>;
  /** What compiled code has run, the hottest first, where that is counted. */
  profile?(): readonly ProfiledRegion[] | undefined;
  /** For a debugger outside the guest; a stand-in may have none. */
  readonly debugger?: MachineDebugger;
  /** Of a protected VM. */
  readonly protection?: ProtectionStatus;
  /** A stand-in may have none. */
  mmioGuard?(): MmioGuardListing;
  /** The page of a guest-physical address. */
  explain(address: number): PageExplanation;
  /** Puts boot files into RAM, by guest-physical address. */
  load(address: number, bytes: Uint8Array): void;
  /** Nothing more is loaded: the VMM gives what it has loaded to a protected guest before that runs. */
  seal?(): void;
}

export type PrepareVm = (config: VmConfig) => PreparedVm;

/** With what a laboratory looks into. */
export interface OpenVm extends PreparedVm {
  readonly vm: Vm;
  readonly vcpus: readonly Vcpu[];
  readonly memory: PhysicalMemory;
}

/** Frames beyond the guest's RAM. */
const SPARE_FRAMES = 256;
/** CPU states, soft TLBs and the engine's tables. */
const SYSTEM_BYTES = 32 << 20;
/** Transitions that are remembered; a boot of Linux in 1 GiB makes about as many. */
const HISTORY = 1 << 18;

export function prepareVm(config: VmConfig): OpenVm {
  const { memoryBytes, vcpus, gic, clock, features, protect, engine, log } = config;
  const frames = memoryBytes / PAGE_SIZE + SPARE_FRAMES;
  const memory = new PhysicalMemory({ frames, systemBytes: SYSTEM_BYTES });
  const host = new Host(memory, { pkvm: protect === 'pkvm' });
  if (config.history) host.ledger.history = new History(HISTORY);
  const space = host.createAddressSpace();
  const random = (into: Uint8Array): boolean => {
    config.random(into);
    return true;
  };
  const vm = new Vm(host, space, {
    vcpus,
    gic,
    clock,
    features,
    protected: protect === 'pkvm',
    ...(protect === 'realm' ? { realm: {} } : {}),
    random,
    log,
    engine,
    profile: config.profile ?? false,
    stopwatch: () => performance.now(),
  });
  const loaded: Range[] = [];
  const ram = addRam(vm, space, memoryBytes);
  return {
    vm,
    memory,
    vcpus: vm.vcpus,
    debugger: vm.debugger,
    profile: () => vm.engine.profile?.(),
    counters: () => ({
      tlbMisses: vm.vcpus.reduce((sum, vcpu) => sum + vcpu.cpu.mmu.misses, 0),
      ...engineCounters(vm),
    }),
    ...(protect === 'pkvm' ? { protection: protectionOf(vm) } : {}),
    ...(vm.realm ? { protection: realmStatus(vm, vm.realm) } : {}),
    mmioGuard: () => guardOf(vm),
    explain: (address) => ({ ...explain(vm.memory, address), emulation: emulationAt(vm, address) }),
    load(address, bytes) {
      const refusal = space.port.write(ram + (address - RAM_BASE), bytes);
      if (refusal) throw new Error(`boot files: ${refusal.rule}: ${refusal.reason}`);
      loaded.push({ address, bytes: bytes.length });
    },
    seal() {
      if (protect === 'pkvm') for (const { address, bytes } of loaded) vm.donate(address, bytes);
      if (!vm.realm) return;
      vm.initRipas(RAM_BASE, memoryBytes);
      for (const { address, bytes } of wholePages(loaded)) vm.populate(address, bytes);
    },
  };
}

/** One slot of RAM. A realm's is a file, whose pages are private or shared as the realm says. */
function addRam(vm: Vm, space: AddressSpace, size: number): Hva {
  if (!vm.realm) {
    const hva = space.mmapAnonymous(size);
    vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM_BASE, size, hva });
    return hva;
  }
  const memfd = vm.memory.createGuestMemfd(size, GUEST_MEMFD_MMAP | GUEST_MEMFD_INIT_SHARED);
  const hva = space.mmapMemfd(memfd, 0, size);
  vm.memory.setUserMemoryRegion2({ slot: 0, flags: MEM_GUEST_MEMFD, gpa: RAM_BASE, size, hva, memfd });
  return hva;
}

interface Range {
  readonly address: number;
  readonly bytes: number;
}

/** The pages of ranges, each once, ascending. */
function wholePages(ranges: readonly Range[]): Range[] {
  const pages: { first: number; end: number }[] = [];
  for (const { address, bytes } of [...ranges].sort((a, b) => a.address - b.address)) {
    const first = Math.floor(address / PAGE_SIZE);
    const end = Math.ceil((address + bytes) / PAGE_SIZE);
    const last = pages.at(-1);
    if (last && first <= last.end) last.end = Math.max(last.end, end);
    else pages.push({ first, end });
  }
  return pages.map(({ first, end }) => ({ address: first * PAGE_SIZE, bytes: (end - first) * PAGE_SIZE }));
}

function guardOf({ memory: { mmioGuard } }: Vm): MmioGuardListing {
  const { isEnforced: enforced, isEnrolled: enrolled, denials } = mmioGuard;
  const pages = mmioGuard.list().map(({ gfn, attribute }) => ({ address: gfn * PAGE_SIZE, attribute }));
  return { enforced, enrolled, denials, pages };
}

function protectionOf(vm: Vm): ProtectionStatus {
  const { memory } = vm;
  const { mmioGuard } = memory;
  return {
    kind: 'pkvm',
    get isKnown() {
      return mmioGuard.size > 0;
    },
    get guardedPages() {
      return mmioGuard.size;
    },
    get guardDenials() {
      return mmioGuard.denials;
    },
    get lastDenied() {
      return mmioGuard.lastDenied === undefined ? undefined : mmioGuard.lastDenied * PAGE_SIZE;
    },
    countPages: () => memory.countPages(),
    payload: () => vm.measurements,
  };
}

function realmStatus({ memory }: Vm, realm: RealmMonitor): ProtectionStatus {
  const { space } = memory.realm!;
  return {
    kind: 'realm',
    get isKnown() {
      return realm.calls > 0;
    },
    guardedPages: 0,
    get guardDenials() {
      return space.denials;
    },
    get lastDenied() {
      return space.lastDenied === undefined ? undefined : space.lastDenied * PAGE_SIZE;
    },
    countPages: () => memory.countPages(),
    payload: () => [],
    get initialMeasurement() {
      return Array.from(realm.measurements.initial, (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
  };
}

function emulationAt({ memory, gic }: Vm, address: number): PageExplanation['emulation'] {
  const { mapper } = memory;
  const page = Math.floor(address / PAGE_SIZE);
  const device = mapper.canonical(page) * PAGE_SIZE;
  const hole = mapper.realm?.holeAt(page);
  if (hole === 'ripas-empty' || hole === 'ripas-destroyed') return hole;
  if (mapper.slots.find(mapper.canonical(page)) !== undefined && hole === undefined) return undefined;
  if (gic.windows.some(({ base, size }) => device >= base && device < base + size)) return 'hypervisor';
  return memory.emulation(page).allowed ? 'vmm' : 'refused';
}

/** An engine that compiles says how much. */
function engineCounters({ engine }: Vm): Record<string, number> {
  if (!engine.counters) return { regionsCompiled: 0 };
  const { regions, ...others } = engine.counters;
  return { regionsCompiled: regions, ...others };
}
