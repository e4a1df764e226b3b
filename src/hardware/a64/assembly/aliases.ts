// Aliases of instructions (Arm ARM C6.2, "Alias conditions") as one table: each turns its operands into the text of
// candidates without aliases; the first that assembles is it. What is no alias has no entry.

import { conditionName, conditionNumber } from './kinds/index.ts';

/** Operands as text, e.g. ['x0', 'x1', '#3'], to canonical candidates. */
type Expand = (...operands: string[]) => string | readonly string[] | undefined;

const wide = (register: string | undefined): boolean => /^(x|sp|lr|fp)/.test(register ?? '');
const zero = (register: string): string => (wide(register) ? 'xzr' : 'wzr');
const bits = (register: string): number => (wide(register) ? 64 : 32);
const w = (register: string): string => register.replace(/^x/, 'w');
const x = (register: string): string => register.replace(/^w/, 'x');
const isRegister = (text: string): boolean => /^([wxvbhsdq](\d+|zr)\b|w?sp$|lr$|fp$)/.test(text);
const list = (...operands: (string | undefined)[]): string =>
  operands.filter((o) => o !== undefined).join(', ');

/** An immediate's value, or undefined. */
function value(text: string | undefined): bigint | undefined {
  const found = /^#?(-?)(0x[0-9a-f]+|0b[01]+|\d+)$/i.exec(text ?? '');
  if (!found) return undefined;
  const n = BigInt((found[2] as string).toLowerCase());
  return found[1] ? -n : n;
}
const number = (text: string | undefined): number => Number(value(text) ?? Number.NaN);

/** The last operand moves: 'cmp a, b, lsl #1' is 'subs zr, a, b, lsl #1'. */
const compare =
  (mnemonic: string): Expand =>
  (a, ...rest) =>
    `${mnemonic} ${list(zero(a as string), a, ...rest)}`;

const fromZero =
  (mnemonic: string): Expand =>
  (d, ...rest) =>
    `${mnemonic} ${list(d, zero(d as string), ...rest)}`;

/** ADD and SUB and their flag-setting forms with a negative immediate, and with SP as a plain register. */
const additive =
  (mnemonic: string, opposite: string): Expand =>
  (d, n, m, ...rest) => {
    const imm = value(m);
    const out: string[] = [];
    if (imm !== undefined && imm < 0n) out.push(`${opposite} ${list(d, n, `#${-imm}`, ...rest)}`);
    if (m !== undefined && isRegister(m)) {
      if (rest.length === 0) out.push(`${mnemonic} ${list(d, n, m, wide(d) ? 'uxtx' : 'uxtw')}`);
      // The extended register may be spelled X where only its low half counts.
      const [how] = rest[0]?.split(' ') ?? [];
      if (/^[us]xt[bhw]$/.test(how ?? '')) out.push(`${mnemonic} ${list(d, n, w(m), ...rest)}`);
    }
    return out;
  };

/** BIC with an immediate: AND with its complement. */
const complemented =
  (mnemonic: string): Expand =>
  (d, n, m) => {
    const imm = value(m);
    return imm === undefined
      ? undefined
      : `${mnemonic} ${list(d, n, `#${BigInt.asUintN(bits(d as string), ~imm)}`)}`;
  };

/** ASR, LSL, LSR and ROR by an immediate, or by a register. */
const shiftBy =
  (variable: string, immediate: (d: string, n: string, shift: number) => string): Expand =>
  (d, n, m) => {
    if (m !== undefined && isRegister(m)) return `${variable} ${list(d, n, m)}`;
    const shift = number(m);
    const inRange = shift >= 0 && shift < bits(d as string);
    return inRange ? immediate(d as string, n as string, shift) : undefined;
  };

/** A field moved down from `lsb`: [SU]BFX, BFXIL; moved up to it: [SU]BFIZ, BFI. */
const extract =
  (mnemonic: string): Expand =>
  (d, n, lsb, width) =>
    `${mnemonic} ${list(d, n, `#${number(lsb)}`, `#${number(lsb) + number(width) - 1}`)}`;
const insert =
  (mnemonic: string): Expand =>
  (d, n, lsb, width) => {
    const size = bits(d as string);
    return `${mnemonic} ${list(d, n, `#${(size - number(lsb)) % size}`, `#${number(width) - 1}`)}`;
  };

const inverse = (condition: string): string => conditionName(conditionNumber(condition.toLowerCase()) ^ 1);
const conditional =
  (mnemonic: string): Expand =>
  (d, n, c) =>
    `${mnemonic} ${list(d, n, n, inverse(c as string))}`;
const conditionalSet =
  (mnemonic: string): Expand =>
  (d, c) =>
    `${mnemonic} ${list(d, zero(d as string), zero(d as string), inverse(c as string))}`;

/** MOV: registers, SP, vectors and elements; immediates as MOVZ, MOVN or ORR, the preference of C6.2.220. */
const move: Expand = (d, n) => {
  if (d === undefined || n === undefined) return undefined;
  const imm = value(n);
  if (imm === undefined) {
    if (/sp$/.test(d) || /sp$/.test(n)) return `add ${list(d, n, '#0')}`;
    if (/^v\d+\.\d*[bhsd]$/i.test(d) && !/\[/.test(n)) return `orr ${list(d, n, n)}`;
    if (/\[/.test(d)) return `ins ${list(d, n)}`;
    if (/\[/.test(n)) return isRegister(d) && /^[wx]/.test(d) ? `umov ${list(d, n)}` : `dup ${list(d, n)}`;
    return `orr ${list(d, zero(d), n)}`;
  }
  const size = bits(d);
  const target = BigInt.asUintN(size, imm);
  const out: string[] = [];
  for (let at = 0; at < size; at += 16) {
    const place = at ? `, lsl #${at}` : '';
    const inverted = BigInt.asUintN(size, ~target);
    if ((target & ~(0xffffn << BigInt(at))) === 0n)
      out.push(`movz ${list(d, `#${target >> BigInt(at)}`)}${place}`);
    else if ((inverted & ~(0xffffn << BigInt(at))) === 0n) {
      out.push(`movn ${list(d, `#${inverted >> BigInt(at)}`)}${place}`);
    }
  }
  return [...out.filter((t) => t.startsWith('movz')), ...out, `orr ${list(d, zero(d), n)}`];
};

const HINTS: Readonly<Record<string, number>> = {
  nop: 0,
  yield: 1,
  dgh: 6,
  esb: 16,
  'psb csync': 17,
  'tsb csync': 18,
  csdb: 20,
  bti: 32,
  'bti c': 34,
  'bti j': 36,
  'bti jc': 38,
};

/** op1, CRn, CRm, op2 of system operations by name (C5.3 to C5.5). */
const OPERATIONS: Readonly<Record<string, string>> = {
  'ic ialluis': '0 7 1 0',
  'ic iallu': '0 7 5 0',
  'ic ivau': '3 7 5 1',
  'dc ivac': '0 7 6 1',
  'dc isw': '0 7 6 2',
  'dc igvac': '0 7 6 3',
  'dc igdvac': '0 7 6 5',
  'dc csw': '0 7 10 2',
  'dc cisw': '0 7 14 2',
  'dc zva': '3 7 4 1',
  'dc gva': '3 7 4 3',
  'dc gzva': '3 7 4 4',
  'dc cvac': '3 7 10 1',
  'dc cgvac': '3 7 10 3',
  'dc cgdvac': '3 7 10 5',
  'dc cvau': '3 7 11 1',
  'dc cvap': '3 7 12 1',
  'dc cvadp': '3 7 13 1',
  'dc civac': '3 7 14 1',
  'dc cigvac': '3 7 14 3',
  'dc cigdvac': '3 7 14 5',
  'at s1e1r': '0 7 8 0',
  'at s1e1w': '0 7 8 1',
  'at s1e0r': '0 7 8 2',
  'at s1e0w': '0 7 8 3',
  'at s1e1rp': '0 7 9 0',
  'at s1e1wp': '0 7 9 1',
  'tlbi vmalle1os': '0 8 1 0',
  'tlbi vae1os': '0 8 1 1',
  'tlbi aside1os': '0 8 1 2',
  'tlbi vaae1os': '0 8 1 3',
  'tlbi vale1os': '0 8 1 5',
  'tlbi vaale1os': '0 8 1 7',
  'tlbi rvae1is': '0 8 2 1',
  'tlbi rvaae1is': '0 8 2 3',
  'tlbi rvale1is': '0 8 2 5',
  'tlbi rvaale1is': '0 8 2 7',
  'tlbi vmalle1is': '0 8 3 0',
  'tlbi vae1is': '0 8 3 1',
  'tlbi aside1is': '0 8 3 2',
  'tlbi vaae1is': '0 8 3 3',
  'tlbi vale1is': '0 8 3 5',
  'tlbi vaale1is': '0 8 3 7',
  'tlbi rvae1': '0 8 6 1',
  'tlbi rvaae1': '0 8 6 3',
  'tlbi rvale1': '0 8 6 5',
  'tlbi rvaale1': '0 8 6 7',
  'tlbi vmalle1': '0 8 7 0',
  'tlbi vae1': '0 8 7 1',
  'tlbi aside1': '0 8 7 2',
  'tlbi vaae1': '0 8 7 3',
  'tlbi vale1': '0 8 7 5',
  'tlbi vaale1': '0 8 7 7',
};

const operation =
  (mnemonic: string): Expand =>
  (name, register) => {
    const [op1, crn, crm, op2] = OPERATIONS[`${mnemonic} ${name?.toLowerCase()}`]?.split(' ') ?? [];
    if (op1 === undefined) return undefined;
    return `sys ${list(`#${op1}`, `c${crn}`, `c${crm}`, `#${op2}`, register)}`;
  };

/** SXTB and friends read a W register whatever the spelling. */
const signExtend =
  (top: number): Expand =>
  (d, n) =>
    `sbfm ${list(d, wide(d) ? x(n as string) : n, '#0', `#${top}`)}`;
const zeroExtend =
  (top: number): Expand =>
  (d, n) =>
    `ubfm ${list(w(d as string), w(n as string), '#0', `#${top}`)}`;

/** LDR and STR with offsets that only the unscaled forms have. */
const unscaled = (mnemonic: string): Expand => {
  return (...operands) => `${mnemonic} ${list(...operands)}`;
};

/** Stores of atomic operations: the load forms to the zero register. */
const STORES = ['add', 'clr', 'eor', 'set', 'smax', 'smin', 'umax', 'umin'].flatMap((name) =>
  ['', 'l'].flatMap((order) =>
    ['', 'b', 'h'].map((size): [string, Expand] => [
      `st${name}${order}${size}`,
      (s, address) => `ld${name}${order}${size} ${list(s, zero(s as string), address)}`,
    ]),
  ),
);

const ALIASES: ReadonlyMap<string, Expand> = new Map<string, Expand>([
  ['mov', move],
  [
    'mvn',
    (d, ...rest) =>
      /^v/.test(d as string) ? `not ${list(d, ...rest)}` : fromZero('orn')(d as string, ...rest),
  ],
  ['neg', (d, ...rest) => fromZero('sub')(d as string, ...rest)],
  ['negs', fromZero('subs')],
  ['ngc', fromZero('sbc')],
  ['ngcs', fromZero('sbcs')],
  ['cmp', (a, b, ...rest) => both(compare('subs'), additive('subs', 'adds'), a, b, rest)],
  ['cmn', (a, b, ...rest) => both(compare('adds'), additive('adds', 'subs'), a, b, rest)],
  ['tst', compare('ands')],
  ['add', additive('add', 'sub')],
  ['adds', additive('adds', 'subs')],
  ['sub', additive('sub', 'add')],
  ['subs', additive('subs', 'adds')],
  ['bic', complemented('and')],
  ['mul', (d, n, m) => `madd ${list(d, n, m, zero(d as string))}`],
  ['mneg', (d, n, m) => `msub ${list(d, n, m, zero(d as string))}`],
  ['smull', (d, n, m) => `smaddl ${list(d, n, m, 'xzr')}`],
  ['smnegl', (d, n, m) => `smsubl ${list(d, n, m, 'xzr')}`],
  ['umull', (d, n, m) => `umaddl ${list(d, n, m, 'xzr')}`],
  ['umnegl', (d, n, m) => `umsubl ${list(d, n, m, 'xzr')}`],
  [
    'lsl',
    shiftBy('lslv', (d, n, shift) => {
      const size = bits(d);
      return `ubfm ${list(d, n, `#${(size - shift) % size}`, `#${size - 1 - shift}`)}`;
    }),
  ],
  ['lsr', shiftBy('lsrv', (d, n, shift) => `ubfm ${list(d, n, `#${shift}`, `#${bits(d) - 1}`)}`)],
  ['asr', shiftBy('asrv', (d, n, shift) => `sbfm ${list(d, n, `#${shift}`, `#${bits(d) - 1}`)}`)],
  ['ror', shiftBy('rorv', (d, n, shift) => `extr ${list(d, n, n, `#${shift}`)}`)],
  ['sbfx', extract('sbfm')],
  ['ubfx', extract('ubfm')],
  ['bfxil', extract('bfm')],
  ['sbfiz', insert('sbfm')],
  ['ubfiz', insert('ubfm')],
  ['bfi', insert('bfm')],
  ['bfc', (d, lsb, width) => insert('bfm')(d as string, zero(d as string), lsb as string, width as string)],
  ['sxtb', signExtend(7)],
  ['sxth', signExtend(15)],
  ['sxtw', signExtend(31)],
  ['uxtb', zeroExtend(7)],
  ['uxth', zeroExtend(15)],
  ['rev64', (d, n) => `rev ${list(d, n)}`],
  ['cinc', conditional('csinc')],
  ['cinv', conditional('csinv')],
  ['cneg', conditional('csneg')],
  ['cset', conditionalSet('csinc')],
  ['csetm', conditionalSet('csinv')],
  ['sxtl', (d, n) => `sshll ${list(d, n, '#0')}`],
  ['sxtl2', (d, n) => `sshll2 ${list(d, n, '#0')}`],
  ['uxtl', (d, n) => `ushll ${list(d, n, '#0')}`],
  ['uxtl2', (d, n) => `ushll2 ${list(d, n, '#0')}`],
  ['ldr', unscaled('ldur')],
  ['str', unscaled('stur')],
  ...['b', 'h', 'sb', 'sh', 'sw'].map((size): [string, Expand] => [`ldr${size}`, unscaled(`ldur${size}`)]),
  ...['b', 'h'].map((size): [string, Expand] => [`str${size}`, unscaled(`stur${size}`)]),
  ['prfm', unscaled('prfum')],
  ...STORES,
  ['ssbb', () => 'dsb #0'],
  ['pssbb', () => 'dsb #4'],
  ...['dc', 'ic', 'at', 'tlbi'].map((mnemonic): [string, Expand] => [mnemonic, operation(mnemonic)]),
  ...['psb', 'tsb', 'bti'].map((mnemonic): [string, Expand] => [
    mnemonic,
    (kind) => hint(kind === undefined ? mnemonic : `${mnemonic} ${kind.toLowerCase()}`),
  ]),
  ...['nop', 'dgh', 'esb', 'csdb'].map((mnemonic): [string, Expand] => [mnemonic, () => hint(mnemonic)]),
]);

const hint = (name: string): string | undefined => (name in HINTS ? `hint #${HINTS[name]}` : undefined);

/** A comparison's plain expansion, and those of the addition or subtraction that it is. */
function both(
  plain: Expand,
  arithmetic: Expand,
  a: string | undefined,
  b: string | undefined,
  rest: readonly string[],
): string[] {
  const operands = [a as string, b as string, ...rest];
  const more = arithmetic(zero(a as string), ...operands);
  return [plain(...operands) as string, ...(more as string[])];
}

/** Texts without this alias, in order of preference; none where the mnemonic is no alias. */
export function expandAlias(mnemonic: string, operands: readonly string[]): readonly string[] {
  const expanded = ALIASES.get(mnemonic)?.(...operands);
  if (expanded === undefined) return [];
  return typeof expanded === 'string' ? [expanded] : expanded;
}
