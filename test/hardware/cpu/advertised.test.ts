import { describe, expect, it } from 'vitest';
import { type Feature, instructionTable } from '../../../src/hardware/a64/index.ts';
import { TestMachine } from './machine.ts';

/** Where the Arm ARM (A2.2) identifies a feature: register, lowest bit, least value. */
const IDENTIFIED: Record<Exclude<Feature, 'BASE'>, readonly [register: string, at: number, least: number]> = {
  FP: ['ID_AA64PFR0_EL1', 16, 0],
  FP16: ['ID_AA64PFR0_EL1', 16, 1],
  DIT: ['ID_AA64PFR0_EL1', 48, 1],
  BTI: ['ID_AA64PFR1_EL1', 0, 1],
  SSBS: ['ID_AA64PFR1_EL1', 4, 2],
  MTE: ['ID_AA64PFR1_EL1', 8, 1],
  MTE2: ['ID_AA64PFR1_EL1', 8, 2],
  AES: ['ID_AA64ISAR0_EL1', 4, 1],
  PMULL: ['ID_AA64ISAR0_EL1', 4, 2],
  SHA1: ['ID_AA64ISAR0_EL1', 8, 1],
  SHA256: ['ID_AA64ISAR0_EL1', 12, 1],
  SHA512: ['ID_AA64ISAR0_EL1', 12, 2],
  CRC32: ['ID_AA64ISAR0_EL1', 16, 1],
  LSE: ['ID_AA64ISAR0_EL1', 20, 2],
  RDM: ['ID_AA64ISAR0_EL1', 28, 1],
  SHA3: ['ID_AA64ISAR0_EL1', 32, 1],
  DotProd: ['ID_AA64ISAR0_EL1', 44, 1],
  FHM: ['ID_AA64ISAR0_EL1', 48, 1],
  FlagM: ['ID_AA64ISAR0_EL1', 52, 1],
  FlagM2: ['ID_AA64ISAR0_EL1', 52, 2],
  RNG: ['ID_AA64ISAR0_EL1', 60, 1],
  DPB: ['ID_AA64ISAR1_EL1', 0, 1],
  DPB2: ['ID_AA64ISAR1_EL1', 0, 2],
  PAuth: ['ID_AA64ISAR1_EL1', 8, 1],
  JSCVT: ['ID_AA64ISAR1_EL1', 12, 1],
  FCMA: ['ID_AA64ISAR1_EL1', 16, 1],
  LRCPC: ['ID_AA64ISAR1_EL1', 20, 1],
  LRCPC2: ['ID_AA64ISAR1_EL1', 20, 2],
  FRINTTS: ['ID_AA64ISAR1_EL1', 32, 1],
  SB: ['ID_AA64ISAR1_EL1', 36, 1],
  LOR: ['ID_AA64MMFR1_EL1', 16, 1],
  PAN: ['ID_AA64MMFR1_EL1', 20, 1],
  UAO: ['ID_AA64MMFR2_EL1', 4, 1],
};
/** Features without instructions of their own, or whose instructions are system registers and operations. */
const NO_ROWS: readonly Feature[] = ['FP', 'DIT', 'SSBS', 'RNG', 'DPB', 'DPB2', 'PAN', 'UAO', 'BTI'];

describe('what the ID registers advertise', () => {
  const machine = new TestMachine();
  const inTable = new Set(instructionTable().map((row) => row.feature));
  const value = (register: string, at: number) =>
    Number(((machine.mrs(register) as bigint) >> BigInt(at)) & 15n);

  it.each(Object.entries(IDENTIFIED))(
    '%s is in the instruction table as advertised',
    (name, [register, at, least]) => {
      expect(value(register, at)).toBeGreaterThanOrEqual(least);
      if (!NO_ROWS.includes(name as Feature)) expect(inTable.has(name as Feature)).toBe(true);
    },
  );

  it('promises no more than these', () => {
    const most: Record<string, bigint> = {
      ID_AA64PFR0_EL1: 0x1301_0000_0111_0011n,
      ID_AA64PFR1_EL1: 0x321n,
      ID_AA64ISAR0_EL1: 0x1021_1001_1021_2120n,
      ID_AA64ISAR1_EL1: 0x11_1021_1402n,
      ID_AA64ISAR2_EL1: 0n,
      ID_AA64MMFR0_EL1: 0x10_0025n,
      ID_AA64MMFR1_EL1: 0x31_1022n,
      ID_AA64MMFR2_EL1: 0x1000_0001_0000_0011n,
      ID_AA64DFR0_EL1: 0xf0_1030_5106n,
    };
    for (const [register, want] of Object.entries(most)) {
      expect((machine.mrs(register) as bigint).toString(16), register).toBe(want.toString(16));
    }
  });
});
