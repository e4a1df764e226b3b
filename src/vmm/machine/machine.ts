// The machine as a library user holds it: made from options, run, paused, reset, ended. It connects the board,
// the clock, the console and the run loop, and decides what the end of a run means; it knows no device.

import type { VcpuExit } from '../../hypervisor/index.ts';
import { type Disposable, DisposableStore, type Log, PAGE_SIZE, silentLog } from '../../lib/index.ts';
import { BOARD_ROWS } from './board.ts';
import { loadFile, parseKernel } from './boot/index.ts';
import { HostClock, type MachineClock, VirtualClock } from './clock.ts';
import { MachineConsole } from './console.ts';
import { CrashWatch, type Verdict } from './crash-watch.ts';
import type { DmaCounts, PoolUse } from './dma-watch.ts';
import { openDrives } from './drives.ts';
import { Emitter, type Listener } from './emitter.ts';
import { Alarm, yieldToHost } from './event-loop.ts';
import { RAM_BASE } from './memory-map.ts';
import {
  checkFeatures,
  checkVcpuCount,
  type MachineOptions,
  parseBouncePool,
  parseMemorySize,
} from './options.ts';
import { Boot, type BootPlan } from './power-on.ts';
import {
  type MachineDebugger,
  type MmioGuardListing,
  type PageExplanation,
  type PrepareVm,
  prepareVm,
} from './prepare-vm.ts';
import { type ProtectionStatus, ProtectionWatch } from './protection-watch.ts';
import { type FillRandom, hostRandom, seededRandom } from './random.ts';
import { type LoopStop, RunLoop } from './run-loop.ts';
import { virtioRows } from './virtio-rows.ts';

export type MachineState = 'created' | 'running' | 'paused' | 'ended';

/** How a run ended; `status` is the process exit status for it. */
export interface MachineEnd {
  readonly reason: 'poweroff' | 'halt' | 'reset' | 'quit' | 'crash' | 'failure';
  readonly status: 0 | 1 | 3;
  /** One sentence for a person. */
  readonly message: string;
}

export interface MachineEvents {
  state: MachineState;
  /** The machine starts anew, asked by the guest or by us. */
  reset: { readonly cause: 'guest' | 'host' };
  /** The power button was pressed. */
  powerdown: Record<string, never>;
  /** A breakpoint, watchpoint or step; the machine is about to pause. */
  debug: { readonly vcpu: number; readonly exit: VcpuExit & { readonly reason: 'debug' } };
  end: MachineEnd;
}

export interface MachineStats {
  /** Guest instructions of all vCPUs, over all resets. */
  readonly instructions: number;
  /** Real time spent running. */
  readonly wallSeconds: number;
  readonly guestSeconds: number;
  /** By reason. */
  readonly exits: Readonly<Record<string, number>>;
  /** What the engine and the CPUs counted: tlbMisses, regionsCompiled and more. */
  readonly counters: Readonly<Record<string, number>>;
  /** How a protected guest stands now, and what it started from (boot files by address, with their SHA-256). */
  readonly protection?: {
    readonly kind: ProtectionStatus['kind'];
    readonly privatePages: number;
    readonly sharedPages: number;
    readonly guardedPages: number;
    readonly guardDenials: number;
    /**
     * What devices show of the pool through which the guest bounces DMA; a realm makes its own, and `pages` are then all
     * that it shares.
     */
    readonly bouncePool: PoolUse & { readonly pages: number };
    readonly dma: DmaCounts;
    readonly payload: ReturnType<ProtectionStatus['payload']>;
    /** Of a realm. */
    readonly initialMeasurement?: string;
  };
}

/** The date of virtual-clock runs: 2025-01-01 00:00 UTC. */
const VIRTUAL_EPOCH = 1735689600;
const VIRTUAL_SEED = 0x52494e47;

type Counts = Record<string, number>;

function sum(one: Counts, other: Counts): Counts {
  const both = { ...one };
  for (const [name, count] of Object.entries(other)) both[name] = (both[name] ?? 0) + count;
  return both;
}

export class Machine implements Disposable {
  readonly console = new MachineConsole();
  private readonly plan: BootPlan;
  private readonly prepare: PrepareVm;
  private readonly log: Log;
  private readonly clock: MachineClock;
  private readonly random: FillRandom;
  private readonly restartOnReset: boolean;
  private readonly emitter = new Emitter<MachineEvents>();
  private readonly owned: DisposableStore;
  private readonly watch = new CrashWatch();
  private protectionWatch = new ProtectionWatch();
  private readonly gate = new Alarm();
  private readonly past = { instructions: 0, wallMs: 0, exits: {} as Counts, counters: {} as Counts };

  private boot: Boot;
  private loop: RunLoop;
  private currentState: MachineState = 'created';
  private pauseWanted: boolean;
  private readonly stopWaiters: (() => void)[] = [];
  private resetWanted = false;
  private ending: MachineEnd | undefined;
  private finished: Promise<MachineEnd> | undefined;
  private runningSince: number | undefined;
  private eventSources = 0;

  /** Throws UserError where the options or the files do not make a machine. `prepare` is for tests. */
  static async create(options: MachineOptions, prepare: PrepareVm = prepareVm): Promise<Machine> {
    const owned = new DisposableStore();
    try {
      return new Machine(await Machine.plan(options, owned), options, prepare, owned);
    } catch (error) {
      owned.dispose();
      throw error;
    }
  }

  private static async plan(options: MachineOptions, owned: DisposableStore): Promise<BootPlan> {
    const memoryBytes = parseMemorySize(options.memory ?? '1G');
    const kernelFile = await loadFile('kernel', options.kernel);
    return {
      kernel: await parseKernel(kernelFile.name, kernelFile.bytes, { base: RAM_BASE, size: memoryBytes }),
      initrd: options.initrd === undefined ? undefined : await loadFile('initrd', options.initrd),
      bootargs: options.append ?? '',
      memoryBytes,
      vcpus: checkVcpuCount(options.smp ?? 1),
      gic: options.gic ?? 3,
      protect: options.protect ?? 'none',
      bouncePoolBytes: parseBouncePool(options.bouncePool, options.protect ?? 'none', memoryBytes),
      features: checkFeatures(options.cpu ?? {}),
      engine: options.engine ?? 'auto',
      history: options.history ?? false,
      profile: options.profile ?? false,
      rows: [
        ...BOARD_ROWS,
        ...virtioRows(
          [...(await openDrives(options.drives ?? [], owned)), ...(options.virtio ?? [])],
          options.iommu,
        ),
      ],
    };
  }

  private constructor(plan: BootPlan, options: MachineOptions, prepare: PrepareVm, owned: DisposableStore) {
    this.owned = owned;
    const virtual = options.clock !== 'host';
    this.plan = plan;
    this.prepare = prepare;
    this.log = options.log ?? silentLog;
    this.pauseWanted = options.paused ?? false;
    this.restartOnReset = options.onReset !== 'exit';
    this.clock = virtual
      ? new VirtualClock(options.epochSeconds ?? VIRTUAL_EPOCH)
      : new HostClock(options.epochSeconds ?? Date.now() / 1000);
    this.random = virtual ? seededRandom(VIRTUAL_SEED) : hostRandom;
    this.owned.add(this.console.onInput(() => this.loop.wake()));
    this.owned.add(
      this.console.onOutput((bytes) => {
        this.watch.feed(bytes, this.clock.now());
        this.boot.dmaWatch?.heard(bytes);
        return undefined;
      }),
    );
    this.boot = this.powerOn();
    this.loop = this.makeLoop();
  }

  get state(): MachineState {
    return this.currentState;
  }

  on<K extends keyof MachineEvents>(event: K, listener: Listener<MachineEvents[K]>): Disposable {
    return this.emitter.on(event, listener);
  }

  /** Starts, or goes on after pause(). Settles when the machine has ended, with the same value for every caller. */
  run(): Promise<MachineEnd> {
    if (this.finished) this.resume();
    else this.finished = this.main();
    return this.finished;
  }

  /** Goes on after pause(), or where the machine was made paused. */
  resume(): void {
    this.pauseWanted = false;
    this.gate.wake();
  }

  /** Stops between two instructions; settles once the guest stands still. */
  async pause(): Promise<void> {
    if (this.currentState !== 'running') return;
    this.pauseWanted = true;
    this.loop.stop();
    await new Promise<void>((resolve) => this.stopWaiters.push(resolve));
  }

  /** As the reset button: all state but the disks' is lost, and the kernel starts anew. */
  reset(): void {
    this.resetWanted = true;
    this.interrupt();
  }

  /** Presses the power button; a guest that listens shuts down. */
  powerdown(): void {
    this.boot.board.pressPowerButton();
    this.emitter.emit('powerdown', {});
    this.loop.wake();
  }

  /** Ends the run now, whatever the guest does. */
  quit(): void {
    this.end({ reason: 'quit', status: 0, message: 'ended by request' });
  }

  /** Says that something outside may still wake a guest that only waits, until disposed. */
  expectEvents(): Disposable {
    this.eventSources++;
    return { dispose: () => this.eventSources-- };
  }

  /** The vCPUs as a debugger outside the guest sees them; a reset makes others. */
  get debugger(): MachineDebugger {
    const { debugger: face } = this.boot;
    if (!face) throw new Error('this hypervisor has no face for a debugger');
    return face;
  }

  /**
   * Who may read, write, execute, map, DMA, tag, migrate or debug the page of a guest-physical address now, and by
   * which rule. Throws RangeError for what is no address.
   */
  explain(address: number): PageExplanation {
    if (!Number.isSafeInteger(address) || address < 0 || address >= 2 ** 52)
      throw new RangeError(`${address} is no guest-physical address`);
    return this.boot.explain(address);
  }

  /** What compiled code has run since the last reset, the hottest first; undefined unless MachineOptions.profile. */
  profile(): ReturnType<NonNullable<Boot['profile']>> {
    return this.boot.profile?.();
  }

  /** Where the guest lets the VMM emulate devices. */
  mmioGuard(): MmioGuardListing {
    return this.boot.mmioGuard?.() ?? { enforced: false, enrolled: false, denials: 0, pages: [] };
  }

  stats(): MachineStats {
    const running = this.runningSince === undefined ? 0 : performance.now() - this.runningSince;
    return {
      instructions: this.past.instructions + this.instructions(),
      wallSeconds: (this.past.wallMs + running) / 1000,
      guestSeconds: this.clock.now() / 1e9,
      exits: sum(this.past.exits, this.loop.exits),
      counters: sum(this.past.counters, this.boot.counters()),
      ...this.protection(),
    };
  }

  private protection(): Pick<MachineStats, 'protection'> {
    const { protection, dmaWatch, bouncePoolBytes } = this.boot;
    if (!protection || !dmaWatch) return {};
    const pages = protection.countPages();
    const { kind, guardedPages, guardDenials } = protection;
    const poolPages = bouncePoolBytes === undefined ? pages.shared : bouncePoolBytes / PAGE_SIZE;
    return {
      protection: {
        kind,
        privatePages: pages.private,
        sharedPages: pages.shared,
        guardedPages,
        guardDenials,
        bouncePool: { pages: poolPages, ...dmaWatch.pool },
        dma: dmaWatch.counts,
        payload: protection.payload(),
        ...(protection.initialMeasurement === undefined
          ? {}
          : { initialMeasurement: protection.initialMeasurement }),
      },
    };
  }

  /** Ends the run and lets go of the guest's memory. */
  dispose(): void {
    this.quit();
    const release = (): void => {
      this.owned.dispose();
      this.emitter.clear();
      this.boot.dispose();
    };
    if (this.finished) this.finished.then(release, release);
    else release();
  }

  private async main(): Promise<MachineEnd> {
    this.setState(this.pauseWanted ? 'paused' : 'running');
    // What the caller of run() does next comes before the first instruction, always.
    await yieldToHost();
    try {
      for (;;) {
        for (const stopped of this.stopWaiters.splice(0)) stopped();
        if (this.ending) break;
        if (this.resetWanted) this.restart('host');
        else if (this.pauseWanted) await this.stayPaused();
        else {
          this.setState('running');
          await this.runOnce();
        }
      }
      await this.console.flush();
    } finally {
      this.console.close();
      this.setState('ended');
      for (const stopped of this.stopWaiters.splice(0)) stopped();
    }
    this.emitter.emit('end', this.ending);
    return this.ending;
  }

  private async runOnce(): Promise<void> {
    this.runningSince = performance.now();
    try {
      this.handle(await this.loop.run());
    } finally {
      this.past.wallMs += performance.now() - this.runningSince;
      this.runningSince = undefined;
    }
  }

  private async stayPaused(): Promise<void> {
    this.setState('paused');
    while (this.pauseWanted && !this.ending) {
      await this.gate.sleep(Infinity);
      if (this.resetWanted) this.restart('host');
    }
  }

  private handle(stop: LoopStop): void {
    switch (stop.kind) {
      case 'stopped':
        return;
      case 'ended': {
        const ignorance = this.ignorance(false);
        const verdict = this.watch.verdict(this.clock.now());
        if (ignorance !== undefined) this.crash(ignorance);
        else if (verdict) this.endWith(verdict);
        return;
      }
      case 'stuck':
        this.crash(this.ignorance(true) ?? 'every CPU waits for an interrupt that cannot come');
        return;
      case 'exit':
        this.handleExit(stop.vcpu, stop.exit);
        return;
    }
  }

  private handleExit(vcpu: number, exit: VcpuExit): void {
    switch (exit.reason) {
      case 'system-event':
        if (exit.event === 'shutdown')
          this.end({ reason: 'poweroff', status: 0, message: 'the guest powered off' });
        else if (exit.event === 'crash') this.crash('the guest crashed');
        else this.guestReset();
        return;
      case 'debug':
        this.pauseWanted = true;
        this.emitter.emit('debug', { vcpu, exit });
        return;
      case 'hypercall':
        // SMCCC NOT_SUPPORTED (DEN0028, 5.2): nothing on this board offers a service of its own.
        this.boot.vcpus[vcpu].setRegister('x0', -1n);
        return;
      case 'host-call':
        // The same, said to a realm.
        this.boot.vcpus[vcpu].completeHostCall([BigInt.asUintN(64, -1n)]);
        return;
      case 'memory-fault':
        this.fail(`vCPU ${vcpu}: no memory behind 0x${exit.gpa.toString(16)} (${exit.errno})`);
        return;
      case 'error':
        if (exit.errno === 'ENOSYS')
          this.crash(`vCPU ${vcpu}: the guest touched a device with an instruction that cannot be emulated`);
        else this.fail(`vCPU ${vcpu} cannot run: ${exit.errno}`);
        return;
      default:
        this.fail(`vCPU ${vcpu}: unexpected exit '${exit.reason}'`);
    }
  }

  /** Why a protected guest cannot go on, where that is because it does not know. */
  private ignorance(ended: boolean): string | undefined {
    const { protection } = this.boot;
    return protection && this.protectionWatch.verdict(protection, this.clock.now(), ended);
  }

  private guestReset(): void {
    const ignorance = this.ignorance(true);
    const verdict = this.watch.guestReset(this.clock.now());
    if (ignorance !== undefined) this.crash(ignorance);
    else if (verdict) this.endWith(verdict);
    else if (this.restartOnReset) this.restart('guest');
    else this.end({ reason: 'reset', status: 0, message: 'the guest reset itself' });
  }

  private restart(cause: 'guest' | 'host'): void {
    this.resetWanted = false;
    this.past.exits = sum(this.past.exits, this.loop.exits);
    this.past.counters = sum(this.past.counters, this.boot.counters());
    this.past.instructions += this.instructions();
    this.boot.dispose();
    this.clock.dropTimers();
    this.boot = this.powerOn();
    this.protectionWatch = new ProtectionWatch();
    this.loop = this.makeLoop();
    this.emitter.emit('reset', { cause });
  }

  private powerOn(): Boot {
    return new Boot(this.plan, {
      prepare: this.prepare,
      clock: this.clock,
      serial: this.console,
      random: this.random,
      log: this.log,
      wake: () => this.loop?.wake(),
    });
  }

  private makeLoop(): RunLoop {
    const { boot } = this;
    return new RunLoop({
      vcpus: boot.vcpus,
      bus: boot.board.bus,
      clock: this.clock,
      nextDeadline: () => boot.nextDeadline(),
      beforeTurn: () => boot.board.poll(),
      afterTurn: (idle) => {
        const held = this.console.flush();
        if (idle) this.watch.sawIdle();
        if (boot.protection) this.protectionWatch.saw(boot.protection, idle, this.clock.now());
        if (held) return held;
        return this.ignorance(false) !== undefined || this.watch.verdict(this.clock.now()) !== undefined;
      },
      expectsEvents: () =>
        boot.vcpus.some((vcpu) => vcpu.poweredOn) && (this.eventSources > 0 || !this.console.inputEnded),
    });
  }

  private instructions(): number {
    return this.boot.vcpus.reduce((sum, vcpu) => sum + vcpu.instructions, 0);
  }

  private endWith(verdict: Verdict): void {
    if (verdict.crashed) this.crash(verdict.message);
    else this.end({ reason: 'halt', status: 0, message: verdict.message });
  }

  private crash(message: string): void {
    this.end({ reason: 'crash', status: 3, message });
  }

  private fail(message: string): void {
    this.end({ reason: 'failure', status: 1, message });
  }

  /** The first reason counts. */
  private end(end: MachineEnd): void {
    this.ending ??= end;
    this.interrupt();
  }

  private interrupt(): void {
    this.loop.stop();
    this.gate.wake();
  }

  private setState(state: MachineState): void {
    if (this.currentState === state) return;
    this.currentState = state;
    this.emitter.emit('state', state);
  }
}
