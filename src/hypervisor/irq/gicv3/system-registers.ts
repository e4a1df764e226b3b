// ICC_*_EL1: the GICv3 CPU interface as system registers (IHI0069 12.2), single security state. It turns
// encodings into operations on a CpuInterface; what acknowledging or ending an interrupt does is GicV3's.

import type { ExternalSystemRegisters } from '../controller.ts';
import type { CpuInterface } from '../cpu-interface.ts';
import { GROUP0, GROUP1 } from '../table.ts';

/** The key of a system register: op0:op1:CRn:CRm:op2. */
export const systemRegisterKey = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;

const icc = (crm: number, op2: number): number => systemRegisterKey(3, 0, 12, crm, op2);

export const ICC = {
  PMR: systemRegisterKey(3, 0, 4, 6, 0),
  IAR0: icc(8, 0),
  EOIR0: icc(8, 1),
  HPPIR0: icc(8, 2),
  BPR0: icc(8, 3),
  AP0R0: icc(8, 4),
  AP1R0: icc(9, 0),
  DIR: icc(11, 1),
  RPR: icc(11, 3),
  SGI1R: icc(11, 5),
  ASGI1R: icc(11, 6),
  SGI0R: icc(11, 7),
  IAR1: icc(12, 0),
  EOIR1: icc(12, 1),
  HPPIR1: icc(12, 2),
  BPR1: icc(12, 3),
  CTLR: icc(12, 4),
  SRE: icc(12, 5),
  IGRPEN0: icc(12, 6),
  IGRPEN1: icc(12, 7),
} as const;

const CTLR_CBPR = 1n << 0n;
const CTLR_EOIMODE = 1n << 1n;
/** PRIbits: five bits, less one. IDbits 0: INTIDs of 16 bits. */
const CTLR_FIXED = 4n << 8n;
/** SRE, DFB and DIB: system registers only, no bypass. */
const SRE_FIXED = 7n;

/** What the registers ask of the interrupt controller for one vCPU. */
export interface CpuInterfaceActions {
  acknowledge(vcpu: number, group: number): number;
  highestPending(vcpu: number, group: number): number;
  end(vcpu: number, group: number, intid: number): void;
  deactivate(vcpu: number, intid: number): void;
  /** `value` as written to ICC_SGI*R; `group1` lets it reach SGIs of either group, else Group 0 only. */
  sendSgi(vcpu: number, value: bigint, group1: boolean): void;
  /** Masks, enables or active priorities changed. */
  update(vcpu: number): void;
}

/** Small integers as bigints, so that acknowledging allocates nothing. */
const BIG = Array.from({ length: 1024 }, (_, n) => BigInt(n));
const big = (n: number): bigint => BIG[n] ?? BigInt(n);

export class SystemRegisters implements ExternalSystemRegisters {
  private readonly vcpu: number;
  private readonly cpu: CpuInterface;
  private readonly actions: CpuInterfaceActions;

  constructor(vcpu: number, cpu: CpuInterface, actions: CpuInterfaceActions) {
    this.vcpu = vcpu;
    this.cpu = cpu;
    this.actions = actions;
  }

  read(key: number): bigint | undefined {
    const { cpu, vcpu, actions } = this;
    switch (key) {
      case ICC.IAR1:
        return big(actions.acknowledge(vcpu, GROUP1));
      case ICC.IAR0:
        return big(actions.acknowledge(vcpu, GROUP0));
      case ICC.PMR:
        return big(cpu.priorityMask);
      case ICC.RPR:
        return big(cpu.runningPriority());
      case ICC.HPPIR0:
        return big(actions.highestPending(vcpu, GROUP0));
      case ICC.HPPIR1:
        return big(actions.highestPending(vcpu, GROUP1));
      case ICC.BPR0:
        return big(cpu.bpr0);
      case ICC.BPR1:
        return big(cpu.visibleBpr1());
      case ICC.AP0R0:
        return BigInt(cpu.active0 >>> 0);
      case ICC.AP1R0:
        return BigInt(cpu.active1 >>> 0);
      case ICC.CTLR:
        return CTLR_FIXED | (cpu.commonBinaryPoint ? CTLR_CBPR : 0n) | (cpu.eoiMode ? CTLR_EOIMODE : 0n);
      case ICC.SRE:
        return SRE_FIXED;
      case ICC.IGRPEN0:
        return cpu.groups & GROUP0 ? 1n : 0n;
      case ICC.IGRPEN1:
        return cpu.groups & GROUP1 ? 1n : 0n;
      default:
        return undefined;
    }
  }

  write(key: number, value: bigint): boolean {
    const { cpu, vcpu, actions } = this;
    const low = Number(BigInt.asUintN(32, value));
    switch (key) {
      case ICC.EOIR1:
        actions.end(vcpu, GROUP1, low & 0xffffff);
        return true;
      case ICC.EOIR0:
        actions.end(vcpu, GROUP0, low & 0xffffff);
        return true;
      case ICC.DIR:
        if (cpu.eoiMode) actions.deactivate(vcpu, low & 0xffffff);
        return true;
      case ICC.SGI1R:
        actions.sendSgi(vcpu, value, true);
        return true;
      case ICC.ASGI1R:
      case ICC.SGI0R:
        actions.sendSgi(vcpu, value, false);
        return true;
      case ICC.SRE:
        return true;
      case ICC.PMR:
        cpu.setPriorityMask(low);
        break;
      case ICC.BPR0:
        cpu.setBpr0(low);
        break;
      case ICC.BPR1:
        if (!cpu.commonBinaryPoint) cpu.setBpr1(low);
        break;
      case ICC.AP0R0:
        cpu.active0 = low | 0;
        break;
      case ICC.AP1R0:
        cpu.active1 = low | 0;
        break;
      case ICC.CTLR:
        cpu.commonBinaryPoint = (value & CTLR_CBPR) !== 0n;
        cpu.eoiMode = (value & CTLR_EOIMODE) !== 0n;
        break;
      case ICC.IGRPEN0:
        cpu.groups = (cpu.groups & ~GROUP0) | (low & 1 ? GROUP0 : 0);
        break;
      case ICC.IGRPEN1:
        cpu.groups = (cpu.groups & ~GROUP1) | (low & 1 ? GROUP1 : 0);
        break;
      default:
        return false;
    }
    actions.update(vcpu);
    return true;
  }
}
