// One AArch64 vCPU's system half (EL0 and EL1; no EL2 or EL3): what generated code calls, and what a hypervisor
// drives. It translates, takes exceptions, keeps system registers and time, and stops with an exit; it knows neither
// memory slots nor devices.

import type { HostOffset } from '../../lib/index.ts';
import { Errno } from '../../lib/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { DataAccess } from './access.ts';
import { Core } from './core.ts';
import { Debug, type GuestDebug } from './debug.ts';
import { Exceptions, LINE_FIQ, LINE_IRQ } from './exceptions.ts';
import type { CpuExit } from './exits.ts';
import { type CpuFeatures, DEFAULT_FEATURES } from './features.ts';
import { STATE_BYTES, TLB_EL0, TLB_EL1, TLB_EL1_PAN } from './layout.ts';
import { Mmio } from './mmio.ts';
import { type Half, Mmu } from './mmu/index.ts';
import type { CodeChanged, TranslationCaches } from './operations.ts';
import { Pmu } from './pmu.ts';
import { RaisingInstructions } from './raising.ts';
import { Sequencer } from './sequencer.ts';
import type { Services } from './services.ts';
import { type CpuSnapshot, restoreCpu, saveCpu } from './snapshot.ts';
import type { Stage2 } from './stage2.ts';
import { CpuState } from './state.ts';
import { EC } from './syndrome.ts';
import { type RegisterHost, registerTable, slotOf } from './sysregs/index.ts';
import { type ExternalSystemRegisters, SystemInstructions } from './system.ts';
import { type Counter, GenericTimer, type TimerLine } from './timer.ts';

const SCTLR = slotOf('SCTLR_EL1');
const CPACR = slotOf('CPACR_EL1');
const SCTLR_SA = 1 << 3;
const SCTLR_SA0 = 1 << 4;

export interface CpuOptions {
  readonly memory: PhysicalMemory;
  readonly stage2: Stage2;
  readonly counter: Counter;
  readonly features?: CpuFeatures;
  /** MPIDR_EL1's affinity fields. Default 0. */
  readonly affinity?: number;
  /** The interrupt controller's system registers; absent with GICv2. */
  readonly external?: ExternalSystemRegisters;
  /** The other vCPUs' translation caches, for inner-shareable TLB maintenance. */
  readonly others?: TranslationCaches;
  readonly timerLine?: TimerLine;
  readonly pmuLine?: (level: boolean) => void;
  readonly codeChanged?: CodeChanged;
  /** Where RNDR gets 64 bits from; undefined: none now. Without it, RNDR's sequence is a function of `seed`. */
  readonly entropy?: () => bigint | undefined;
  readonly seed?: bigint;
  /** DFSC of an atomic or a tag access to what is no memory, now; nobody emulates those. Default: 0x35 always. */
  readonly unemulatedFault?: () => number;
}

const NO_EXTERNAL: ExternalSystemRegisters = { read: () => undefined, write: () => false };
const NO_OTHERS: TranslationCaches = { dropAll() {}, dropAsid() {}, dropAddress() {} };
/** Four bytes an instruction are less than what a host offset can tell (STATE.budgetEnd). */
const MAX_BUDGET = 0x3fff_ffff;
const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** Bits of a pointer that hold its PAC: above the address, without bit 55 and without an ignored top byte. */
function pacBits(half: Half, ignoreTop: boolean): bigint {
  const above = MASK_64 & ~((1n << BigInt(half.addressBits)) - 1n) & ~(1n << 55n);
  return ignoreTop ? above & 0x00ff_ffff_ffff_ffffn : above;
}

export class Cpu implements Services {
  readonly features: CpuFeatures;
  /** Offset of STATE in linear memory. */
  readonly base: number;
  readonly state: CpuState;
  readonly mmu: Mmu;
  readonly timer: GenericTimer;
  readonly pmu: Pmu;
  /** This vCPU's own, for the others' broadcasts. */
  readonly caches: TranslationCaches;
  private readonly core: Core;
  private readonly exceptions: Exceptions;
  private readonly debug: Debug;
  private readonly mmio: Mmio;
  private readonly access: DataAccess;
  private readonly systemInstructions: SystemInstructions;
  private readonly sequencer: Sequencer;
  private readonly raising: RaisingInstructions;
  private readonly registerHost: RegisterHost;
  private randomState: bigint;

  constructor(options: CpuOptions) {
    const { memory } = options;
    this.features = options.features ?? DEFAULT_FEATURES;
    this.base = memory.reserve(STATE_BYTES, 64);
    this.state = new CpuState(memory, this.base);
    this.debug = new Debug(this.state);
    this.mmu = new Mmu(memory, options.stage2, this.features, this.debug);
    this.exceptions = new Exceptions(this.state, this.features.mte, {
      leavingEl: () => {
        if (this.pmu.active) this.pmu.update();
      },
      contextChanged: () => this.contextChanged(),
      stepAfterReturn: (el, masked, ss) => this.debug.stepAfterReturn(el, masked, ss),
    });
    this.core = new Core(memory, this.features, this.state, this.mmu, this.exceptions, this.debug);
    this.mmio = new Mmio(this.core);
    this.access = new DataAccess(this.core, this.mmio, options.unemulatedFault);
    this.timer = new GenericTimer(options.counter, options.timerLine ?? (() => {}));
    const { core, state } = this;
    const source = {
      instructions: () => core.instructions,
      get el() {
        return state.el;
      },
    };
    this.pmu = new Pmu(source, options.pmuLine ?? (() => {}));
    this.sequencer = new Sequencer(core, this.mmio, this.pmu);
    this.raising = new RaisingInstructions(core, () => this.timer.virtual.count());
    this.randomState = options.seed ?? 0x9e37_79b9_7f4a_7c15n;
    this.registerHost = this.createRegisterHost(options.affinity ?? 0, options.entropy);
    this.caches = {
      dropAll: () => this.mmu.dropAll(),
      dropAsid: (asid) => this.mmu.dropAsid(asid),
      dropAddress: (low, high, asid) => this.mmu.dropAddress(low, high, asid),
    };
    const operationHost = {
      core,
      caches: this.caches,
      others: options.others ?? NO_OTHERS,
      codeChanged: options.codeChanged ?? (() => {}),
    };
    this.systemInstructions = new SystemInstructions(
      core,
      this.registerHost,
      operationHost,
      options.external ?? NO_EXTERNAL,
      this.features,
    );
    this.reset(0n);
  }

  private createRegisterHost(affinity: number, entropy: CpuOptions['entropy']): RegisterHost {
    const { state, timer, pmu } = this;
    return {
      state,
      features: this.features,
      mpidr: 0x8000_0000n | BigInt(affinity),
      physicalTimer: timer.physical,
      virtualTimer: timer.virtual,
      pmu,
      physicalCount: () => timer.physical.count(),
      virtualCount: () => timer.virtual.count(),
      stored: (name) => state.sysreg(slotOf(name)),
      setStored: (name, value) => state.setSysreg(slotOf(name), value),
      translationChanged: () => this.translationChanged(),
      sctlrChanged: () => {
        this.mmu.changeControls(state);
        this.pointersChanged();
        this.controlsChanged();
      },
      tablesChanged: () => this.mmu.switchAddressSpace(state),
      controlsChanged: () => this.controlsChanged(),
      contextChanged: () => this.contextChanged(),
      debugChanged: () => this.debugChanged(),
      selectStackPointer: (spsel) => this.exceptions.select(state.el, spsel),
      random: entropy ?? (() => this.random()),
    };
  }

  /** EL, PAN or UAO changed: selects the soft TLBs and what depends on EL. */
  private contextChanged(): void {
    const { state, mmu } = this;
    const { bases } = mmu.tlb;
    state.tlb = bases[state.el === 0 ? TLB_EL0 : state.pan ? TLB_EL1_PAN : TLB_EL1];
    state.tlbUnprivileged = state.el === 1 && state.uao ? state.tlb : bases[TLB_EL0];
    this.controlsChanged();
  }

  private controlsChanged(): void {
    const { state } = this;
    const enable = (state.sysregLow(CPACR) >>> 20) & 3;
    state.fpTrapped = enable === 3 || (enable === 1 && state.el === 1) ? 0 : 1;
    state.spAlignMask = state.sysregLow(SCTLR) & (state.el === 0 ? SCTLR_SA0 : SCTLR_SA) ? 15 : 0;
  }

  private translationChanged(): void {
    this.mmu.reconfigure(this.state);
    this.pointersChanged();
  }

  /** What the engine must know of pointer authentication. */
  private pointersChanged(): void {
    const { lower, upper } = this.mmu.regime;
    const { state } = this;
    state.setPacMask(0, pacBits(lower, lower.ignoreTopOfCode));
    state.setPacMask(1, pacBits(upper, upper.ignoreTopOfCode));
    state.setPacMask(2, pacBits(lower, lower.ignoreTop));
    state.setPacMask(3, pacBits(upper, upper.ignoreTop));
    const sctlr = state.sysregLow(SCTLR);
    state.pacEnabled = (sctlr >>> 31) | ((sctlr >>> 29) & 2) | ((sctlr >>> 25) & 4) | ((sctlr >>> 10) & 8);
  }

  private debugChanged(): void {
    this.debug.reconfigure();
    this.mmu.dropSoft();
  }

  /** xorshift64*: an unpredictable-looking sequence that is the same in every run. */
  private random(): bigint {
    let x = this.randomState;
    x ^= x >> 12n;
    x ^= (x << 25n) & MASK_64;
    x ^= x >> 27n;
    this.randomState = x;
    return (x * 0x2545_f491_4f6c_dd1dn) & MASK_64;
  }

  /** Instructions run since the last reset. */
  get instructions(): number {
    return this.core.instructions;
  }

  // What the run loop does.

  /**
   * To be called before each entry to generated code: takes a pending interrupt or debug exception, and returns how
   * many instructions may run before it must be called again (Infinity, or 1 under single step); 0 where an exit
   * waits already.
   */
  prepare(): number {
    return this.sequencer.prepare();
  }

  /** Sets the budget of the next entry. Larger ones than 2^30 - 1 are cut to that. */
  begin(budget: number): void {
    const { state, core } = this;
    this.exceptions.redirected = false;
    core.retired = core.instructions;
    state.budgetStart = Math.min(budget, MAX_BUDGET);
    state.budget = state.budgetStart;
  }

  /** Whether generated code may be entered again at once, for what is left of the budget, as after an exception. */
  goesOn(): boolean {
    return this.sequencer.goesOn();
  }

  /** What the vCPU stopped for, once. */
  takeExit(): CpuExit | undefined {
    const { exit } = this.core;
    this.core.exit = undefined;
    return exit;
  }

  /** Answers the MMIO exit that was taken last. Throws EINVAL where there is none. */
  completeMmio(value: bigint): void {
    if (!this.mmio.complete(value)) throw new Errno('EINVAL', 'no MMIO access waits for an answer');
  }

  /** Levels of the interrupt inputs. */
  setInterruptLines(irq: boolean, fiq: boolean): void {
    this.state.interrupts = (irq ? LINE_IRQ : 0) | (fiq ? LINE_FIQ : 0);
  }

  /** An interrupt is up and PSTATE lets it through. */
  pendingInterrupt(): boolean {
    return this.exceptions.pendingInterrupt();
  }

  /** Something that ends WFI: an interrupt line, masked or not. */
  get wakeUpPending(): boolean {
    return this.state.interrupts !== 0;
  }

  /** SEV of another vCPU, or the event stream. */
  sendEvent(): void {
    this.raising.event = true;
  }

  /**
   * Gives the guest an abort instead of an answer, at the instruction where it stopped: a synchronous external
   * abort (status 0x10) or another fault status. FAR is the address that the guest used, or an IPA.
   */
  injectDataAbort(status: number, far: bigint): void {
    this.mmio.cancel();
    this.core.exit = undefined;
    this.exceptions.takeAt(EC.dataAbort, status, this.state.pc, far);
  }

  injectInstructionAbort(status: number, far: bigint): void {
    this.core.exit = undefined;
    this.exceptions.takeAt(EC.instructionAbort, status, this.state.pc, far);
  }

  /** An undefined instruction exception at pc (a hypercall instruction that the machine does not have). */
  injectUndefined(): void {
    this.exceptions.take(EC.unknown, 0, this.state.pc);
  }

  /** A system error interrupt now; the caller respects PSTATE.A. */
  injectSError(iss: number): void {
    this.exceptions.takeSError(iss);
  }

  /** What a debugger outside the guest wants. */
  setGuestDebug(guest: GuestDebug): void {
    this.debug.guest = guest;
    this.debugChanged();
  }

  // Services of generated code.

  load(descriptor: number): number {
    return this.access.load(descriptor);
  }
  store(descriptor: number): number {
    return this.access.store(descriptor);
  }
  probeWrite(descriptor: number): number {
    return this.access.probeWrite(descriptor);
  }

  system(insn: number): number {
    return this.systemInstructions.execute(insn);
  }

  fetch(): number {
    return this.sequencer.fetch();
  }

  exception(kind: number, imm: number): number {
    return this.raising.raise(kind, imm);
  }

  // State as a whole.

  /** Power-on state with execution at `entry`, EL1h, everything masked; X0.. as given. */
  reset(entry: bigint, ...arguments_: readonly bigint[]): void {
    const { state } = this;
    state.clear();
    for (const row of registerTable) if (row.stored) state.setSysreg(slotOf(row.name), row.reset);
    state.el = 1;
    state.spsel = 1;
    state.daif = 15;
    state.pc = entry;
    arguments_.forEach((value, n) => {
      state.setX(n, value);
    });
    this.core.exit = undefined;
    this.core.retired = 0;
    this.raising.event = false;
    this.sequencer.reset();
    this.mmio.reset();
    this.timer.reset();
    this.pmu.reset();
    this.debug.reconfigure();
    this.translationChanged();
    this.contextChanged();
  }

  /** A register by its architectural name, as EL1 sees it without side effects of privilege. Throws EINVAL. */
  readRegister(name: string): bigint {
    const row = this.rowOf(name);
    if (row.read) return row.read(this.registerHost);
    if (row.stored) return this.state.sysreg(slotOf(name));
    throw new Errno('EINVAL', `${name} cannot be read`);
  }

  /** Writes a register by its architectural name, with its masks and effects. Throws EINVAL. */
  writeRegister(name: string, value: bigint): void {
    const row = this.rowOf(name);
    if (row.write) row.write(this.registerHost, value);
    else if (row.stored) this.state.setSysreg(slotOf(name), (value & row.mask) | (row.reset & ~row.mask));
    else throw new Errno('EINVAL', `${name} cannot be written`);
    row.after?.(this.registerHost);
  }

  private rowOf(name: string) {
    const row = registerTable.find((r) => r.name === name && (!r.feature || this.features[r.feature]));
    if (!row) throw new Errno('EINVAL', `${name} is no register of this vCPU`);
    return row;
  }

  /** SP_EL0 and SP_EL1 as a debugger sees them, whichever is current. */
  stackPointer(el: 0 | 1): bigint {
    return this.exceptions.stackPointer(el);
  }
  setStackPointer(el: 0 | 1, value: bigint): void {
    this.exceptions.setStackPointer(el, value);
  }

  /** PSTATE in the shape of SPSR_EL1. */
  get pstate(): bigint {
    return BigInt(this.state.spsr);
  }
  /** Throws EINVAL for an EL or stack pointer that does not exist. */
  setPstate(value: bigint): void {
    this.exceptions.setPstate(Number(BigInt.asUintN(32, value)));
  }

  /** Every register by its architectural name, and what the vCPU was doing. Throws EBUSY with an exit unanswered. */
  save(): CpuSnapshot {
    if (this.mmio.unanswered) throw new Errno('EBUSY', 'an MMIO access waits for its answer');
    return saveCpu({
      state: this.state,
      host: this.registerHost,
      features: this.features,
      mmio: this.mmio,
      stackPointer: (el) => this.stackPointer(el),
      event: this.raising.event,
      random: this.randomState,
      instructions: this.instructions,
    });
  }

  /** Throws EINVAL where the snapshot is not of such a vCPU. */
  restore(snapshot: CpuSnapshot): void {
    this.reset(0n);
    const { state } = this;
    const { event, random, instructions } = restoreCpu(snapshot, {
      state,
      host: this.registerHost,
      features: this.features,
      setPstate: (value) => this.setPstate(value),
      setStackPointer: (el, value) => this.setStackPointer(el, value),
    });
    this.raising.event = event;
    this.randomState = random;
    this.core.retired = instructions;
    this.mmio.restore(snapshot.mmio);
    this.debug.reconfigure();
    this.translationChanged();
    this.contextChanged();
    this.timer.update();
  }

  // What the hypervisor does when stage 2 changes.

  /** No soft TLB leads to this frame any more. */
  dropFrame(frame: HostOffset): void {
    this.mmu.dropFrame(frame);
  }
  /** No soft TLB entry at all. */
  dropAll(): void {
    this.mmu.dropStage2();
  }
  /** Each page's next write asks stage 2 again (dirty logging begins). */
  dropWrites(): void {
    this.mmu.tlb.dropWrites();
  }
}
