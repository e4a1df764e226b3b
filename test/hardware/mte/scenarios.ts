// Where and how the suite's forms access memory: the address and its tag, the tags there, and the controls of tag
// checking. harness.ts runs each form in each of these.

/** Pages of data, by their attributes, one after another in both halves of the address space; see image.ts. */
export const PAGES = ['tagged', 'tagged', 'untagged', 'tagged'] as const;
export const PAGE = 0x1000;
export const LOW_HALF = 0x8000_0000n;
export const HIGH_HALF = 0xffff_ff80_8000_0000n;
/** Where accesses are made, from the first page's start: inside a page, at the end of one, and so on. */
export const INSIDE = 0x800;
/** Bytes around that are filled before and looked at after a case: from 64 before to 128 after. */
export const WINDOW = 192;
export const WINDOW_BEFORE = 64;
export const GRANULES = WINDOW / 16;

export const MODES = { none: 0, sync: 1, async: 2, asymm: 3 } as const;
export type Mode = keyof typeof MODES;

export interface Scenario {
  readonly name: string;
  readonly modes: readonly Mode[];
  readonly els: readonly (0 | 1)[];
  /** Offset of the access in the pages. */
  readonly at: number;
  readonly high: boolean;
  /** Bits 59:56 of the address. */
  readonly tag: number;
  /** Tags of the window's granules below and from the first that starts at or after `at` rounded to 16. */
  readonly below: number;
  readonly from: number;
  readonly tco: boolean;
  readonly ata: boolean;
  readonly tbi: boolean;
  readonly tcma: boolean;
  /** For forms by SP too. */
  readonly bySp: boolean;
}

const MEMORY_TAG = 5;
const OTHER_TAG = 7;
const WRONG = 6;

const usual: Omit<Scenario, 'name'> = {
  modes: ['sync'],
  els: [1],
  at: INSIDE,
  high: false,
  tag: MEMORY_TAG,
  below: MEMORY_TAG,
  from: MEMORY_TAG,
  tco: false,
  ata: true,
  tbi: true,
  tcma: false,
  bySp: false,
};
const scenario = (name: string, what: Partial<Scenario> = {}): Scenario => ({ name, ...usual, ...what });

const FAULTING: readonly Mode[] = ['sync', 'async', 'asymm'];
const BOTH = [1, 0] as const;

/** The access begins `back` bytes before a granule: tags differ on one side of its start. */
const across = (back: number): Scenario[] => [
  scenario(`${back} before a granule, second wrong`, {
    at: INSIDE - back,
    from: OTHER_TAG,
    modes: FAULTING,
    els: back === 4 ? BOTH : [1],
  }),
  scenario(`${back} before a granule, first wrong`, {
    at: INSIDE - back,
    below: OTHER_TAG,
    modes: FAULTING,
  }),
];

export const scenarios: readonly Scenario[] = [
  scenario('match', { els: BOTH, bySp: true }),
  scenario('mismatch', { tag: WRONG, modes: ['none', ...FAULTING], els: BOTH, bySp: true }),
  scenario('mismatch within a granule', { tag: WRONG, at: INSIDE + 3 }),
  scenario('mismatch, high half', { tag: WRONG, high: true, modes: FAULTING }),
  ...[1, 4, 8].flatMap(across),
  scenario('over a page end, second wrong', { at: PAGE - 4, from: OTHER_TAG, modes: FAULTING }),
  scenario('over a page end, first wrong', { at: PAGE - 4, below: OTHER_TAG, modes: FAULTING }),
  scenario('from a tagged page to an untagged one, first wrong', { at: 2 * PAGE - 4, below: OTHER_TAG }),
  scenario('from a tagged page to an untagged one, second wrong', { at: 2 * PAGE - 4, from: OTHER_TAG }),
  scenario('from an untagged page to a tagged one, second wrong', { at: 3 * PAGE - 4, from: OTHER_TAG }),
  scenario('from an untagged page to a tagged one, first wrong', { at: 3 * PAGE - 4, below: OTHER_TAG }),
  scenario('tag 0', { tag: 0 }),
  scenario('TCMA0, tag 0', { tag: 0, tcma: true, els: BOTH }),
  scenario('TCMA0, tag 6', { tag: WRONG, tcma: true }),
  scenario('tag 15, high half', { tag: 15, high: true }),
  scenario('TCMA1, tag 15', { tag: 15, high: true, tcma: true }),
  scenario('TCO', { tag: WRONG, tco: true, els: BOTH }),
  scenario('untagged page', { tag: WRONG, at: 2 * PAGE + INSIDE, els: BOTH }),
  scenario('without ATA', { tag: WRONG, ata: false }),
  scenario('without TBI', { tag: WRONG, tbi: false }),
  scenario('without TBI, tag 0', { tag: 0, tbi: false }),
];
