// Locality-specific peripheral interrupts: their configuration as the guest's property table gives it, which
// are pending and where, and for each vCPU a heap of those that are enabled (IHI0069 5.1). Guest memory is read
// only when the architecture lets an implementation cache what it read: at mapping, INV and INVALL.

import { Errno } from '../../../lib/index.ts';
import type { MemoryPort } from '../../ledger/index.ts';
import { PRIORITY_MASK } from '../table.ts';

export const FIRST_LPI = 8192;
/** INTIDs have 16 bits. */
export const END_LPI = 65536;
const COUNT = END_LPI - FIRST_LPI;
const NOWHERE = -1;
const PENDING_CHUNK = 1024;

export interface LpisState {
  propertyBase: [number, number];
  /** Per vCPU: GICR_PENDBASER and GICR_CTLR.EnableLPIs. */
  pendingBases: [number, number][];
  enabled: boolean[];
  /** [INTID, cached configuration byte, vCPU where it is pending or -1] of each LPI that has either. */
  lpis: [number, number, number][];
}

/** Bits 51:12 of a base register given as its low and high words. */
const tableAddress = (low: number, high: number): number =>
  (high & 0xfffff) * 2 ** 32 + ((low & ~0xfff) >>> 0);

export class Lpis {
  /** GICR_PROPBASER, one for all redistributors as in KVM; low and high word. */
  readonly propertyBase = new Uint32Array(2);
  /** GICR_PENDBASER of each vCPU, low and high word. */
  readonly pendingBases: Uint32Array;
  readonly enabled: Uint8Array;
  private readonly config = new Uint8Array(COUNT);
  private readonly pendingAt = new Int16Array(COUNT).fill(NOWHERE);
  /** For each vCPU a binary heap of LPI indexes, and for each LPI its place in the heap that holds it. */
  private readonly heaps: Int32Array[];
  private readonly lengths: Int32Array;
  private readonly place = new Int32Array(COUNT).fill(NOWHERE);
  private readonly memory: MemoryPort;
  private readonly changed: (vcpu: number) => void;
  private readonly oneByte = new Uint8Array(1);
  private readonly chunk = new Uint8Array(4096);
  private readonly pendingChunk = new Uint8Array(PENDING_CHUNK);

  constructor(vcpus: number, memory: MemoryPort, changed: (vcpu: number) => void) {
    this.memory = memory;
    this.changed = changed;
    this.pendingBases = new Uint32Array(2 * vcpus);
    this.enabled = new Uint8Array(vcpus);
    this.lengths = new Int32Array(vcpus);
    this.heaps = Array.from({ length: vcpus }, () => new Int32Array(64));
  }

  reset(): void {
    this.propertyBase.fill(0);
    this.pendingBases.fill(0);
    this.enabled.fill(0);
    this.config.fill(0);
    this.pendingAt.fill(NOWHERE);
    this.place.fill(NOWHERE);
    this.lengths.fill(0);
  }

  /** One more than the highest LPI that GICR_PROPBASER.IDbits admits; FIRST_LPI where it admits none. */
  end(): number {
    const bits = (this.propertyBase[0] & 31) + 1;
    return bits < 14 ? FIRST_LPI : Math.min(2 ** bits, END_LPI);
  }

  isLpi(intid: number): boolean {
    return intid >= FIRST_LPI && intid < this.end();
  }

  /** The best enabled pending LPI of a vCPU, or 0. */
  best(vcpu: number): number {
    return this.lengths[vcpu] === 0 ? 0 : this.heaps[vcpu][0] + FIRST_LPI;
  }

  priority(intid: number): number {
    return this.config[intid - FIRST_LPI] & PRIORITY_MASK;
  }

  /** Makes an LPI pending at a vCPU. False where that redistributor takes none. */
  pend(intid: number, vcpu: number): boolean {
    if (!this.isLpi(intid) || !this.enabled[vcpu]) return false;
    const lpi = intid - FIRST_LPI;
    if (this.pendingAt[lpi] !== NOWHERE) return true;
    this.pendingAt[lpi] = vcpu;
    this.enqueue(lpi);
    this.changed(vcpu);
    return true;
  }

  /** Acknowledged, discarded or cleared. LPIs have no active state. */
  clear(intid: number): void {
    const lpi = intid - FIRST_LPI;
    const vcpu = this.pendingAt[lpi];
    if (vcpu === NOWHERE) return;
    this.dequeue(lpi);
    this.pendingAt[lpi] = NOWHERE;
    this.changed(vcpu);
  }

  isPending(intid: number): boolean {
    return this.pendingAt[intid - FIRST_LPI] !== NOWHERE;
  }

  /** A pending LPI follows its interrupt to another vCPU. */
  move(intid: number, vcpu: number): void {
    if (!this.isPending(intid)) return;
    this.clear(intid);
    this.pend(intid, vcpu);
  }

  moveAll(from: number, to: number): void {
    for (let lpi = 0; lpi < COUNT; lpi++) if (this.pendingAt[lpi] === from) this.move(lpi + FIRST_LPI, to);
  }

  /** Reads the configuration of one LPI again. A refused read leaves it disabled. */
  invalidate(intid: number): void {
    if (!this.isLpi(intid)) return;
    const address = tableAddress(this.propertyBase[0], this.propertyBase[1]) + intid - FIRST_LPI;
    const refused = this.memory.read(address, this.oneByte);
    this.configure(intid - FIRST_LPI, refused ? 0 : this.oneByte[0]);
  }

  invalidateAll(): void {
    const count = this.end() - FIRST_LPI;
    const table = tableAddress(this.propertyBase[0], this.propertyBase[1]);
    for (let first = 0; first < count; first += this.chunk.length) {
      if (this.memory.read(table + first, this.chunk)) this.chunk.fill(0);
      const n = Math.min(this.chunk.length, count - first);
      for (let i = 0; i < n; i++) this.configure(first + i, this.chunk[i]);
    }
  }

  /** GICR_CTLR.EnableLPIs: the pending table is read when set, and written when cleared. */
  setEnabled(vcpu: number, enabled: boolean): void {
    if (enabled === (this.enabled[vcpu] !== 0)) return;
    if (!enabled) this.storePending(vcpu);
    this.enabled[vcpu] = enabled ? 1 : 0;
    const zeroed = (this.pendingBases[2 * vcpu + 1] & (1 << 30)) !== 0;
    if (enabled && !zeroed) this.loadPending(vcpu);
    this.changed(vcpu);
  }

  save(): LpisState {
    const lpis: [number, number, number][] = [];
    for (let lpi = 0; lpi < COUNT; lpi++) {
      if (this.config[lpi] === 0 && this.pendingAt[lpi] === NOWHERE) continue;
      lpis.push([lpi + FIRST_LPI, this.config[lpi], this.pendingAt[lpi]]);
    }
    const pendingBases: [number, number][] = [];
    for (let i = 0; i < this.pendingBases.length; i += 2) {
      pendingBases.push([this.pendingBases[i], this.pendingBases[i + 1]]);
    }
    const propertyBase: [number, number] = [this.propertyBase[0], this.propertyBase[1]];
    return { propertyBase, pendingBases, enabled: Array.from(this.enabled, (e) => e !== 0), lpis };
  }

  /** Throws EINVAL where a pending LPI or a vCPU does not exist here. */
  check(state: LpisState | null): void {
    const vcpus = this.heaps.length;
    const shape = state?.enabled.length === vcpus && state.pendingBases.length === vcpus;
    const exists = ([intid, , vcpu]: [number, number, number]) =>
      Number.isInteger(intid) && intid >= FIRST_LPI && intid < END_LPI && vcpu >= NOWHERE && vcpu < vcpus;
    const once = new Set(state?.lpis.map(([intid]) => intid)).size === state?.lpis.length;
    if (!shape || !once || !state.lpis.every(exists))
      throw new Errno('EINVAL', 'LPI state of another machine');
  }

  restore(state: LpisState): void {
    this.reset();
    this.propertyBase.set(state.propertyBase);
    this.pendingBases.set(state.pendingBases.flat());
    this.enabled.set(state.enabled.map(Number));
    for (const [intid, config, vcpu] of state.lpis) {
      const lpi = intid - FIRST_LPI;
      this.config[lpi] = config;
      this.pendingAt[lpi] = vcpu;
      if (vcpu !== NOWHERE) this.enqueue(lpi);
    }
  }

  /** One bit an INTID, from INTID 0 on, 1 KiB at a time; a refused part counts as no pending LPIs. */
  private loadPending(vcpu: number): void {
    for (let first = FIRST_LPI; first < this.end(); first += 8 * PENDING_CHUNK) {
      if (this.memory.read(this.pendingAddress(vcpu, first), this.pendingChunk)) continue;
      for (let i = 0; i < 8 * PENDING_CHUNK; i++) {
        if (this.pendingChunk[i >> 3] & (1 << (i & 7))) this.pend(first + i, vcpu);
      }
    }
  }

  /** The redistributor forgets what is pending; the table remembers, unless the guest put it out of reach. */
  private storePending(vcpu: number): void {
    for (let first = FIRST_LPI; first < this.end(); first += 8 * PENDING_CHUNK) {
      this.pendingChunk.fill(0);
      for (let i = 0; i < 8 * PENDING_CHUNK; i++) {
        if (this.pendingAt[first + i - FIRST_LPI] !== vcpu) continue;
        this.pendingChunk[i >> 3] |= 1 << (i & 7);
        this.clear(first + i);
      }
      this.memory.write(this.pendingAddress(vcpu, first), this.pendingChunk);
    }
  }

  private pendingAddress(vcpu: number, intid: number): number {
    const [low, high] = [this.pendingBases[2 * vcpu], this.pendingBases[2 * vcpu + 1]];
    return tableAddress(low & ~0xffff, high) + intid / 8;
  }

  private configure(lpi: number, config: number): void {
    if (this.config[lpi] === config) return;
    const vcpu = this.pendingAt[lpi];
    if (vcpu !== NOWHERE) this.dequeue(lpi);
    this.config[lpi] = config;
    if (vcpu === NOWHERE) return;
    this.enqueue(lpi);
    this.changed(vcpu);
  }

  /** Lower is better: priority first, then INTID. */
  private rank(lpi: number): number {
    return ((this.config[lpi] & PRIORITY_MASK) << 16) | lpi;
  }

  private enqueue(lpi: number): void {
    if (!(this.config[lpi] & 1)) return;
    const vcpu = this.pendingAt[lpi];
    const length = this.lengths[vcpu]++;
    if (length === this.heaps[vcpu].length) {
      const larger = new Int32Array(2 * length);
      larger.set(this.heaps[vcpu]);
      this.heaps[vcpu] = larger;
    }
    this.siftUp(this.heaps[vcpu], length, lpi);
  }

  private dequeue(lpi: number): void {
    const at = this.place[lpi];
    if (at === NOWHERE) return;
    const vcpu = this.pendingAt[lpi];
    const heap = this.heaps[vcpu];
    const length = --this.lengths[vcpu];
    this.place[lpi] = NOWHERE;
    if (at === length) return;
    const moved = heap[length];
    this.siftDown(heap, length, at, moved);
    if (this.place[moved] === at) this.siftUp(heap, at, moved);
  }

  private siftUp(heap: Int32Array, from: number, lpi: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.rank(heap[parent]) <= this.rank(lpi)) break;
      heap[at] = heap[parent];
      this.place[heap[at]] = at;
      at = parent;
    }
    heap[at] = lpi;
    this.place[lpi] = at;
  }

  private siftDown(heap: Int32Array, length: number, from: number, lpi: number): void {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.rank(heap[child + 1]) < this.rank(heap[child])) child++;
      if (this.rank(lpi) <= this.rank(heap[child])) break;
      heap[at] = heap[child];
      this.place[heap[at]] = at;
      at = child;
    }
    heap[at] = lpi;
    this.place[lpi] = at;
  }
}
