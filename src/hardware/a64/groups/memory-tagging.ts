// Memory tagging (FEAT_MTE and FEAT_MTE2; Arm ARM D10): tags of pointers, which are arithmetic, and tags of memory,
// which Insn's loadTags and storeTags reach. DC ZVA, GVA and GZVA stand here too: kernels fill pages with them.

import { EXCEPTION, registerOffset } from '../../cpu/index.ts';
import type { Value } from '../../wasm/index.ts';
import type { BuiltHelper, Helpers } from '../helpers.ts';
import type { Insn } from '../insn.ts';
import { type Row, row, rows } from '../row.ts';
import { baseAddress } from './loads-stores.ts';

const SCTLR = registerOffset('SCTLR_EL1');
const GCR = registerOffset('GCR_EL1');
const RGSR = registerOffset('RGSR_EL1');
const TAG_SHIFT = 56;
/** GMID_EL1.BS: LDGM and STGM move the tags of 256 bytes. */
const TAG_BLOCK = 256;
/** DCZID_EL0.BS. */
const ZERO_BLOCK = 64;

const tagOf = (address: Value): Value => address.shrU(TAG_SHIFT).and(15);
const withTag = (address: Value, tag: Value): Value =>
  address.and(~(15n << BigInt(TAG_SHIFT))).or(tag.shl(TAG_SHIFT));

/** The next tag after `tag` that is not excluded; there is one. */
function nextIncluded(tag: Value, exclude: Value): Value {
  // Excluded tags below a bit that is not: rotate so that `tag` is bit 0, and count the ones there.
  const twice = exclude.or(exclude.shl(16));
  return tag.add(twice.shrU(tag).not().ctz()).and(15);
}

/** (tag, offset, excluded tags) -> ChooseNonExcludedTag: as many included tags on as the offset says. */
const chooseTag: BuiltHelper = {
  params: ['i32', 'i32', 'i32'],
  results: ['i32'],
  build: (c) => {
    const exclude = c.param(2);
    c.if(exclude.eq(0xffff), () => c.return(0));
    const tag = c.variable('i32', c.param(0));
    const left = c.variable('i32', c.param(1));
    c.if(left.get().eqz(), () => c.return(nextIncluded(tag.get(), exclude)));
    c.scope((done) => {
      c.loop((again) => {
        tag.set(nextIncluded(tag.get().add(1).and(15), exclude));
        left.set(left.get().sub(1));
        c.branch(done, left.get().eqz());
        c.branch(again);
      });
    });
    c.return(tag.get());
  },
};

/**
 * (cpu, excluded tags) -> AArch64.RandomTag from the generator in RGSR_EL1, which it moves on. GCR_EL1.RRND leaves
 * the choice to us: the same generator, for which a seed of zero, where it would stand still, counts as one.
 */
const randomTag: BuiltHelper = {
  params: ['i32', 'i32'],
  results: ['i32'],
  build: (c, helper) => {
    const cpu = c.param(0);
    const rgsr = c.load('i32.load', cpu, RGSR, 'state');
    const rrnd = c.load('i32.load', cpu, GCR, 'state').shrU(16).and(1);
    const before = rgsr.shrU(8).and(0xffff);
    let seed = c.select(before.eqz(), rrnd, before);
    let offset = c.i32(0);
    for (let bit = 0; bit < 4; bit++) {
      const top = seed.xor(seed.shrU(2)).xor(seed.shrU(3)).xor(seed.shrU(5)).and(1);
      seed = seed.shrU(1).or(top.shl(15));
      offset = offset.or(top.shl(bit));
    }
    const tag = c.call(helper('chooseTag'), rgsr.and(15), offset, c.param(1)) as Value;
    c.store('i32.store', cpu, RGSR, tag.or(seed.shl(8)), 'state');
    c.return(tag);
  },
};

export const tagHelpers: Helpers<BuiltHelper> = { chooseTag, randomTag };

/** AllocationTagAccessIsEnabled: SCTLR_EL1.ATA, or ATA0 at EL0. Without it every tag chosen is 0. */
const tagsEnabled = (i: Insn): Value => {
  const high = i.c.load('i32.load', i.cpu, SCTLR + 4, 'state');
  return high.shrU(i.select(i.word('el'), i.i32(43 - 32), i.i32(42 - 32))).and(1);
};
const excludedTags = (i: Insn): Value => i.c.load('i32.load16_u', i.cpu, GCR, 'state');

function insertRandomTag(i: Insn): void {
  const source = i.xsp('Rn');
  const exclude = excludedTags(i).or(i.x('Rm').wrap().and(0xffff));
  const tag = i.c.variable('i32', 0);
  i.c.if(tagsEnabled(i), () => tag.set(i.c.call(i.helper('randomTag'), i.cpu, exclude) as Value));
  i.setXsp('Rd', withTag(source, tag.get().zext()));
}

function addTag(i: Insn, negative: boolean): void {
  const source = i.xsp('Rn');
  const bytes = i.field64('imm6').shl(4);
  const moved = negative ? source.sub(bytes) : source.add(bytes);
  const chosen = i.c.call(
    i.helper('chooseTag'),
    tagOf(source).wrap(),
    i.field('imm4'),
    excludedTags(i),
  ) as Value;
  i.setXsp('Rd', withTag(moved, i.select(tagsEnabled(i), chosen, i.i32(0)).zext()));
}

const addressOf = (i: Insn, r: string): Value => i.xsp(r).shl(8).shrS(8);

const pointers: Row[] = [
  row(
    'IRG',
    '1 0 0 11010110 Rm:5 000100 Rn:5 Rd:5',
    'irg {Rd:xsp}, {Rn:xsp}{Rm:optx}',
    'C6.2.136',
    insertRandomTag,
  ),
  row('GMI', '1 0 0 11010110 Rm:5 000101 Rn:5 Rd:5', 'gmi {Rd:x}, {Rn:xsp}, {Rm:x}', 'C6.2.123', (i) =>
    i.setX('Rd', i.x('Rm').or(i.i64(1).shl(tagOf(i.xsp('Rn'))))),
  ),
  row(
    'ADDG',
    '1 0 0 100011 0 imm6:6 00 imm4:4 Rn:5 Rd:5',
    'addg {Rd:xsp}, {Rn:xsp}, {imm6:uhex16}, {imm4:uhex}',
    'C6.2.6',
    (i) => addTag(i, false),
  ),
  row(
    'SUBG',
    '1 1 0 100011 0 imm6:6 00 imm4:4 Rn:5 Rd:5',
    'subg {Rd:xsp}, {Rn:xsp}, {imm6:uhex16}, {imm4:uhex}',
    'C6.2.359',
    (i) => addTag(i, true),
  ),
  row('SUBP', '1 0 0 11010110 Rm:5 000000 Rn:5 Rd:5', 'subp {Rd:x}, {Rn:xsp}, {Rm:xsp}', 'C6.2.360', (i) =>
    i.setX('Rd', addressOf(i, 'Rn').sub(addressOf(i, 'Rm'))),
  ),
  row('SUBPS', '1 0 1 11010110 Rm:5 000000 Rn:5 Rd:5', 'subps {Rd:x}, {Rn:xsp}, {Rm:xsp}', 'C6.2.361', (i) =>
    i.setX('Rd', i.subFlags(addressOf(i, 'Rn'), addressOf(i, 'Rm'))),
  ),
];

/** Sets the tags of neighbouring granules, and clears them where `zero`. */
function writeTags(i: Insn, host: Value, bytes: 16 | 32 | 64, tag: Value, zero: boolean): void {
  const count = bytes / 16;
  const [name, copies] = { 1: ['i64.store8', 1], 2: ['i64.store16', 0x0101], 4: ['i64.store32', 0x01010101] }[
    count
  ] as [string, number];
  i.c.store(name, i.tagOffset(host), 0, tag.mul(copies), 'guest');
  if (zero) clear(i, host, bytes);
}

function clear(i: Insn, host: Value, bytes: number): void {
  for (let at = 0; at < bytes; at += 16) i.c.store('v128.store', host, at, i.c.v128(0n), 'guest');
}

/** Tags of 16, 32 or 64 bytes at a multiple of 16. */
function setTags(i: Insn, address: Value, bytes: 16 | 32 | 64, tag: Value, zero: boolean): void {
  const host = i.reach(address, bytes, { write: true, align: 16, tags: true });
  i.c.if(
    host,
    () => writeTags(i, host, bytes, tag, zero),
    () => i.storeTags(address, bytes, tag, zero),
  );
}

const FORMS = [
  { name: 'post-index', bits: '01', pair: '01', syntax: '[{Rn:xsp}], {*:s16}', pre: false, writeBack: true },
  { name: 'offset', bits: '10', pair: '10', syntax: '[{Rn:xsp}{*:soffset16}]', pre: true, writeBack: false },
  { name: 'pre-index', bits: '11', pair: '11', syntax: '[{Rn:xsp}, {*:s16}]!', pre: true, writeBack: true },
] as const;

const STORES = [
  { name: 'STG', opc: '00', bytes: 16, zero: false, section: 'C6.2.320' },
  { name: 'STZG', opc: '01', bytes: 16, zero: true, section: 'C6.2.355' },
  { name: 'ST2G', opc: '10', bytes: 32, zero: false, section: 'C6.2.305' },
  { name: 'STZ2G', opc: '11', bytes: 32, zero: true, section: 'C6.2.354' },
] as const;

const tagStores: Row[] = STORES.flatMap((s) =>
  FORMS.map((form) =>
    row(
      `${s.name} (${form.name})`,
      `11011001 ${s.opc} 1 imm9:9 ${form.bits} Rn:5 Rt:5`,
      `${s.name.toLowerCase()} {Rt:xsp}, ${form.syntax.replace('*', 'imm9')}`,
      s.section,
      (i) => {
        const base = baseAddress(i);
        const offset = base.add(i.signed('imm9', 9, 4));
        setTags(i, form.pre ? offset : base, s.bytes, tagOf(i.xsp('Rt')), s.zero);
        if (form.writeBack) i.setXsp('Rn', offset);
      },
    ),
  ),
);

/** STGP sets the granule's tag from the address and stores both registers into it. */
const tagPairs: Row[] = FORMS.map((form) =>
  row(
    `STGP (${form.name})`,
    `01 101 0 0${form.pair} 0 imm7:7 Rt2:5 Rn:5 Rt:5`,
    `stgp {Rt:x}, {Rt2:x}, ${form.syntax.replace('*', 'imm7')}`,
    'C6.2.323',
    (i) => {
      const base = baseAddress(i);
      const offset = base.add(i.signed('imm7', 7, 4));
      const address = form.pre ? offset : base;
      const [first, second] = [i.x('Rt'), i.x('Rt2')];
      setTags(i, address, 16, tagOf(address), false);
      i.storePair(address, 8, first, second, { unchecked: true });
      if (form.writeBack) i.setXsp('Rn', offset);
    },
  ),
);

const tagLoads: Row[] = [
  row(
    'LDG',
    '11011001 01 1 imm9:9 00 Rn:5 Rt:5',
    'ldg {Rt:x}, [{Rn:xsp}{imm9:soffset16}]',
    'C6.2.166',
    (i) => {
      const address = baseAddress(i).add(i.signed('imm9', 9, 4));
      const tag = i.c.variable('i64');
      const host = i.reach(address.and(-16), 16, { write: false, align: 1, tags: true });
      i.c.if(
        host,
        () => tag.set(i.c.load('i64.load8_u', i.tagOffset(host), 0, 'guest')),
        () => tag.set(i.loadTags(address, 16)),
      );
      i.setX('Rt', withTag(i.x('Rt'), tag.get()));
    },
  ),
];

/** Blocks of tags, for kernels only. */
const privileged = (i: Insn): Value => {
  i.exceptionIf(i.word('el').eqz(), EXCEPTION.undefined, 0);
  return baseAddress(i);
};
const blocks: Row[] = [
  row('LDGM', '11011001 11 1 000000000 00 Rn:5 Rt:5', 'ldgm {Rt:x}, [{Rn:xsp}]', 'C6.2.167', (i) =>
    i.setX('Rt', i.loadTags(privileged(i), TAG_BLOCK)),
  ),
  row('STGM', '11011001 10 1 000000000 00 Rn:5 Rt:5', 'stgm {Rt:x}, [{Rn:xsp}]', 'C6.2.322', (i) =>
    i.storeTags(privileged(i), TAG_BLOCK, i.x('Rt'), false),
  ),
  row('STZGM', '11011001 00 1 000000000 00 Rn:5 Rt:5', 'stzgm {Rt:x}, [{Rn:xsp}]', 'C6.2.356', (i) =>
    setTags(i, privileged(i).and(-ZERO_BLOCK), ZERO_BLOCK, i.x('Rt').and(15), true),
  ),
];

/** DC ZVA, GVA and GZVA (C5.3) in place where the block is at hand; the system register table does the others. */
const dataCacheZero = (name: string, op2: string, data: boolean, tags: boolean): Row =>
  row(
    name,
    `1101010100 0 01 011 0111 0100 ${op2} Rt:5`,
    `sys #3, C7, C4, #${parseInt(op2, 2)}{Rt:optx}`,
    'C6.2.372',
    (i) => {
      const dze = i.c.load('i32.load', i.cpu, SCTLR, 'state').shrU(14);
      const host = i.c.variable('i32', 0);
      const address = i.x('Rt').and(-ZERO_BLOCK);
      i.c.if(i.word('el').or(dze).and(1), () => {
        host.set(i.reach(address, ZERO_BLOCK, { write: true, align: 1, tags }));
      });
      i.c.if(
        host.get(),
        () => {
          if (tags) writeTags(i, host.get(), ZERO_BLOCK, tagOf(address), data);
          else clear(i, host.get(), ZERO_BLOCK);
        },
        () => i.system(),
      );
    },
    tags ? { refines: 'SYS', feature: 'MTE2' } : { refines: 'SYS' },
  );

export const memoryTagging: readonly Row[] = [
  dataCacheZero('DC ZVA', '001', true, false),
  dataCacheZero('DC GVA', '011', false, true),
  dataCacheZero('DC GZVA', '100', true, true),
  ...rows({ feature: 'MTE' }, [...pointers, ...tagStores, ...tagPairs, ...tagLoads]),
  ...rows({ feature: 'MTE2' }, blocks),
];
