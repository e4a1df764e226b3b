// Where the reference is wrong by the Arm ARM, and what is right. Nothing is left unchecked: what we expect then is
// built from what the reference does with a like instruction, or from the manual's rule.

import type { Case } from './image.ts';
import type { Result } from './results.ts';
import type { Mode } from './scenarios.ts';

export interface Deviation {
  readonly why: string;
  /** What we expect in place of the reference's result; undefined where this deviation does not apply. */
  expect(c: Case, reference: Result, like: (form: string, mode?: Mode) => Result): Result | undefined;
}

const FAULT_STATUS = 0x3f;
const TAG_CHECK = 0x11;
const ALIGNMENT = 0x21;
const WNR = 0x40;
const status = (r: Result): number => Number.parseInt(r.esr, 16) & FAULT_STATUS;
const hex = (n: number): string => (n >>> 0).toString(16);
const dataAbort = (el: 0 | 1, iss: number): string => hex((el ? 0x9600_0000 : 0x9200_0000) | iss);

const LIMITED =
  /^(ldl?ar|ldaxr|ldxr|ldaxp|ldxp|ldapu?r|stll?r|stlur|cas|swp|ld(add|clr|eor|set|[su]max|[su]min))/;
const STORE = /^st/;

/** Bytes of an ordered, exclusive or atomic access, which must be within 16 aligned ones; 0 for other forms. */
function limitedBytes(form: string): number {
  if (!LIMITED.test(form)) return 0;
  const mnemonic = form.split(' ')[0] as string;
  if (/b$/.test(mnemonic)) return 1;
  if (/h$/.test(mnemonic)) return 2;
  if (/sw$/.test(mnemonic)) return 4;
  const register = /([wx])\d+, \[/.exec(form)?.[1] === 'x' ? 8 : 4;
  return /^ld(a?)xp|^casp/.test(mnemonic) ? 2 * register : register;
}

/** A load that is checked as a compare-and-swap's read is. */
function loadLike(form: string): string {
  const base = /\[.*\]/.exec(form)?.[0];
  if (/^casp/.test(form)) return /x\d+, \[/.test(form) ? `ldxp x2, x4, ${base}` : `ldxr x2, ${base}`;
  const suffix = /^cas\w*(b|h) /.exec(form)?.[1];
  return suffix ? `ldxr${suffix} w2, ${base}` : `ldxr ${/([wx])\d+, \[/.exec(form)?.[1]}2, ${base}`;
}

export const deviations: readonly Deviation[] = [
  {
    why: 'alignment faults come before tag checks (Arm ARM D8.15, priorities); the reference checks tags first',
    expect: ({ form, scenario, el }, reference) => {
      const bytes = limitedBytes(form.name);
      if (bytes === 0 || (scenario.at & 15) + bytes <= 16) return undefined;
      const esr = dataAbort(el, ALIGNMENT | (STORE.test(form.name) ? WNR : 0));
      const unchanged = { changed: '0', memory: '0', tfsr: 0, tfsre0: 0, elr: 0, far: reference.base };
      return status(reference) === ALIGNMENT || status(reference) === TAG_CHECK
        ? { ...reference, ...unchanged, esr }
        : undefined;
    },
  },
  {
    why: 'LDAPUR and STLUR are checked as all accesses are; the reference forgets',
    expect: ({ form }, _, like) =>
      /^(ldapu|stlu)r/.test(form.name)
        ? like(form.name.replace(/^ldapu/, 'ldu').replace(/^stlu/, 'stu'))
        : undefined,
  },
  {
    why: 'a compare-and-swap reads, so a mismatch is reported as a read and asymmetric mode faults (ESR_EL1.WnR)',
    expect: ({ form }, _, like) => {
      if (!/^cas/.test(form.name)) return undefined;
      const load = like(loadLike(form.name));
      return status(load) === TAG_CHECK ? load : undefined;
    },
  },
  {
    why: 'DC ZVA writes; the reference reports and treats it as a read',
    expect: ({ form, mode }, reference, like) => {
      if (form.name !== 'DC ZVA' || status(reference) !== TAG_CHECK) return undefined;
      if (mode === 'asymm') return like(form.name, 'async');
      return { ...reference, esr: hex(Number.parseInt(reference.esr, 16) | WNR) };
    },
  },
  {
    why: 'cache maintenance by address translates it (Arm ARM D7.5.9), here one outside both halves; the reference does nothing',
    expect: ({ form, scenario, el }, reference) => {
      const translates =
        /^(DC \w*C|DC CVAU|DC CG?D?VAD?P|IC IVAU)/.test(form.name) && form.name !== 'DC GZVA';
      if (!translates || scenario.tbi || scenario.tag === 0) return undefined;
      return { ...reference, esr: dataAbort(el, 0x144), far: reference.base, elr: 0 };
    },
  },
];
