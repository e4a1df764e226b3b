// What stands beside the base register of a memory operand: offset<n> and soffset<n> (nothing where it is zero),
// roffset<n> (an index register, extended and shifted), post<n> (what a post-index adds).

import type { Field } from '../../pattern.ts';
import { join, type Kind, signExtend, spread, spreadSigned, totalWidth } from './kind.ts';
import { parseGeneral, parseX, spelled } from './registers.ts';

const offset = (scale: number, isSigned: boolean): Kind => ({
  format: (f, { fields }) => {
    const n = join(f, fields);
    const value = (isSigned ? signExtend(n, totalWidth(f)) : n) * scale;
    return value === 0 ? '' : `, #${value}`;
  },
  parse: (cursor, f, context) => {
    if (!cursor.take(', ')) return spread(0, f);
    const n = cursor.small(context);
    if (n === undefined) return undefined;
    return isSigned ? spreadSigned(n / scale, f) : spread(n / scale, f);
  },
});

const EXTENDS: Readonly<Record<number, string>> = { 2: 'uxtw', 3: 'lsl', 6: 'sxtw', 7: 'sxtx' };

/** Index register of a transfer of `bytes`: 'x1', 'x1, lsl #3', 'w1, sxtw #3'. */
const registerOffset = (bytes: number): Kind => {
  const amount = Math.log2(bytes);
  return {
    format: ([rm, option, s], { fields }) => {
      const how = fields[(option as Field).name] as number;
      const text = spelled(fields[(rm as Field).name] as number, (how & 1) === 1, false);
      const scaled = fields[(s as Field).name] === 1;
      if (how === 3 && !scaled) return text;
      return `${text}, ${EXTENDS[how]}${scaled ? ` #${amount}` : ''}`;
    },
    parse: (cursor, [rm, option, s], context) => {
      const found = parseGeneral(cursor);
      if (!found || found.sp) return undefined;
      let how = 3;
      let scaled = 0;
      if (cursor.take(', ')) {
        const word = cursor.match(/^[a-z]+/)?.[0];
        how = Number(Object.entries(EXTENDS).find(([, name]) => name === word)?.[0] ?? 0);
        if (cursor.take(' ')) {
          const n = cursor.small(context);
          if (n !== 0 && n !== amount) return undefined;
          // '#0' scales bytes by nothing, which is S = 1; of other sizes it means no shift.
          scaled = n === amount ? 1 : 0;
        } else if (how === 3) return undefined;
      }
      if (found.wide !== ((how & 1) === 1)) return undefined;
      return { [(rm as Field).name]: found.n, [(option as Field).name]: how, [(s as Field).name]: scaled };
    },
  };
};

/** '#n' where Rm is 31, else Rm; n is doubled where a second field (Q) is 1. */
const postIndex = (bytes: number): Kind => {
  const total = (q: number | undefined): number => bytes * (q ? 2 : 1);
  return {
    format: ([rm, q], { fields }) => {
      const n = fields[(rm as Field).name] as number;
      return n === 31 ? `#${total(q && fields[q.name])}` : spelled(n, true, false);
    },
    parse: (cursor, [rm, q], context) => {
      const register = parseX(cursor);
      if (register !== undefined) return register === 31 ? undefined : { [(rm as Field).name]: register };
      const n = cursor.small(context);
      return n === total(q && context.fields[q.name]) ? { [(rm as Field).name]: 31 } : undefined;
    },
  };
};

const by = (prefix: string, sizes: readonly number[], make: (n: number) => Kind): [string, Kind][] =>
  sizes.map((n) => [`${prefix}${n}`, make(n)]);

export const memoryKinds: Readonly<Record<string, Kind>> = {
  soffset: offset(1, true),
  // LDRAA: ten bits in units of 8.
  soffset10: offset(8, true),
  ...Object.fromEntries([
    ...by('soffset', [4, 8, 16], (n) => offset(n, true)),
    ...by('offset', [1, 2, 4, 8, 16], (n) => offset(n, false)),
    ...by('roffset', [1, 2, 4, 8, 16], registerOffset),
    ...by('post', [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64], postIndex),
  ]),
};
