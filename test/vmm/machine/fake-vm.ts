// A hypervisor for tests of the machine: vCPUs that play a script of exits, RAM that remembers what was loaded.

import type { VcpuExit } from '../../../src/hypervisor/index.ts';
import { gpa } from '../../../src/lib/index.ts';
import { RAM_BASE, UART } from '../../../src/vmm/machine/memory-map.ts';
import type { MachineVcpu, PreparedVm, VmConfig } from '../../../src/vmm/machine/prepare-vm.ts';

/** What a scripted vCPU does next: run so many instructions, then leave with this exit. */
export interface Step {
  readonly run: number;
  readonly exit?: VcpuExit;
}

export const store = (address: number, data: number, size: 1 | 2 | 4 | 8 = 4): Step => ({
  run: 1,
  exit: { reason: 'mmio', gpa: gpa(address), size, write: true, data: BigInt(data) },
});
export const load = (address: number, size: 1 | 2 | 4 | 8 = 4): Step => ({
  run: 1,
  exit: { reason: 'mmio', gpa: gpa(address), size, write: false, data: 0n },
});
export const wfi: Step = { run: 1, exit: { reason: 'wfi' } };
export const event = (name: 'shutdown' | 'reset' | 'crash'): Step => ({
  run: 1,
  exit: { reason: 'system-event', event: name, flags: 0n },
});
export function* print(text: string): Generator<Step, void> {
  for (const character of text) yield store(UART.base, character.charCodeAt(0), 1);
}

/** A script; `loaded()` is what the last load returned. */
export type Script = (cpu: FakeVcpu) => Generator<Step, void>;

export class FakeVcpu implements MachineVcpu {
  instructions = 0;
  poweredOn = true;
  readonly registers: Record<string, bigint> = {};
  /** What the last load gave. */
  loaded = 0n;
  /** What the VMM answered to the last host call. */
  answered: readonly bigint[] | undefined;
  /** Guest time at which a wait ends. */
  timer = Infinity;
  private readonly clock: { now(): number };
  private readonly pending: () => boolean;
  private readonly steps: Generator<Step, void>;
  private left: Step | undefined;
  private waiting = false;

  constructor(script: Script, clock: { now(): number }, pending: () => boolean) {
    this.clock = clock;
    this.pending = pending;
    this.steps = script(this);
  }

  get runnable(): boolean {
    return this.poweredOn && (!this.waiting || this.pending() || this.clock.now() >= this.timer);
  }

  run(maxInstructions: number): VcpuExit {
    if (this.waiting && this.clock.now() >= this.timer) this.timer = Infinity;
    this.waiting = false;
    let budget = maxInstructions;
    for (;;) {
      const step: Step = this.left ?? this.steps.next().value ?? { run: Infinity };
      const ran = Math.min(budget, step.run);
      this.instructions += ran;
      budget -= ran;
      if (ran < step.run) {
        this.left = { ...step, run: step.run - ran };
        return { reason: 'budget' };
      }
      const { exit } = step;
      this.left = undefined;
      if (exit?.reason === 'wfi') this.waiting = true;
      if (exit) return exit;
    }
  }

  completeMmio(value: bigint): void {
    this.loaded = value;
  }

  completeHostCall(values: readonly bigint[]): void {
    this.answered = values;
  }

  setRegister(name: string, value: bigint): void {
    this.registers[name] = value;
  }
}

export class FakeHypervisor {
  /** Every VM that was made, in order. */
  readonly vms: {
    config: VmConfig;
    vcpus: FakeVcpu[];
    ram: Uint8Array;
    disposed: boolean;
    lines: boolean[];
  }[] = [];
  private readonly scripts: Script[];

  /** Script i is played by vCPU i of every VM. */
  constructor(...scripts: Script[]) {
    this.scripts = scripts;
  }

  readonly prepare = (config: VmConfig): PreparedVm => {
    const lines: boolean[] = [];
    const vcpus = this.scripts.map(
      (script) => new FakeVcpu(script, config.clock, () => lines.some((level) => level)),
    );
    const made = { config, vcpus, ram: new Uint8Array(config.memoryBytes), disposed: false, lines };
    this.vms.push(made);
    return {
      vcpus,
      vm: {
        devicePort: () => ({ read: () => undefined, write: () => undefined }),
        irqLine: (spi) => ({
          set: (level) => {
            lines[spi] = level;
          },
        }),
        signalMsi: () => {},
        nextDeadline: () => Math.min(...vcpus.map((vcpu) => vcpu.timer)),
        dispose: () => {
          made.disposed = true;
        },
      },
      counters: () => ({ tlbMisses: 1 }),
      explain: () => {
        throw new Error('a fake VM has nothing to explain');
      },
      load: (address, bytes) => made.ram.set(bytes, address - RAM_BASE),
    };
  };
}

/** The smallest thing that passes for a kernel. */
export function tinyImage(): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(16, 64n, true);
  view.setUint32(56, 0x644d5241, true);
  return bytes;
}
