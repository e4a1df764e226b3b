// The generated page of instructions (docs/INSTRUCTIONS.md): what the table holds, by feature and mnemonic, and
// what it does not. Absent extensions are listed with an encoding each, so that a test can see them be UNDEFINED.

import { type Feature, type Row, UNALLOCATED } from './row.ts';
import { allRows } from './table.ts';

/** Extensions without rows: name, what it is, an instruction of it and its encoding. */
export const ABSENT: readonly (readonly [string, string, string, number])[] = [
  ['FEAT_BF16', 'BFloat16 arithmetic', 'bfdot v0.2s, v1.4h, v2.4h', 0x2e42fc20],
  ['FEAT_I8MM', '8-bit integer matrix multiplication', 'smmla v0.4s, v1.16b, v2.16b', 0x4e82a420],
  ['FEAT_SM3', 'SM3 hashing', 'sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s', 0xce420c20],
  ['FEAT_SM4', 'SM4 encryption', 'sm4e v0.4s, v1.4s', 0xcec08420],
  ['FEAT_LS64', '64-byte accesses', 'ld64b x0, [x1]', 0xf83fd020],
  ['FEAT_WFxT', 'waiting with a timeout', 'wfet x0', 0xd5031000],
  ['FEAT_MOPS', 'memory copy and set', 'cpyfp [x0]!, [x1]!, x2!', 0x19010440],
  ['FEAT_HBC', 'hinted conditional branches', 'bc.eq .+8', 0x54000050],
  ['FEAT_SVE', 'scalable vectors', 'add z0.b, z1.b, z2.b', 0x04220020],
  ['FEAT_CSSC', 'common short sequence compression', 'ctz w0, w1', 0x5ac01820],
  ['FEAT_XS', 'barriers of accesses without the XS attribute', 'dsb ishnxs', 0xd5033a3f],
  ['FEAT_TME', 'transactional memory', 'tstart x0', 0xd5233060],
];

/** Features by the names of the Arm ARM (A2). */
const title = (feature: Feature | undefined): string =>
  feature && feature !== 'BASE' ? `FEAT_${feature}` : 'Armv8.0';

/** Mnemonics of a row: the words before the first operand, choices written out. */
function mnemonics(row: Row): string[] {
  const head = /^(?:[^{} ]|\{[^}]*\?[^}]*\})*/.exec(row.syntax)?.[0] ?? '';
  let found = [''];
  for (const [, options, text] of head.matchAll(/\{[^?]*\?([^}]*)\}|([^{]+)/g)) {
    const choices = options === undefined ? [text as string] : options.split('|');
    found = found.flatMap((start) => choices.map((choice) => start + choice));
  }
  return found.map((m) => (m === 'b.' ? 'B.cond' : m.toUpperCase()));
}

interface Entry {
  forms: number;
  readonly sections: Set<string>;
}

/** The page's text. */
export function instructionsPage(): string {
  const features = new Map<string, Map<string, Entry>>();
  // Rows that refine another execute some of its encodings in place: they are no forms of their own.
  const rows = allRows.filter((row) => row !== UNALLOCATED && !row.without && !row.refines);
  for (const row of rows) {
    const feature = title(row.feature);
    let list = features.get(feature);
    if (!list) {
      list = new Map();
      features.set(feature, list);
    }
    for (const mnemonic of mnemonics(row)) {
      const entry = list.get(mnemonic) ?? { forms: 0, sections: new Set() };
      entry.forms++;
      entry.sections.add(row.section);
      list.set(mnemonic, entry);
    }
  }
  const names = [...features.keys()].sort(
    (a, b) => Number(b === 'Armv8.0') - Number(a === 'Armv8.0') || a.localeCompare(b),
  );
  const out = [
    '# Instructions',
    '',
    'Generated from the instruction table by `npm run docs:isa`; do not edit. Everything here has a row in the table:',
    'it is decoded, executed, assembled and disassembled, and compared with the reference CPU where a user program can',
    'run it (test/hardware/a64/exclusions.ts says where not, and why).',
    'What no row claims is UNDEFINED. Sections are those of the Arm Architecture Reference Manual (DDI 0487); C7.2',
    'lists Advanced SIMD and floating-point instructions alphabetically.',
    '',
    `${rows.length} rows, ${names.length} features.`,
    '',
  ];
  for (const name of names) {
    const list = features.get(name) as Map<string, Entry>;
    out.push(`## ${name}`, '', '| Mnemonic | Supported | Forms | Sections |', '|---|---|---|---|');
    for (const [mnemonic, { forms, sections }] of [...list].sort(([a], [b]) => (a < b ? -1 : 1))) {
      out.push(`| ${mnemonic} | yes | ${forms} | ${[...sections].sort().join(', ')} |`);
    }
    out.push('');
  }
  out.push('## Not supported', '', 'These are UNDEFINED, and the ID registers do not advertise them.', '');
  out.push('| Feature | What it is | For example | Supported |', '|---|---|---|---|');
  for (const [name, what, example] of ABSENT) out.push(`| ${name} | ${what} | \`${example}\` | no |`);
  return `${out.join('\n')}\n`;
}
