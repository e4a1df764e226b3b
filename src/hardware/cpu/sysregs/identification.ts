// Identification registers (Arm ARM D23.2, the ID space and the cache type registers). They advertise exactly
// what the instruction table and this CPU implement; features that a machine hides read as absent.

import type { CpuFeatures } from '../features.ts';
import { bitOf, computed, identification, type RegisterHost, type RegisterRow, stored } from './row.ts';

/** A value made of 4-bit (or wider) fields given as [lowest bit, value]. */
const fields = (...list: readonly (readonly [at: number, value: number])[]): bigint =>
  list.reduce((all, [at, value]) => all | (BigInt(value) << BigInt(at)), 0n);

/** Implementer 0 (reserved for software use), as QEMU's "max": no Linux erratum matches it. */
const MIDR = 0x000f0510n;

/** Words per line as a power of two: 64 bytes. */
const LINE = 4;
/** 256 bytes of memory, 16 tags, to one LDGM or STGM. */
const TAG_BLOCK = 6;

const CACHE_L1 = fields([0, 2], [3, 3], [13, 127]);
const CACHE_L2 = fields([0, 2], [3, 15], [13, 1023]);

const pfr0 = (f: CpuFeatures): bigint =>
  fields([0, 1], [4, 1], [16, 1], [20, 1], [24, f.gicv3 ? 1 : 0], [48, 1], [56, 3], [60, 1]);

const pfr1 = (f: CpuFeatures): bigint => fields([0, f.bti ? 1 : 0], [4, 2], [8, f.mte ? 3 : 0]);

const isar0 = (f: CpuFeatures): bigint =>
  fields(
    [4, 2], // AES and PMULL
    [8, 1],
    [12, 2],
    [16, 1],
    [20, 2],
    [28, 1],
    [32, 1],
    [44, 1],
    [48, 1],
    [52, 2],
    [60, f.rng ? 1 : 0],
  );

const isar1 = (f: CpuFeatures): bigint =>
  fields(
    [0, 2],
    [8, f.pauth ? 4 : 0], // API: FEAT_PAuth2 and FEAT_FPAC
    [12, 1],
    [16, 1],
    [20, 2],
    [28, f.pauth ? 1 : 0],
    [32, 1],
    [36, 1],
  );

/** 48-bit PA, 16-bit ASID, granules 16K, 64K, 4K. */
const mmfr0 = (): bigint => fields([0, 5], [4, 2], [20, 1]);

/** HAFDBS with dirty state, 16-bit VMID, hierarchical permission disables, LOR without regions, PAN3. */
const mmfr1 = (): bigint => fields([0, 2], [4, 2], [12, 1], [16, 1], [20, 3]);

/** CnP, UAO, LSE2, E0PD. */
const mmfr2 = (): bigint => fields([0, 1], [4, 1], [32, 1], [60, 1]);

/** Armv8 debug: 6 breakpoints of which 2 compare contexts, 4 watchpoints, no double lock. */
const dfr0 = (f: CpuFeatures): bigint =>
  fields([0, 6], [8, f.pmu ? 1 : 0], [12, 5], [20, 3], [28, 1], [36, 15]);

const clidr = (f: CpuFeatures): bigint =>
  fields([0, 3], [3, 4], [21, 1], [24, 2], [27, 1], [35, f.mte ? 2 : 0]);

function ccsidr(host: RegisterHost): bigint {
  const select = Number(host.stored('CSSELR_EL1'));
  if (select === 0 || select === 1) return CACHE_L1;
  return select === 2 ? CACHE_L2 : 0n;
}

const ctr = (f: CpuFeatures): bigint =>
  fields([0, LINE], [14, 3], [16, LINE], [20, LINE], [24, LINE], [31, 1], [32, f.mte ? LINE : 0]);

/** DC ZVA of 64 bytes; prohibited (DZP) at EL0 while SCTLR_EL1.DZE is clear. */
export const ZERO_BLOCK = BigInt(LINE);
export const ZERO_PROHIBITED = ZERO_BLOCK | 0x10n;
const dczid = (host: RegisterHost): bigint =>
  host.state.el === 0 && !bitOf(host, 'SCTLR_EL1', 14) ? ZERO_PROHIBITED : ZERO_BLOCK;

export const identificationRegisters: readonly RegisterRow[] = [
  identification('MIDR_EL1', [3, 0, 0, 0, 0], () => MIDR),
  identification('MPIDR_EL1', [3, 0, 0, 0, 5], (_, host) => host.mpidr),
  identification('REVIDR_EL1', [3, 0, 0, 0, 6], () => 0n),
  identification('ID_AA64PFR0_EL1', [3, 0, 0, 4, 0], pfr0),
  identification('ID_AA64PFR1_EL1', [3, 0, 0, 4, 1], pfr1),
  identification('ID_AA64DFR0_EL1', [3, 0, 0, 5, 0], dfr0),
  identification('ID_AA64ISAR0_EL1', [3, 0, 0, 6, 0], isar0),
  identification('ID_AA64ISAR1_EL1', [3, 0, 0, 6, 1], isar1),
  identification('ID_AA64ISAR2_EL1', [3, 0, 0, 6, 2], () => 0n),
  identification('ID_AA64MMFR0_EL1', [3, 0, 0, 7, 0], mmfr0),
  identification('ID_AA64MMFR1_EL1', [3, 0, 0, 7, 1], mmfr1),
  identification('ID_AA64MMFR2_EL1', [3, 0, 0, 7, 2], mmfr2),
  computed('CCSIDR_EL1', [3, 1, 0, 0, 0], { el1: 'r', read: ccsidr }),
  identification('CLIDR_EL1', [3, 1, 0, 0, 1], clidr),
  identification('GMID_EL1', [3, 1, 0, 0, 4], () => BigInt(TAG_BLOCK), { feature: 'mte' }),
  identification('AIDR_EL1', [3, 1, 0, 0, 7], () => 0n),
  stored('CSSELR_EL1', [3, 2, 0, 0, 0], { mask: 0xfn }),
  identification('CTR_EL0', [3, 3, 0, 0, 1], ctr, {
    el0: 'r',
    el0Gate: (host) => bitOf(host, 'SCTLR_EL1', 15),
  }),
  computed('DCZID_EL0', [3, 3, 0, 0, 7], { el0: 'r', el1: 'r', read: dczid }),
];
