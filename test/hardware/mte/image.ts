// The suite as the bytes of a bare-metal machine's memory: program, tables, patterns, forms and cases.

import { assembleProgram } from '../../../src/hardware/a64/index.ts';
import { type Form, forms, SAME } from './forms.ts';
import {
  CASE_BYTES,
  FORM_BYTES,
  FORMS_VA,
  HARNESS,
  LAYOUT,
  MEMORY_PATTERN,
  RESULT_BYTES,
  SCTLR,
  WARM,
} from './harness.ts';
import {
  GRANULES,
  HIGH_HALF,
  LOW_HALF,
  MODES,
  type Mode,
  PAGE,
  PAGES,
  type Scenario,
  scenarios,
  WINDOW_BEFORE,
} from './scenarios.ts';

export interface Case {
  readonly form: Form;
  readonly scenario: Scenario;
  readonly mode: Mode;
  readonly el: 0 | 1;
}

export const cases: readonly Case[] = forms.flatMap((form) =>
  scenarios
    .filter((s) => !form.bySp || s.bySp)
    .flatMap((scenario) =>
      scenario.modes.flatMap((mode) =>
        scenario.els.map((el): Case => ({ form, scenario, mode, el: form.bySp ? 1 : el })),
      ),
    )
    .filter(
      (c, k, all) => !form.bySp || all.findIndex((o) => o.scenario === c.scenario && o.mode === c.mode) === k,
    ),
);
export const nameOf = ({ form, scenario, mode, el }: Case): string =>
  `${form.name}: ${scenario.name}, ${mode}, EL${el}`;

const SVC = 0xd400_0001;
const ATA = (1n << 43n) | (1n << 42n);
/** SVCs stand behind the form's words; literals after that. */
const LITERAL = 0x7172_7374_7576_7778n;

/** 39-bit halves of 4 KiB pages, both by the same tables; inner shareable, write-back. */
const TCR = 25n | (25n << 16n) | (2n << 30n) | (5n << 32n) | 0x3500n | (0x3500n << 16n);
const TBI = 3n << 37n;
const TCMA = 3n << 57n;
const NORMAL = (3n << 8n) | (1n << 10n);
const TAGGED = 2n << 2n;
const USER = 1n << 6n;
const READ_ONLY = 1n << 7n;
const UXN = 1n << 54n;

const hexWord = (n: number): bigint => BigInt(n);
const withTag = (address: bigint, tag: number): bigint => (address & ~(15n << 56n)) | (BigInt(tag) << 56n);

/** Bytes of physical memory from LAYOUT.base on, with the result area empty. */
export function suiteImage(warm: boolean): Uint8Array {
  const image = new Uint8Array(LAYOUT.results - LAYOUT.base);
  const view = new DataView(image.buffer);
  const put = (at: number, value: bigint): void =>
    view.setBigUint64(at - LAYOUT.base, BigInt.asUintN(64, value), true);
  image.set(assembleProgram(HARNESS, LAYOUT.code).bytes, LAYOUT.code - LAYOUT.base);
  putTables(put);
  putPatterns(put);
  put(WARM, warm ? 1n : 0n);
  const at = new Map<Form, number>();
  for (const [k, form] of forms.entries()) {
    at.set(form, k * FORM_BYTES);
    const start = LAYOUT.forms - LAYOUT.base + k * FORM_BYTES;
    put(LAYOUT.forms + k * FORM_BYTES + 8, LITERAL);
    put(LAYOUT.forms + k * FORM_BYTES + 16, LITERAL);
    for (const [n, word] of [...form.words, SVC].entries()) view.setUint32(start + 4 * n, word, true);
  }
  for (const [k, c] of cases.entries()) {
    for (const [n, word] of caseWords(c, FORMS_VA + (at.get(c.form) as number)).entries()) {
      put(LAYOUT.cases + k * CASE_BYTES + 8 * n, word);
    }
  }
  if (LAYOUT.cases + (cases.length + 1) * CASE_BYTES > LAYOUT.results) throw new Error('too many cases');
  if (LAYOUT.results + cases.length * RESULT_BYTES > LAYOUT.end) throw new Error('too many results');
  return image;
}

function caseWords({ form, scenario: s, mode, el }: Case, code: number): bigint[] {
  const low = BigInt(s.at);
  const address = withTag((s.high ? HIGH_HALF : LOW_HALF) + low, s.tag);
  // The first granule, by its own tag.
  const firstTag = s.at % 16 ? s.below : s.from;
  const right = withTag(address & -16n, s.tbi ? firstTag : 0);
  const window = Math.floor(s.at / 16) * 16 + (s.at % 16 ? 16 : 0) - WINDOW_BEFORE;
  let tags = 0n;
  for (let n = 0; n < GRANULES; n++) {
    tags |= BigInt(n < WINDOW_BEFORE / 16 ? s.below : s.from) << BigInt(4 * n);
  }
  const tcf = BigInt(MODES[mode]);
  const sctlr = (SCTLR & ~ATA) | (s.ata ? ATA : 0n) | (tcf << 40n) | (tcf << 38n);
  const tcr = TCR | (s.tbi ? TBI : 0n) | (s.tcma ? TCMA : 0n);
  const spsr = (el ? 0x3c4n : 0x3c0n) | (s.tco ? 1n << 25n : 0n);
  const reachable = s.tbi || s.tag === 0;
  return [
    hexWord(code),
    address - BigInt(form.bias),
    right,
    BigInt(LAYOUT.data + window),
    tags,
    sctlr,
    tcr,
    spsr,
    reachable ? address : 0n,
  ];
}

function putTables(put: (at: number, value: bigint) => void): void {
  const [l1, l2Ram, l2View, l3Data, l3Forms] = [0, 1, 2, 3, 4].map((n) => LAYOUT.tables + n * PAGE) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const table = (at: number): bigint => BigInt(at) | 3n;
  put(l1 + 8, table(l2Ram));
  put(l1 + 16, table(l2View));
  for (let n = 1; n < 8; n++)
    put(l2Ram + 8 * n, BigInt(0x4000_0000 + n * 0x20_0000) | NORMAL | TAGGED | UXN | 1n);
  put(l2View, table(l3Data));
  put(l2View + 8, table(l3Forms));
  for (const [n, kind] of PAGES.entries()) {
    put(
      l3Data + 8 * n,
      BigInt(LAYOUT.data + n * PAGE) | NORMAL | (kind === 'tagged' ? TAGGED : 0n) | USER | UXN | 3n,
    );
  }
  for (let n = 0; n * PAGE < forms.length * FORM_BYTES; n++) {
    put(l3Forms + 8 * n, BigInt(LAYOUT.forms + n * PAGE) | NORMAL | USER | READ_ONLY | 3n);
  }
}

/** X0 to X30, where the harness puts X1 and X13, and V0 to V31. */
function putPatterns(put: (at: number, value: bigint) => void): void {
  for (let n = 0; n < 31; n++) put(LAYOUT.patterns + 8 * n, 0x8090_a0b0_c0d0_e0f0n + BigInt(n * 0x01_0101));
  put(LAYOUT.patterns + 8 * 8, 32n);
  for (const n of [SAME, SAME + 1]) put(LAYOUT.patterns + 8 * n, MEMORY_PATTERN);
  for (let n = 0; n < 64; n++)
    put(LAYOUT.patterns + 256 + 8 * n, 0x8898_a8b8_c8d8_e8f8n + BigInt(n * 0x01_0101));
}
