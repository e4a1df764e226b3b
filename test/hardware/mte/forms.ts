// Every instruction that accesses memory through a register, made from the instruction table: what the tag-check suite
// runs. A form is up to four words of code with its registers in fixed places.

import {
  allRows,
  assemble,
  completeDecoder,
  decodeFields,
  disassemble,
  fieldsOf,
  type Row,
} from '../../../src/hardware/a64/index.ts';

/** Registers of every form; harness.ts gives them their values. */
export const BASE = 1;
export const DATA = 2;
export const DATA2 = 4;
export const COMPARE = 6;
export const INDEX = 8;
/** A pair that holds what memory holds, for compare-and-swaps that swap. */
export const SAME = 10;
/** The address that the load of a store exclusive uses, with the right tag. */
export const RIGHT = 13;
const SP = 31;

export interface Form {
  readonly name: string;
  readonly words: readonly number[];
  /** Added to the base for the address that is accessed. */
  readonly bias: number;
  readonly bySp: boolean;
}

type Choice = Readonly<Record<string, number>>;

function* combinations(fields: readonly { name: string; width: number }[]): Generator<Choice> {
  const [first, ...rest] = fields;
  if (!first) {
    yield {};
    return;
  }
  for (const others of combinations(rest)) {
    for (let n = 0; n < 1 << first.width; n++) yield { ...others, [first.name]: n };
  }
}

const decodesTo = (row: Row, word: number): boolean =>
  (!row.where || row.where(fieldsOf(row.pattern, word))) &&
  decodeFields(completeDecoder(), word)?.row === row;

/** The step of a pre- or post-index form: bytes, and the field's value. */
function stepOf(row: Row): { readonly bytes: number; readonly field: number } {
  const scale = Number(/\{imm[79]:s(\d+)\}/.exec(row.syntax)?.[1] ?? 0);
  return scale === 1 ? { bytes: 16, field: 16 } : { bytes: scale, field: 1 };
}

/** What a field of a row holds; undefined where anything that decodes will do. */
function fixed(row: Row, name: string, registers: Choice): number | undefined {
  const register = registers[name];
  if (register !== undefined) return register;
  if (name === 'imm_rs' || name === 'imm_rt2') return 31;
  if (/^imm(7|9)$/.test(name) && /-index/.test(row.name) && !/^LDRA/.test(row.name)) return stepOf(row).field;
  if (name === 'imm19') return 2;
  if (/^imm(7|9|12|_prf|s9)$|^imms9$/.test(name)) return 0;
  return undefined;
}

const isRegisterOffset = (row: Row): boolean => row.syntax.includes('option');

/** Encodings of a row, one for each choice of what its handlers are made for. */
function encodings(row: Row, registers: Choice): number[] {
  const words: number[] = [];
  const { fields } = row.pattern;
  const known = fields.map((f) => ({ ...f, n: fixed(row, f.name, registers) }));
  const start = known.reduce((word, f) => word | ((f.n ?? 0) << f.low), row.pattern.value);
  const open = known.filter((f) => f.n === undefined);
  const statics = open.filter((f) => !f.dynamic);
  const rest = open.filter((f) => f.dynamic);
  const put = (word: number, choice: Choice): number =>
    open.reduce((w, f) => w | ((choice[f.name] ?? 0) << f.low), word) >>> 0;
  for (const choice of combinations(statics)) {
    const valid = [...combinations(rest)]
      .map((c) => put(start, { ...choice, ...c }))
      .filter((w) => decodesTo(row, w));
    const [first, last] = [valid[0], valid.at(-1)];
    if (first !== undefined) words.push(first);
    if (last !== undefined && last !== first) words.push(last);
  }
  // How an index register is extended makes no difference: it is zero.
  return isRegisterOffset(row) ? words.slice(0, 1) : words;
}

const isStoreExclusive = (row: Row): boolean => /^STL?X/.test(row.name);

/** A load exclusive that arms the monitor, and the store. */
function withMonitor(word: number): number[] {
  const load = (word | (1 << 22) | (31 << 16)) & ~(0x3ff | (31 << 10));
  const pair = (word & (1 << 21)) !== 0;
  return [(load | (RIGHT << 5) | 12 | ((pair ? 14 : 31) << 10)) >>> 0, word];
}

function formsOf(row: Row, base: number): Form[] {
  const registers = { Rn: base, Rt: DATA, Rt2: DATA2, Rs: COMPARE, Rm: SP };
  const bias = /pre-index/.test(row.name) && !/^LDRA/.test(row.name) ? stepOf(row).bytes : 0;
  const make = (more: Choice): Form[] =>
    encodings(row, { ...registers, ...more }).map((word) => ({
      name: disassemble(word),
      words: isStoreExclusive(row) ? withMonitor(word) : [word],
      bias,
      bySp: base === SP,
    }));
  const forms = make({});
  if (/^CAS/.test(row.name)) forms.push(...make({ Rs: SAME }));
  const hasIndex = row.pattern.fields.some((f) => f.name === 'Rm') && !isRegisterOffset(row);
  if (hasIndex) forms.push(...make({ Rm: INDEX }));
  return forms;
}

/** SYS forms that take an address. */
const MAINTENANCE: readonly (readonly [name: string, op1: number, crm: number, op2: number])[] = [
  ['DC IVAC', 0, 6, 1],
  ['DC IGVAC', 0, 6, 3],
  ['DC IGDVAC', 0, 6, 5],
  ['DC ZVA', 3, 4, 1],
  ['DC GVA', 3, 4, 3],
  ['DC GZVA', 3, 4, 4],
  ['DC CVAC', 3, 10, 1],
  ['DC CGVAC', 3, 10, 3],
  ['DC CGDVAC', 3, 10, 5],
  ['DC CVAU', 3, 11, 1],
  ['DC CVAP', 3, 12, 1],
  ['DC CGVAP', 3, 12, 3],
  ['DC CGDVAP', 3, 12, 5],
  ['DC CVADP', 3, 13, 1],
  ['DC CGVADP', 3, 13, 3],
  ['DC CGDVADP', 3, 13, 5],
  ['DC CIVAC', 3, 14, 1],
  ['DC CIGVAC', 3, 14, 3],
  ['DC CIGDVAC', 3, 14, 5],
  ['IC IVAU', 3, 5, 1],
];

const maintenance: Form[] = MAINTENANCE.map(([name, op1, crm, op2]) => ({
  name,
  words: [...assemble(`sys #${op1}, c7, c${crm}, #${op2}, x${BASE}`)],
  bias: 0,
  bySp: false,
}));

const byRegister = allRows.filter((row) => row.syntax.includes('[{Rn:xsp}'));
const byPc = allRows.filter((row) => row.syntax.includes(':label19}') && / \(literal/.test(row.name));

export const forms: readonly Form[] = [
  ...byRegister.flatMap((row) => formsOf(row, BASE)),
  ...byRegister.flatMap((row) => formsOf(row, SP)),
  ...byPc.flatMap((row) => formsOf(row, BASE)),
  ...maintenance,
];
