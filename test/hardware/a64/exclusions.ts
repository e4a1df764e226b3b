// What is not compared with the reference CPU, and why: one table. Rows are named by a pattern; `encoding` narrows it
// to some of their encodings.

import type { Fields, Row } from '../../../src/hardware/a64/index.ts';

export interface Exclusion {
  readonly rows: RegExp;
  readonly reason: string;
  /** Only these encodings; all where it is absent. */
  readonly encoding?: (f: Fields, row: Row) => boolean;
}

const same = (a: number | undefined, b: number | undefined): boolean => a !== undefined && a === b;
const baseIs = (f: Fields, r: string): boolean => f.Rn !== 31 && same(f[r], f.Rn);

export const EXCLUSIONS: readonly Exclusion[] = [
  {
    rows: /^(SVC|HVC|SMC|HLT|ERET|WFE|WFI)$/,
    reason: 'leaves the program: a system call, a semihosting call, or a wait; see test/hardware/cpu',
  },
  {
    rows: /^(MRS|MSR|SYS|SYSL|DC)\b/,
    reason:
      'the system register table executes it, and a user program may reach few registers; see test/hardware/cpu',
  },
  {
    rows: /^(PAC|AUT|XPAC|BRA[AB]|BLRA[AB]|RETA[AB]|ERETA[AB]|LDRA[AB])/,
    reason:
      'the cipher of pointer authentication is implementation defined; see pointer-authentication.test.ts',
  },
  {
    rows: /^(IRG|ADDG|SUBG|LDG|LDGM|ST2?GM?|STZ2?GM?|STGP)\b/,
    reason:
      'needs memory with tags and the registers that choose tags, which a user program gets only by request; see test/hardware/cpu',
  },
  {
    rows: /^(LDP|LDNP|LDPSW|LDXP|LDAXP) /,
    reason: 'CONSTRAINED UNPREDICTABLE: both halves to one register (C6.2.175)',
    encoding: (f) => same(f.Rt, f.Rt2),
  },
  {
    rows: /^(LD|ST)\w+ .*(pre|post)-index, [wx]\)/,
    reason: 'CONSTRAINED UNPREDICTABLE: write-back to a register transferred (C6.2.178)',
    encoding: (f) => baseIs(f, 'Rt') || baseIs(f, 'Rt2'),
  },
  {
    rows: /^ST(L?)X[RP]/,
    reason: 'CONSTRAINED UNPREDICTABLE: the status register is the base or data (C6.2.354)',
    encoding: (f) => same(f.Rs, f.Rt) || same(f.Rs, f.Rt2) || baseIs(f, 'Rs'),
  },
  {
    rows: /^FCVTZS \(fixed-point, SIMD scalar, half\)$/,
    reason: 'QEMU 7.2 leaves sign bits above the 16-bit result (Arm ARM C7.2.104: the rest is zero)',
  },
];

/** Why a row is never compared, or undefined. */
export const excludedRow = (row: Row): string | undefined =>
  EXCLUSIONS.find((e) => !e.encoding && e.rows.test(row.name))?.reason;

export const excludedEncoding = (row: Row, fields: Fields): boolean =>
  EXCLUSIONS.some((e) => e.rows.test(row.name) && (!e.encoding || e.encoding(fields, row)));

/** Behaviours that inputs avoid for all rows. */
export const AVOIDED_INPUTS = [
  'atomic, exclusive and ordered accesses that are unaligned within 16 bytes: QEMU 7.2 has no FEAT_LSE2',
  'unaligned LDAPR: QEMU 7.2 does not check its alignment',
  'FPCR.AH, FIZ and NEP (FEAT_AFP): neither QEMU 7.2 nor we have them',
  'FJCVTZS with FPCR.FZ: QEMU 7.2 calls a flushed denormal exact (FPToFixedJS: Z is 0)',
  'loads and stores that fault: registers and memory are not compared, as parts of an access may have been done',
] as const;
