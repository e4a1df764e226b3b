// GICC_*: the memory-mapped CPU interface of a GICv2 (IHI0048 4.4), without the Security Extensions. It turns
// offsets into operations on the accessing vCPU's CpuInterface; what they do to interrupts is GicV2's.

import type { CpuInterface, CpuInterfaceState } from '../cpu-interface.ts';
import { GROUP0, GROUP1 } from '../table.ts';

const CTLR = 0x0000;
const PMR = 0x0004;
const BPR = 0x0008;
const IAR = 0x000c;
const EOIR = 0x0010;
const RPR = 0x0014;
const HPPIR = 0x0018;
const ABPR = 0x001c;
const AIAR = 0x0020;
const AEOIR = 0x0024;
const AHPPIR = 0x0028;
const APR0 = 0x00d0;
const NSAPR0 = 0x00e0;
const IIDR = 0x00fc;
const DIR = 0x1000;

const CTLR_ACKCTL = 1 << 2;
const CTLR_FIQEN = 1 << 3;
const CTLR_CBPR = 1 << 4;
const CTLR_EOIMODE = 1 << 9;
/** Product 'K', architecture version 2, implementer Arm, as KVM answers. */
const IIDR_VALUE = (0x4b << 20) | (2 << 16) | 0x43b;

export interface CpuRegistersActions {
  /** The interrupt, with an SGI's sender in bits 12:10. */
  acknowledge(vcpu: number, register: 'IAR' | 'AIAR'): number;
  highestPending(vcpu: number, register: 'IAR' | 'AIAR'): number;
  end(vcpu: number, groups: number, intid: number): void;
  deactivate(vcpu: number, intid: number): void;
  update(vcpu: number): void;
}

export interface GicCpu extends CpuInterfaceState {
  ackControl: boolean;
  fiqEnable: boolean;
}

export class CpuRegisters {
  /** GICC_CTLR.AckCtl and FIQEn of each vCPU; the other bits are the CpuInterface's. */
  readonly ackControl: boolean[];
  readonly fiqEnable: boolean[];
  private readonly cpus: readonly CpuInterface[];
  private readonly actions: CpuRegistersActions;

  constructor(cpus: readonly CpuInterface[], actions: CpuRegistersActions) {
    this.cpus = cpus;
    this.actions = actions;
    this.ackControl = cpus.map(() => false);
    this.fiqEnable = cpus.map(() => false);
  }

  reset(): void {
    for (const cpu of this.cpus) cpu.reset();
    this.ackControl.fill(false);
    this.fiqEnable.fill(false);
  }

  read(vcpu: number, offset: number): number {
    const cpu = this.cpus[vcpu];
    switch (offset) {
      case IAR:
        return this.actions.acknowledge(vcpu, 'IAR');
      case AIAR:
        return this.actions.acknowledge(vcpu, 'AIAR');
      case HPPIR:
        return this.actions.highestPending(vcpu, 'IAR');
      case AHPPIR:
        return this.actions.highestPending(vcpu, 'AIAR');
      case CTLR:
        return (
          cpu.groups |
          (this.ackControl[vcpu] ? CTLR_ACKCTL : 0) |
          (this.fiqEnable[vcpu] ? CTLR_FIQEN : 0) |
          (cpu.commonBinaryPoint ? CTLR_CBPR : 0) |
          (cpu.eoiMode ? CTLR_EOIMODE : 0)
        );
      case PMR:
        return cpu.priorityMask;
      case BPR:
        return cpu.bpr0;
      case ABPR:
        return cpu.visibleBpr1();
      case RPR:
        return cpu.runningPriority();
      case APR0:
        return cpu.active0;
      case NSAPR0:
        return cpu.active1;
      case IIDR:
        return IIDR_VALUE;
      default:
        return 0;
    }
  }

  write(vcpu: number, offset: number, value: number): void {
    const cpu = this.cpus[vcpu];
    switch (offset) {
      case EOIR:
        this.actions.end(vcpu, this.ackControl[vcpu] ? GROUP0 | GROUP1 : GROUP0, value & 0x3ff);
        return;
      case AEOIR:
        this.actions.end(vcpu, GROUP1, value & 0x3ff);
        return;
      case DIR:
        if (cpu.eoiMode) this.actions.deactivate(vcpu, value & 0x3ff);
        return;
      case CTLR:
        cpu.groups = value & (GROUP0 | GROUP1);
        cpu.commonBinaryPoint = (value & CTLR_CBPR) !== 0;
        cpu.eoiMode = (value & CTLR_EOIMODE) !== 0;
        this.ackControl[vcpu] = (value & CTLR_ACKCTL) !== 0;
        this.fiqEnable[vcpu] = (value & CTLR_FIQEN) !== 0;
        break;
      case PMR:
        cpu.setPriorityMask(value);
        break;
      case BPR:
        cpu.setBpr0(value);
        break;
      case ABPR:
        if (!cpu.commonBinaryPoint) cpu.setBpr1(value);
        break;
      case APR0:
        cpu.active0 = value | 0;
        break;
      case NSAPR0:
        cpu.active1 = value | 0;
        break;
      default:
        return;
    }
    this.actions.update(vcpu);
  }

  save(): GicCpu[] {
    return this.cpus.map((cpu, vcpu) => ({
      ...cpu.save(),
      ackControl: this.ackControl[vcpu],
      fiqEnable: this.fiqEnable[vcpu],
    }));
  }

  restore(state: readonly GicCpu[]): void {
    for (const [vcpu, cpu] of this.cpus.entries()) {
      cpu.restore(state[vcpu]);
      this.ackControl[vcpu] = state[vcpu].ackControl;
      this.fiqEnable[vcpu] = state[vcpu].fiqEnable;
    }
  }
}
