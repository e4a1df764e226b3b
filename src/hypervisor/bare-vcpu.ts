// A vCPU without a board: no interrupt controller, no calls, no clock. It runs a few instructions of the guest of one
// VM's memory after another, for callers that want the real CPU and nothing else (replays, attacks).

import { Cpu, Interpreter, type Stage2 } from '../hardware/index.ts';
import { CallDispatcher } from './calls/index.ts';
import type { Host } from './slots/index.ts';
import type { VcpuStage2, VmMemory } from './stage2/index.ts';
import { Vcpu } from './vcpu.ts';

/** Bytes of the system area that it needs; Host.create() takes them as `systemBytes`. */
export const BARE_VCPU_BYTES = 4 << 20;

export class BareVcpu {
  private readonly cpu: Cpu;
  private readonly engine: Interpreter;
  private stage2: VcpuStage2 | undefined;
  private memory: VmMemory | undefined;
  private readonly tlb = {
    dropFrame: (frame: Parameters<Cpu['dropFrame']>[0]) => this.cpu.dropFrame(frame),
    dropAll: () => this.cpu.dropAll(),
    dropWrites: () => this.cpu.dropWrites(),
  };

  constructor(host: Host) {
    const stage2: Stage2 = {
      translate: (ipa, access, inWalk, out) => this.attached.translate(ipa, access, inWalk, out),
    };
    this.engine = new Interpreter(host.memory);
    this.cpu = new Cpu({ memory: host.memory, stage2, counter: { ticks: () => 0 } });
  }

  private get attached(): VcpuStage2 {
    if (this.stage2 === undefined) throw new Error('a vCPU that belongs to no VM ran');
    return this.stage2;
  }

  /** From now on it is the only vCPU of this VM, at reset: EL1h, MMU off, PC 0. */
  attach(memory: VmMemory): Vcpu {
    this.memory?.removeTlb(this.tlb);
    this.memory = memory;
    this.stage2 = memory.createVcpuStage2(0);
    memory.addTlb(this.tlb);
    this.cpu.dropAll();
    const vcpu = new Vcpu({
      index: 0,
      cpu: this.cpu,
      engine: this.engine,
      clock: { now: () => 0, virtual: true },
      calls: new CallDispatcher([]),
      entering: () => {},
      windowAt: () => undefined,
      needsSyndrome: () => false,
      hidesRegisters: false,
      isRealm: false,
      deviceAddress: (ipa) => ipa,
      stage2Exit: () => {
        const exit = this.attached.takeExit();
        if (!exit) throw new Error('stage 2 stopped a vCPU without an exit');
        return exit;
      },
    });
    vcpu.start(0n, 0n);
    return vcpu;
  }
}
