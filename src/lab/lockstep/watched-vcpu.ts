// A vCPU that runs in short steps, between which somebody looks at it. That changes nothing of what the guest does: with
// the virtual clock a step that ends early is only looked at.

import type { Vcpu } from '../../hypervisor/index.ts';
import type { MachineVcpu } from '../../vmm/index.ts';

type RunExit = ReturnType<MachineVcpu['run']>;

export interface Watcher {
  /** Where the vCPU's next step ends, as its count of instructions. */
  nextStop(vcpu: Vcpu): number;
  /** After a step of so many instructions. */
  ran?(instructions: number): void;
  /** After a step at whose end registers can be looked at; `within` a run of the vCPU. */
  keep(vcpu: Vcpu, within: boolean): void;
  /** A run of the vCPU is over. */
  left?(): void;
}

export class WatchedVcpu implements MachineVcpu {
  private readonly vcpu: Vcpu;
  private readonly watcher: Watcher;

  constructor(vcpu: Vcpu, watcher: Watcher) {
    this.vcpu = vcpu;
    this.watcher = watcher;
  }

  get instructions(): number {
    return this.vcpu.instructions;
  }
  get poweredOn(): boolean {
    return this.vcpu.poweredOn;
  }
  get runnable(): boolean {
    return this.vcpu.runnable;
  }
  completeMmio(value: bigint): void {
    this.vcpu.completeMmio(value);
  }
  completeHostCall(values: readonly bigint[]): void {
    this.vcpu.completeHostCall(values);
  }
  setRegister(name: string, value: bigint): void {
    this.vcpu.setRegister(name, value);
  }

  run(maxInstructions: number): RunExit {
    const { vcpu, watcher } = this;
    const end = vcpu.instructions + maxInstructions;
    for (;;) {
      const stop = Math.min(end, watcher.nextStop(vcpu));
      const before = vcpu.instructions;
      const exit = vcpu.run(stop - before);
      watcher.ran?.(vcpu.instructions - before);
      // An access to a device is not over: its instruction runs once more with the answer.
      if (exit.reason !== 'mmio') watcher.keep(vcpu, exit.reason === 'budget' && stop < end);
      if (exit.reason !== 'budget' || stop === end) {
        watcher.left?.();
        return exit;
      }
    }
  }
}
