// Pointer authentication (FEAT_PAuth2, FEAT_FPAC; Arm ARM D8.10). The cipher is implementation defined: two rounds
// of multiply and fold, because a software QARMA would cost more than the code that it protects. Bits of a pointer
// that hold its PAC are EORed with the cipher's output, so that authenticating is the same step again.

import { EXCEPTION, registerOffset, STATE } from '../../cpu/index.ts';
import type { Value } from '../../wasm/index.ts';
import type { Insn } from '../insn.ts';
import { type Row, row, rows } from '../row.ts';
import { baseAddress, spExempt } from './loads-stores.ts';

interface Key {
  /** As in the mnemonics. */
  readonly name: 'ia' | 'ib' | 'da' | 'db';
  /** Bit of STATE.pacEnabled, and the syndrome of a failure. */
  readonly index: number;
  readonly low: number;
}
const keyOf = (name: Key['name'], index: number): Key => ({
  name,
  index,
  low: registerOffset(`AP${name.toUpperCase()}KeyLo_EL1`),
});
const IA = keyOf('ia', 0);
const IB = keyOf('ib', 1);
const DA = keyOf('da', 2);
const DB = keyOf('db', 3);
const KEYS = [IA, IB, DA, DB];

/** 64 bits that depend on all four: pointer or data, modifier, and the key. */
function cipher(data: Value, modifier: Value, low: Value, high: Value): Value {
  const fold = (v: Value): Value => v.xor(v.shrU(32));
  const first = fold(data.xor(low).mul(0x9e3779b97f4a7c15n));
  const second = fold(first.add(modifier).mul(0xd6e8feb86659fd93n));
  return fold(second.xor(high).mul(0xa0761d6478bd642fn));
}

const keyWord = (i: Insn, offset: number): Value => i.c.load('i64.load', i.cpu, offset, 'state');

/** The bits of a pointer that hold its PAC, and the pointer with each of them a copy of bit 55. */
function canonical(i: Insn, key: Key, pointer: Value): { readonly mask: Value; readonly plain: Value } {
  const bit55 = pointer.shrU(55).and(1);
  const masks = STATE.pacMask + (key.index >= 2 ? 16 : 0);
  const mask = i.c.load('i64.load', i.cpu.add(bit55.wrap().shl(3)), masks, 'state');
  return { mask, plain: pointer.and(mask.not()).or(mask.and(bit55.neg())) };
}

const strip = (i: Insn, key: Key, pointer: Value): Value => canonical(i, key, pointer).plain;

const enabled = (i: Insn, key: Key): Value =>
  i.c.load('i32.load', i.cpu, STATE.pacEnabled, 'state').and(1 << key.index);

/** What the PAC bits of a pointer are EORed with. */
const codeOf = (i: Insn, key: Key, plain: Value, modifier: Value, mask: Value): Value =>
  cipher(plain, modifier, keyWord(i, key.low), keyWord(i, key.low + 8)).and(mask);

/** AddPAC, where the key is enabled. */
function sign(i: Insn, key: Key, pointer: Value, modifier: Value): Value {
  const { mask, plain } = canonical(i, key, pointer);
  return i.select(enabled(i, key), plain.xor(codeOf(i, key, plain, modifier, mask)), pointer);
}

/** Auth: a pointer that does not come out canonical is an exception (FEAT_FPAC), with the key in the syndrome. */
function authenticate(i: Insn, key: Key, pointer: Value, modifier: Value): Value {
  const { mask, plain } = canonical(i, key, pointer);
  const on = enabled(i, key);
  const authentic = pointer.xor(codeOf(i, key, plain, modifier, mask)).eq(plain);
  i.exceptionIf(on.ne(0).and(authentic.eqz()), EXCEPTION.pacFail, key.index);
  return i.select(on, plain, pointer);
}

type Operation = (i: Insn, key: Key, pointer: Value, modifier: Value) => Value;
const OPERATIONS: [string, string, Operation][] = [
  ['pac', '000', sign],
  ['aut', '001', authenticate],
];

const KEY_BITS = ['00', '01', '10', '11'];

const registerForms: Row[] = OPERATIONS.flatMap(([verb, bits, operate]) =>
  KEYS.flatMap((key) => {
    const op = `${bits.slice(1)}`;
    const name = `${verb}${key.name}`;
    return [
      // opcode 00Z<aut><key>: Z selects the zero modifier.
      row(
        name.toUpperCase(),
        `1 1 0 11010110 00001 000${op.slice(1)}${KEY_BITS[key.index]} Rn:5 Rd:5`,
        `${name} {Rd:x}, {Rn:xsp}`,
        'C6.2.241',
        (i) => i.setX('Rd', operate(i, key, i.x('Rd'), i.xsp('Rn'))),
      ),
      row(
        `${verb}${key.name[0]}z${key.name[1]}`.toUpperCase(),
        `1 1 0 11010110 00001 001${op.slice(1)}${KEY_BITS[key.index]} 11111 Rd:5`,
        `${verb}${key.name[0]}z${key.name[1]} {Rd:x}`,
        'C6.2.241',
        (i) => i.setX('Rd', operate(i, key, i.x('Rd'), i.i64(0))),
      ),
    ];
  }),
);

const stripForms: Row[] = [IA, DA].map((key, data) =>
  row(
    `XPAC${data ? 'D' : 'I'}`,
    `1 1 0 11010110 00001 01000${data} 11111 Rd:5`,
    `xpac${data ? 'd' : 'i'} {Rd:x}`,
    'C6.2.413',
    (i) => i.setX('Rd', strip(i, key, i.x('Rd'))),
  ),
);

/** Hint number, mnemonic, register signed, modifier. */
const HINTS: [number, string, (i: Insn) => void][] = [
  [7, 'xpaclri', (i) => i.setX(30, strip(i, IA, i.x(30)))],
  ...OPERATIONS.flatMap(([verb, , operate], aut): [number, string, (i: Insn) => void][] =>
    [IA, IB].flatMap((key, b): [number, string, (i: Insn) => void][] => [
      [8 + 4 * aut + 2 * b, `${verb}${key.name}1716`, (i) => i.setX(17, operate(i, key, i.x(17), i.x(16)))],
      [24 + 4 * aut + 2 * b, `${verb}${key.name}z`, (i) => i.setX(30, operate(i, key, i.x(30), i.i64(0)))],
      [25 + 4 * aut + 2 * b, `${verb}${key.name}sp`, (i) => i.setX(30, operate(i, key, i.x(30), i.xsp(31)))],
    ]),
  ),
];

/** The hints that are pointer authentication where there is any. */
export const POINTER_AUTH_HINTS: ReadonlySet<number> = new Set(HINTS.map(([hint]) => hint));

const hintPattern = (hint: number): string =>
  `1101010100 0 00 011 0010 ${hint.toString(2).padStart(7, '0')} 11111`;
const hintForms: Row[] = HINTS.map(([hint, name, semantics]) =>
  row(name.toUpperCase(), hintPattern(hint), name, 'C6.2.125', semantics),
);
const hintsWithout: Row[] = HINTS.map(([hint, name]) =>
  row(`${name.toUpperCase()} (NOP)`, hintPattern(hint), name, 'C6.2.125', () => {}, { without: 'PAuth' }),
);

/** BRAA and friends: the modifier is Rm or SP, or zero; then as the plain branch. */
const branchForms: Row[] = [IA, IB].flatMap((key) => {
  const m = key.name[1] as string;
  const branch = (name: string, opc: string, btype: number, link: boolean): Row[] =>
    [0, 1].map((z) =>
      row(
        `${name}A${m.toUpperCase()}${z ? 'Z' : ''}`,
        `1101011 ${z ? 0 : 1} 0 ${opc} 11111 00001${m === 'a' ? 0 : 1} Rn:5 ${z ? '11111' : 'Rm:5'}`,
        `${name.toLowerCase()}a${m}${z ? 'z' : ''} {Rn:x}${z ? '' : ', {Rm:xsp}'}`,
        'C6.2.38',
        (i) => {
          const target = authenticate(i, key, i.x('Rn'), z ? i.i64(0) : i.xsp('Rm'));
          if (link) i.setX(30, i.pc().add(4));
          i.branchTo(target, btype);
        },
        { flow: link ? 'indirectCall' : 'indirect' },
      ),
    );
  return [
    ...branch('BR', '00', 3, false),
    ...branch('BLR', '01', 2, true),
    row(
      `RETA${m.toUpperCase()}`,
      `1101011 0010 11111 00001${m === 'a' ? 0 : 1} 11111 11111`,
      `reta${m}`,
      'C6.2.256',
      (i) => i.branchTo(authenticate(i, key, i.x(30), i.xsp(31)), 0),
      { flow: 'return' },
    ),
    row(
      `ERETA${m.toUpperCase()}`,
      `1101011 0100 11111 00001${m === 'a' ? 0 : 1} 11111 11111`,
      `ereta${m}`,
      'C6.2.122',
      (i) => {
        const elr = registerOffset('ELR_EL1');
        i.c.if(i.word('el'), () => {
          const target = authenticate(i, key, i.c.load('i64.load', i.cpu, elr, 'state'), i.xsp(31));
          i.c.store('i64.store', i.cpu, elr, target, 'state');
        });
        i.exception(EXCEPTION.eret, i.i32(0));
      },
      { flow: 'leave' },
    ),
  ];
});

/** LDRAA, LDRAB: authenticates the base with a zero modifier, then loads. */
const loadForms: Row[] = [DA, DB].flatMap((key, m) =>
  [0, 1].map((writeBack) =>
    row(
      `LDRA${m ? 'B' : 'A'} (${writeBack ? 'pre-index' : 'offset'})`,
      `11 111 0 00 ${m} imms9:1 1 imm9:9 ${writeBack} 1 Rn:5 Rt:5`,
      `ldra${m ? 'b' : 'a'} {Rt:x}, [{Rn:xsp}${writeBack ? ', {imms9,imm9:s10}]!' : '{imms9,imm9:soffset10}]'}`,
      'C6.2.181',
      (i) => {
        const base = authenticate(i, key, baseAddress(i), i.i64(0));
        const offset = i.field64('imms9').shl(9).or(i.field64('imm9')).shl(54).shrS(51);
        const address = base.add(offset);
        const data = i.load(address, 8, writeBack ? {} : spExempt(i));
        if (writeBack) i.setXsp('Rn', address);
        i.setX('Rt', data);
      },
    ),
  ),
);

const pacga = row(
  'PACGA',
  '1 0 0 11010110 Rm:5 001100 Rn:5 Rd:5',
  'pacga {Rd:x}, {Rn:x}, {Rm:xsp}',
  'C6.2.243',
  (i) => {
    const key = registerOffset('APGAKeyLo_EL1');
    const mac = cipher(i.x('Rn'), i.xsp('Rm'), keyWord(i, key), keyWord(i, key + 8));
    i.setX('Rd', mac.and(0xffff_ffff_0000_0000n));
  },
);

export const pointerAuthentication: readonly Row[] = [
  ...hintsWithout,
  ...rows({ feature: 'PAuth' }, [
    ...registerForms,
    ...stripForms,
    ...hintForms,
    ...branchForms,
    ...loadForms,
    pacga,
  ]),
];
