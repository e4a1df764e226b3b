// One vCPU: runs guest code until something must be decided outside it (KVM_RUN), serving by itself what a kernel
// hypervisor serves: its interrupt controller's registers, SMCCC calls, timers.

import {
  ACCESS_READ,
  type Cpu,
  type CpuExit,
  FSC,
  type Interpreter,
  STOPPED,
  TLB_EL1,
  TRANSLATED,
} from '../hardware/index.ts';
import { Errno, type Gpa, gpa, PAGE_SIZE } from '../lib/index.ts';
import type { CallDispatcher, CallOutcome } from './calls/index.ts';
import { type GuestClock, NS_PER_TICK } from './clock.ts';
import type { VcpuExit } from './exits.ts';
import type { RegisterWindow } from './irq/index.ts';

/** Anything that executes a Cpu's instructions: the interpreter, or a JIT with it. */
export type Engine = Pick<Interpreter, 'run'>;

/** With the host's clock, how many instructions may pass before timers are looked at again. */
const HOST_CLOCK_POLL = 100_000;

/** DFSC of a synchronous external abort that is not on a table walk. */
const EXTERNAL_ABORT = 0x10;
/** The part of a fault status code that is not the level of the walk. */
const FSC_KIND = 0x3c;

const BUDGET: VcpuExit = { reason: 'budget' };
const WFI: VcpuExit = { reason: 'wfi' };

export interface VcpuParts {
  readonly index: number;
  readonly cpu: Cpu;
  readonly engine: Engine;
  readonly clock: GuestClock;
  readonly calls: CallDispatcher;
  /** This vCPU is about to run. */
  entering(vcpu: Vcpu): void;
  /** The window of the in-kernel interrupt controller that holds an address, if any. */
  windowAt(ipa: Gpa): RegisterWindow | undefined;
  /** A protected or guarded guest: no access without a syndrome is emulated. */
  needsSyndrome(): boolean;
  /** Set for a protected guest: the VMM no longer writes its registers once it has run. */
  readonly hidesRegisters: boolean;
  /** Set for a realm: HVC does not exist there. */
  readonly isRealm: boolean;
  /** The address of a device as the VMM knows it. */
  deviceAddress(ipa: Gpa): Gpa;
  /** The exit that stage 2 prepared when it stopped this vCPU. */
  stage2Exit(): VcpuExit;
}

export class Vcpu {
  readonly index: number;
  readonly cpu: Cpu;
  /** A debugger keeps it from running. */
  held = false;
  /** A debugger steps it: WFI and WFE, which may end at any time, end at once. */
  stepped = false;
  private readonly parts: VcpuParts;
  private on: boolean;
  private waiting = false;
  /** WFE: the wait also ends with the time slice. */
  private waitingForEvent = false;
  /** WFIT, WFET: the wait also ends when CNTVCT reaches this. */
  private waitDeadline: bigint | undefined;
  private closed = false;
  /** Takes the VMM's answer to a realm's host call. */
  private hostCall: ((values: readonly bigint[]) => void) | undefined;
  /** Instructions run before the last reset of the CPU. */
  private past = 0;

  constructor(parts: VcpuParts) {
    this.parts = parts;
    this.index = parts.index;
    this.cpu = parts.cpu;
    // PSCI: secondary vCPUs wait to be started.
    this.on = parts.index === 0;
  }

  /** Instructions run since creation; exact while the guest runs, too. */
  get instructions(): number {
    return this.past + this.cpu.instructions;
  }

  get poweredOn(): boolean {
    return this.on;
  }

  /** Powered on, and not waiting or with an interrupt pending that ends the wait. */
  get runnable(): boolean {
    if (this.held) return false;
    if (!this.on || !this.waiting) return this.on;
    // Time may have passed while others ran.
    this.cpu.timer.update();
    return this.waitOver();
  }

  /** A register by name: pc, x0..x30, or a system register's architectural name. EINVAL for any other; EPERM. */
  setRegister(name: string, value: bigint): void {
    if (this.parts.hidesRegisters && this.instructions > 0)
      throw new Errno('EPERM', `vCPU ${this.index} is a protected guest's, and has run`);
    const { state } = this.cpu;
    const general = /^x(\d+)$/.exec(name);
    if (name === 'pc') state.pc = value;
    else if (general && Number(general[1]) < 31) state.setX(Number(general[1]), value);
    else this.cpu.writeRegister(name, value);
  }

  /**
   * Where a virtual address leads at stage 1 now, without any effect; the guest's permissions do not matter.
   * Undefined where it leads nowhere.
   */
  locate(address: bigint): Gpa | undefined {
    const { mmu } = this.cpu;
    const low = Number(BigInt.asUintN(32, address));
    const high = Number(BigInt.asUintN(32, address >> 32n));
    const outcome = mmu.probe(low, high, ACCESS_READ, TLB_EL1);
    if (outcome === STOPPED) {
      // A table that the host took away: nobody runs who would need the exit.
      this.parts.stage2Exit();
      return undefined;
    }
    if (outcome !== TRANSLATED && (mmu.fault & FSC_KIND) !== FSC.permission) return undefined;
    return gpa(mmu.page + (low % PAGE_SIZE));
  }

  /** PSCI CPU_ON: at `entry`, EL1, MMU off, `context` in X0. */
  start(entry: bigint, context: bigint): void {
    this.past += this.cpu.instructions;
    this.cpu.reset(entry, context);
    this.on = true;
    this.waiting = false;
  }

  /** PSCI CPU_OFF. */
  stop(): void {
    this.on = false;
  }

  close(): void {
    this.closed = true;
  }

  /**
   * Runs at most `maxInstructions`. EBADF after the VM is gone. An MMIO exit of a load must be answered with
   * completeMmio() before the next run.
   */
  run(maxInstructions: number): VcpuExit {
    if (this.closed) throw new Errno('EBADF', `vCPU ${this.index} of a destroyed VM`);
    const { cpu, parts } = this;
    parts.entering(this);
    this.hostCall = undefined;
    const end = cpu.instructions + maxInstructions;
    for (;;) {
      if (!this.on || this.held) return WFI;
      cpu.timer.update();
      if (this.waiting) {
        if (!this.waitOver()) return WFI;
        this.waiting = false;
      }
      const allowed = cpu.prepare();
      if (allowed > 0) {
        const left = end - cpu.instructions;
        if (left <= 0) return BUDGET;
        cpu.begin(Math.min(allowed, left, this.untilTimer()));
        do parts.engine.run(cpu);
        while (cpu.goesOn());
      }
      const exit = cpu.takeExit();
      const outcome = exit && this.serve(exit);
      if (outcome) return outcome;
    }
  }

  /** The value that a load from MMIO gets. */
  completeMmio(value: bigint): void {
    this.cpu.completeMmio(value);
  }

  /** The VMM's answer to a host call: what its registers hold now. Without an exit before it, nothing. */
  completeHostCall(values: readonly bigint[]): void {
    this.hostCall?.(values);
    this.hostCall = undefined;
  }

  private waitOver(): boolean {
    if (this.stepped || this.cpu.wakeUpPending || this.waitingForEvent) return true;
    return this.waitDeadline !== undefined && this.cpu.timer.virtual.count() >= this.waitDeadline;
  }

  /** Instructions until a timer may fire; at least one. */
  private untilTimer(): number {
    const { clock } = this.parts;
    if (!clock.virtual) return HOST_CLOCK_POLL;
    const nanoseconds = this.cpu.timer.nextDeadlineTicks() * NS_PER_TICK - clock.now();
    return Math.max(1, Math.ceil(nanoseconds));
  }

  /** When this vCPU's next timer fires, in nanoseconds since power-on; Infinity where none is set. */
  nextDeadline(): number {
    if (!this.on || this.held) return Infinity;
    const wait = this.waiting && this.waitDeadline !== undefined ? Number(this.waitDeadline) : Infinity;
    return Math.min(this.cpu.timer.nextDeadlineTicks(), wait) * NS_PER_TICK;
  }

  /** Undefined where the guest goes on. */
  private serve(exit: CpuExit): VcpuExit | undefined {
    switch (exit.kind) {
      case 'mmio':
        return this.mmio(exit);
      case 'hvc':
      case 'smc': {
        if (exit.kind === 'hvc' && this.parts.isRealm) {
          this.stepBack();
          this.cpu.injectUndefined();
          return undefined;
        }
        const { cpu } = this;
        const regs = {
          get: (n: number) => cpu.state.x(n),
          set: (n: number, value: bigint) => cpu.state.setX(n, value),
        };
        return this.afterCall(this.parts.calls.handle({ conduit: exit.kind, vcpu: this.index, regs }));
      }
      case 'wfi':
        return this.wait(exit.event, exit.deadline);
      case 'debug':
        return { reason: 'debug', kind: exit.cause, address: exit.address };
      case 'stage2':
        return this.parts.stage2Exit();
    }
  }

  private wait(event: boolean, deadline: bigint | undefined): VcpuExit {
    this.waiting = true;
    this.waitingForEvent = event;
    this.waitDeadline = deadline;
    return WFI;
  }

  private mmio(exit: CpuExit & { kind: 'mmio' }): VcpuExit | undefined {
    if (!exit.syndrome.valid && this.parts.needsSyndrome()) {
      this.cpu.injectDataAbort(EXTERNAL_ABORT, exit.address);
      return undefined;
    }
    // KVM_RUN fails where the instruction has no syndrome that fits an MMIO exit; only 16 bytes do not fit here.
    if (exit.size === 16) return { reason: 'error', errno: 'ENOSYS' };
    const address = this.parts.deviceAddress(exit.ipa);
    const window = this.parts.windowAt(address);
    // A store needs no answer: it is done when the vCPU runs again, as in KVM.
    if (exit.write) this.cpu.completeMmio(0n);
    if (!window) return { reason: 'mmio', gpa: address, size: exit.size, write: exit.write, data: exit.data };
    const offset = address - window.base;
    if (exit.write) window.write(this.index, offset, exit.size, exit.data);
    else this.cpu.completeMmio(window.read(this.index, offset, exit.size));
    return undefined;
  }

  /** To the HVC or SMC that was just executed. */
  private stepBack(): void {
    const { state } = this.cpu;
    state.pc = BigInt.asUintN(64, state.pc - 4n);
  }

  private afterCall(outcome: CallOutcome): VcpuExit | undefined {
    switch (outcome.kind) {
      case 'handled':
        return undefined;
      case 'repeat':
        this.stepBack();
        return 'exit' in outcome ? outcome.exit : undefined;
      case 'abort':
        this.stepBack();
        this.cpu.injectDataAbort(EXTERNAL_ABORT, 0n);
        return undefined;
      case 'exit':
        if (outcome.reason === 'wfi') return this.wait(false, undefined);
        if (outcome.reason === 'cpu-off') return WFI;
        if (outcome.reason === 'slow') return BUDGET;
        if (outcome.reason === 'host-call') {
          this.hostCall = outcome.answer;
          return { reason: 'host-call', immediate: outcome.immediate, values: outcome.values };
        }
        return outcome;
    }
  }
}
