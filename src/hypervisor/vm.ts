// A virtual machine as KVM's ioctls show it: memory, vCPUs, an interrupt controller and the calls its guest can
// make. It owns what it creates; the host and the VMM's address space outlive it.

import {
  Cpu,
  type CpuFeatures,
  DEFAULT_FEATURES,
  type Feature,
  Interpreter,
  Jit,
  type JitOptions,
  type PhysicalMemory,
} from '../hardware/index.ts';
import { type Disposable, Errno, type HostOffset, type Log } from '../lib/index.ts';
import { Attester } from './attestation/index.ts';
import {
  archFunctions,
  CallDispatcher,
  type FunctionTable,
  type GuardCalls,
  KVM_PTP,
  kvmVendorFunctions,
  mmioGuardFunctions,
  pkvmFunctions,
  psciFunctions,
  type RandomSource,
  rsiFunctions,
  type SharedMemory,
  type StartResult,
  trngFunctions,
  type VcpuPower,
} from './calls/index.ts';
import { type GuestClock, NS_PER_TICK } from './clock.ts';
import { VmDebugger } from './debugger.ts';
import type { VcpuExit } from './exits.ts';
import { affinityOf, GicV2, GicV3, type InterruptController } from './irq/index.ts';
import type { MemoryPort } from './ledger/index.ts';
import { donateMeasured, type MeasuredRange } from './measure/index.ts';
import { RealmMonitor } from './realm/index.ts';
import { type AddressSpace, EVERYTHING, type Extensions, type Host } from './slots/index.ts';
import { type RealmMemory, type VcpuStage2, VmMemory } from './stage2/index.ts';
import { type Engine, Vcpu } from './vcpu.ts';

/** Private interrupts of the generic timer and the PMU (as QEMU's virt board and KVM have them). */
const PPI_VIRTUAL_TIMER = 27;
const PPI_PHYSICAL_TIMER = 30;
const PPI_PMU = 23;
const FIRST_SPI = 32;
/** DFSC of an access to a device that nobody emulates: to a guarded guest as any other, else as hardware may report it. */
const EXTERNAL_ABORT = 0x10;
const UNSUPPORTED_ATOMIC = 0x35;
const MAX_VCPUS = 8;
// What this CPU has, less one, as a realm's measurement counts it (ID_AA64DFR0_EL1).
const BREAKPOINTS = 5;
const WATCHPOINTS = 3;

export type EngineKind = 'auto' | 'interpreter' | 'jit';
/** Makes an engine for a VM of this memory, whose CPUs lack some features of the instruction table. */
export type EngineFactory = (memory: PhysicalMemory, absent: ReadonlySet<Feature>) => VmEngine;
/** What runs the guest's instructions, and what it may say of itself. */
export type VmEngine = Engine & Partial<Pick<Jit, 'codeChanged' | 'counters' | 'profile'>>;

/** The JIT with other thresholds than its own, which are for speed. */
export const jitEngine =
  (options: JitOptions): EngineFactory =>
  (memory, absent) =>
    new Jit(memory, absent, options);

export interface RealmOptions {
  /** Up to 64 bytes that its owner chooses; they are in its tokens. */
  readonly personalization?: Uint8Array;
}

export interface VmOptions {
  readonly vcpus: number;
  readonly gic: 2 | 3;
  readonly clock: GuestClock;
  /** Default: everything the table implements. */
  readonly features?: Partial<CpuFeatures>;
  readonly protected?: boolean;
  /** Makes it a realm. */
  readonly realm?: RealmOptions;
  readonly extensions?: Extensions;
  /** How guest instructions run; all engines give the same results. 'auto' (default) compiles what is hot. */
  readonly engine?: EngineKind | EngineFactory;
  /** The JIT counts what each of its regions runs. */
  readonly profile?: boolean;
  /** Milliseconds, for counters of the engine's own work only. */
  readonly stopwatch?: () => number;
  readonly random?: RandomSource;
  /** Nanoseconds since 1970, for the guest's PTP clock; without it there is none. */
  readonly wallClock?: () => bigint;
  readonly log?: Log;
}

/** Features of the instruction table that a CPU without the option lacks. */
function absentFeatures(features: CpuFeatures): Set<Feature> {
  const absent = new Set<Feature>();
  if (!features.pauth) absent.add('PAuth');
  if (!features.mte) for (const feature of ['MTE', 'MTE2'] as const) absent.add(feature);
  if (!features.rng) absent.add('RNG');
  if (!features.bti) absent.add('BTI');
  return absent;
}

export class Vm implements Disposable {
  readonly memory: VmMemory;
  readonly vcpus: readonly Vcpu[];
  readonly gic: InterruptController;
  private readonly random: RandomSource | undefined;
  readonly engine: VmEngine;
  private readonly given: MeasuredRange[] = [];
  /** Of a realm. */
  readonly realm: RealmMonitor | undefined;
  /** For a debugger outside the guest. */
  readonly debugger: VmDebugger;

  /** `space` is the VMM's address space, whose mappings slots name by HVA. Throws Errno as KVM_CREATE_VM does. */
  constructor(host: Host, space: AddressSpace, options: VmOptions) {
    if (!Number.isInteger(options.vcpus) || options.vcpus < 1 || options.vcpus > MAX_VCPUS) {
      throw new RangeError(`${options.vcpus} vCPUs: 1 to ${MAX_VCPUS}`);
    }
    const features = { ...DEFAULT_FEATURES, ...options.features, gicv3: options.gic === 3 };
    this.memory = new VmMemory(host, space, {
      protected: options.protected ?? false,
      realm: options.realm !== undefined,
      extensions: options.extensions ?? EVERYTHING,
    });
    if (features.mte) this.memory.enableMte();
    const absent = absentFeatures(features);
    this.engine = createEngine(options, host.memory, absent);

    this.random = options.random;
    const vcpus: Vcpu[] = [];
    this.vcpus = vcpus;
    const lines = (vcpu: number, irq: boolean, fiq: boolean): void =>
      vcpus[vcpu]?.cpu.setInterruptLines(irq, fiq);
    const gicOptions = { vcpus: options.vcpus, lines, ...(options.log ? { log: options.log } : {}) };
    this.gic =
      options.gic === 3
        ? new GicV3({ ...gicOptions, memory: this.memory.hypervisorPort() })
        : new GicV2(gicOptions);
    this.realm = options.realm && this.createRealm(options.realm, features, options.random);
    const calls = new CallDispatcher(
      this.realm
        ? [archFunctions, psciFunctions(this.power(), 1), rsiFunctions(this.realm)]
        : [
            archFunctions,
            psciFunctions(this.power()),
            trngFunctions(options.random ?? (() => false)),
            this.vendorFunctions(options.wallClock),
            ...(this.memory.guest.isProtected ? [pkvmFunctions(this.sharedMemory())] : []),
            ...(this.memory.extensions.mmioGuard ? [mmioGuardFunctions(this.guardCalls())] : []),
          ],
    );
    for (const { base, size } of this.gic.windows) {
      this.memory.mmioGuard.exempt(base, size);
      this.memory.realm?.addDevice(base, size);
    }
    for (let index = 0; index < options.vcpus; index++) {
      vcpus.push(this.createVcpu(host, index, features, options.clock, calls));
    }
    this.debugger = new VmDebugger(this.memory, vcpus, () => this.codeChanged('all'));
  }

  private createVcpu(
    host: Host,
    index: number,
    features: CpuFeatures,
    clock: GuestClock,
    calls: CallDispatcher,
  ): Vcpu {
    const { gic, memory } = this;
    const stage2 = memory.createVcpuStage2(index);
    const external = gic.systemRegisters(index);
    const needsSyndrome = (): boolean => memory.isConfidential || memory.mmioGuard.isEnforced;
    const others = (): Vcpu[] => this.vcpus.filter((vcpu) => vcpu.index !== index);
    const cpu = new Cpu({
      memory: host.memory,
      stage2,
      counter: { ticks: () => Math.floor(clock.now() / NS_PER_TICK) },
      features,
      affinity: affinityOf(index),
      ...(external ? { external } : {}),
      others: {
        dropAll: () => {
          for (const vcpu of others()) vcpu.cpu.caches.dropAll();
        },
        dropAsid: (asid) => {
          for (const vcpu of others()) vcpu.cpu.caches.dropAsid(asid);
        },
        dropAddress: (low, high, asid) => {
          for (const vcpu of others()) vcpu.cpu.caches.dropAddress(low, high, asid);
        },
      },
      timerLine: (timer, level) =>
        gic.setPpi(index, timer === 'virtual' ? PPI_VIRTUAL_TIMER : PPI_PHYSICAL_TIMER, level),
      pmuLine: (level) => gic.setPpi(index, PPI_PMU, level),
      codeChanged: (frame) => this.codeChanged(frame),
      unemulatedFault: () => (needsSyndrome() ? EXTERNAL_ABORT : UNSUPPORTED_ATOMIC),
      ...(this.random ? { entropy: entropyFrom(this.random) } : {}),
    });
    memory.addTlb({
      dropFrame: (frame: HostOffset) => {
        cpu.dropFrame(frame);
        this.codeChanged(frame);
      },
      dropAll: () => {
        cpu.dropAll();
        this.codeChanged('all');
      },
      dropWrites: () => cpu.dropWrites(),
    });
    return new Vcpu({
      index,
      cpu,
      engine: this.engine,
      clock,
      calls,
      entering: (vcpu) => {
        if (this.realm && !this.memory.realm!.isActive) this.activate(this.realm);
        if (this.lastEntered !== vcpu) vcpu.cpu.state.exclusive = 0;
        this.lastEntered = vcpu;
      },
      windowAt: (ipa) => gic.windows.find((window) => ipa >= window.base && ipa < window.base + window.size),
      needsSyndrome,
      hidesRegisters: memory.isConfidential,
      isRealm: memory.isRealm,
      deviceAddress: (ipa) => memory.deviceAddress(ipa),
      stage2Exit: () => stage2Exit(stage2),
    });
  }

  private createRealm(
    options: RealmOptions,
    features: CpuFeatures,
    random: RandomSource = () => false,
  ): RealmMonitor {
    const parameters = {
      ipaBits: this.memory.ipaBits,
      breakpoints: BREAKPOINTS,
      watchpoints: WATCHPOINTS,
      pmu: features.pmu,
    };
    return new RealmMonitor(parameters, this.memory.realm!, new Attester(random), options.personalization);
  }

  /** The vCPU that ran last: another's exclusive monitor does not survive its turn. */
  private lastEntered: Vcpu | undefined;

  private codeChanged(frame: HostOffset | 'all'): void {
    this.engine.codeChanged?.(frame);
  }

  private vendorFunctions(wallClock: VmOptions['wallClock']): FunctionTable {
    if (!wallClock) return kvmVendorFunctions();
    const counter = (): bigint => this.vcpus[0].cpu.timer.virtual.count();
    const time = {
      wallClock,
      virtualCounter: counter,
      physicalCounter: () => this.vcpus[0].cpu.timer.physical.count(),
    };
    return kvmVendorFunctions(time, this.memory.guest.isProtected ? [KVM_PTP] : []);
  }

  private sharedMemory(): SharedMemory {
    const { memory } = this;
    return {
      share: (ipa, vcpu) => memory.shareWithHost(ipa, vcpu),
      unshare: (ipa) => memory.unshareFromHost(ipa),
    };
  }

  private guardCalls(): GuardCalls {
    const { memory } = this;
    const { mmioGuard } = memory;
    return {
      get isEnforced() {
        return mmioGuard.isEnforced;
      },
      get isEnrolled() {
        return mmioGuard.isEnrolled;
      },
      enroll: () => mmioGuard.enroll(),
      map: (gfn, attribute) => memory.isFreeGfn(gfn) && mmioGuard.map(gfn, attribute),
      unmap: (gfn) => mmioGuard.unmap(gfn),
      attribute: (vcpu, index) =>
        Number((this.vcpus[vcpu].cpu.readRegister('MAIR_EL1') >> BigInt(8 * index)) & 0xffn),
    };
  }

  /** PSCI's view of the vCPUs. */
  private power(): VcpuPower {
    const { vcpus } = this;
    return {
      get mpidrs() {
        return vcpus.map((vcpu) => BigInt(affinityOf(vcpu.index)));
      },
      isOn: (vcpu) => vcpus[vcpu]?.poweredOn ?? false,
      start(mpidr, entry, context): StartResult {
        const vcpu = vcpus.find((v) => BigInt(affinityOf(v.index)) === mpidr);
        if (!vcpu) return 'invalid-parameters';
        if (vcpu.poweredOn) return 'already-on';
        vcpu.start(entry, context);
        return 'success';
      },
      stop: (vcpu) => vcpus[vcpu]?.stop(),
    };
  }

  /** Gives what has been loaded there to a protected guest, and measures it. EINVAL for an ordinary VM; EFAULT. */
  donate(address: number, bytes: number): void {
    this.given.push(donateMeasured(this.memory, address, bytes));
  }

  /** A realm that has not run: a range is RAM of its own. Throws as RealmMemory.initRipas(); EINVAL for no realm. */
  initRipas(address: number, bytes: number): void {
    const { realm, memory } = this.needRealm();
    memory.initRipas(address, bytes);
    realm.measurements.initRipas(address, address + bytes);
  }

  /** A realm that has not run gets pages with what has been loaded there. Throws as RealmMemory.populate(). */
  populate(address: number, bytes: number): void {
    const { realm, memory } = this.needRealm();
    memory.populate(address, bytes, (ipa, page) => realm.measurements.data(ipa, page));
  }

  private needRealm(): { realm: RealmMonitor; memory: RealmMemory } {
    const { realm, memory } = this;
    if (!realm || !memory.realm) throw new Errno('EINVAL', 'the VM is no realm');
    return { realm, memory: memory.realm };
  }

  /** The realm runs for the first time: what it starts from is what has been measured. */
  private activate(realm: RealmMonitor): void {
    for (const { poweredOn, cpu } of this.vcpus) {
      const gprs = Array.from({ length: 8 }, (_, n) => (poweredOn ? cpu.state.x(n) : 0n));
      realm.measurements.vcpu(poweredOn, poweredOn ? cpu.state.pc : 0n, gprs);
    }
    this.memory.realm!.activate();
  }

  /** What a protected guest was given before it ran, in that order. */
  get measurements(): readonly MeasuredRange[] {
    return this.given;
  }

  /** DMA by a device, as its requester id. */
  devicePort(requesterId: number): MemoryPort {
    return this.memory.devicePort(requesterId);
  }

  /** The wire of a shared peripheral interrupt; `spi` counts from 0 (INTID 32). */
  irqLine(spi: number): { set(level: boolean): void } {
    return { set: (level) => this.gic.setSpi(FIRST_SPI + spi, level) };
  }

  signalMsi(requesterId: number, address: number, data: number): void {
    this.gic.send(requesterId, address, data);
  }

  /** When the earliest timer of any vCPU fires, in nanoseconds since power-on; Infinity where none is set. */
  nextDeadline(): number {
    return this.vcpus.reduce((earliest, vcpu) => Math.min(earliest, vcpu.nextDeadline()), Infinity);
  }

  /** Ends the VM: vCPUs refuse to run, ports refuse to move bytes, its frames go back scrubbed. */
  dispose(): void {
    for (const vcpu of this.vcpus) vcpu.close();
    this.memory.destroy();
  }
}

function createEngine(
  { engine, stopwatch, profile = false }: VmOptions,
  memory: PhysicalMemory,
  absent: ReadonlySet<Feature>,
): VmEngine {
  if (typeof engine === 'function') return engine(memory, absent);
  if (engine === 'interpreter') return new Interpreter(memory, absent);
  return new Jit(memory, absent, { profile, ...(stopwatch ? { now: stopwatch } : {}) });
}

/** RNDR's 64 bits from the VM's random source. */
function entropyFrom(random: RandomSource): () => bigint | undefined {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  return () => (random(bytes) ? view.getBigUint64(0, true) : undefined);
}

function stage2Exit(stage2: VcpuStage2): VcpuExit {
  const exit = stage2.takeExit();
  if (!exit) throw new Error('stage 2 stopped a vCPU without an exit');
  return exit;
}
