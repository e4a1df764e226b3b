// The notation of the instruction table. A row says once what an A64 instruction is: its encoding with named
// fields, its assembly syntax, the feature that gates it, the manual's section, and its semantics.

import type { Insn } from './insn.ts';
import { type Fields, type Pattern, parsePattern } from './pattern.ts';

/** Features that gate rows; a machine without one treats its rows as UNDEFINED. Names as in the Arm ARM (A2). */
export type Feature =
  | 'BASE'
  | 'FP'
  | 'FP16'
  | 'LSE'
  | 'CRC32'
  | 'RDM'
  | 'LRCPC'
  | 'LRCPC2'
  | 'DotProd'
  | 'FHM'
  | 'FCMA'
  | 'JSCVT'
  | 'FlagM'
  | 'FlagM2'
  | 'FRINTTS'
  | 'DIT'
  | 'SB'
  | 'SSBS'
  | 'DPB'
  | 'DPB2'
  | 'SHA1'
  | 'SHA256'
  | 'SHA512'
  | 'SHA3'
  | 'AES'
  | 'PMULL'
  | 'BTI'
  | 'PAuth'
  | 'RNG'
  | 'MTE'
  | 'MTE2'
  | 'PAN'
  | 'UAO'
  | 'LOR';

/**
 * Where control goes after an instruction, where not simply on: to a fixed address always (jump, or call when it
 * links), to it or on (branch), to one from a register (indirect, indirectCall when it links, return for a RET), or out of
 * generated code (leave).
 */
export type Flow = 'jump' | 'call' | 'branch' | 'indirect' | 'indirectCall' | 'return' | 'leave';

export interface RowOptions {
  readonly flow?: Flow;
  readonly feature?: Feature;
  /** The row exists only where this feature does not: hints that are NOPs then. */
  readonly without?: Feature;
  /** Uses FP or SIMD registers: traps while CPACR_EL1.FPEN says so. */
  readonly simd?: boolean;
  /** This row takes its encodings from that row, whose pattern covers them. */
  readonly refines?: string;
  /** Encodings of the pattern for which this holds are the row's; the others are somebody else's or unallocated. */
  readonly where?: (f: Fields) => boolean;
  /** Further fields that `where` must see although the interpreter reads them at run time, e.g. ['Rd']. */
  readonly whereFields?: readonly string[];
}

export interface Row extends RowOptions {
  /** As the manual titles it, with the variant: 'ADD (immediate)'. Unique. */
  readonly name: string;
  readonly pattern: Pattern;
  /** Assembly text with operands in braces; assembly/ defines the kinds. */
  readonly syntax: string;
  /** Section of the Arm ARM, e.g. 'C6.2.5'. */
  readonly section: string;
  readonly semantics: (i: Insn) => void;
}

/** One row of the table. */
export function row(
  name: string,
  pattern: string,
  syntax: string,
  section: string,
  semantics: (i: Insn) => void,
  options: RowOptions = {},
): Row {
  return { name, pattern: parsePattern(pattern), syntax, section, semantics, ...options };
}

/** The same options for many rows: `rows({ feature: 'LSE' }, [...])`. A row's own option wins. */
export function rows(options: RowOptions, list: readonly Row[]): Row[] {
  return list.map((r) => ({ ...options, ...r }));
}

/** What every encoding is that no row claims (C4.1: unallocated instructions are UNDEFINED). */
export const UNALLOCATED = row('UNALLOCATED', 'imm32:32', '.inst {imm32:word}', 'C4.1', (i) => i.undefined());
