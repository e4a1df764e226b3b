// Numbers: unsigned and signed immediates, shifts, masks, conditions, floating-point constants and addresses.

import { decodeBitmask } from '../../bitmask.ts';
import type { Field } from '../../pattern.ts';
import {
  type Cursor,
  join,
  type Kind,
  type ParseContext,
  signExtend,
  spread,
  spreadSigned,
  totalWidth,
} from './kind.ts';

const hex = (n: number | bigint): string => `0x${n.toString(16)}`;

/** A number by all its fields; `write` and `read` turn the fields' bits into the number shown and back. */
const numeric = (
  show: (n: number) => string,
  write: (n: number, width: number) => number = (n) => n,
  read: (n: number, width: number) => number = (n) => n,
): Kind => ({
  format: (fields, context) => show(write(join(fields, context.fields), totalWidth(fields))),
  parse: (cursor, fields, context) => {
    const n = cursor.small(context);
    return n === undefined ? undefined : spread(read(n, totalWidth(fields)), fields);
  },
});

const unsigned = numeric((n) => `#${n}`);
const hexadecimal = numeric((n) => `#${hex(n)}`);
/** '#' is in the row's own text. */
const plain = numeric((n) => `${n}`);
const rightShift = numeric(
  (n) => `#${n}`,
  (n, width) => 2 ** width - n,
  (n, width) => 2 ** width - n,
);

/** Signed and scaled: s, s4, s8, s16 and s10 (the ten bits of LDRAA, in units of 8). */
const signed = (scale: number): Kind => ({
  format: (fields, context) => `#${signExtend(join(fields, context.fields), totalWidth(fields)) * scale}`,
  parse: (cursor, fields, context) => {
    const n = cursor.small(context);
    return n === undefined ? undefined : spreadSigned(n / scale, fields);
  },
});

/** A 12-bit immediate, shifted left by 12 where sh. */
const shifted12: Kind = {
  format: ([imm, sh], { fields }) =>
    `#${hex(fields[(imm as Field).name] as number)}${fields[(sh as Field).name] ? ', lsl #12' : ''}`,
  parse: (cursor, [imm, sh], context) => {
    const n = cursor.small(context);
    if (n === undefined || n < 0) return undefined;
    const [low, high] = [(imm as Field).name, (sh as Field).name];
    if (cursor.take(', lsl #12')) return n < 4096 ? { [low]: n, [high]: 1 } : undefined;
    cursor.take(', lsl #0');
    if (n < 4096) return { [low]: n, [high]: 0 };
    return n % 4096 === 0 && n < 4096 * 4096 ? { [low]: n / 4096, [high]: 1 } : undefined;
  },
};

/** A 16-bit immediate of a move wide, shifted left by 16 * hw. */
const wide16: Kind = {
  format: ([imm, hw], { fields }) => {
    const shift = fields[(hw as Field).name] as number;
    return `#${hex(fields[(imm as Field).name] as number)}${shift ? `, lsl #${16 * shift}` : ''}`;
  },
  parse: (cursor, [imm, hw], context) => {
    const n = cursor.small(context);
    if (n === undefined || n < 0 || n > 0xffff) return undefined;
    const shift = cursor.match(/^, lsl #(0|16|32|48)(?!\d)/)?.[1] ?? '0';
    return { [(imm as Field).name]: n, [(hw as Field).name]: Number(shift) / 16 };
  },
};

const masks = new Map<bigint, readonly [number, number, number]>();

/** N, immr and imms of a 64-bit mask, where it has them. */
function encodeBitmask(mask: bigint): readonly [number, number, number] | undefined {
  if (masks.size === 0) {
    // Smaller elements first: where two encodings give one mask (none do), N = 0 would win.
    for (const n of [0, 1]) {
      for (let imms = 0; imms < 64; imms++) {
        const size = n ? 64 : 1 << (31 - Math.clz32(~imms & 63));
        for (let immr = 0; immr < size; immr++) {
          const value = decodeBitmask(n, immr, imms);
          if (value !== undefined && !masks.has(value)) masks.set(value, [n, immr, imms]);
        }
      }
    }
  }
  return masks.get(mask);
}

const bitmask: Kind = {
  format: (f, { fields }) => {
    const [n, immr, imms] = f.map((field) => fields[field.name]) as [number, number, number];
    const mask = decodeBitmask(n, immr, imms) ?? 0n;
    return `#${hex(fields.sf ? mask : mask & 0xffff_ffffn)}`;
  },
  parse: (cursor, f, context) => {
    const value = cursor.number(context);
    if (value === undefined) return undefined;
    const wide = context.fields.sf === 1;
    if (!wide && (value < -0x8000_0000n || value > 0xffff_ffffn)) return undefined;
    const low = BigInt.asUintN(32, value);
    const found = encodeBitmask(wide ? BigInt.asUintN(64, value) : low | (low << 32n));
    return found && Object.fromEntries(f.map((field, k) => [field.name, found[k] as number]));
  },
};

/** Rm's shift: nothing where it is LSL #0. */
const SHIFTS = ['lsl', 'lsr', 'asr', 'ror'];
const shift: Kind = {
  format: ([kind, amount], { fields }) => {
    const [k, n] = [fields[(kind as Field).name] as number, fields[(amount as Field).name] as number];
    return k || n ? `, ${SHIFTS[k]} #${n}` : '';
  },
  parse: (cursor, [kind, amount], context) => {
    if (!cursor.take(', ')) return { [(kind as Field).name]: 0, [(amount as Field).name]: 0 };
    const k = SHIFTS.indexOf(cursor.match(/^[a-z]+/)?.[0] as string);
    cursor.take(' ');
    const n = cursor.small(context);
    if (k < 0 || n === undefined || n < 0 || n > 63) return undefined;
    return { [(kind as Field).name]: k, [(amount as Field).name]: n };
  },
};

const CONDITIONS = 'eq ne cs cc mi pl vs vc hi ls ge lt gt le al nv'.split(' ');
const SYNONYMS: Readonly<Record<string, number>> = { hs: 2, lo: 3 };
export const conditionNumber = (name: string): number => SYNONYMS[name] ?? CONDITIONS.indexOf(name);
export const conditionName = (n: number): string => CONDITIONS[n] as string;

const condition: Kind = {
  format: ([f], { fields }) => CONDITIONS[fields[(f as Field).name] as number] as string,
  parse: (cursor, [f]) => {
    const n = conditionNumber(cursor.match(/^[a-z]{2}\b/)?.[0] as string);
    return n < 0 ? undefined : { [(f as Field).name]: n };
  },
};

/** The 8-bit floating-point immediate (VFPExpandImm): +-(16 + fraction) / 16 * 2^(-3..4). */
const expandImmediate = (n: number): number => {
  const exponent = (((n >> 4) & 7) ^ 4) - 3;
  return (n & 0x80 ? -1 : 1) * (1 + (n & 15) / 16) * 2 ** exponent;
};
const fpImmediate: Kind = {
  format: (f, { fields }) => {
    const [digits, exponent] = expandImmediate(join(f, fields)).toExponential(18).split('e') as [
      string,
      string,
    ];
    return `#${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  },
  parse: (cursor, f) => {
    const text = cursor.match(/^#?([+-]?\d+(\.\d*)?(e[+-]?\d+)?)(?!\w)/)?.[1];
    if (text === undefined) return undefined;
    for (let n = 0; n < 256; n++) if (expandImmediate(n) === Number(text)) return spread(n, f);
    return undefined;
  },
};

/** 64 bits, each bit of the fields repeated eight times. */
const byteMask: Kind = {
  format: (f, { fields }) => {
    const n = join(f, fields);
    let mask = 0n;
    for (let k = 0; k < 8; k++) if ((n >> k) & 1) mask |= 0xffn << BigInt(8 * k);
    return `#${hex(mask)}`;
  },
  parse: (cursor, f, context) => {
    const mask = BigInt.asUintN(64, cursor.number(context) ?? 1n);
    let n = 0;
    for (let k = 0; k < 8; k++) {
      const byte = (mask >> BigInt(8 * k)) & 0xffn;
      if (byte !== 0n && byte !== 0xffn) return undefined;
      if (byte) n |= 1 << k;
    }
    return spread(n, f);
  },
};

/** A target `offset` units of `unit` bytes from the instruction (or from its page). */
const label = (unit: number, page = false): Kind => {
  const base = (pc: bigint): bigint => (page ? pc & ~0xfffn : pc);
  return {
    format: (f, { fields, pc }) => {
      // The bits of ADR's immediate stand with the low two first.
      const ordered = f.length === 2 ? [f[1] as Field, f[0] as Field] : f;
      const offset = BigInt(signExtend(join(ordered, fields), totalWidth(f))) * BigInt(unit);
      return hex(BigInt.asUintN(64, base(pc) + offset));
    },
    parse: (cursor: Cursor, f, context: ParseContext) => {
      const target = cursor.address(context);
      if (target === undefined) return undefined;
      const to = page ? target & ~0xfffn : target;
      const offset = BigInt.asIntN(64, to - base(context.pc));
      if (offset % BigInt(unit) !== 0n) return undefined;
      const ordered = f.length === 2 ? [f[1] as Field, f[0] as Field] : f;
      return spreadSigned(Number(offset / BigInt(unit)), ordered);
    },
  };
};

export const immediateKinds: Readonly<Record<string, Kind>> = {
  u: unsigned,
  uhex: hexadecimal,
  // ADDG and SUBG: in units of a tag granule.
  uhex16: numeric(
    (n) => `#${hex(n)}`,
    (n) => n * 16,
    (n) => n / 16,
  ),
  hex: hexadecimal,
  nzcv: hexadecimal,
  bit: unsigned,
  n: plain,
  rshift: rightShift,
  s1: signed(1),
  s4: signed(4),
  s8: signed(8),
  s16: signed(16),
  s10: signed(8),
  shifted12,
  wide16,
  bitmask,
  shift,
  cond: condition,
  fpimm: fpImmediate,
  bytemask: byteMask,
  label14: label(4),
  label19: label(4),
  label21: label(1),
  label26: label(4),
  page21: label(4096, true),
  word: {
    format: ([f], { fields }) =>
      `0x${((fields[(f as Field).name] as number) >>> 0).toString(16).padStart(8, '0')}`,
    parse: (cursor, [f], context) => {
      const n = cursor.small(context);
      return n === undefined ? undefined : spread(n, [f as Field]);
    },
  },
};
