// Loads and stores of registers and pairs, general-purpose and SIMD&FP, in every addressing form, and the ordered
// ones (Arm ARM C4.1.94). A transfer says what moves, a form says where; a row is one of each.

import { EXCEPTION, STATE } from '../../cpu/index.ts';
import type { Value } from '../../wasm/index.ts';
import type { Insn, MemoryOptions } from '../insn.ts';
import { type Row, type RowOptions, row } from '../row.ts';

type Bytes = 1 | 2 | 4 | 8 | 16;

/** Rn or SP as a base address; SP must be aligned to 16 where SCTLR_EL1.SA says so. */
export function baseAddress(i: Insn): Value {
  const address = i.xsp('Rn');
  i.c.if(i.field('Rn').eq(31), () => {
    const mask = i.c.load('i32.load', i.cpu, STATE.spAlignMask, 'state');
    i.exceptionIf(address.wrap().and(mask), EXCEPTION.spAlignment, 0);
  });
  return address;
}

/** SP as the base, without write-back or an index register, exempts an access from tag checks (Arm ARM D10.4). */
export const spExempt = (i: Insn): { readonly unchecked: Value } => ({ unchecked: i.field('Rn').eq(31) });

/** The low `bytes` of a vector register, as a store wants them. */
const vectorData = (i: Insn, r: string, bytes: Bytes): Value =>
  bytes === 16 ? i.v(r) : i.c.lane('i64x2.extract_lane', 0, i.v(r));

/** Loaded data to a vector register, the rest zero. */
const setVectorData = (i: Insn, r: string, bytes: Bytes, v: Value): void =>
  i.setV(r, bytes === 16 ? v : i.c.lane('i64x2.replace_lane', 0, i.c.v128(0n), v));

/** What a single-register load or store moves. */
interface Transfer {
  /** Mnemonic with '*' for the form's letters: 'ld*rsb' is ldrsb, ldursb, ldtrsb. */
  readonly mnemonic: string;
  readonly size: string;
  readonly v: 0 | 1;
  readonly opc: string;
  readonly bytes: Bytes;
  readonly load: boolean;
  /** Register kind in the syntax. */
  readonly kind: 'w' | 'x' | 'b' | 'h' | 's' | 'd' | 'q';
  readonly signed?: boolean;
}

const store = (mnemonic: string, size: string, bytes: Bytes, kind: 'w' | 'x'): Transfer => ({
  mnemonic,
  size,
  v: 0,
  opc: '00',
  bytes,
  load: false,
  kind,
});
const load = (mnemonic: string, size: string, bytes: Bytes, kind: 'w' | 'x'): Transfer => ({
  mnemonic,
  size,
  v: 0,
  opc: '01',
  bytes,
  load: true,
  kind,
});
const signedLoad = (mnemonic: string, size: string, bytes: Bytes, kind: 'w' | 'x'): Transfer => ({
  mnemonic,
  size,
  v: 0,
  opc: kind === 'x' ? '10' : '11',
  bytes,
  load: true,
  kind,
  signed: true,
});
const vector = (size: string, wide: 0 | 1, bytes: Bytes, kind: 'b' | 'h' | 's' | 'd' | 'q'): Transfer[] => [
  { mnemonic: 'st*r', size, v: 1, opc: `${wide}0`, bytes, load: false, kind },
  { mnemonic: 'ld*r', size, v: 1, opc: `${wide}1`, bytes, load: true, kind },
];

const GENERAL: Transfer[] = [
  store('st*rb', '00', 1, 'w'),
  load('ld*rb', '00', 1, 'w'),
  signedLoad('ld*rsb', '00', 1, 'x'),
  signedLoad('ld*rsb', '00', 1, 'w'),
  store('st*rh', '01', 2, 'w'),
  load('ld*rh', '01', 2, 'w'),
  signedLoad('ld*rsh', '01', 2, 'x'),
  signedLoad('ld*rsh', '01', 2, 'w'),
  store('st*r', '10', 4, 'w'),
  load('ld*r', '10', 4, 'w'),
  signedLoad('ld*rsw', '10', 4, 'x'),
  store('st*r', '11', 8, 'x'),
  load('ld*r', '11', 8, 'x'),
];
const VECTOR: Transfer[] = [
  ...vector('00', 0, 1, 'b'),
  ...vector('01', 0, 2, 'h'),
  ...vector('10', 0, 4, 's'),
  ...vector('11', 0, 8, 'd'),
  ...vector('00', 1, 16, 'q'),
];
const TRANSFERS = [...GENERAL, ...VECTOR];

/** Moves `t` at an address. Write-back forms and vectors give no syndrome (ISS.ISV = 0). */
function transfer(
  i: Insn,
  t: Transfer,
  address: Value,
  writeBack: boolean,
  options: MemoryOptions = {},
): void {
  const memory: MemoryOptions =
    t.v || writeBack
      ? options
      : { ...options, syndrome: { rt: 'Rt', sf: t.kind === 'x', signed: t.signed ?? false } };
  if (!t.load) {
    i.store(address, t.bytes, t.v ? vectorData(i, 'Rt', t.bytes) : i.x('Rt'), memory);
    return;
  }
  const data = i.load(address, t.bytes, memory);
  if (t.v) setVectorData(i, 'Rt', t.bytes, data);
  else if (!t.signed) i.setX('Rt', data);
  else
    i.setX(
      'Rt',
      t.kind === 'x' ? data.signExtend(t.bytes * 8) : data.signExtend(t.bytes * 8).and(0xffff_ffffn),
    );
}

/** Vector registers need FP and SIMD enabled. */
const optionsOf = (t: Transfer): RowOptions => (t.v ? { simd: true } : {});
const titled = (t: Transfer, letter: string, form: string): string =>
  `${t.mnemonic.replace('*', letter).toUpperCase()} (${form}, ${t.kind})`;
const mnemonic = (t: Transfer, letter: string): string => t.mnemonic.replace('*', letter);
const log2 = (bytes: number): number => Math.log2(bytes);

const unsignedOffset: Row[] = TRANSFERS.map((t) =>
  row(
    titled(t, '', 'unsigned offset'),
    `${t.size} 111 ${t.v} 01 ${t.opc} imm12:12 Rn:5 Rt:5`,
    `${mnemonic(t, '')} {Rt:${t.kind}}, [{Rn:xsp}{imm12:offset${t.bytes}}]`,
    'C6.2.178',
    (i) => transfer(i, t, baseAddress(i).add(i.field64('imm12').shl(log2(t.bytes))), false, spExempt(i)),
    optionsOf(t),
  ),
);

const unscaled: Row[] = TRANSFERS.map((t) =>
  row(
    titled(t, 'u', 'unscaled'),
    `${t.size} 111 ${t.v} 00 ${t.opc} 0 imm9:9 00 Rn:5 Rt:5`,
    `${mnemonic(t, 'u')} {Rt:${t.kind}}, [{Rn:xsp}{imm9:soffset}]`,
    'C6.2.213',
    (i) => transfer(i, t, baseAddress(i).add(i.signed('imm9', 9)), false, spExempt(i)),
    optionsOf(t),
  ),
);

const preIndexed: Row[] = TRANSFERS.map((t) =>
  row(
    titled(t, '', 'pre-index'),
    `${t.size} 111 ${t.v} 00 ${t.opc} 0 imm9:9 11 Rn:5 Rt:5`,
    `${mnemonic(t, '')} {Rt:${t.kind}}, [{Rn:xsp}, {imm9:s1}]!`,
    'C6.2.178',
    (i) => {
      const address = baseAddress(i).add(i.signed('imm9', 9));
      transfer(i, t, address, true);
      i.setXsp('Rn', address);
    },
    optionsOf(t),
  ),
);

const postIndexed: Row[] = TRANSFERS.map((t) =>
  row(
    titled(t, '', 'post-index'),
    `${t.size} 111 ${t.v} 00 ${t.opc} 0 imm9:9 01 Rn:5 Rt:5`,
    `${mnemonic(t, '')} {Rt:${t.kind}}, [{Rn:xsp}], {imm9:s1}`,
    'C6.2.178',
    (i) => {
      const address = baseAddress(i);
      transfer(i, t, address, true);
      i.setXsp('Rn', address.add(i.signed('imm9', 9)));
    },
    optionsOf(t),
  ),
);

const unprivileged: Row[] = GENERAL.map((t) =>
  row(
    titled(t, 't', 'unprivileged'),
    `${t.size} 111 0 00 ${t.opc} 0 imm9:9 10 Rn:5 Rt:5`,
    `${mnemonic(t, 't')} {Rt:${t.kind}}, [{Rn:xsp}{imm9:soffset}]`,
    'C6.2.198',
    (i) =>
      transfer(i, t, baseAddress(i).add(i.signed('imm9', 9)), false, { unprivileged: true, ...spExempt(i) }),
  ),
);

/** Rm extended by option (UXTW, LSL, SXTW, SXTX), scaled where S. */
const registerOffsetOf = (i: Insn, scale: number): Value => {
  const option = i.f.option as number;
  const m = i.x('Rm');
  const extended = option === 2 ? m.and(0xffff_ffffn) : option === 6 ? m.signExtend(32) : m;
  return i.f.S ? extended.shl(scale) : extended;
};

const registerOffset: Row[] = TRANSFERS.map((t) =>
  row(
    titled(t, '', 'register offset'),
    `${t.size} 111 ${t.v} 00 ${t.opc} 1 Rm:5 option:3 S 10 Rn:5 Rt:5`,
    `${mnemonic(t, '')} {Rt:${t.kind}}, [{Rn:xsp}, {Rm,option,S:roffset${t.bytes}}]`,
    'C6.2.180',
    (i) => transfer(i, t, baseAddress(i).add(registerOffsetOf(i, log2(t.bytes))), false),
    { ...optionsOf(t), where: (f) => ((f.option as number) & 2) !== 0 },
  ),
);

const literal = (name: string, opc: string, t: Transfer): Row =>
  row(
    `${name} (literal, ${t.kind})`,
    `${opc} 011 ${t.v} 00 imm19:19 Rt:5`,
    `${name.toLowerCase()} {Rt:${t.kind}}, {imm19:label19}`,
    'C6.2.179',
    (i) => transfer(i, t, i.pc().add(i.signed('imm19', 19, 2)), false, { unchecked: true }),
    optionsOf(t),
  );

const literals: Row[] = [
  literal('LDR', '00', load('ld*r', '10', 4, 'w')),
  literal('LDR', '01', load('ld*r', '11', 8, 'x')),
  literal('LDRSW', '10', signedLoad('ld*rsw', '10', 4, 'x')),
  literal('LDR', '00', vector('10', 0, 4, 's')[1] as Transfer),
  literal('LDR', '01', vector('11', 0, 8, 'd')[1] as Transfer),
  literal('LDR', '10', vector('00', 1, 16, 'q')[1] as Transfer),
];

/** Prefetches are hints; nothing moves and nothing faults. */
const prefetches: Row[] = [
  row(
    'PRFM (literal)',
    '11 011 0 00 imm19:19 imm_prf:5',
    'prfm {imm_prf:prefetch}, {imm19:label19}',
    'C6.2.246',
    () => {},
  ),
  row(
    'PRFM (immediate)',
    '11 111 0 01 10 imm12:12 Rn:5 imm_prf:5',
    'prfm {imm_prf:prefetch}, [{Rn:xsp}{imm12:offset8}]',
    'C6.2.245',
    () => {},
  ),
  row(
    'PRFM (register)',
    '11 111 0 00 10 1 Rm:5 option:3 S 10 Rn:5 imm_prf:5',
    'prfm {imm_prf:prefetch}, [{Rn:xsp}, {Rm,option,S:roffset8}]',
    'C6.2.247',
    () => {},
    {
      where: (f) => ((f.option as number) & 2) !== 0,
    },
  ),
  row(
    'PRFUM',
    '11 111 0 00 10 0 imm9:9 00 Rn:5 imm_prf:5',
    'prfum {imm_prf:prefetch}, [{Rn:xsp}{imm9:soffset}]',
    'C6.2.248',
    () => {},
  ),
];

/** What a pair moves. */
interface PairTransfer {
  readonly opc: string;
  readonly v: 0 | 1;
  readonly bytes: 4 | 8 | 16;
  readonly kind: 'w' | 'x' | 's' | 'd' | 'q';
  readonly signed?: boolean;
}
const PAIRS: PairTransfer[] = [
  { opc: '00', v: 0, bytes: 4, kind: 'w' },
  { opc: '10', v: 0, bytes: 8, kind: 'x' },
  { opc: '01', v: 0, bytes: 4, kind: 'x', signed: true },
  { opc: '00', v: 1, bytes: 4, kind: 's' },
  { opc: '01', v: 1, bytes: 8, kind: 'd' },
  { opc: '10', v: 1, bytes: 16, kind: 'q' },
];

function transferPair(
  i: Insn,
  p: PairTransfer,
  isLoad: boolean,
  address: Value,
  options: MemoryOptions,
): void {
  if (!isLoad) {
    const data = (r: string): Value => (p.v ? vectorData(i, r, p.bytes) : i.x(r));
    i.storePair(address, p.bytes, data('Rt'), data('Rt2'), options);
    return;
  }
  const [first, second] = i.loadPair(address, p.bytes, options);
  for (const [r, data] of [
    ['Rt', first],
    ['Rt2', second],
  ] as const) {
    if (p.v) setVectorData(i, r, p.bytes, data);
    else i.setX(r, p.signed ? data.signExtend(32) : data);
  }
}

/** Form: bits 24:23, where the address is, what is written back. */
const PAIR_FORMS = [
  {
    name: 'no-allocate',
    bits: '00',
    mnemonic: 'np',
    syntax: '[{Rn:xsp}{imm7:soffset*}]',
    pre: true,
    writeBack: false,
  },
  {
    name: 'post-index',
    bits: '01',
    mnemonic: 'p',
    syntax: '[{Rn:xsp}], {imm7:s*}',
    pre: false,
    writeBack: true,
  },
  {
    name: 'offset',
    bits: '10',
    mnemonic: 'p',
    syntax: '[{Rn:xsp}{imm7:soffset*}]',
    pre: true,
    writeBack: false,
  },
  {
    name: 'pre-index',
    bits: '11',
    mnemonic: 'p',
    syntax: '[{Rn:xsp}, {imm7:s*}]!',
    pre: true,
    writeBack: true,
  },
];

const pairs: Row[] = PAIRS.flatMap((p) =>
  [0, 1].flatMap((l) =>
    PAIR_FORMS.filter((form) => !p.signed || (l === 1 && form.mnemonic === 'p')).map((form) => {
      const name = `${l ? 'ld' : 'st'}${form.mnemonic}${p.signed ? 'sw' : ''}`;
      return row(
        `${name.toUpperCase()} (${form.name}, ${p.kind})`,
        `${p.opc} 101 ${p.v} 0${form.bits} ${l} imm7:7 Rt2:5 Rn:5 Rt:5`,
        `${name} {Rt:${p.kind}}, {Rt2:${p.kind}}, ${form.syntax.replace('*', String(p.bytes))}`,
        'C6.2.175',
        (i) => {
          const base = baseAddress(i);
          const offset = base.add(i.signed('imm7', 7, log2(p.bytes)));
          transferPair(i, p, l === 1, form.pre ? offset : base, form.writeBack ? {} : spExempt(i));
          if (form.writeBack) i.setXsp('Rn', offset);
        },
        p.v ? { simd: true } : {},
      );
    }),
  ),
);

const SIZES: [string, Bytes, string, 'w' | 'x'][] = [
  ['00', 1, 'b', 'w'],
  ['01', 2, 'h', 'w'],
  ['10', 4, '', 'w'],
  ['11', 8, '', 'x'],
];

/** LDAR, STLR, LDLAR, STLLR, LDAPR: one thread runs all vCPUs, so order is program order. */
const ordered: Row[] = SIZES.flatMap(([size, bytes, suffix, kind]) => {
  const syndrome = { rt: 'Rt', sf: kind === 'x', signed: false, acquire: true };
  const memory: MemoryOptions = { aligned: 'ordered', syndrome };
  const loadRow = (name: string, bits: string, options: RowOptions = {}): Row =>
    row(
      `${name.toUpperCase()}${suffix.toUpperCase()} (${kind})`,
      `${size} ${bits} Rn:5 Rt:5`,
      `${name}${suffix} {Rt:${kind}}, [{Rn:xsp}]`,
      'C6.2.153',
      (i) => i.setX('Rt', i.load(baseAddress(i), bytes, { ...memory, ...spExempt(i) })),
      options,
    );
  const storeRow = (name: string, bits: string): Row =>
    row(
      `${name.toUpperCase()}${suffix.toUpperCase()} (${kind})`,
      `${size} ${bits} Rn:5 Rt:5`,
      `${name}${suffix} {Rt:${kind}}, [{Rn:xsp}]`,
      'C6.2.330',
      (i) => i.store(baseAddress(i), bytes, i.x('Rt'), { ...memory, ...spExempt(i) }),
    );
  // Rs and Rt2 are SBO fields, ignored.
  return [
    loadRow('ldar', '001000 1 1 0 imm_rs:5 1 imm_rt2:5'),
    storeRow('stlr', '001000 1 0 0 imm_rs:5 1 imm_rt2:5'),
    loadRow('ldlar', '001000 1 1 0 imm_rs:5 0 imm_rt2:5', { feature: 'LOR' }),
    { ...storeRow('stllr', '001000 1 0 0 imm_rs:5 0 imm_rt2:5'), feature: 'LOR' as const },
    loadRow('ldapr', '111 0 00 1 0 1 11111 1 100 00', { feature: 'LRCPC' }),
  ];
});

/** LDAPUR and STLUR (FEAT_LRCPC2): ordered with an unscaled offset. */
const orderedUnscaled: Row[] = GENERAL.map((t) =>
  row(
    `${t.load ? 'LDAPUR' : 'STLUR'}${t.mnemonic.slice(4).toUpperCase()} (${t.kind})`,
    `${t.size} 011001 ${t.opc} 0 imm9:9 00 Rn:5 Rt:5`,
    `${t.load ? 'ldapur' : 'stlur'}${t.mnemonic.slice(4)} {Rt:${t.kind}}, [{Rn:xsp}{imm9:soffset}]`,
    'C6.2.147',
    (i) =>
      transfer(i, t, baseAddress(i).add(i.signed('imm9', 9)), false, { aligned: 'ordered', ...spExempt(i) }),
    { feature: 'LRCPC2' },
  ),
);

export const loadsAndStores: readonly Row[] = [
  ...unsignedOffset,
  ...unscaled,
  ...preIndexed,
  ...postIndexed,
  ...unprivileged,
  ...registerOffset,
  ...literals,
  ...prefetches,
  ...pairs,
  ...ordered,
  ...orderedUnscaled,
];
