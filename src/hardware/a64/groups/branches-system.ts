// Branches, exception generation, hints, barriers and system instructions (Arm ARM C4.1.94).

import { EXCEPTION, STATE } from '../../cpu/index.ts';
import type { Insn } from '../insn.ts';
import { type Row, type RowOptions, row, rows } from '../row.ts';
import { POINTER_AUTH_HINTS } from './pointer-authentication.ts';

const link = (i: Insn): void => i.setX(30, i.pc().add(4));

const immediateBranches: Row[] = [
  row('B', '000101 imm26:26', 'b {imm26:label26}', 'C6.2.26', (i) => i.branch(i.signed('imm26', 26, 2)), {
    flow: 'jump',
  }),
  row(
    'BL',
    '100101 imm26:26',
    'bl {imm26:label26}',
    'C6.2.34',
    (i) => {
      link(i);
      i.branch(i.signed('imm26', 26, 2));
    },
    { flow: 'call' },
  ),
  row('B.cond', '01010100 imm19:19 0 cond:4', 'b.{cond:cond} {imm19:label19}', 'C6.2.27', (i) =>
    i.branchIf(i.condition('cond'), i.signed('imm19', 19, 2)),
  ),
  row('CBZ', 'sf 011010 0 imm19:19 Rt:5', 'cbz {Rt:r}, {imm19:label19}', 'C6.2.46', (i) =>
    i.branchIf(i.r('Rt').eqz(), i.signed('imm19', 19, 2)),
  ),
  row('CBNZ', 'sf 011010 1 imm19:19 Rt:5', 'cbnz {Rt:r}, {imm19:label19}', 'C6.2.45', (i) =>
    i.branchIf(i.r('Rt').ne(0), i.signed('imm19', 19, 2)),
  ),
  ...(['TBZ', 'TBNZ'] as const).map((name, op) =>
    row(
      name,
      `immb5:1 011011 ${op} immb40:5 imm14:14 Rt:5`,
      `${name.toLowerCase()} {Rt,immb5:rbit}, {immb5,immb40:bit}, {imm14:label14}`,
      'C6.2.384',
      (i) => {
        const bit = i.field64('immb5').shl(5).or(i.field64('immb40'));
        const set = i.x('Rt').shrU(bit).wrap().and(1);
        i.branchIf(op ? set : set.eqz(), i.signed('imm14', 14, 2));
      },
    ),
  ),
];

const branchRegister = (name: string, rn: string, btype: number, options: RowOptions = {}): Row =>
  row(
    name,
    `1101011 0 000 11111 0000 00 ${rn} 00000`,
    rn === 'Rn:5' ? 'br {Rn:x}' : `br x${parseInt(rn, 2)}`,
    'C6.2.37',
    (i) => i.branchTo(i.x(rn === 'Rn:5' ? 'Rn' : parseInt(rn, 2)), btype),
    options,
  );

/** BR through X16 or X17 may land where a call may (BTYPE 1), through others only at a jump's landing (3). */
const registerBranches: Row[] = [
  branchRegister('BR', 'Rn:5', 3),
  branchRegister('BR X16', '10000', 1, { refines: 'BR' }),
  branchRegister('BR X17', '10001', 1, { refines: 'BR' }),
  row(
    'BLR',
    '1101011 0 001 11111 0000 00 Rn:5 00000',
    'blr {Rn:x}',
    'C6.2.35',
    (i) => {
      const target = i.x('Rn');
      link(i);
      i.branchTo(target, 2);
    },
    { flow: 'indirectCall' },
  ),
  row(
    'RET',
    '1101011 0 010 11111 0000 00 Rn:5 00000',
    'ret{Rn:link}',
    'C6.2.255',
    (i) => i.branchTo(i.x('Rn'), 0),
    {
      flow: 'return',
    },
  ),
  row(
    'ERET',
    '1101011 0100 11111 0000 00 11111 00000',
    'eret',
    'C6.2.121',
    (i) => i.exception(EXCEPTION.eret, i.i32(0)),
    { flow: 'leave' },
  ),
];

const exceptionRow = (name: string, bits: string, kind: number, section: string): Row =>
  row(
    name,
    `11010100 ${bits.slice(0, 3)} imm16:16 000 ${bits.slice(3)}`,
    `${name.toLowerCase()} {imm16:uhex}`,
    section,
    (i) => i.exception(kind, i.field('imm16')),
  );

const exceptions: Row[] = [
  exceptionRow('SVC', '00001', EXCEPTION.svc, 'C6.2.370'),
  exceptionRow('HVC', '00010', EXCEPTION.hvc, 'C6.2.127'),
  exceptionRow('SMC', '00011', EXCEPTION.smc, 'C6.2.292'),
  exceptionRow('BRK', '00100', EXCEPTION.brk, 'C6.2.40'),
  exceptionRow('HLT', '01000', EXCEPTION.hlt, 'C6.2.126'),
  row('UDF', '0000000000000000 imm16:16', 'udf {imm16:u}', 'C6.2.387', (i) => i.undefined()),
];

/** Hints that do something by themselves here; every other CRm:op2 is a NOP (C6.2.125). */
const HINTS: [string, string, string, (i: Insn) => void, RowOptions?][] = [
  ['YIELD', '0000 001', 'yield', () => {}],
  ['WFE', '0000 010', 'wfe', (i) => i.exception(EXCEPTION.wfe, i.i32(0)), { flow: 'leave' }],
  ['WFI', '0000 011', 'wfi', (i) => i.exception(EXCEPTION.wfi, i.i32(0)), { flow: 'leave' }],
  ['SEV', '0000 100', 'sev', () => {}],
  ['SEVL', '0000 101', 'sevl', () => {}],
];

const hintBits = new Set(HINTS.map(([, bits]) => parseInt(bits.replace(' ', ''), 2)));
const hints: Row[] = [
  ...HINTS.map(([name, bits, text, semantics, options]) =>
    row(name, `1101010100 0 00 011 0010 ${bits} 11111`, text, 'C6.2.125', semantics, options),
  ),
  row('HINT', '1101010100 0 00 011 0010 imm_hint:7 11111', 'hint {imm_hint:uhex}', 'C6.2.125', () => {}, {
    where: (f) => !hintBits.has(f.imm_hint as number) && !POINTER_AUTH_HINTS.has(f.imm_hint as number),
    whereFields: ['imm_hint'],
  }),
];

const barrier = (
  name: string,
  op2: string,
  section: string,
  semantics: (i: Insn) => void,
  options: RowOptions = {},
): Row =>
  row(
    name,
    `1101010100 0 00 011 0011 imm_crm:4 ${op2} 11111`,
    `${name.toLowerCase()}${name === 'ISB' ? '{imm_crm:crm}' : ' {imm_crm:barrier}'}`,
    section,
    semantics,
    options,
  );

const barriers: Row[] = [
  row('CLREX', '1101010100 0 00 011 0011 imm_crm:4 010 11111', 'clrex{imm_crm:crm}', 'C6.2.74', (i) =>
    i.c.store('i32.store', i.cpu, STATE.exclusive, 0, 'state'),
  ),
  barrier('DSB', '100', 'C6.2.116', () => {}),
  barrier('DMB', '101', 'C6.2.114', () => {}),
  barrier('ISB', '110', 'C6.2.129', (i) => i.resynchronize(), { flow: 'leave' }),
  row('SB', '1101010100 0 00 011 0011 0000 111 11111', 'sb', 'C6.2.261', (i) => i.resynchronize(), {
    feature: 'SB',
    flow: 'leave',
  }),
];

/** C6.2.64 (CFINV), C6.2.412 (XAFLAG), C6.2.24 (AXFLAG): flags between Arm and alternative FP comparison forms. */
const flagConversions: Row[] = [
  row(
    'CFINV',
    '1101010100 0 00 000 0100 0000 000 11111',
    'cfinv',
    'C6.2.64',
    (i) => i.setNzcv(i.nzcv().xor(2)),
    { feature: 'FlagM' },
  ),
  row(
    'XAFLAG',
    '1101010100 0 00 000 0100 0000 001 11111',
    'xaflag',
    'C6.2.412',
    (i) => {
      const [z, c] = [i.nzcv().shrU(2).and(1), i.nzcv().shrU(1).and(1)];
      const [notC, notZ] = [c.xor(1), z.xor(1)];
      i.setNzcv(notC.and(notZ).shl(3).or(z.and(c).shl(2)).or(c.or(z).shl(1)).or(notC.and(z)));
    },
    { feature: 'FlagM2' },
  ),
  row(
    'AXFLAG',
    '1101010100 0 00 000 0100 0000 010 11111',
    'axflag',
    'C6.2.24',
    (i) => {
      const flags = i.nzcv();
      const v = flags.and(1);
      i.setNzcv(
        flags
          .and(4)
          .or(v.shl(2))
          .or(flags.and(2).and(v.xor(1).shl(1))),
      );
    },
    { feature: 'FlagM2' },
  ),
];

const notFlagConversion = (f: Readonly<Record<string, number>>): boolean =>
  !((f.op1 as number) === 0 && (f.op2 as number) < 3);

/** Clearing D can make software step active. */
const DEBUG_MASK = 8;

/** Interrupt masks are set and cleared around every lock, so this is done in place. */
const daif: Row[] = (['DAIFSet', 'DAIFClr'] as const).map((name, clear) =>
  row(
    `MSR ${name}`,
    `1101010100 0 00 011 0100 imm_crm:4 11${clear} 11111`,
    `msr ${name.toLowerCase()}, {imm_crm:uhex}`,
    'C6.2.230',
    (i) => {
      const bits = i.field('imm_crm');
      const unusual = i.word('el').eqz();
      i.c.if(
        clear ? unusual.or(bits.and(DEBUG_MASK)) : unusual,
        () => i.system(),
        () => {
          i.setWord('daif', clear ? i.word('daif').and(bits.not()) : i.word('daif').or(bits));
          if (clear) i.leaveForInterrupt();
        },
      );
    },
  ),
);

/** MSR of other PSTATE fields: the system register table does it. */
const pstate: Row[] = [
  row(
    'MSR (immediate)',
    '1101010100 0 00 op1:3 0100 imm_crm:4 op2:3 11111',
    'msr {op1,imm_crm,op2:pstate}',
    'C6.2.230',
    (i) => i.system(),
    {
      where: (f) => notFlagConversion(f) && !(f.op1 === 3 && (f.op2 === 6 || f.op2 === 7)),
    },
  ),
];

const registers: Row[] = [
  row(
    'MSR (register)',
    '1101010100 0 1 imm_o0:1 imm_op1:3 imm_crn:4 imm_crm:4 imm_op2:3 Rt:5',
    'msr {imm_o0,imm_op1,imm_crn,imm_crm,imm_op2:sysregw}, {Rt:x}',
    'C6.2.231',
    (i) => i.system(),
  ),
  row(
    'MRS',
    '1101010100 1 1 imm_o0:1 imm_op1:3 imm_crn:4 imm_crm:4 imm_op2:3 Rt:5',
    'mrs {Rt:x}, {imm_o0,imm_op1,imm_crn,imm_crm,imm_op2:sysreg}',
    'C6.2.229',
    (i) => i.system(),
  ),
  row(
    'SYS',
    '1101010100 0 01 imm_op1:3 imm_crn:4 imm_crm:4 imm_op2:3 Rt:5',
    'sys {imm_op1:u}, {imm_crn:c}, {imm_crm:c}, {imm_op2:u}{Rt:optx}',
    'C6.2.372',
    (i) => i.system(),
  ),
  row(
    'SYSL',
    '1101010100 1 01 imm_op1:3 imm_crn:4 imm_crm:4 imm_op2:3 Rt:5',
    'sysl {Rt:x}, {imm_op1:u}, {imm_crn:c}, {imm_crm:c}, {imm_op2:u}',
    'C6.2.373',
    (i) => i.system(),
  ),
];

export const branchesAndSystem: readonly Row[] = [
  ...rows({ flow: 'branch' }, immediateBranches),
  ...rows({ flow: 'indirect' }, registerBranches),
  ...rows({ flow: 'leave' }, exceptions),
  ...hints,
  ...barriers,
  ...flagConversions,
  ...daif,
  ...rows({ flow: 'leave' }, [...pstate, ...registers]),
];
