// One vCPU's CPU interface: priority mask, binary points, active priorities, and which interrupt it would take
// next. GICv3's ICC_* registers and GICv2's GICC_* are two views of it (IHI0069 4.8, IHI0048 3.3). It knows
// neither encodings nor offsets.

import { SPURIOUS } from './controller.ts';
import { GROUP0, GROUP1, PRIORITY_MASK } from './table.ts';

/** Running priority when nothing is active, and the priority of no interrupt. */
export const IDLE_PRIORITY = 0xff;
/** Smallest binary points with five bits of preemption: all of them are group priority. */
export const MIN_BPR0 = 2;
export const MIN_BPR1 = 3;

export interface CpuInterfaceState {
  priorityMask: number;
  bpr0: number;
  bpr1: number;
  groups: number;
  commonBinaryPoint: boolean;
  eoiMode: boolean;
  active0: number;
  active1: number;
}

export class CpuInterface {
  priorityMask = 0;
  bpr0: number = MIN_BPR0;
  bpr1: number = MIN_BPR1;
  /** GROUP0 | GROUP1 as the guest enabled them. */
  groups = 0;
  /** CBPR: BPR0 serves both groups. */
  commonBinaryPoint = false;
  /** EOImode: an EOI only drops the priority, DIR deactivates. */
  eoiMode = false;
  /** Active priorities, one bit a level, as AP0R0 and AP1R0 hold them. */
  active0 = 0;
  active1 = 0;

  /** The highest-priority pending interrupt of the enabled groups: SPURIOUS where there is none. */
  pendingIntid: number = SPURIOUS;
  pendingPriority: number = IDLE_PRIORITY;
  pendingGroup: number = GROUP1;

  reset(): void {
    this.restore({
      priorityMask: 0,
      bpr0: MIN_BPR0,
      bpr1: MIN_BPR1,
      groups: 0,
      commonBinaryPoint: false,
      eoiMode: false,
      active0: 0,
      active1: 0,
    });
  }

  runningPriority(): number {
    const active = this.active0 | this.active1;
    return active === 0 ? IDLE_PRIORITY : (31 - Math.clz32(active & -active)) << 3;
  }

  /** The pending interrupt is signalled: unmasked and able to preempt what runs (IHI0069 4.8). */
  signals(): boolean {
    if (this.pendingIntid === SPURIOUS || this.pendingPriority >= this.priorityMask) return false;
    const running = this.runningPriority();
    if (running === IDLE_PRIORITY) return true;
    const mask = this.groupPriorityMask(this.pendingGroup);
    return (this.pendingPriority & mask) < (running & mask);
  }

  /** The pending interrupt's group priority becomes the running priority. */
  activatePriority(): void {
    const level = (this.pendingPriority & this.groupPriorityMask(this.pendingGroup)) >> 3;
    if (this.pendingGroup === GROUP0) this.active0 |= 1 << level;
    else this.active1 |= 1 << level;
  }

  /** Priority drop for an EOI of `group`. False, and no change, where the running interrupt is of the other group. */
  dropPriority(group: number): boolean {
    const all = this.active0 | this.active1;
    const running = all & -all;
    if (group === GROUP0) {
      if ((this.active0 & running) === 0) return false;
      this.active0 &= ~running;
    } else {
      if ((this.active1 & running) === 0 || this.active0 & running) return false;
      this.active1 &= ~running;
    }
    return true;
  }

  setPriorityMask(value: number): void {
    this.priorityMask = value & PRIORITY_MASK;
  }

  setBpr0(value: number): void {
    this.bpr0 = Math.max(value & 7, MIN_BPR0);
  }

  setBpr1(value: number): void {
    this.bpr1 = Math.max(value & 7, MIN_BPR1);
  }

  /** What a read of BPR1 gives: with CBPR, BPR0 + 1 saturated (IHI0069 4.8). */
  visibleBpr1(): number {
    return this.commonBinaryPoint ? Math.min(this.bpr0 + 1, 7) : this.bpr1;
  }

  save(): CpuInterfaceState {
    const { priorityMask, bpr0, bpr1, groups, commonBinaryPoint, eoiMode } = this;
    const [active0, active1] = [this.active0 >>> 0, this.active1 >>> 0];
    return { priorityMask, bpr0, bpr1, groups, commonBinaryPoint, eoiMode, active0, active1 };
  }

  restore(state: CpuInterfaceState): void {
    this.setPriorityMask(state.priorityMask);
    this.setBpr0(state.bpr0);
    this.setBpr1(state.bpr1);
    this.groups = state.groups & (GROUP0 | GROUP1);
    this.commonBinaryPoint = state.commonBinaryPoint;
    this.eoiMode = state.eoiMode;
    this.active0 = state.active0 | 0;
    this.active1 = state.active1 | 0;
  }

  /** BPR0 = n takes bits 7:n+1 as group priority, BPR1 = n takes bits 7:n (IHI0069 4.8, Non-secure view). */
  private groupPriorityMask(group: number): number {
    const shift = group === GROUP0 || this.commonBinaryPoint ? this.bpr0 + 1 : this.bpr1;
    return (0xff << shift) & 0xff;
  }
}
