// Operands of system instructions: register names, PSTATE fields, barrier and prefetch operations, CRn and CRm.

import type { Field } from '../../pattern.ts';
import { systemRegisterKey, systemRegisterName } from '../system-register-names.ts';
import { join, type Kind, spread } from './kind.ts';

const value = (f: Field | undefined, fields: Readonly<Record<string, number>>): number =>
  fields[(f as Field).name] as number;
const hex = (n: number): string => `#0x${n.toString(16)}`;

/** `written`: MSR, whose encodings may name another register than MRS's. */
const systemRegister = (written: boolean): Kind => ({
  format: (f, { fields }) => systemRegisterName(join(f, fields), written),
  parse: (cursor, f) => {
    const key = systemRegisterKey(cursor.word() ?? '');
    return key === undefined ? undefined : spread(key, f);
  },
});

const crm: Kind = {
  format: ([f], { fields }) => `C${value(f, fields)}`,
  parse: (cursor, [f]) => {
    const n = cursor.match(/^c(\d+)\b/)?.[1];
    return n === undefined ? undefined : spread(Number(n), [f as Field]);
  },
};

/** CRm of CLREX and ISB: nothing where it is 15. */
const optionalCrm: Kind = {
  format: ([f], { fields }) => (value(f, fields) === 15 ? '' : ` ${hex(value(f, fields))}`),
  parse: (cursor, [f], context) => {
    if (!cursor.take(' ') || cursor.take('sy')) return { [(f as Field).name]: 15 };
    const n = cursor.small(context);
    return n === undefined ? undefined : spread(n, [f as Field]);
  },
};

const BARRIERS = '- oshld oshst osh - nshld nshst nsh - ishld ishst ish - ld st sy'.split(' ');
const barrier: Kind = {
  format: ([f], { fields }) => {
    const n = value(f, fields);
    return BARRIERS[n] === '-' ? `#0x0${n.toString(16)}` : (BARRIERS[n] as string);
  },
  parse: (cursor, [f], context) => {
    const name = cursor.match(/^[a-z]+/)?.[0];
    const n = name === undefined ? cursor.small(context) : BARRIERS.indexOf(name);
    return n === undefined ? undefined : spread(n, [f as Field]);
  },
};

const PREFETCH_TYPES = ['pld', 'pli', 'pst'];
const prefetch: Kind = {
  format: ([f], { fields }) => {
    const n = value(f, fields);
    const [type, target, policy] = [n >> 3, (n >> 1) & 3, n & 1];
    if (type === 3 || target === 3) return hex(n).replace(/x(.)$/, 'x0$1');
    return `${PREFETCH_TYPES[type]}l${target + 1}${policy ? 'strm' : 'keep'}`;
  },
  parse: (cursor, [f], context) => {
    const name = cursor.match(/^(pld|pli|pst)l([123])(keep|strm)\b/);
    const n = name
      ? (PREFETCH_TYPES.indexOf(name[1] as string) << 3) |
        ((Number(name[2]) - 1) << 1) |
        (name[3] === 'strm' ? 1 : 0)
      : cursor.small(context);
    return n === undefined ? undefined : spread(n, [f as Field]);
  },
};

/** MSR (immediate): field, op1, op2. Unknown ones are written as registers of op0 = 0. */
const PSTATE_FIELDS: readonly (readonly [string, number, number])[] = [
  ['uao', 0, 3],
  ['pan', 0, 4],
  ['spsel', 0, 5],
  ['ssbs', 3, 1],
  ['dit', 3, 2],
  ['tco', 3, 4],
  ['daifset', 3, 6],
  ['daifclr', 3, 7],
];
const pstate: Kind = {
  format: ([op1, crmField, op2], { fields }) => {
    const [a, m, b] = [value(op1, fields), value(crmField, fields), value(op2, fields)];
    const name = PSTATE_FIELDS.find(([, x, y]) => x === a && y === b)?.[0];
    // One-bit fields take 0 or 1.
    if (name === undefined || (m > 1 && !name.startsWith('daif'))) return `s0_${a}_c4_c${m}_${b}, xzr`;
    return `${name}, ${hex(m)}`;
  },
  parse: (cursor, [op1, crmField, op2], context) => {
    const name = cursor.word();
    const fixed = (a: number, m: number | undefined, b: number) =>
      m === undefined || m < 0 || m > 15
        ? undefined
        : { [(op1 as Field).name]: a, [(crmField as Field).name]: m, [(op2 as Field).name]: b };
    const generic = /^s0_([0-7])_c4_c(\d+)_([0-7])$/.exec(name ?? '');
    if (generic) {
      if (!cursor.take(', xzr')) return undefined;
      return fixed(Number(generic[1]), Number(generic[2]), Number(generic[3]));
    }
    const known = PSTATE_FIELDS.find(([n]) => n === name);
    return known && cursor.take(', ') ? fixed(known[1], cursor.small(context), known[2]) : undefined;
  },
};

export const systemKinds: Readonly<Record<string, Kind>> = {
  sysreg: systemRegister(false),
  sysregw: systemRegister(true),
  c: crm,
  crm: optionalCrm,
  barrier,
  prefetch,
  pstate,
};
