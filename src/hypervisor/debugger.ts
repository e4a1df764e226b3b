// What a debugger outside the guest sees of a VM and may change: registers by name, memory by virtual or
// guest-physical address, breakpoints, single steps (KVM_SET_GUEST_DEBUG and what goes with it). Memory goes through
// the ledger's debugger port, so that private pages stay private; a protected guest shows registers only where its
// owner lets a debugger in.

import { ATTR_TAGGED, type GuestDebug, NO_DEBUG, STATE } from '../hardware/index.ts';
import { Errno, type Gpa, PAGE_SIZE, TAG_GRANULE } from '../lib/index.ts';
import type { MemoryPort, Refusal } from './ledger/index.ts';
import { COPY_TAGS_FROM_GUEST, TAGS_PER_PAGE } from './mte/index.ts';
import { type MemoryStretch, memoryStretches, type VmMemory } from './stage2/index.ts';
import type { Vcpu } from './vcpu.ts';

/** One more than what any register that a debugger writes can hold. */
const MAX_U128 = 1n << 128n;

export class VcpuDebugger {
  readonly index: number;
  private readonly vcpu: Vcpu;
  private readonly vm: VmDebugger;

  constructor(vm: VmDebugger, vcpu: Vcpu) {
    this.vm = vm;
    this.vcpu = vcpu;
    this.index = vcpu.index;
  }

  get poweredOn(): boolean {
    return this.vcpu.poweredOn;
  }

  /**
   * x0..x30, sp, pc, cpsr (PSTATE as in SPSR_EL1), v0..v31, fpsr, fpcr, pac_mask0..3 (lower half's code, upper half's,
   * lower half's data, upper half's), or a system register's architectural name. EPERM; EINVAL for any other.
   */
  readRegister(name: string): bigint {
    this.vm.needPermission();
    const { cpu } = this.vcpu;
    const { state } = cpu;
    const [, kind, digits] = /^(x|v|pac_mask)(\d+)$/.exec(name) ?? [];
    const n = Number(digits);
    if (kind === 'x' && n < 31) return state.x(n);
    if (kind === 'v' && n < 32) return state.v(n);
    if (kind === 'pac_mask' && n < 4) return state.u64[(state.base + STATE.pacMask) / 8 + n];
    if (name === 'sp') return state.sp;
    if (name === 'pc') return state.pc;
    if (name === 'cpsr') return cpu.pstate;
    if (name === 'fpsr') return BigInt(state.fpsr);
    if (name === 'fpcr') return BigInt(state.fpcr);
    return cpu.readRegister(name);
  }

  /** As readRegister(), except for masks. EINVAL also for a PSTATE that cannot be. */
  writeRegister(name: string, value: bigint): void {
    this.vm.needPermission();
    if (value < 0n || value >= MAX_U128) throw new Errno('EINVAL', `${name} does not hold ${value}`);
    const { cpu } = this.vcpu;
    const { state } = cpu;
    const [, kind, digits] = /^(x|v)(\d+)$/.exec(name) ?? [];
    const n = Number(digits);
    if (kind === 'x' && n < 31) state.setX(n, BigInt.asUintN(64, value));
    else if (kind === 'v' && n < 32) state.setV(n, value);
    else if (name === 'sp') state.sp = BigInt.asUintN(64, value);
    else if (name === 'pc') state.pc = BigInt.asUintN(64, value);
    else if (name === 'cpsr') cpu.setPstate(value);
    else cpu.writeRegister(name === 'fpsr' || name === 'fpcr' ? name.toUpperCase() : name, value);
  }

  /** Reads from a virtual address on; returns how many bytes could be read, or why not even one. */
  readVirtual(address: bigint, into: Uint8Array): number | Refusal {
    let done = 0;
    while (done < into.length) {
      const at = this.vcpu.locate(address + BigInt(done));
      const bytes = Math.min(PAGE_SIZE - ((at ?? 0) % PAGE_SIZE), into.length - done);
      const refusal =
        at === undefined ? unmapped : this.vm.physical.read(at, into.subarray(done, done + bytes));
      if (refusal) return done > 0 ? done : refusal;
      done += bytes;
    }
    return done;
  }

  /** Writes at a virtual address, whatever stage 1 permits: all of it, or nothing with the reason. */
  writeVirtual(address: bigint, from: Uint8Array): Refusal | undefined {
    const pieces: { at: Gpa; bytes: Uint8Array }[] = [];
    for (let done = 0; done < from.length; ) {
      const at = this.vcpu.locate(address + BigInt(done));
      if (at === undefined) return unmapped;
      const bytes = from.subarray(done, done + PAGE_SIZE - (at % PAGE_SIZE));
      // Asks without moving anything: the last page decides before the first byte.
      const refusal = this.vm.physical.write(at, new Uint8Array(0));
      if (refusal) return refusal;
      pieces.push({ at, bytes });
      done += bytes.length;
    }
    for (const { at, bytes } of pieces) {
      const refusal = this.vm.physical.write(at, bytes);
      if (refusal) return refusal;
    }
    this.vm.codeChanged();
    return undefined;
  }

  /** The page of a virtual address is mapped as Normal Tagged memory of a VM with MTE. */
  isTagged(address: bigint): boolean {
    if (!this.vm.memory.hasMte || this.vcpu.locate(address) === undefined) return false;
    return (this.vcpu.cpu.mmu.attributes & ATTR_TAGGED) !== 0;
  }

  /** Allocation tags of the granules that a range touches, one a byte; undefined where some have none. */
  readTags(address: bigint, length: number): Uint8Array | undefined {
    const tags: number[] = [];
    this.eachTaggedPage(address, length, (page, first, count) => {
      tags.push(...this.tagsOf(page).subarray(first, first + count));
    });
    return tags.length === granules(address, length) ? Uint8Array.from(tags) : undefined;
  }

  /** Stores tags, which repeat where they are fewer than granules. False where some granules have none, or EBUSY. */
  writeTags(address: bigint, length: number, tags: Uint8Array): boolean {
    const wanted = granules(address, length);
    if (tags.length === 0 || this.readTags(address, length) === undefined) return false;
    let done = 0;
    this.eachTaggedPage(address, length, (page, first, count) => {
      const all = this.tagsOf(page);
      for (let n = 0; n < count; n++) all[first + n] = tags[done++ % tags.length] & 15;
      this.vm.memory.copyTags({ ipa: page, length: PAGE_SIZE, flags: 0, tags: all }, 'debugger');
    });
    return done === wanted;
  }

  private eachTaggedPage(
    address: bigint,
    length: number,
    visit: (page: number, first: number, count: number) => void,
  ): void {
    let left = granules(address, length);
    for (let at = address & -BigInt(TAG_GRANULE); left > 0; ) {
      if (!this.isTagged(at)) return;
      const ipa = this.vcpu.locate(at);
      if (ipa === undefined || this.vm.mayRead(ipa)) return;
      const first = (ipa % PAGE_SIZE) / TAG_GRANULE;
      const count = Math.min(TAGS_PER_PAGE - first, left);
      visit(ipa - (ipa % PAGE_SIZE), first, count);
      left -= count;
      at += BigInt(count * TAG_GRANULE);
    }
  }

  private tagsOf(page: number): Uint8Array {
    const tags = new Uint8Array(TAGS_PER_PAGE);
    this.vm.memory.copyTags({ ipa: page, length: PAGE_SIZE, flags: COPY_TAGS_FROM_GUEST, tags }, 'debugger');
    return tags;
  }

  /** Breakpoints by virtual address, watchpoints, single step; the guest cannot see them. EPERM. */
  setDebug(debug: GuestDebug): void {
    if (debug !== NO_DEBUG) this.vm.needPermission();
    this.vcpu.stepped = debug.step;
    this.vcpu.cpu.setGuestDebug(debug);
  }

  /** While held, it does not run, whatever it waits for. */
  hold(held: boolean): void {
    this.vcpu.held = held;
  }
}

const unmapped: Refusal = { rule: 'unmapped', reason: 'no translation at stage 1', address: 0 };

const granules = (address: bigint, length: number): number =>
  Math.ceil((Number(address % BigInt(TAG_GRANULE)) + length) / TAG_GRANULE);

export class VmDebugger {
  readonly memory: VmMemory;
  readonly vcpus: readonly VcpuDebugger[];
  /** Memory by guest-physical address. */
  readonly physical: MemoryPort;
  /** Tells the engine that instructions may have changed. */
  readonly codeChanged: () => void;

  constructor(memory: VmMemory, vcpus: readonly Vcpu[], codeChanged: () => void) {
    this.memory = memory;
    this.physical = memory.debuggerPort();
    this.codeChanged = codeChanged;
    this.vcpus = vcpus.map((vcpu) => new VcpuDebugger(this, vcpu));
  }

  /** The guest's registers are open to a debugger. */
  get isOpen(): boolean {
    return !this.memory.isConfidential || this.memory.extensions.debugPrivate;
  }

  get hasMte(): boolean {
    return this.memory.hasMte;
  }

  /** RAM by what a dump holds of it, ascending. */
  stretches(): Iterable<MemoryStretch> {
    return memoryStretches(this.memory);
  }

  /** Bytes from a guest-physical address on: all, or none with the reason. */
  readPhysical(address: number, into: Uint8Array): Refusal | undefined {
    return this.physical.read(address, into);
  }

  /** Allocation tags of whole pages from a guest-physical address on, one a byte. EFAULT where one has none to show. */
  readPhysicalTags(address: number, tags: Uint8Array): void {
    const length = tags.length * TAG_GRANULE;
    const done = this.memory.copyTags(
      { ipa: address, length, flags: COPY_TAGS_FROM_GUEST, tags },
      'debugger',
    );
    if (done < length) throw new Errno('EFAULT', 'no tags here');
  }

  needPermission(): void {
    if (!this.isOpen) throw new Errno('EPERM', "a protected guest's owner lets no debugger in");
  }

  /** Why the byte at a guest-physical address may not be read, or undefined. */
  mayRead(address: number): Refusal | undefined {
    return this.physical.read(address, new Uint8Array(1));
  }
}
