// Exclusives, compare and swap, and atomic memory operations (Arm ARM C4.1.94; FEAT_LSE). One thread runs all
// vCPUs and enters each with its monitor clear, so an exclusive sequence that completes had memory to itself.

import { STATE } from '../../cpu/index.ts';
import type { Value } from '../../wasm/index.ts';
import type { Insn, MemoryOptions } from '../insn.ts';
import { type Row, row, rows } from '../row.ts';
import { baseAddress, spExempt } from './loads-stores.ts';

type Bytes = 1 | 2 | 4 | 8;

const SIZES: [string, Bytes, string, 'w' | 'x'][] = [
  ['00', 1, 'b', 'w'],
  ['01', 2, 'h', 'w'],
  ['10', 4, '', 'w'],
  ['11', 8, '', 'x'],
];
const LOADS = { 1: 'i64.load8_u', 2: 'i64.load16_u', 4: 'i64.load32_u', 8: 'i64.load' } as const;
const STORES = { 1: 'i64.store8', 2: 'i64.store16', 4: 'i64.store32', 8: 'i64.store' } as const;
const ATOMIC: MemoryOptions = { aligned: true, atomic: true };
const maskOf = (bytes: Bytes): bigint => (1n << BigInt(bytes * 8)) - 1n;

function setMonitor(i: Insn, address: Value, bytes: number): void {
  i.c.store('i32.store', i.cpu, STATE.exclusive, 1, 'state');
  i.c.store('i32.store', i.cpu, STATE.exclusiveSize, bytes, 'state');
  i.c.store('i64.store', i.cpu, STATE.exclusiveVa, address, 'state');
}

/** Runs `storeIt` where the monitor covers the address; Rs gets 0 then, else 1. The monitor is open afterwards. */
function storeExclusive(i: Insn, address: Value, bytes: number, storeIt: () => void): void {
  const { c } = i;
  const word = (offset: number): Value => c.load('i32.load', i.cpu, offset, 'state');
  const covered = word(STATE.exclusive)
    .and(word(STATE.exclusiveSize).eq(bytes))
    .and(c.load('i64.load', i.cpu, STATE.exclusiveVa, 'state').eq(address));
  c.if(covered, storeIt);
  c.store('i32.store', i.cpu, STATE.exclusive, 0, 'state');
  i.setX('Rs', covered.eqz().zext());
}

const exclusives: Row[] = SIZES.flatMap(([size, bytes, suffix, kind]) =>
  [0, 1].flatMap((ordered) => {
    // Exclusives have no instruction syndrome (Arm ARM, ISS of a Data Abort: ISV).
    const loadName = `ld${ordered ? 'a' : ''}xr${suffix}`;
    const storeName = `st${ordered ? 'l' : ''}xr${suffix}`;
    return [
      row(
        `${loadName.toUpperCase()} (${kind})`,
        `${size} 001000 0 1 0 imm_rs:5 ${ordered} imm_rt2:5 Rn:5 Rt:5`,
        `${loadName} {Rt:${kind}}, [{Rn:xsp}]`,
        'C6.2.210',
        (i) => {
          const address = baseAddress(i);
          const data = i.load(address, bytes, { aligned: true, ...spExempt(i) });
          setMonitor(i, address, bytes);
          i.setX('Rt', data);
        },
      ),
      row(
        `${storeName.toUpperCase()} (${kind})`,
        `${size} 001000 0 0 0 Rs:5 ${ordered} imm_rt2:5 Rn:5 Rt:5`,
        `${storeName} {Rs:w}, {Rt:${kind}}, [{Rn:xsp}]`,
        'C6.2.354',
        (i) => {
          const address = baseAddress(i);
          storeExclusive(i, address, bytes, () =>
            i.store(address, bytes, i.x('Rt'), { aligned: true, ...spExempt(i) }),
          );
        },
      ),
    ];
  }),
);

/** Pairs are one access of twice the size: 8 bytes for W registers, 16 for X. */
const exclusivePairs: Row[] = [4, 8].flatMap((bytes) =>
  [0, 1].flatMap((ordered) => {
    const kind = bytes === 8 ? 'x' : 'w';
    const size = bytes === 8 ? '11' : '10';
    const total = (bytes * 2) as 8 | 16;
    return [
      row(
        `LD${ordered ? 'A' : ''}XP (${kind})`,
        `${size} 001000 0 1 1 imm_rs:5 ${ordered} Rt2:5 Rn:5 Rt:5`,
        `ld${ordered ? 'a' : ''}xp {Rt:${kind}}, {Rt2:${kind}}, [{Rn:xsp}]`,
        'C6.2.209',
        (i) => {
          const address = baseAddress(i);
          const [low, high] = halves(i, i.load(address, total, { aligned: true, ...spExempt(i) }), bytes);
          setMonitor(i, address, total);
          i.setX('Rt', low);
          i.setX('Rt2', high);
        },
      ),
      row(
        `ST${ordered ? 'L' : ''}XP (${kind})`,
        `${size} 001000 0 0 1 Rs:5 ${ordered} Rt2:5 Rn:5 Rt:5`,
        `st${ordered ? 'l' : ''}xp {Rs:w}, {Rt:${kind}}, {Rt2:${kind}}, [{Rn:xsp}]`,
        'C6.2.353',
        (i) => {
          const address = baseAddress(i);
          const data = joined(i, i.x('Rt'), i.x('Rt2'), bytes);
          storeExclusive(i, address, total, () =>
            i.store(address, total, data, { aligned: true, ...spExempt(i) }),
          );
        },
      ),
    ];
  }),
);

/** The two registers of a pair in memory order: an i64 of two words, or a v128 of two doublewords. */
function halves(i: Insn, data: Value, bytes: number): [Value, Value] {
  if (bytes === 4) return [data.and(0xffff_ffffn), data.shrU(32)];
  return [i.c.lane('i64x2.extract_lane', 0, data), i.c.lane('i64x2.extract_lane', 1, data)];
}
function joined(i: Insn, low: Value, high: Value, bytes: number): Value {
  if (bytes === 4) return low.and(0xffff_ffffn).or(high.shl(32));
  return i.c.lane('i64x2.replace_lane', 1, i.c.op('i64x2.splat', low), high);
}

/** Acquire and release make no difference on one thread; they are one row each by their letters. */
const ORDERS = [
  ['0', '0', ''],
  ['1', '0', 'a'],
  ['0', '1', 'l'],
  ['1', '1', 'al'],
] as const;

const compareAndSwap: Row[] = SIZES.flatMap(([size, bytes, suffix, kind]) =>
  ORDERS.map(([a, r, letters]) =>
    row(
      `${`CAS${letters}${suffix}`.toUpperCase()} (${kind})`,
      `${size} 001000 1 ${a} 1 Rs:5 ${r} 11111 Rn:5 Rt:5`,
      `cas${letters}${suffix} {Rs:${kind}}, {Rt:${kind}}, [{Rn:xsp}]`,
      'C6.2.48',
      (i) => {
        const host = i.writable(baseAddress(i), bytes, { ...ATOMIC, ...spExempt(i) });
        const old = i.c.load(LOADS[bytes], host, 0, 'guest');
        const expected = i.x('Rs').and(maskOf(bytes));
        const data = i.x('Rt');
        i.c.if(old.eq(expected), () => i.c.store(STORES[bytes], host, 0, data, 'guest'));
        i.setX('Rs', old);
      },
    ),
  ),
);

const evenPair = (f: Readonly<Record<string, number>>): boolean =>
  ((f.Rs as number) & 1) === 0 && ((f.Rt as number) & 1) === 0;

const compareAndSwapPair: Row[] = [4, 8].flatMap((bytes) =>
  ORDERS.map(([a, r, letters]) => {
    const kind = bytes === 8 ? 'x' : 'w';
    return row(
      `${`CASP${letters}`.toUpperCase()} (${kind})`,
      `0 ${bytes === 8 ? 1 : 0} 001000 0 ${a} 1 Rs:5 ${r} 11111 Rn:5 Rt:5`,
      `casp${letters} {Rs:${kind}}, {Rs:${kind}next}, {Rt:${kind}}, {Rt:${kind}next}, [{Rn:xsp}]`,
      'C6.2.49',
      (i) => {
        const single = bytes as 4 | 8;
        const host = i.writable(baseAddress(i), (bytes * 2) as 8 | 16, { ...ATOMIC, ...spExempt(i) });
        const low = i.c.load(LOADS[single], host, 0, 'guest');
        const high = i.c.load(LOADS[single], host, bytes, 'guest');
        const mask = maskOf(single);
        const same = low.eq(i.x('Rs').and(mask)).and(high.eq(i.x('Rs+1').and(mask)));
        const [newLow, newHigh] = [i.x('Rt'), i.x('Rt+1')];
        i.c.if(same, () => {
          i.c.store(STORES[single], host, 0, newLow, 'guest');
          i.c.store(STORES[single], host, bytes, newHigh, 'guest');
        });
        i.setX('Rs', low);
        i.setX('Rs+1', high);
      },
      { where: evenPair, whereFields: ['Rs', 'Rt'] },
    );
  }),
);

/** Signed or unsigned order of two values of `bytes` bytes held zero-extended. */
const ordering =
  (bytes: Bytes, signed: boolean) =>
  (a: Value, b: Value): Value => {
    const widen = (v: Value): Value => (signed && bytes < 8 ? v.signExtend(bytes * 8) : v);
    return signed ? widen(a).gtS(widen(b)) : a.gtU(b);
  };

type Operation = (i: Insn, old: Value, operand: Value, bytes: Bytes) => Value;
const pick =
  (signed: boolean, greatest: boolean): Operation =>
  (i, old, operand, bytes) => {
    const oldIsGreater = ordering(bytes, signed)(old, operand);
    return greatest ? i.select(oldIsGreater, old, operand) : i.select(oldIsGreater, operand, old);
  };

/** Mnemonic, o3:opc, and the new memory value. */
const OPERATIONS: [string, string, Operation][] = [
  ['ldadd', '0000', (_, old, operand) => old.add(operand)],
  ['ldclr', '0001', (_, old, operand) => old.and(operand.not())],
  ['ldeor', '0010', (_, old, operand) => old.xor(operand)],
  ['ldset', '0011', (_, old, operand) => old.or(operand)],
  ['ldsmax', '0100', pick(true, true)],
  ['ldsmin', '0101', pick(true, false)],
  ['ldumax', '0110', pick(false, true)],
  ['ldumin', '0111', pick(false, false)],
  ['swp', '1000', (_, __, operand) => operand],
];

const memoryOperations: Row[] = SIZES.flatMap(([size, bytes, suffix, kind]) =>
  OPERATIONS.flatMap(([name, opcode, operate]) =>
    ORDERS.map(([a, r, letters]) =>
      row(
        `${`${name}${letters}${suffix}`.toUpperCase()} (${kind})`,
        `${size} 111 0 00 ${a} ${r} 1 Rs:5 ${opcode} 00 Rn:5 Rt:5`,
        `${name}${letters}${suffix} {Rs:${kind}}, {Rt:${kind}}, [{Rn:xsp}]`,
        'C6.2.139',
        (i) => {
          const host = i.writable(baseAddress(i), bytes, { ...ATOMIC, ...spExempt(i) });
          const old = i.c.load(LOADS[bytes], host, 0, 'guest');
          i.c.store(STORES[bytes], host, 0, operate(i, old, i.x('Rs').and(maskOf(bytes)), bytes), 'guest');
          i.setX('Rt', old);
        },
      ),
    ),
  ),
);

export const atomics: readonly Row[] = [
  ...exclusives,
  ...exclusivePairs,
  ...rows({ feature: 'LSE' }, [...compareAndSwap, ...compareAndSwapPair, ...memoryOperations]),
];
