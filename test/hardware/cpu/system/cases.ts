// Short programs at EL1 and EL0 whose outcome (exception, syndrome, registers) says what a CPU's system half does.
// Each becomes one line that the payload prints; the reference's lines are recorded in test/golden.

export interface SystemCase {
  readonly name: string;
  /** Where `body` runs: at EL1, at EL0, or after ERET with the SPSR that `setup` leaves in X9, on EL0's or EL1's page. */
  readonly at: 'el1' | 'el0' | 'eret-el0' | 'eret-el1';
  readonly setup: string;
  readonly body: string;
  readonly cleanup: string;
}

/** Pages of data at DATA, one each; payload.ts maps them. */
export const PAGES = [
  'KRW',
  'KRO',
  'URW',
  'URO',
  'DEV',
  'INVALID',
  'NOAF',
  'URWUXN',
  'KRWPXN',
  'TAGGED',
  'UTAGGED',
  'DBMCLEAN',
  'GUARDED',
  'XO',
] as const;
export type Page = (typeof PAGES)[number];
export const DATA = 0x8000_0000;
const pageAt = (page: Page): number => DATA + PAGES.indexOf(page) * 0x1000;

const lines = (...text: string[]): string => text.filter((t) => t !== '').join('\n');
const load = (register: string, value: number | bigint): string =>
  `ldr ${register}, =0x${value.toString(16)}`;
const sctlr = (bit: number, on: boolean): string =>
  lines('mrs x9, sctlr_el1', `${on ? 'orr' : 'bic'} x9, x9, #(1 << ${bit})`, 'msr sctlr_el1, x9', 'isb');

const cases: SystemCase[] = [];
function add(name: string, at: SystemCase['at'] | 0 | 1, body: string, setup = '', cleanup = ''): void {
  cases.push({ name, at: at === 0 ? 'el0' : at === 1 ? 'el1' : at, setup, body, cleanup });
}
const ELS = [1, 0] as const;

function pages(): void {
  for (const page of PAGES) {
    const at = pageAt(page);
    const x1 = load('x1', at);
    for (const el of ELS) {
      const accesses = ['ldr x0, [x1]', 'str x2, [x1]', ...(el ? ['ldtr x0, [x1]', 'sttr x2, [x1]'] : [])];
      for (const insn of accesses) add(`${insn} ${page} EL${el}`, el, lines(load('x1', at + 8), insn));
      if (page !== 'DEV') add(`exec ${page} EL${el}`, el, lines(load('x1', at + 0x100), 'blr x1'));
    }
    for (const insn of ['ldr x0, [x1]', 'str x2, [x1]', 'ldtr x0, [x1]']) {
      add(`pan ${insn} ${page}`, 1, lines(x1, 'msr pan, #1', insn, 'msr pan, #0'), '', 'msr pan, #0');
    }
    add(`uao ldtr ${page}`, 1, lines(x1, 'msr uao, #1', 'ldtr x0, [x1]', 'msr uao, #0'), '', 'msr uao, #0');
    add(
      `uao pan sttr ${page}`,
      1,
      lines(x1, 'msr pan, #1', 'msr uao, #1', 'sttr x0, [x1]', 'msr uao, #0', 'msr pan, #0'),
      '',
      lines('msr uao, #0', 'msr pan, #0'),
    );
    if (page !== 'DEV') {
      for (const insn of ['ldxr x0, [x1]', 'stadd x0, [x1]', 'cas x0, x2, [x1]'])
        add(`${insn} ${page}`, 1, lines(x1, insn));
      add(`ldadd EL0 ${page}`, 0, lines(x1, 'ldadd x0, x2, [x1]'));
      add(`dc zva ${page}`, 1, lines(load('x1', at + 0x40), 'dc zva, x1'));
      add(`dc zva ${page} EL0`, 0, lines(load('x1', at + 0x40), 'dc zva, x1'));
    }
    for (const op of ['s1e1r', 's1e1w', 's1e0r', 's1e0w']) {
      add(`at ${op} ${page}`, 1, lines(load('x1', at + 0x123), `at ${op}, x1`, 'isb', 'mrs x0, par_el1'));
    }
    for (const op of ['s1e1rp', 's1e1wp']) {
      const body = lines(
        load('x1', at + 0x123),
        'msr pan, #1',
        `at ${op}, x1`,
        'isb',
        'mrs x0, par_el1',
        'msr pan, #0',
      );
      add(`pan at ${op} ${page}`, 1, body, '', 'msr pan, #0');
    }
  }
}

function addresses(): void {
  const wild = [
    0x0001_0000_0000_0000n,
    0x00ff_0000_0000_0000n,
    0x0100_0000_8000_0000n,
    0xfffe_0000_0000_0000n,
    0xff7f_0000_8000_0000n,
    0xffff_0000_8000_0000n,
    0x0080_0000_0000_0000n,
    0x8000_0000_8000_0000n,
    0x40_0000_0000n,
  ];
  for (const address of wild) {
    const hex = `0x${address.toString(16)}`;
    for (const el of ELS) {
      add(`ldr ${hex} EL${el}`, el, lines(load('x1', address), 'ldr x0, [x1]'));
      add(`blr ${hex} EL${el}`, el, lines(load('x1', address), 'blr x1'));
    }
    add(`at ${hex}`, 1, lines(load('x1', address), 'at s1e1r, x1', 'isb', 'mrs x0, par_el1'));
  }
  const insns = [
    'ldr x0, [x1]',
    'str x2, [x1]',
    'ldxr x0, [x1]',
    'ldar x0, [x1]',
    'stlr x2, [x1]',
    'ldadd x0, x2, [x1]',
    'ldp x3, x4, [x1]',
  ];
  for (const el of ELS) {
    add(`pc alignment EL${el}`, el, lines(load('x1', pageAt('URO') + 2), 'br x1'));
    for (const insn of insns) {
      for (const offset of [1, 4, 9, 0xffc, 0xff9]) {
        const body = lines(load('x1', pageAt('URW') + offset), insn);
        add(`${insn} at +${offset} EL${el}`, el, body);
        add(`${insn} at +${offset} EL${el} SCTLR.A`, el, body, sctlr(1, true), sctlr(1, false));
      }
    }
  }
  for (const insn of ['ldr x0, [x1]', 'str x2, [x1]'])
    add(`${insn} crossing URO`, 1, lines(load('x1', pageAt('URO') - 4), insn));
}

function instructions(): void {
  const anywhere = [
    ['svc', 'svc #0x1234'],
    ['brk', 'brk #0x4321'],
    ['udf', 'udf #5'],
    ['hlt', 'hlt #3'],
    ['EL2 register', 'mrs x0, S3_4_C1_C0_0'],
    ['unallocated register', 'mrs x0, S3_0_C15_C0_0'],
  ] as const;
  for (const el of ELS) for (const [name, insn] of anywhere) add(`${name} EL${el}`, el, insn);
  const user = [
    'hvc #1',
    'smc #1',
    'eret',
    'mrs x0, dczid_el0',
    'mrs x0, daif',
    'msr daifset, #2',
    'msr sctlr_el1, x0',
    'mrs x0, sp_el0',
    'mrs x0, tpidrro_el0',
    'msr tpidrro_el0, x0',
    'mrs x0, cntvct_el0',
    'mrs x0, cntv_ctl_el0',
    'mrs x0, cntpct_el0',
    'mrs x0, pmccntr_el0',
    'mrs x0, pmuserenr_el0',
    'msr pmuserenr_el0, x0',
    'tlbi vmalle1',
    'at s1e0r, x0',
    'msr pan, #1',
    'mrs x0, currentel',
    'msr spsel, #1',
    'isb',
    'mrs x0, pan',
    'mrs x0, nzcv',
    'msr tco, #1',
    'msr dit, #1',
    'msr ssbs, #1',
    'fmov d0, x0',
    'mrs x0, fpcr',
    'mrs x0, S3_0_C1_C0_6',
    'sysl x0, #3, c7, c4, #0',
    'mrs x0, oslsr_el1',
    'mrs x0, S2_3_C0_C1_0',
    'mrs x0, S3_0_C12_C12_0',
  ];
  for (const insn of user) add(`EL0 ${insn}`, 0, insn);
  const controlled = [
    ['mrs x1, ctr_el0', 15],
    ['mrs x0, dczid_el0', 14],
    ['mrs x0, daif', 9],
    ['dc zva, x1', 14],
    ['ic ivau, x1', 26],
    ['dc cvac, x1', 26],
    ['wfi', 16],
  ] as const;
  for (const [insn, bit] of controlled) {
    const body = lines(load('x1', pageAt('URW')), insn);
    add(`EL0 ${insn} without SCTLR bit ${bit}`, 0, body, sctlr(bit, false), sctlr(bit, true));
  }
  for (let value = 0; value < 4; value++) {
    for (const register of ['cntpct_el0', 'cntvct_el0', 'cntfrq_el0']) {
      add(
        `EL0 ${register} CNTKCTL ${value}`,
        0,
        lines(`mrs x1, ${register}`, 'mov x0, #1'),
        lines(`mov x9, #${value}`, 'msr cntkctl_el1, x9', 'isb'),
        'msr cntkctl_el1, xzr',
      );
    }
  }
  for (const [bit, register] of [
    [8, 'cntv_ctl_el0'],
    [9, 'cntp_ctl_el0'],
  ] as const) {
    add(
      `EL0 ${register} enabled`,
      0,
      `mrs x0, ${register}`,
      lines(`mov x9, #(1 << ${bit})`, 'msr cntkctl_el1, x9', 'isb'),
      'msr cntkctl_el1, xzr',
    );
  }
  const pmu = [
    'mrs x1, pmccntr_el0',
    'msr pmccntr_el0, xzr',
    'mrs x1, pmselr_el0',
    'msr pmswinc_el0, xzr',
    'mrs x1, pmcr_el0',
    'mrs x1, pmxevcntr_el0',
  ];
  for (let value = 0; value < 16; value++) {
    for (const insn of pmu) {
      add(
        `EL0 ${insn} PMUSERENR ${value}`,
        0,
        lines(insn, 'mov x0, #1'),
        lines(`mov x9, #${value}`, 'msr pmuserenr_el0, x9', 'isb'),
        'msr pmuserenr_el0, xzr',
      );
    }
  }
  const fpen = (value: number): string => lines(`mov x9, #(${value} << 20)`, 'msr cpacr_el1, x9', 'isb');
  for (let value = 0; value < 4; value++) {
    for (const el of ELS) {
      for (const insn of ['fmov d0, x0', 'mrs x1, fpcr'])
        add(`${insn} EL${el} FPEN ${value}`, el, lines(insn, 'mov x0, #1'), fpen(value), fpen(3));
    }
  }
}

function exceptions(): void {
  for (const pstate of [
    0xf000_0000, 0x0100_0000, 0x0200_0000, 0x0080_0000, 0x0040_0000, 0x1000, 0x3c0, 0x200, 0x40,
  ]) {
    const hex = `0x${pstate.toString(16)}`;
    add(`svc with PSTATE ${hex} EL0`, 'eret-el0', 'svc #7', load('x9', pstate));
    add(`svc with PSTATE ${hex} EL1h`, 'eret-el1', 'svc #7', load('x9', pstate + 5));
    add(`svc with PSTATE ${hex} EL1t`, 'eret-el1', 'svc #7', load('x9', pstate + 4));
  }
  for (const spsr of [0x13, 0x8, 0x9, 0xc, 0xd, 0x2, 0x1, 0x6, 0x7, 0x10_0005, 0x1f]) {
    add(`illegal return to 0x${spsr.toString(16)}`, 'eret-el1', 'svc #7', load('x9', spsr));
  }
  add('svc without SPAN', 0, 'svc #1', sctlr(23, false), sctlr(23, true));
  add('svc with DSSBS', 0, 'svc #1', sctlr(44, true), sctlr(44, false));
  const flush = lines('tlbi vmalle1', 'dsb nsh', 'isb');
  for (const page of ['URW', 'URO'] as const) {
    for (const el of ELS) {
      add(
        `WXN exec ${page} EL${el}`,
        el,
        lines(load('x1', pageAt(page) + 0x100), 'blr x1'),
        lines(sctlr(19, true), flush),
        lines(sctlr(19, false), flush),
      );
    }
  }
  const landings = [
    [0x100, 'ret'],
    [0x110, 'bti c'],
    [0x120, 'bti j'],
    [0x130, 'bti jc'],
    [0x140, 'paciasp'],
  ] as const;
  for (const insn of ['br x1', 'blr x1', 'br x16']) {
    for (const [offset, landing] of landings) {
      for (const [el, bit] of [
        [1, 36],
        [0, 35],
      ] as const) {
        const body = lines(load('x1', pageAt('GUARDED') + offset), 'mov x16, x1', 'adr x30, 5f', insn, '5:');
        add(`${insn} to ${landing} EL${el}`, el, body);
        add(`${insn} to ${landing} EL${el} BT`, el, body, sctlr(bit, true), sctlr(bit, false));
      }
    }
  }
}

function tagChecks(): void {
  const tagCase = (
    name: string,
    body: string,
    el: 0 | 1,
    mode: number,
    tag: number,
    page: Page = 'UTAGGED',
  ): void => {
    const [access, field] = el ? [43, 40] : [42, 38];
    const setup = lines(
      'mrs x9, sctlr_el1',
      `orr x9, x9, #(1 << ${access})`,
      `mov x10, #${mode}`,
      `bfi x9, x10, #${field}, #2`,
      'msr sctlr_el1, x9',
      'isb',
      'msr S3_0_C5_C6_0, xzr',
      'msr S3_0_C5_C6_1, xzr',
      'msr tco, #0',
    );
    const cleanup = lines(
      'mrs x9, sctlr_el1',
      `bic x9, x9, #(1 << ${access})`,
      `bfi x9, xzr, #${field}, #2`,
      'msr sctlr_el1, x9',
      'isb',
      'mrs x0, S3_0_C5_C6_0',
      'bl print_hex',
      'mrs x0, S3_0_C5_C6_1',
      'bl print_hex',
    );
    const address = BigInt(pageAt(page)) | (BigInt(tag) << 56n);
    add(`tag ${tag} mode ${mode} ${name} EL${el}`, el, lines(load('x1', address), body), setup, cleanup);
  };
  const bodies = [
    'ldr x0, [x1]',
    'str x2, [x1]',
    'ldadd x2, x0, [x1]',
    'ldr x0, [x1, #12]',
    'ldxr x0, [x1]',
    'ldp x3, x4, [x1]',
    'ldr x0, [x1, #8]!',
  ];
  for (const el of ELS) {
    for (let mode = 0; mode < 4; mode++) {
      for (const tag of [0, 3]) for (const body of bodies) tagCase(body, body, el, mode, tag);
    }
    tagCase('tco', lines('msr tco, #1', 'ldr x0, [x1]'), el, 1, 3);
    tagCase('untagged page', 'ldr x0, [x1]', el, 1, 3, 'URW');
    tagCase('ldg', 'ldg x0, [x1]', el, 1, 3);
  }
  tagCase('ldtr', 'ldtr x0, [x1]', 1, 1, 3);
  // Last, and at a page's start: the recorded reference has one tag for all of a page (it forgets the offset).
  for (const el of ELS) {
    tagCase('stg misaligned', lines('add x1, x1, #8', 'stg x1, [x1]'), el, 1, 3);
    tagCase('stg read-only', 'stg x1, [x1]', el, 1, 3, 'URO');
    tagCase('stg and load', lines('stg x1, [x1]', 'ldr x3, [x1]', 'ldg x0, [x1]'), el, 1, 3);
    tagCase('load after stg', lines('bfi x1, xzr, #56, #4', 'ldr x0, [x1]'), el, 1, 3);
  }
}

pages();
addresses();
instructions();
exceptions();
tagChecks();

export const systemCases: readonly SystemCase[] = cases;
