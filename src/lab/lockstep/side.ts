// One of the two machines: its vCPUs run in short steps, after each of which their registers are kept, and the machine
// stands still between two turns of its run loop. Neither changes what the guest does.

import type { Vcpu } from '../../hypervisor/index.ts';
import { Machine, type MachineEnd, type MachineOptions, type OpenVm, prepareVm } from '../../vmm/index.ts';
import type { Capture } from './capture.ts';
import { WatchedVcpu, type Watcher } from './watched-vcpu.ts';

/** A part of a run that is cut in more places: the one before capture number `capture`, which ends the run. */
export interface Cuts {
  readonly capture: number;
  /** Whether to keep the registers after so many instructions of that part. */
  at(instructions: number): boolean;
  /** Filled with those at its start and at the cuts. */
  readonly captures: Capture[];
  /** Filled with the words of the instructions that come next there, where a debugger may read them. */
  readonly words?: (number | undefined)[];
}

export interface SideOptions {
  /** Instructions between two captures of a vCPU. */
  readonly slice: number;
  /** Offset in the host's memory of 8 bytes that captures hold. */
  readonly watch?: number | undefined;
  readonly cuts?: Cuts | undefined;
  /** Console output. */
  readonly output?: ((bytes: Uint8Array) => undefined | Promise<void>) | undefined;
}

export class Side implements Watcher {
  /** Instructions of all vCPUs. */
  instructions = 0;
  /** How many captures there were. */
  taken = 0;
  /** Those that nobody has taken away. */
  readonly captures: Capture[] = [];
  /** The VM of the current boot. */
  vm: OpenVm | undefined;
  machine!: Machine;
  ended: MachineEnd | undefined;
  private readonly options: SideOptions;
  private pauseAt = 0;
  private partStart: number | undefined;
  private finished: Promise<unknown> | undefined;
  private failure: unknown;

  private constructor(options: SideOptions) {
    this.options = options;
  }

  /** Throws as Machine.create() does. */
  static async create(machine: MachineOptions, options: SideOptions): Promise<Side> {
    const side = new Side(options);
    side.machine = await Machine.create({ ...machine, clock: 'virtual', paused: false }, (config) => {
      const vm = prepareVm(config);
      side.vm = vm;
      return { ...vm, vcpus: vm.vcpus.map((vcpu) => new WatchedVcpu(vcpu, side)) };
    });
    if (options.output) side.machine.console.onOutput(options.output);
    side.machine.console.endInput();
    return side;
  }

  /** Runs so many instructions and to the end of a turn, or to the end of the machine. */
  async advance(instructions: number): Promise<void> {
    this.pauseAt = this.instructions + instructions;
    const paused = this.nextPause();
    if (!this.finished) {
      this.finished = this.machine.run().then(
        (end) => {
          this.ended = end;
        },
        (error: unknown) => {
          this.failure = error;
        },
      );
    } else this.machine.resume();
    await Promise.race([paused.end, this.finished]);
    paused.listener.dispose();
    if (this.failure !== undefined) throw this.failure;
  }

  private nextPause(): { end: Promise<void>; listener: { dispose(): void } } {
    let resolve = (): void => {};
    const end = new Promise<void>((settle) => {
      resolve = settle;
    });
    const listener = this.machine.on('state', (state) => {
      if (state === 'paused') resolve();
    });
    return { end, listener };
  }

  ran(instructions: number): void {
    this.instructions += instructions;
  }

  nextStop(vcpu: Vcpu): number {
    const { instructions } = vcpu;
    const { slice, cuts } = this.options;
    const whole = (Math.floor(instructions / slice) + 1) * slice;
    if (cuts?.capture !== this.taken) return whole;
    if (this.partStart === undefined) {
      this.partStart = instructions;
      this.cut(vcpu, cuts);
    }
    for (let at = instructions + 1; at < whole; at++) if (cuts.at(at - this.partStart)) return at;
    return whole;
  }

  keep(vcpu: Vcpu, within: boolean): void {
    const { slice, cuts } = this.options;
    if (cuts && within && vcpu.instructions % slice !== 0) this.cut(vcpu, cuts);
    else {
      if (!cuts || this.taken === cuts.capture) this.captures.push(this.capture(vcpu));
      this.taken++;
      if (cuts && this.taken > cuts.capture) this.machine.quit();
    }
  }

  private cut(vcpu: Vcpu, { captures, words }: Cuts): void {
    if (this.taken !== this.options.cuts?.capture) return;
    captures.push(this.capture(vcpu));
    words?.push(this.nextWord(vcpu));
  }

  private nextWord({ index, cpu }: Vcpu): number | undefined {
    const bytes = new Uint8Array(4);
    const debug = this.vm?.debugger;
    if (!debug?.isOpen || debug.vcpus[index]?.readVirtual(cpu.state.pc, bytes) !== 4) return undefined;
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  private capture(vcpu: Vcpu): Capture {
    const { watch } = this.options;
    return {
      vcpu: vcpu.index,
      instructions: vcpu.instructions,
      registers: vcpu.cpu.save(),
      memory: watch === undefined ? undefined : this.vm?.memory.u64[watch >>> 3],
    };
  }

  left(): void {
    if (this.instructions >= this.pauseAt) void this.machine.pause();
  }

  /** Ends the machine and lets go of its memory. */
  async dispose(): Promise<void> {
    this.machine.dispose();
    await this.finished;
  }
}
