// General-purpose and vector registers, alone: r rsp (by sf), x w xsp wsp, b h s d q v, and their relatives.

import type { Field } from '../../pattern.ts';
import type { Cursor, Fixed, Kind } from './kind.ts';

const name = (f: readonly Field[]): string => (f[0] as Field).name;

/** 'x7', 'wzr', 'sp'; 30 and 29 also as lr and fp. */
function general(cursor: Cursor): { n: number; wide: boolean; sp: boolean } | undefined {
  const word = cursor.match(/^([xw])(\d+|zr)\b|^(w?)sp\b|^lr\b|^fp\b/);
  if (!word) return undefined;
  if (word[0] === 'lr') return { n: 30, wide: true, sp: false };
  if (word[0] === 'fp') return { n: 29, wide: true, sp: false };
  if (word[1] === undefined) return { n: 31, wide: word[3] === '', sp: true };
  const n = word[2] === 'zr' ? 31 : Number(word[2]);
  if (n > 31 || (n === 31 && word[2] !== 'zr')) return undefined;
  return { n, wide: word[1] === 'x', sp: false };
}

/** 31 as text. */
const spelled = (n: number, wide: boolean, sp: boolean): string => {
  if (n !== 31) return `${wide ? 'x' : 'w'}${n}`;
  if (sp) return wide ? 'sp' : 'wsp';
  return wide ? 'xzr' : 'wzr';
};

/** A register of a width: true, false, or by the field sf. */
const register = (width: boolean | 'sf', sp: boolean): Kind => ({
  format: (f, { fields }) => spelled(fields[name(f)] as number, width === 'sf' ? fields.sf === 1 : width, sp),
  parse: (cursor, f) => {
    const found = general(cursor);
    if (!found || (found.n === 31 && found.sp !== sp)) return undefined;
    if (width !== 'sf') return found.wide === width ? { [name(f)]: found.n } : undefined;
    return { [name(f)]: found.n, sf: found.wide ? 1 : 0 };
  },
});

const vector = (letter: string): Kind => ({
  format: (f, { fields }) => `${letter}${fields[name(f)]}`,
  parse: (cursor, f) => {
    const found = cursor.match(new RegExp(`^${letter}(\\d+)(?!\\w)`));
    const n = Number(found?.[1]);
    // By-element forms of halfwords name only the first sixteen.
    return found && n < 2 ** (f[0] as Field).width ? { [name(f)]: n } : undefined;
  },
});

/** The register after the one that a field names: pairs of CASP. */
const next = (wide: boolean): Kind => ({
  format: (f, { fields }) => spelled(((fields[name(f)] as number) + 1) & 31, wide, false),
  parse: (cursor, f) => {
    const found = general(cursor);
    return found && found.wide === wide && !found.sp ? { [name(f)]: (found.n - 1) & 31 } : undefined;
  },
});

/** Rn of RET: nothing where it is x30. */
const link: Kind = {
  format: (f, { fields }) =>
    fields[name(f)] === 30 ? '' : ` ${spelled(fields[name(f)] as number, true, false)}`,
  parse: (cursor, f) => {
    if (!cursor.take(' ')) return { [name(f)]: 30 };
    return register(true, false).parse(cursor, f, NO_CONTEXT);
  },
};

/** Rt of SYS: nothing where it is xzr. */
const optional: Kind = {
  format: (f, { fields }) =>
    fields[name(f)] === 31 ? '' : `, ${spelled(fields[name(f)] as number, true, false)}`,
  parse: (cursor, f) => {
    if (!cursor.take(', ')) return { [name(f)]: 31 };
    return register(true, false).parse(cursor, f, NO_CONTEXT);
  },
};

const NO_CONTEXT = { fields: {}, pc: 0n, label: () => undefined };

/** Rt of TBZ and TBNZ: w where the bit is below 32. */
const testedRegister: Kind = {
  format: ([rt, high], { fields }) =>
    spelled(fields[(rt as Field).name] as number, fields[(high as Field).name] === 1, false),
  parse: (cursor, [rt, high]): Fixed | undefined => {
    const found = general(cursor);
    if (!found || found.sp) return undefined;
    const register = { [(rt as Field).name]: found.n };
    // An x register may have any bit tested.
    return found.wide ? register : { ...register, [(high as Field).name]: 0 };
  },
};

const EXTENDS = ['uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw', 'sxtx'];

/** Rm of additions, extended and shifted. LSL where SP takes part (Rn, or Rd if `sp`) and the whole register is meant. */
const extended = (sp: boolean): Kind => ({
  format: ([rm, option, amount], { fields }) => {
    const how = fields[(option as Field).name] as number;
    const shift = fields[(amount as Field).name] as number;
    const text = spelled(fields[(rm as Field).name] as number, fields.sf === 1 && (how & 3) === 3, false);
    const whole = how === (fields.sf ? 3 : 2);
    if (whole && (fields.Rn === 31 || (sp && fields.Rd === 31)))
      return shift ? `${text}, lsl #${shift}` : text;
    return `${text}, ${EXTENDS[how]}${shift ? ` #${shift}` : ''}`;
  },
  parse: (cursor, [rm, option, amount], context) => {
    const found = general(cursor);
    if (!found || found.sp) return undefined;
    const whole = context.fields.sf ? 3 : 2;
    let how = whole;
    let shift = 0;
    if (cursor.take(', ')) {
      const word = cursor.match(/^[a-z]+/)?.[0] as string;
      how = word === 'lsl' ? whole : EXTENDS.indexOf(word);
      if (cursor.take(' ')) shift = cursor.small(context) ?? 8;
    }
    if (how < 0 || shift > 7 || shift < 0 || found.wide !== (context.fields.sf === 1 && (how & 3) === 3))
      return undefined;
    return { [(rm as Field).name]: found.n, [(option as Field).name]: how, [(amount as Field).name]: shift };
  },
});

export const registerKinds: Readonly<Record<string, Kind>> = {
  r: register('sf', false),
  rsp: register('sf', true),
  x: register(true, false),
  w: register(false, false),
  xsp: register(true, true),
  wsp: register(false, true),
  xnext: next(true),
  wnext: next(false),
  link,
  optx: optional,
  rbit: testedRegister,
  extended: extended(false),
  extendedsp: extended(true),
  ...Object.fromEntries(['b', 'h', 's', 'd', 'q', 'v'].map((letter) => [letter, vector(letter)])),
};

/** For other kinds: the register's number where the text is an X register. */
export const parseX = (cursor: Cursor): number | undefined => {
  const found = general(cursor);
  return found?.wide && !found.sp ? found.n : undefined;
};
export const parseGeneral = general;
export { spelled };
