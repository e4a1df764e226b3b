// The generated page of system registers and operations (docs/SYSTEM.md): what the tables hold and what they do not.

import { operations } from './operations.ts';
import { type RegisterRow, registerTable } from './sysregs/index.ts';

/** Parts of the architecture's system half that are absent; ID registers say so and their registers are UNDEFINED. */
const ABSENT: readonly (readonly [string, string])[] = [
  ['EL2, EL3', 'the hypervisor is outside the guest; HVC and SMC leave the vCPU'],
  ['AArch32', 'at any exception level'],
  [
    'FEAT_RAS, FEAT_AMUv1, FEAT_SPE, FEAT_TRBE, FEAT_ETE',
    'error records, activity monitors, profiling, trace',
  ],
  ['FEAT_LPA, FEAT_LPA2, FEAT_LVA', 'addresses of 52 bits'],
  ['FEAT_TTST', 'small translation tables'],
  ['FEAT_TLBIOS, FEAT_TLBIRANGE, FEAT_XS', 'further TLB maintenance'],
  ['FEAT_ECV, FEAT_FGT, FEAT_IDST', 'counter views, fine-grained traps, EC 0x18 for ID registers at EL0'],
  ['FEAT_SPECRES', 'prediction restriction'],
  ['FEAT_DoubleLock, halting debug', 'debug from outside the architecture'],
  ['FEAT_SVE, FEAT_SME', 'scalable vectors and matrices'],
];

const FIELDS = [14, 11, 7, 3, 0] as const;
const MASKS = [3, 7, 15, 15, 7] as const;
const encoding = (key: number): string =>
  FIELDS.map((shift, n) => (key >>> shift) & (MASKS[n] as number)).join(' ');

const ACCESS = { none: '-', r: 'RO', w: 'WO', rw: 'RW' } as const;
const el0 = (row: RegisterRow): string => ACCESS[row.el0] + (row.el0Gate ? ', if enabled' : '');

/** The page's text. */
export function systemPage(): string {
  const registers = [...registerTable].filter((row) => row.el1 !== 'none').sort((a, b) => a.key - b.key);
  const out = [
    '# System registers and operations',
    '',
    'Generated from the tables of src/hardware/cpu by `node scripts/run.js test/hardware/cpu/docs.ts`; do not edit.',
    'Encodings are op0 op1 CRn CRm op2 (Arm ARM, DDI 0487, D23 and C5). Other encodings of the ID space (3 0 0 1..7)',
    'read as zero, the interrupt controller answers for ICC_*_EL1, and everything else is UNDEFINED.',
    '',
    `## Registers: ${registers.length}`,
    '',
    '| Register | Encoding | EL0 | EL1 | Only with |',
    '|---|---|---|---|---|',
    ...registers.map(
      (row) =>
        `| ${row.name} | ${encoding(row.key)} | ${el0(row)} | ${ACCESS[row.el1]} | ${row.feature ?? ''} |`,
    ),
    '',
    `## Operations: ${operations.length}`,
    '',
    '| Operation | Encoding | EL0 | Only with |',
    '|---|---|---|---|',
    ...[...operations]
      .sort((a, b) => a.key - b.key)
      .map((op) => {
        const user = op.user === 'none' ? '-' : `SCTLR_EL1.${op.user}`;
        return `| ${op.name} | ${encoding(op.key)} | ${user} | ${op.feature ?? ''} |`;
      }),
    '',
    '## Not supported',
    '',
    '| Part | |',
    '|---|---|',
    ...ABSENT.map(([part, what]) => `| ${part} | ${what} |`),
  ];
  return `${out.join('\n')}\n`;
}
