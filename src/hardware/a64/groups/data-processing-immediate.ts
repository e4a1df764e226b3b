// Data processing with an immediate operand (Arm ARM C4.1.93): PC-relative addressing, add and subtract, logical,
// move wide, bitfield, extract. Operand kinds in the syntax: r/rsp follow sf, x/w are fixed (see assembly/).

import type { Value } from '../../wasm/index.ts';
import { bitmaskImmediate } from '../bitmask.ts';
import type { Insn } from '../insn.ts';
import type { Fields } from '../pattern.ts';
import { row } from '../row.ts';

/** The 12-bit immediate, shifted by sh, of the operation's width. */
const immediate12 = (i: Insn): Value => {
  const n = i.field('imm12').shl(i.f.sh ? 12 : 0);
  return i.f.sf ? n.zext() : n;
};

const wideImmediate = (i: Insn): Value => i.field64('imm16').shl((i.f.hw as number) * 16);

/** 32-bit forms use only half of the shift amounts. */
const hwFits = (f: Fields): boolean => f.sf === 1 || (f.hw as number) < 2;

const pageBase = (i: Insn): Value => i.pc().and(-4096);
const immediate21 = (i: Insn): Value => i.field64('immhi').shl(2).or(i.field64('immlo')).shl(43).shrS(43);

/** Where a mask of `width` bits is wanted and width may be the whole register: all ones shifted right. */
const lowMask = (i: Insn, sf: number, width: Value): Value => {
  const bits = sf ? 64 : 32;
  const ones = sf ? i.i64(-1) : i.i32(-1);
  const amount = i.i32(bits).sub(width);
  return ones.shrU(sf ? amount.zext() : amount);
};

const asWidth = (sf: number, n: Value): Value => (sf ? n.zext() : n);

/**
 * C6.2.30, C6.2.263, C6.2.397 (BFM, SBFM, UBFM). With imms >= immr a field of imms-immr+1 bits moves down to
 * bit 0, otherwise the imms+1 low bits move up to bit (size - immr).
 */
function bitfield(i: Insn, kind: 'signed' | 'unsigned' | 'insert'): void {
  const sf = i.f.sf as number;
  const bits = sf ? 64 : 32;
  const immr = i.field('immr');
  const imms = i.field('imms');
  const down = imms.geU(immr);
  const width = i.select(down, imms.sub(immr), imms).add(1);
  const position = i.select(down, i.i32(0), i.i32(bits).sub(immr));
  const from = asWidth(sf, i.select(down, immr, i.i32(0)));
  const at = asWidth(sf, position);
  const source = i.r('Rn').shrU(from);
  const mask = lowMask(i, sf, width);
  if (kind === 'insert') {
    const hole = mask.shl(at);
    i.setR('Rd', i.r('Rd').and(hole.not()).or(source.and(mask).shl(at)));
    return;
  }
  if (kind === 'unsigned') {
    i.setR('Rd', source.and(mask).shl(at));
    return;
  }
  const up = asWidth(sf, i.i32(bits).sub(width));
  i.setR('Rd', source.shl(up).shrS(up).shl(at));
}

const bitfieldFits = (f: Fields): boolean =>
  f.sf === 1 || ((f.immr as number) < 32 && (f.imms as number) < 32);

const logical = (
  name: string,
  opc: string,
  mnemonic: string,
  section: string,
  operate: (a: Value, b: Value) => Value,
) =>
  row(
    name,
    `sf ${opc} 100100 N immr:6 imms:6 Rn:5 Rd:5`,
    `${mnemonic} {Rd:${opc === '11' ? 'r' : 'rsp'}}, {Rn:r}, {N,immr,imms:bitmask}`,
    section,
    (i) => {
      const result = operate(i.r('Rn'), bitmaskImmediate(i));
      if (opc === '11') {
        i.setFlags(result, 0, 0);
        i.setR('Rd', result);
      } else i.setRsp('Rd', result);
    },
    { where: (f) => bitmaskIsValid(f), whereFields: ['imms'] },
  );

/** C3.? DecodeBitMasks: reserved are N=1 in 32 bits, an element of one bit, and all ones. */
function bitmaskIsValid(f: Fields): boolean {
  const { N, imms, sf } = f as { N: number; imms: number; sf: number };
  if (N === 1 && sf === 0) return false;
  const combined = (N << 6) | (~imms & 63);
  if (combined < 2) return false;
  const length = 31 - Math.clz32(combined);
  const levels = (1 << length) - 1;
  return (imms & levels) !== levels;
}

export const dataProcessingImmediate = [
  row('ADR', '0 immlo:2 10000 immhi:19 Rd:5', 'adr {Rd:x}, {immlo,immhi:label21}', 'C6.2.12', (i) =>
    i.setX('Rd', i.pc().add(immediate21(i))),
  ),
  row('ADRP', '1 immlo:2 10000 immhi:19 Rd:5', 'adrp {Rd:x}, {immlo,immhi:page21}', 'C6.2.13', (i) =>
    i.setX('Rd', pageBase(i).add(immediate21(i).shl(12))),
  ),

  row(
    'ADD (immediate)',
    'sf 00 100010 sh imm12:12 Rn:5 Rd:5',
    'add {Rd:rsp}, {Rn:rsp}, {imm12,sh:shifted12}',
    'C6.2.5',
    (i) => i.setRsp('Rd', i.rsp('Rn').add(immediate12(i))),
  ),
  row(
    'ADDS (immediate)',
    'sf 01 100010 sh imm12:12 Rn:5 Rd:5',
    'adds {Rd:r}, {Rn:rsp}, {imm12,sh:shifted12}',
    'C6.2.9',
    (i) => i.setR('Rd', i.addFlags(i.rsp('Rn'), immediate12(i))),
  ),
  row(
    'SUB (immediate)',
    'sf 10 100010 sh imm12:12 Rn:5 Rd:5',
    'sub {Rd:rsp}, {Rn:rsp}, {imm12,sh:shifted12}',
    'C6.2.359',
    (i) => i.setRsp('Rd', i.rsp('Rn').sub(immediate12(i))),
  ),
  row(
    'SUBS (immediate)',
    'sf 11 100010 sh imm12:12 Rn:5 Rd:5',
    'subs {Rd:r}, {Rn:rsp}, {imm12,sh:shifted12}',
    'C6.2.365',
    (i) => i.setR('Rd', i.subFlags(i.rsp('Rn'), immediate12(i))),
  ),

  logical('AND (immediate)', '00', 'and', 'C6.2.14', (a, b) => a.and(b)),
  logical('ORR (immediate)', '01', 'orr', 'C6.2.240', (a, b) => a.or(b)),
  logical('EOR (immediate)', '10', 'eor', 'C6.2.119', (a, b) => a.xor(b)),
  logical('ANDS (immediate)', '11', 'ands', 'C6.2.16', (a, b) => a.and(b)),

  row(
    'MOVN',
    'sf 00 100101 hw:2 imm16:16 Rd:5',
    'movn {Rd:r}, {imm16,hw:wide16}',
    'C6.2.227',
    (i) => {
      const n = wideImmediate(i).not();
      i.setX('Rd', i.f.sf ? n : n.and(0xffff_ffffn));
    },
    { where: hwFits },
  ),
  row(
    'MOVZ',
    'sf 10 100101 hw:2 imm16:16 Rd:5',
    'movz {Rd:r}, {imm16,hw:wide16}',
    'C6.2.228',
    (i) => i.setX('Rd', wideImmediate(i)),
    {
      where: hwFits,
    },
  ),
  row(
    'MOVK',
    'sf 11 100101 hw:2 imm16:16 Rd:5',
    'movk {Rd:r}, {imm16,hw:wide16}',
    'C6.2.226',
    (i) => {
      const hole = ~(0xffffn << (BigInt(i.f.hw as number) * 16n));
      i.setX(
        'Rd',
        i
          .x('Rd')
          .and(i.f.sf ? hole : hole & 0xffff_ffffn)
          .or(wideImmediate(i)),
      );
    },
    { where: hwFits },
  ),

  row(
    'SBFM',
    'sf 00 100110 N immr:6 imms:6 Rn:5 Rd:5',
    'sbfm {Rd:r}, {Rn:r}, {immr:u}, {imms:u}',
    'C6.2.263',
    (i) => bitfield(i, 'signed'),
    {
      where: (f) => f.sf === f.N && bitfieldFits(f),
      whereFields: ['immr', 'imms'],
    },
  ),
  row(
    'BFM',
    'sf 01 100110 N immr:6 imms:6 Rn:5 Rd:5',
    'bfm {Rd:r}, {Rn:r}, {immr:u}, {imms:u}',
    'C6.2.30',
    (i) => bitfield(i, 'insert'),
    {
      where: (f) => f.sf === f.N && bitfieldFits(f),
      whereFields: ['immr', 'imms'],
    },
  ),
  row(
    'UBFM',
    'sf 10 100110 N immr:6 imms:6 Rn:5 Rd:5',
    'ubfm {Rd:r}, {Rn:r}, {immr:u}, {imms:u}',
    'C6.2.397',
    (i) => bitfield(i, 'unsigned'),
    {
      where: (f) => f.sf === f.N && bitfieldFits(f),
      whereFields: ['immr', 'imms'],
    },
  ),

  row(
    'EXTR',
    'sf 00 100111 N 0 Rm:5 imms:6 Rn:5 Rd:5',
    'extr {Rd:r}, {Rn:r}, {Rm:r}, {imms:u}',
    'C6.2.124',
    (i) => {
      const sf = i.f.sf as number;
      const lsb = i.field('imms');
      const high = i.r('Rn').shl(asWidth(sf, i.i32(sf ? 64 : 32).sub(lsb)));
      const low = i.r('Rm').shrU(asWidth(sf, lsb));
      // A shift by the register's whole width is a shift by 0 in WebAssembly.
      i.setR('Rd', i.select(lsb.eqz(), i.r('Rm'), high.or(low)));
    },
    { where: (f) => f.sf === f.N && (f.sf === 1 || (f.imms as number) < 32), whereFields: ['imms'] },
  ),
];
