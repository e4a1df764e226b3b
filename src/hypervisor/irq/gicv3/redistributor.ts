// GICR_*: one redistributor a vCPU, two 64 KiB frames each (IHI0069 12.10 and 12.11): LPI control, and the
// registers of SGIs and PPIs. It serves the frames of all vCPUs from one window, since they lie side by side.

import { BANKS_END, BANKS_START, BankedRegisters } from '../banks.ts';
import type { InterruptTable } from '../table.ts';
import { identification, KVM_IIDR } from './distributor.ts';
import type { Lpis } from './lpis.ts';

/** Bytes of guest address space that one vCPU's two frames take. */
export const REDISTRIBUTOR_BYTES = 0x20000;
const SGI_FRAME = 0x10000;

const CTLR = 0x0000;
const IIDR = 0x0004;
const TYPER = 0x0008;
const TYPER_HIGH = 0x000c;
const PROPBASER = 0x0070;
const PROPBASER_HIGH = 0x0074;
const PENDBASER = 0x0078;
const PENDBASER_HIGH = 0x007c;
const INVLPIR = 0x00a0;
const INVALLR = 0x00b0;

const CTLR_ENABLE_LPIS = 1 << 0;
/** LPIs can be disabled again, and INVLPIR, INVALLR and SYNCR exist. */
const CTLR_CES_IR = (1 << 1) | (1 << 2);

/** IDbits, InnerCache, Shareability and the address; OuterCache. */
const PROPBASER_MASK = [0xffffff9f, 0x070fffff];
const PENDBASER_MASK = [0xffff0f80, 0x470fffff];
/** PTZ says how to take the table and reads as zero. */
const PENDBASER_PTZ_HIGH = 1 << 30;

export class Redistributors {
  private readonly affinities: readonly number[];
  private readonly lpis: Lpis | undefined;
  private readonly banks: BankedRegisters;

  /** Without `lpis` there are none: GICR_TYPER.PLPIS is 0. */
  constructor(table: InterruptTable, affinities: readonly number[], lpis: Lpis | undefined) {
    this.affinities = affinities;
    this.lpis = lpis;
    this.banks = new BankedRegisters(table, 0, 32);
  }

  read(_vcpu: number, offset: number): number {
    const vcpu = Math.floor(offset / REDISTRIBUTOR_BYTES);
    const at = offset % REDISTRIBUTOR_BYTES;
    if (at >= SGI_FRAME) return this.readSgiFrame(vcpu, at - SGI_FRAME);
    if (at >= 0xffd0) return identification(at);
    const { lpis } = this;
    switch (at) {
      case CTLR:
        return lpis ? CTLR_CES_IR | (lpis.enabled[vcpu] ? CTLR_ENABLE_LPIS : 0) : 0;
      case IIDR:
        return KVM_IIDR;
      case TYPER: {
        const last = vcpu === this.affinities.length - 1;
        return (lpis ? 1 : 0) | (last ? 1 << 4 : 0) | (vcpu << 8);
      }
      case TYPER_HIGH:
        return this.affinities[vcpu];
      case PROPBASER:
        return lpis?.propertyBase[0] ?? 0;
      case PROPBASER_HIGH:
        return lpis?.propertyBase[1] ?? 0;
      case PENDBASER:
        return lpis?.pendingBases[2 * vcpu] ?? 0;
      case PENDBASER_HIGH:
        return (lpis?.pendingBases[2 * vcpu + 1] ?? 0) & ~PENDBASER_PTZ_HIGH;
      default:
        // WAKER reads awake, SYNCR done: invalidations complete before the write returns.
        return 0;
    }
  }

  write(_vcpu: number, offset: number, value: number): void {
    const vcpu = Math.floor(offset / REDISTRIBUTOR_BYTES);
    const at = offset % REDISTRIBUTOR_BYTES;
    if (at >= SGI_FRAME + BANKS_START && at < SGI_FRAME + BANKS_END) {
      this.banks.write(vcpu, at - SGI_FRAME, value);
      return;
    }
    const { lpis } = this;
    if (!lpis) return;
    switch (at) {
      case CTLR:
        lpis.setEnabled(vcpu, (value & CTLR_ENABLE_LPIS) !== 0);
        return;
      case PROPBASER:
      case PROPBASER_HIGH:
        if (!lpis.enabled[vcpu]) lpis.propertyBase[(at >> 2) & 1] = value & PROPBASER_MASK[(at >> 2) & 1];
        return;
      case PENDBASER:
      case PENDBASER_HIGH:
        if (!lpis.enabled[vcpu]) {
          lpis.pendingBases[2 * vcpu + ((at >> 2) & 1)] = value & PENDBASER_MASK[(at >> 2) & 1];
        }
        return;
      case INVLPIR:
        if (lpis.enabled[vcpu]) lpis.invalidate(value);
        return;
      case INVALLR:
        if (lpis.enabled[vcpu]) lpis.invalidateAll();
        return;
    }
  }

  readByte(_vcpu: number, offset: number): number {
    const at = offset % REDISTRIBUTOR_BYTES;
    if (at < SGI_FRAME) return 0;
    return this.banks.readByte(Math.floor(offset / REDISTRIBUTOR_BYTES), at - SGI_FRAME);
  }

  writeByte(_vcpu: number, offset: number, value: number): void {
    const at = offset % REDISTRIBUTOR_BYTES;
    if (at < SGI_FRAME) return;
    this.banks.writeByte(Math.floor(offset / REDISTRIBUTOR_BYTES), at - SGI_FRAME, value);
  }

  private readSgiFrame(vcpu: number, at: number): number {
    if (at >= BANKS_START && at < BANKS_END) return this.banks.read(vcpu, at);
    return at >= 0xffd0 ? identification(at) : 0;
  }
}
