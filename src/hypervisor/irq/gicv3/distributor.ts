// GICD_*: the GICv3 distributor's registers (IHI0069 12.9), single security state with affinity routing always
// on, as KVM presents them. It knows the interrupt table and affinities, not redistributors or the ITS.

import { BANKS_END, BANKS_START, BankedRegisters } from '../banks.ts';
import { GROUP0, GROUP1, type InterruptTable } from '../table.ts';

const CTLR = 0x0000;
const TYPER = 0x0004;
const IIDR = 0x0008;
const IROUTER = 0x6000;

const CTLR_ENABLE_GROUPS = GROUP0 | GROUP1;
const CTLR_ARE = 1 << 4;
const CTLR_DS = 1 << 6;

/** Product 'K', revision 3, implementer Arm: what KVM answers, and revision 3 promises GICR_CTLR.{IR,CES}. */
export const KVM_IIDR = (0x4b << 24) | (3 << 12) | 0x43b;

/** PIDR4..7, PIDR0..3, CIDR0..3, from offset 0xffd0 on; PIDR2 says GICv3. */
const IDENTIFICATION = [0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1];

/** The identification registers that end every 64 KiB frame of a GICv3. */
export const identification = (offset: number): number => IDENTIFICATION[(offset - 0xffd0) >> 2] ?? 0;

/** Affinity values are Aff2.Aff1.Aff0 in 24 bits. */
export class Distributor {
  /** GICD_CTLR.EnableGrp0 | EnableGrp1, which have the table's group values. */
  groups = 0;
  private readonly table: InterruptTable;
  private readonly banks: BankedRegisters;
  private readonly affinities: readonly number[];
  private readonly lpis: boolean;
  private readonly enablesChanged: () => void;
  /** The affinity that the guest wrote, kept where no vCPU has it. */
  private readonly routers: Uint32Array;

  constructor(
    table: InterruptTable,
    affinities: readonly number[],
    lpis: boolean,
    enablesChanged: () => void,
  ) {
    this.table = table;
    this.affinities = affinities;
    this.lpis = lpis;
    this.enablesChanged = enablesChanged;
    this.banks = new BankedRegisters(table, 32, table.intids);
    this.routers = new Uint32Array(table.intids);
  }

  reset(): void {
    this.groups = 0;
    this.routers.fill(this.affinities[0]);
  }

  read(vcpu: number, offset: number): number {
    if (offset >= BANKS_START && offset < BANKS_END) return this.banks.read(vcpu, offset);
    if (offset >= IROUTER && offset < IROUTER + 8 * this.table.intids) return this.readRouter(offset);
    if (offset >= 0xffd0) return identification(offset);
    switch (offset) {
      case CTLR:
        return this.groups | CTLR_ARE | CTLR_DS;
      case TYPER: {
        const idBits = this.lpis ? 16 : 10;
        return ((this.table.intids >> 5) - 1) | (this.lpis ? 1 << 17 : 0) | ((idBits - 1) << 19);
      }
      case IIDR:
        return KVM_IIDR;
      default:
        return 0;
    }
  }

  write(vcpu: number, offset: number, value: number): void {
    if (offset >= BANKS_START && offset < BANKS_END) this.banks.write(vcpu, offset, value);
    else if (offset >= IROUTER && offset < IROUTER + 8 * this.table.intids) this.writeRouter(offset, value);
    else if (offset === CTLR) {
      this.groups = value & CTLR_ENABLE_GROUPS;
      this.enablesChanged();
    }
  }

  readByte(vcpu: number, offset: number): number {
    return this.banks.readByte(vcpu, offset);
  }

  writeByte(vcpu: number, offset: number, value: number): void {
    this.banks.writeByte(vcpu, offset, value);
  }

  save(): { groups: number; routers: number[] } {
    return { groups: this.groups, routers: Array.from(this.routers) };
  }

  /** The table restores the routes themselves. */
  restore(state: { groups: number; routers: number[] }): void {
    this.groups = state.groups & CTLR_ENABLE_GROUPS;
    this.routers.set(state.routers.slice(0, this.routers.length));
  }

  /** Aff0..2 in bits 23:0. Aff3 (GICD_TYPER.A3V) and routing to any vCPU (bit 31) are not there, as in KVM. */
  private readRouter(offset: number): number {
    const intid = (offset - IROUTER) >> 3;
    return intid < 32 || offset & 4 ? 0 : this.routers[intid];
  }

  private writeRouter(offset: number, value: number): void {
    const intid = (offset - IROUTER) >> 3;
    if (intid < 32 || offset & 4) return;
    this.routers[intid] = value & 0xffffff;
    this.table.setRoute(this.table.slot(0, intid), this.affinities.indexOf(value & 0xffffff));
  }
}
