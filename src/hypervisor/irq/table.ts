// The state of every SGI, PPI and SPI, as bit sets, and for each vCPU the set of interrupts that are ready for
// it: pending, enabled, not active and routed there. Each change touches only the bits that it changes, so the
// best ready interrupt costs a scan of a few words. It follows IHI0069 4.1 (IHI0048 3.2 is the same machine)
// and knows no registers.

import { Errno } from '../../lib/index.ts';
import { SPURIOUS } from './controller.ts';

/** Five bits of priority are implemented, as on the hosts that KVM mostly runs on. */
export const PRIORITY_MASK = 0xf8;
export const GROUP0 = 1;
export const GROUP1 = 2;

/** Words of ready bits per vCPU: word 0 is its private interrupts, word k holds INTIDs 32k to 32k+31. */
const STRIDE = 32;
const NO_PRIORITY = 0x100;

const SETS = ['enabled', 'latch', 'level', 'active', 'group', 'edge'] as const;
type SetName = (typeof SETS)[number];

/** Bit sets are one word per vCPU for its private interrupts, then the shared ones; the rest is per interrupt. */
export type InterruptTableState = Record<SetName | 'priority' | 'route', number[]>;

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

export class InterruptTable {
  readonly vcpus: number;
  /** INTIDs 0 to intids - 1 exist. */
  readonly intids: number;
  readonly enabled: Int32Array;
  /** Pending by an edge, by software or, for an SGI, by another vCPU; acknowledging clears it. */
  readonly latch: Int32Array;
  /** The wire's level, whatever the configuration. */
  readonly level: Int32Array;
  readonly active: Int32Array;
  readonly group: Int32Array;
  readonly edge: Int32Array;
  readonly priority: Uint8Array;
  /** The vCPU that a shared interrupt goes to, or -1. Private ones go to their owner. */
  readonly route: Int16Array;
  /** What select() found: SPURIOUS with priority 256 where nothing is ready. */
  foundIntid: number = SPURIOUS;
  foundPriority: number = NO_PRIORITY;
  foundGroup: number = GROUP1;
  private readonly ready: Int32Array;
  private readonly summary: Int32Array;
  private readonly changed: (vcpu: number) => void;

  /** `changed` is called after the ready set of a vCPU may have changed. */
  constructor(vcpus: number, spis: number, changed: (vcpu: number) => void) {
    if (!Number.isInteger(spis) || spis < 32 || spis > 960 || spis % 32 !== 0) {
      throw new Errno('EINVAL', `${spis} SPIs: a multiple of 32 from 32 to 960 is needed`);
    }
    const words = vcpus + spis / 32;
    this.vcpus = vcpus;
    this.intids = 32 + spis;
    this.changed = changed;
    this.enabled = new Int32Array(words);
    this.latch = new Int32Array(words);
    this.level = new Int32Array(words);
    this.active = new Int32Array(words);
    this.group = new Int32Array(words);
    this.edge = new Int32Array(words);
    this.priority = new Uint8Array(words * 32);
    this.route = new Int16Array(words * 32);
    this.ready = new Int32Array(vcpus * STRIDE);
    this.summary = new Int32Array(vcpus);
  }

  /** SGIs are enabled and edge-triggered; every shared interrupt goes to vCPU 0. `group1`: all are in Group 1. */
  reset(group1: boolean): void {
    for (const name of SETS) this[name].fill(0);
    this.group.fill(group1 ? -1 : 0);
    this.enabled.fill(0xffff, 0, this.vcpus);
    this.edge.fill(0xffff, 0, this.vcpus);
    this.priority.fill(0);
    this.route.fill(0);
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) this.route.fill(vcpu, vcpu * 32, vcpu * 32 + 32);
    this.refreshAll();
  }

  /** Index of the word that holds `intid` as `vcpu` sees it. */
  word(vcpu: number, intid: number): number {
    return intid < 32 ? vcpu : this.vcpus + (intid >> 5) - 1;
  }

  /** Index into priority and route. */
  slot(vcpu: number, intid: number): number {
    return this.word(vcpu, intid) * 32 + (intid & 31);
  }

  pendingWord(word: number): number {
    return this.latch[word] | (this.level[word] & ~this.edge[word]);
  }

  /** The wire changes. Only a rising edge latches, and only where the interrupt is edge-triggered. */
  setLevel(vcpu: number, intid: number, level: boolean): void {
    const word = this.word(vcpu, intid);
    const bit = 1 << (intid & 31);
    if (((this.level[word] & bit) !== 0) === level) return;
    this.level[word] ^= bit;
    if (level && this.edge[word] & bit) this.latch[word] |= bit;
    this.refresh(word, bit);
  }

  /** Sets or clears `bits` of one set in one word. */
  change(set: Int32Array, word: number, bits: number, value: boolean): void {
    if (value) set[word] |= bits;
    else set[word] &= ~bits;
    this.refresh(word, bits);
  }

  setPriority(slot: number, priority: number): void {
    this.priority[slot] = priority & PRIORITY_MASK;
    const vcpu = this.route[slot];
    if (vcpu >= 0) this.changed(vcpu);
  }

  setGroup(word: number, bits: number): void {
    this.group[word] = bits;
    if (word < this.vcpus) this.changed(word);
    else for (let vcpu = 0; vcpu < this.vcpus; vcpu++) this.changed(vcpu);
  }

  /** Sends a shared interrupt to another vCPU, or to none (-1). */
  setRoute(slot: number, vcpu: number): void {
    const word = slot >> 5;
    const bit = 1 << (slot & 31);
    const old = this.route[slot];
    if (old === vcpu) return;
    this.route[slot] = vcpu;
    if (old >= 0 && this.setReady(old, word, bit, false)) this.changed(old);
    this.refresh(word, bit);
  }

  /** Pending becomes active: what acknowledging does. */
  activate(vcpu: number, intid: number): void {
    const word = this.word(vcpu, intid);
    const bit = 1 << (intid & 31);
    this.latch[word] &= ~bit;
    this.active[word] |= bit;
    this.refresh(word, bit);
  }

  deactivate(vcpu: number, intid: number): void {
    this.change(this.active, this.word(vcpu, intid), 1 << (intid & 31), false);
  }

  /** Finds the best ready interrupt of the given groups (GROUP0 | GROUP1); the lowest INTID wins a tie. */
  select(vcpu: number, groups: number): void {
    this.foundIntid = SPURIOUS;
    this.foundPriority = NO_PRIORITY;
    for (let left = this.summary[vcpu]; left !== 0; left &= left - 1) {
      const k = lowestBit(left);
      const word = k === 0 ? vcpu : this.vcpus + k - 1;
      const group = this.group[word];
      const allowed = (groups & GROUP1 ? group : 0) | (groups & GROUP0 ? ~group : 0);
      for (let bits = this.ready[vcpu * STRIDE + k] & allowed; bits !== 0; bits &= bits - 1) {
        const n = lowestBit(bits);
        const priority = this.priority[word * 32 + n];
        if (priority >= this.foundPriority) continue;
        this.foundPriority = priority;
        this.foundIntid = k * 32 + n;
        this.foundGroup = (group >>> n) & 1 ? GROUP1 : GROUP0;
      }
    }
  }

  /** Recomputes readiness of `bits` of a word after one of its sets changed. */
  refresh(word: number, bits: number): void {
    const ready = this.pendingWord(word) & this.enabled[word] & ~this.active[word];
    if (word < this.vcpus) {
      const set = this.setReady(word, word, bits & ready, true);
      const cleared = this.setReady(word, word, bits & ~ready, false);
      if (set || cleared) this.changed(word);
      return;
    }
    for (let left = bits; left !== 0; left &= left - 1) {
      const bit = left & -left;
      const vcpu = this.route[word * 32 + lowestBit(left)];
      if (vcpu >= 0 && this.setReady(vcpu, word, bit, (ready & bit) !== 0)) this.changed(vcpu);
    }
  }

  save(): InterruptTableState {
    const words = (set: Int32Array) => Array.from(set, (w) => w >>> 0);
    return {
      enabled: words(this.enabled),
      latch: words(this.latch),
      level: words(this.level),
      active: words(this.active),
      group: words(this.group),
      edge: words(this.edge),
      priority: Array.from(this.priority),
      route: Array.from(this.route),
    };
  }

  /** Throws EINVAL where the shape differs: another number of vCPUs or of SPIs. */
  check(state: InterruptTableState): void {
    for (const name of [...SETS, 'priority', 'route'] as const) {
      if (state[name].length !== this[name].length) {
        throw new Errno(
          'EINVAL',
          `interrupt state has ${state[name].length} of ${name}, not ${this[name].length}`,
        );
      }
    }
    if (state.route.some((vcpu) => !Number.isInteger(vcpu) || vcpu < -1 || vcpu >= this.vcpus)) {
      throw new Errno('EINVAL', 'interrupt state routes to a vCPU that does not exist');
    }
  }

  restore(state: InterruptTableState): void {
    for (const name of SETS) this[name].set(state[name]);
    this.priority.set(state.priority);
    this.route.set(state.route);
    this.refreshAll();
  }

  private refreshAll(): void {
    this.ready.fill(0);
    this.summary.fill(0);
    for (let word = 0; word < this.enabled.length; word++) this.refresh(word, -1);
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) this.changed(vcpu);
  }

  /** Returns whether anything changed. */
  private setReady(vcpu: number, word: number, bits: number, value: boolean): boolean {
    const k = word < this.vcpus ? 0 : word - this.vcpus + 1;
    const at = vcpu * STRIDE + k;
    const before = this.ready[at];
    const after = value ? before | bits : before & ~bits;
    if (before === after) return false;
    this.ready[at] = after;
    if (after === 0) this.summary[vcpu] &= ~(1 << k);
    else this.summary[vcpu] |= 1 << k;
    return true;
  }
}
