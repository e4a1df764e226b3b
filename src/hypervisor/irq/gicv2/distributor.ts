// GICD_* of a GICv2 (IHI0048 4.3): the registers that GICv3 shares, and what only GICv2 has: target lists of up
// to eight vCPUs, and software-generated interrupts that remember who sent them. Registers of private
// interrupts show the accessing vCPU its own.

import { BANKS_END, BANKS_START, BankedRegisters } from '../banks.ts';
import { GROUP0, GROUP1, type InterruptTable } from '../table.ts';

const CTLR = 0x000;
const TYPER = 0x004;
const IIDR = 0x008;
const ITARGETSR = 0x800;
const ITARGETSR_END = 0xc00;
const SGIR = 0xf00;
const CPENDSGIR = 0xf10;
const SPENDSGIR = 0xf20;
const SPENDSGIR_END = 0xf30;
const ICPIDR2 = 0xfe8;

/** Product 'K', revision 3, implementer Arm, as KVM answers. */
const IIDR_VALUE = (0x4b << 24) | (3 << 12) | 0x43b;

const SGIS = 16;

export interface DistributorState {
  groups: number;
  targets: number[];
  sources: number[];
}

export class Distributor {
  /** GICD_CTLR.EnableGrp0 | EnableGrp1, which have the table's group values. */
  groups = 0;
  private readonly table: InterruptTable;
  private readonly banks: BankedRegisters;
  private readonly enablesChanged: () => void;
  /** GICD_ITARGETSR of the shared interrupts, by INTID. */
  private readonly targets: Uint8Array;
  /** For each vCPU and SGI, the vCPUs that sent it and were not acknowledged yet. */
  private readonly sources: Uint8Array;

  constructor(table: InterruptTable, enablesChanged: () => void) {
    this.table = table;
    this.enablesChanged = enablesChanged;
    this.banks = new BankedRegisters(table, 0, table.intids, true);
    this.targets = new Uint8Array(table.intids);
    this.sources = new Uint8Array(table.vcpus * SGIS);
  }

  /** To be called after the table's reset. Without targets an interrupt goes nowhere; a lone vCPU has them all. */
  reset(): void {
    this.groups = 0;
    this.targets.fill(0);
    this.sources.fill(0);
    if (this.table.vcpus === 1) return;
    for (let intid = 32; intid < this.table.intids; intid++)
      this.table.setRoute(this.table.slot(0, intid), -1);
  }

  read(vcpu: number, offset: number): number {
    if (offset >= ITARGETSR && offset < ITARGETSR_END) return this.fourBytes(vcpu, offset);
    if (offset >= BANKS_START && offset < BANKS_END) return this.banks.read(vcpu, offset);
    if (offset >= CPENDSGIR && offset < SPENDSGIR_END) return this.fourBytes(vcpu, offset);
    switch (offset) {
      case CTLR:
        return this.groups;
      case TYPER:
        return ((this.table.intids >> 5) - 1) | ((this.table.vcpus - 1) << 5);
      case IIDR:
        return IIDR_VALUE;
      case ICPIDR2:
        return 0x2b;
      default:
        return 0;
    }
  }

  write(vcpu: number, offset: number, value: number): void {
    const bytes =
      (offset >= ITARGETSR && offset < ITARGETSR_END) || (offset >= CPENDSGIR && offset < SPENDSGIR_END);
    if (bytes) for (let n = 0; n < 4; n++) this.writeByte(vcpu, offset + n, (value >>> (8 * n)) & 0xff);
    else if (offset >= BANKS_START && offset < BANKS_END) this.banks.write(vcpu, offset, value);
    else if (offset === SGIR) this.sendSgi(vcpu, value);
    else if (offset === CTLR) {
      this.groups = value & (GROUP0 | GROUP1);
      this.enablesChanged();
    }
  }

  readByte(vcpu: number, offset: number): number {
    if (offset >= ITARGETSR && offset < ITARGETSR_END) return this.readTargets(vcpu, offset - ITARGETSR);
    if (offset >= CPENDSGIR && offset < SPENDSGIR_END) return this.sources[vcpu * SGIS + (offset & 15)];
    return this.banks.readByte(vcpu, offset);
  }

  writeByte(vcpu: number, offset: number, value: number): void {
    if (offset >= ITARGETSR && offset < ITARGETSR_END) this.writeTargets(offset - ITARGETSR, value);
    else if (offset >= SPENDSGIR && offset < SPENDSGIR_END)
      this.changeSources(vcpu, offset & 15, value, true);
    else if (offset >= CPENDSGIR && offset < SPENDSGIR) this.changeSources(vcpu, offset & 15, value, false);
    else this.banks.writeByte(vcpu, offset, value);
  }

  /** An SGI was acknowledged: takes one of its senders away, and gives that one's number. */
  takeSource(vcpu: number, intid: number): number {
    const sources = this.sources[vcpu * SGIS + intid];
    if (sources === 0) return 0;
    const source = 31 - Math.clz32(sources & -sources);
    this.changeSources(vcpu, intid, 1 << source, false);
    return source;
  }

  save(): DistributorState {
    return { groups: this.groups, targets: Array.from(this.targets), sources: Array.from(this.sources) };
  }

  /** The table restores routes and pending bits themselves. */
  restore(state: DistributorState): void {
    this.groups = state.groups & (GROUP0 | GROUP1);
    this.targets.set(state.targets.slice(0, this.targets.length));
    this.sources.set(state.sources.slice(0, this.sources.length));
  }

  private fourBytes(vcpu: number, offset: number): number {
    let value = 0;
    for (let n = 0; n < 4; n++) value |= this.readByte(vcpu, offset + n) << (8 * n);
    return value;
  }

  /** Private interrupts show the reader's own bit; with one vCPU everything reads as zero (IHI0048 4.3.12). */
  private readTargets(vcpu: number, intid: number): number {
    if (this.table.vcpus === 1 || intid >= this.table.intids) return 0;
    return intid < 32 ? 1 << vcpu : this.targets[intid];
  }

  /** Of several targets the first takes the interrupt, as in KVM. */
  private writeTargets(intid: number, value: number): void {
    if (this.table.vcpus === 1 || intid < 32 || intid >= this.table.intids) return;
    const targets = value & ((1 << this.table.vcpus) - 1);
    this.targets[intid] = targets;
    this.table.setRoute(this.table.slot(0, intid), targets === 0 ? -1 : 31 - Math.clz32(targets & -targets));
  }

  /** TargetListFilter: the list, all but the sender, or the sender alone. */
  private sendSgi(vcpu: number, value: number): void {
    const all = (1 << this.table.vcpus) - 1;
    const lists = [(value >>> 16) & all, all & ~(1 << vcpu), 1 << vcpu, 0];
    const targets = lists[(value >>> 24) & 3];
    for (let target = 0; target < this.table.vcpus; target++) {
      if ((targets >>> target) & 1) this.changeSources(target, value & 15, 1 << vcpu, true);
    }
  }

  /** An SGI is pending while it has senders. */
  private changeSources(vcpu: number, intid: number, bits: number, value: boolean): void {
    const at = vcpu * SGIS + intid;
    const allowed = bits & ((1 << this.table.vcpus) - 1);
    if (value) this.sources[at] |= allowed;
    else this.sources[at] &= ~allowed;
    this.table.change(this.table.latch, this.table.word(vcpu, intid), 1 << intid, this.sources[at] !== 0);
  }
}
