// SCTLR_EL1, TCR_EL1, TTBRn_EL1 and MAIR_EL1 decoded into the numbers that a walk needs (Arm ARM D8.2, D23.2).
// Decoded once when one of them is written, so that no miss looks at a bit field again.

import type { CpuFeatures } from '../features.ts';
import type { CpuState } from '../state.ts';
import { slotOf } from '../sysregs/index.ts';

const SCTLR = slotOf('SCTLR_EL1');
const TCR = slotOf('TCR_EL1');
const MAIR = slotOf('MAIR_EL1');
const TTBR = [slotOf('TTBR0_EL1'), slotOf('TTBR1_EL1')] as const;

/** Output address bits by IPS; 52 is not implemented and counts as 48. */
const OUTPUT_BITS = [32, 36, 40, 42, 44, 48, 48, 48];
export const PA_BITS = 48;

/** Bits of SCTLR_EL1 that no translation depends on (EnIA, EnIB, EnDA, EnDB), and in its high half TCF0. */
const SCTLR_PAC = (1 << 31) | (1 << 30) | (1 << 27) | (1 << 13);
const SCTLR_TCF0 = 3 << 6;
/** Tag check modes (SCTLR_EL1.TCF and TCF0). */
export const TCF_NONE = 0;
export const TCF_SYNC = 1;
export const TCF_ASYNC = 2;
export const TCF_ASYMMETRIC = 3;

/** The half of the address space that one TTBR translates. */
export class Half {
  /** Walks are disabled (EPD). */
  disabled = false;
  /** Unprivileged accesses fault (E0PD). */
  kernelOnly = false;
  /** Hierarchical permissions are ignored (HPD). */
  flatPermissions = false;
  /** The top byte of a data address is ignored; of an instruction address. */
  ignoreTop = false;
  ignoreTopOfCode = false;
  /** Accesses with logical tag 0 (lower half) or 15 (upper half) are not checked (TCMA). */
  matchAll = false;
  granuleShift = 12;
  /** Address bits that one level resolves. */
  stride = 9;
  addressBits = 48;
  startLevel = 0;
  /** Address of the first table, in halves. */
  tableLow = 0;
  tableHigh = 0;
  /** Masks of a table index: at the first level, and below. */
  indexMask = 0;
  fullMask = 511;
  /** Bits of the address's halves that must all be zero (lower half) or one (upper half), with the top byte. */
  topHigh = 0;
  topLow = 0;
  /** log2 of the first table's bytes, which its address is a multiple of. */
  tableShift = 12;

  setTable(low: number, high: number): void {
    this.tableLow = (low & (-1 << this.tableShift)) >>> 0;
    this.tableHigh = high & 0xffff;
  }
}

export class Regime {
  /** SCTLR_EL1. */
  private controlsLow = 0;
  private controlsHigh = 0;
  on = false;
  wxn = false;
  epan = false;
  /** SCTLR.A: unaligned accesses fault. */
  alignmentChecked = false;
  /** SCTLR.nAA: ordered accesses may cross 16 bytes. */
  unalignedOrdered = false;
  hardwareAccessFlag = false;
  hardwareDirty = false;
  outputBits = 48;
  asid = 0;
  /** 0xffff, or 0xff without TCR.AS. */
  asidMask = 0xffff;
  readonly lower = new Half();
  readonly upper = new Half();
  /** Bit n: MAIR attribute n is Device, is Normal Tagged. */
  deviceAttributes = 0;
  taggedAttributes = 0;
  /** TCF of each privilege, TCF_NONE also where allocation tags are inaccessible (ATA). */
  checkUser = 0;
  checkKernel = 0;
  /** Allocation tags may be loaded and stored (ATA0, ATA). */
  tagsUser = false;
  tagsKernel = false;
  private readonly features: CpuFeatures;

  constructor(features: CpuFeatures) {
    this.features = features;
  }

  /** Whether SCTLR_EL1 has other bits than when it was decoded that what pages may be used for depends on, TCF0 apart. */
  hasOtherControls(state: CpuState): boolean {
    return (
      ((state.sysregLow(SCTLR) ^ this.controlsLow) & ~SCTLR_PAC) !== 0 ||
      ((state.sysregHigh(SCTLR) ^ this.controlsHigh) & ~SCTLR_TCF0) !== 0
    );
  }

  decode(state: CpuState): void {
    const sctlr = state.sysregLow(SCTLR);
    const sctlrHigh = state.sysregHigh(SCTLR);
    this.controlsLow = sctlr;
    this.controlsHigh = sctlrHigh;
    this.on = (sctlr & 1) !== 0;
    this.alignmentChecked = (sctlr & 2) !== 0;
    this.unalignedOrdered = (sctlr & 0x40) !== 0;
    this.wxn = (sctlr & 0x80000) !== 0;
    this.epan = (sctlrHigh & (1 << 25)) !== 0;
    const { mte } = this.features;
    this.tagsUser = mte && (sctlrHigh & (1 << 10)) !== 0;
    this.tagsKernel = mte && (sctlrHigh & (1 << 11)) !== 0;
    this.checkUser = this.tagsUser ? (sctlrHigh >>> 6) & 3 : TCF_NONE;
    this.checkKernel = this.tagsKernel ? (sctlrHigh >>> 8) & 3 : TCF_NONE;

    const tcr = state.sysregLow(TCR);
    const tcrHigh = state.sysregHigh(TCR);
    this.outputBits = OUTPUT_BITS[tcrHigh & 7];
    this.hardwareAccessFlag = (tcrHigh & (1 << 7)) !== 0;
    this.hardwareDirty = this.hardwareAccessFlag && (tcrHigh & (1 << 8)) !== 0;
    this.decodeHalf(this.lower, 0, tcr & 63, [12, 16, 14, 12][(tcr >>> 14) & 3], tcr & (1 << 7), tcrHigh);
    this.decodeHalf(
      this.upper,
      1,
      (tcr >>> 16) & 63,
      [12, 14, 12, 16][(tcr >>> 30) & 3],
      tcr & (1 << 23),
      tcrHigh,
    );
    this.decodeTables(state);
    this.decodeAttributes(state);
  }

  /** What changes with TTBR0_EL1 and TTBR1_EL1: the tables and the ASID. */
  decodeTables(state: CpuState): void {
    const tcrHigh = state.sysregHigh(TCR);
    const owner = state.sysregLow(TCR) & (1 << 22) ? TTBR[1] : TTBR[0];
    const asid = state.sysregHigh(owner) >>> 16;
    this.asidMask = tcrHigh & (1 << 4) ? 0xffff : 0xff;
    this.asid = asid & this.asidMask;
    this.lower.setTable(state.sysregLow(TTBR[0]), state.sysregHigh(TTBR[0]));
    this.upper.setTable(state.sysregLow(TTBR[1]), state.sysregHigh(TTBR[1]));
  }

  private decodeHalf(
    half: Half,
    n: 0 | 1,
    size: number,
    granuleShift: number,
    walksDisabled: number,
    tcrHigh: number,
  ): void {
    const flag = (at: number): boolean => (tcrHigh & (1 << (at + n))) !== 0;
    half.disabled = walksDisabled !== 0;
    half.ignoreTop = flag(5);
    half.flatPermissions = flag(9);
    half.ignoreTopOfCode = half.ignoreTop && !(this.features.pauth && flag(19));
    half.kernelOnly = flag(23);
    half.matchAll = flag(25);
    // TxSZ outside 16..39 is clamped (CONSTRAINED UNPREDICTABLE).
    half.addressBits = 64 - Math.min(Math.max(size, 16), 39);
    half.granuleShift = granuleShift;
    half.stride = granuleShift - 3;
    half.startLevel = 4 - Math.ceil((half.addressBits - granuleShift) / half.stride);
    const resolved = (3 - half.startLevel) * half.stride + granuleShift;
    half.tableShift = Math.max(half.addressBits - resolved + 3, 6);
    half.indexMask = (1 << (half.addressBits - resolved)) - 1;
    half.fullMask = (1 << half.stride) - 1;
    const bits = half.addressBits;
    half.topHigh = bits >= 32 ? (-1 << (bits - 32)) >>> 0 : 0xffff_ffff;
    half.topLow = bits < 32 ? (-1 << bits) >>> 0 : 0;
  }

  private decodeAttributes(state: CpuState): void {
    this.deviceAttributes = 0;
    this.taggedAttributes = 0;
    for (let n = 0; n < 8; n++) {
      const word = n < 4 ? state.sysregLow(MAIR) : state.sysregHigh(MAIR);
      const attribute = (word >>> ((n & 3) * 8)) & 0xff;
      if ((attribute & 0xf0) === 0) this.deviceAttributes |= 1 << n;
      if (attribute === 0xf0 && this.features.mte) this.taggedAttributes |= 1 << n;
    }
  }
}
