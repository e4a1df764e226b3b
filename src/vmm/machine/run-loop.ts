// Runs all vCPUs on one thread, round robin with fixed instruction budgets, serving their exits; sleeps or skips
// time when all wait; gives the host's event loop a turn every few milliseconds. With the virtual clock nothing
// here depends on real time, except between which two slices the host's events arrive.

import type { VcpuExit } from '../../hypervisor/index.ts';
import type { Bus } from './bus.ts';
import { type MachineClock, VirtualClock } from './clock.ts';
import { Alarm, yieldToHost } from './event-loop.ts';
import type { MachineVcpu } from './prepare-vm.ts';

/** Why run() returned. */
export type LoopStop =
  /** stop() was called. */
  | { readonly kind: 'stopped' }
  /** An exit that the loop does not serve itself; run() may be called again. */
  | { readonly kind: 'exit'; readonly vcpu: number; readonly exit: VcpuExit }
  /** All vCPUs wait, no timer is set, and no event can come. */
  | { readonly kind: 'stuck' }
  /** afterTurn() said so. */
  | { readonly kind: 'ended' };

export interface RunLoopOptions {
  readonly vcpus: readonly MachineVcpu[];
  readonly bus: Pick<Bus, 'read' | 'write'>;
  readonly clock: MachineClock;
  /** The earliest vCPU timer, in nanoseconds since power-on. */
  nextDeadline(): number;
  /** Before each turn: host events become visible to the guest here and nowhere else. */
  beforeTurn(): void;
  /** After each turn; `idle`: all vCPUs wait. True ends the run; a promise holds the machine until it settles. */
  afterTurn(idle: boolean): boolean | Promise<void>;
  /** False where nothing outside can wake the guest any more. */
  expectsEvents(): boolean;
}

/**
 * Instructions in a row for one vCPU. Alone it runs long, since a change of vCPU costs; among others it must
 * not make them wait long for a lock that it holds.
 */
const BUDGET_ALONE = 1_000_000;
const BUDGET_SHARED = 50_000;
/** A served exit costs as much real time as this many instructions, so that it uses up the budget of a slice. */
const EXIT_COST = 1000;
/** Real time between turns of the event loop; each costs about 10 us. */
const YIELD_MS = 5;
/** Timers of the host are no finer than this, so that shorter waits only yield. */
const SHORTEST_SLEEP_NS = 1e6;

export class RunLoop {
  /** How often each kind of exit was taken. */
  readonly exits: Partial<Record<VcpuExit['reason'], number>> = {};
  private readonly options: RunLoopOptions;
  private readonly budget: number;
  private readonly alarm = new Alarm();
  private stopping = false;
  private next = 0;

  constructor(options: RunLoopOptions) {
    this.options = options;
    this.budget = options.vcpus.length === 1 ? BUDGET_ALONE : BUDGET_SHARED;
  }

  /** Makes run() return before the next turn. */
  stop(): void {
    this.stopping = true;
    this.alarm.wake();
  }

  /** Something happened that a waiting guest may want to see. */
  wake(): void {
    this.alarm.wake();
  }

  async run(): Promise<LoopStop> {
    const { clock, options } = this;
    this.stopping = false;
    clock.resume();
    try {
      let yielded = performance.now();
      while (!this.stopping) {
        this.alarm.clear();
        clock.fireTimers();
        options.beforeTurn();
        const stop = this.turn();
        if (stop) {
          options.afterTurn(false);
          return stop;
        }
        const idle = !options.vcpus.some((vcpu) => vcpu.runnable);
        const after = options.afterTurn(idle);
        if (after === true) return { kind: 'ended' };
        if (after) await after;
        if (idle && !this.alarm.woken && !(await this.wait())) return { kind: 'stuck' };
        if (performance.now() - yielded >= YIELD_MS) {
          await yieldToHost();
          yielded = performance.now();
        }
      }
      return { kind: 'stopped' };
    } finally {
      clock.pause();
    }
  }

  /** Each runnable vCPU once, from where the last turn ended. */
  private turn(): LoopStop | undefined {
    const { vcpus } = this.options;
    for (let i = 0; i < vcpus.length; i++) {
      const index = this.next;
      this.next = (index + 1) % vcpus.length;
      if (!vcpus[index].runnable) continue;
      const exit = this.slice(vcpus[index]);
      if (exit) return { kind: 'exit', vcpu: index, exit };
      this.clock.fireTimers();
    }
    return undefined;
  }

  /** Runs one vCPU until its budget, a wait, or an exit that is not ours to serve. */
  private slice(vcpu: MachineVcpu): VcpuExit | undefined {
    const { bus } = this.options;
    let end = vcpu.instructions + this.sliceBudget();
    for (;;) {
      const left = end - vcpu.instructions;
      if (left <= 0) return undefined;
      const exit = this.enter(vcpu, left);
      this.exits[exit.reason] = (this.exits[exit.reason] ?? 0) + 1;
      switch (exit.reason) {
        case 'mmio':
          if (exit.write) bus.write(exit.gpa, exit.size, exit.data);
          else vcpu.completeMmio(bus.read(exit.gpa, exit.size));
          end -= EXIT_COST;
          break;
        case 'budget':
        case 'wfi':
          return undefined;
        default:
          return exit;
      }
    }
  }

  private enter(vcpu: MachineVcpu, instructions: number): VcpuExit {
    const { clock } = this;
    if (!(clock instanceof VirtualClock)) return vcpu.run(instructions);
    clock.enter(vcpu);
    try {
      return vcpu.run(instructions);
    } finally {
      clock.leave();
    }
  }

  /** Timers cut the slice short, so that an alarm is late by no more than what the other vCPUs run. */
  private sliceBudget(): number {
    if (!this.clock.virtual) return this.budget;
    const untilDeadline = Math.ceil(this.deadline() - this.clock.now());
    return Math.max(1, Math.min(this.budget, untilDeadline));
  }

  private deadline(): number {
    return Math.min(this.options.nextDeadline(), this.clock.nextTimer());
  }

  /** All vCPUs wait: to the next deadline, or for an event. False where neither can come. */
  private async wait(): Promise<boolean> {
    const { clock } = this;
    const deadline = this.deadline();
    if (deadline === Infinity) {
      if (!this.options.expectsEvents()) return false;
      await this.alarm.sleep(Infinity);
    } else if (clock instanceof VirtualClock) {
      clock.jumpTo(deadline);
    } else {
      const nanoseconds = deadline - clock.now();
      if (nanoseconds >= SHORTEST_SLEEP_NS) await this.alarm.sleep(nanoseconds / 1e6);
      else if (nanoseconds > 0) await yieldToHost();
    }
    return true;
  }

  private get clock(): MachineClock {
    return this.options.clock;
  }
}
