// The preconditions as a truth table: every combination of what a frame's record and a guest's entry can say, also
// those that no step of the host leads to, against what the sources ask for (Linux 7.2 mem_protect.c, and for what
// is Ringfence's own docs/TRUST.md). The table below is written from those, not from the ledger: it is the second opinion.

import {
  ENTRY_PRESENT,
  FRAME_DONATED,
  FRAME_FFA,
  FRAME_MERGED,
  FRAME_TAGGED,
  FrameTable,
  Guest,
  HOST,
  HYP,
  NONE,
  NOPAGE,
  OWNED,
  POISON,
  SHARED_BORROWED,
  SHARED_OWNED,
  TRANSITIONS,
  type Transition,
} from '../../hypervisor/ledger/index.ts';
import { type ErrnoName, frameNumber } from '../../lib/index.ts';

/** A frame and a page of a guest, as a person would describe them. */
interface Situation {
  readonly owner: 'host' | 'hyp' | 'guest' | 'other guest';
  readonly host: 'OWNED' | 'SO' | 'SB' | 'NOPAGE';
  readonly lent: number;
  readonly refs: number;
  readonly pins: number;
  readonly tagged: boolean;
  readonly merged: boolean;
  readonly ffa: boolean;
  readonly donated: boolean;
  /** The record names a GFN. */
  readonly stands: boolean;
  readonly protected: boolean;
  readonly dying: boolean;
  readonly guest: 'NOPAGE' | 'POISON' | 'OWNED' | 'SO' | 'SB';
  /** The guest's entry is about another frame. */
  readonly elsewhere: boolean;
}

type Contract = (s: Situation) => ErrnoName | undefined;

/** The first complaint, in order. */
const first =
  (...complaints: readonly [(s: Situation) => boolean, ErrnoName][]): Contract =>
  (s) =>
    complaints.find(([fails]) => fails(s))?.[1];

const hostIsNot =
  (...states: Situation['host'][]) =>
  (s: Situation): boolean =>
    !states.includes(s.host);
const guestIsNot =
  (state: Situation['guest']) =>
  (s: Situation): boolean =>
    s.guest !== state || (s.guest !== 'NOPAGE' && s.elsewhere);
const poisoned = (s: Situation): boolean => s.guest === 'POISON';
const pinned = (s: Situation): boolean => s.pins > 0;
const ordinary = (s: Situation): boolean => !s.protected;
const notItsPrivate = (s: Situation): boolean => s.owner !== 'guest' || s.host !== 'NOPAGE';

const CONTRACTS: Readonly<Record<string, Contract>> = {
  host_share_hyp: first([hostIsNot('OWNED'), 'EPERM']),
  host_unshare_hyp: first(
    [hostIsNot('SO'), 'EPERM'],
    [(s) => s.lent > 0 || s.ffa, 'EPERM'],
    [pinned, 'EBUSY'],
  ),
  host_donate_hyp: first([hostIsNot('OWNED'), 'EPERM'], [pinned, 'EBUSY']),
  hyp_donate_host: first(
    [hostIsNot('NOPAGE'), 'EPERM'],
    [(s) => s.owner !== 'hyp', 'EPERM'],
    [pinned, 'EBUSY'],
  ),
  host_share_ffa: first([hostIsNot('OWNED'), 'EPERM']),
  host_unshare_ffa: first([hostIsNot('SO'), 'EPERM'], [(s) => !s.ffa, 'EPERM']),
  host_share_guest: first(
    [(s) => s.protected, 'EINVAL'],
    [poisoned, 'EHWPOISON'],
    [guestIsNot('NOPAGE'), 'EPERM'],
    [(s) => s.host !== 'OWNED' && !(s.host === 'SO' && s.lent > 0), 'EPERM'],
  ),
  host_unshare_guest: first([guestIsNot('SB'), 'EPERM']),
  host_donate_guest: first(
    [ordinary, 'EINVAL'],
    [hostIsNot('OWNED'), 'EPERM'],
    [poisoned, 'EHWPOISON'],
    [guestIsNot('NOPAGE'), 'EPERM'],
    [(s) => s.refs !== 1, 'EBUSY'],
    [pinned, 'EBUSY'],
  ),
  guest_share_host: first([guestIsNot('OWNED'), 'EPERM'], [hostIsNot('NOPAGE'), 'EPERM']),
  guest_unshare_host: first(
    [guestIsNot('SO'), 'EPERM'],
    [hostIsNot('SB'), 'EPERM'],
    [(s) => s.pins !== (s.donated ? 1 : 0), 'EBUSY'],
  ),
  force_reclaim: first([ordinary, 'EINVAL'], [guestIsNot('OWNED'), 'EPERM'], [(s) => !s.donated, 'EPERM']),
  reclaim: first(
    [ordinary, 'EINVAL'],
    [(s) => !s.dying, 'EBUSY'],
    [(s) => (s.guest !== 'OWNED' && s.guest !== 'SO') || s.elsewhere, 'EPERM'],
    [(s) => !s.donated, 'EPERM'],
  ),
  seal: first([hostIsNot('OWNED'), 'EPERM'], [(s) => s.refs !== 1, 'EBUSY'], [pinned, 'EBUSY']),
  map_private: first(
    [notItsPrivate, 'EPERM'],
    [poisoned, 'EHWPOISON'],
    [guestIsNot('NOPAGE'), 'EPERM'],
    [(s) => s.stands, 'EPERM'],
  ),
  unmap_private: first([notItsPrivate, 'EPERM'], [guestIsNot('OWNED'), 'EPERM']),
  unseal: first([notItsPrivate, 'EPERM'], [(s) => s.stands, 'EBUSY'], [pinned, 'EBUSY']),
  init_tags: first([(s) => s.tagged, 'EINVAL']),
  hold: first(
    [(s) => s.owner !== 'host', 'EPERM'],
    [(s) => s.tagged, 'EBUSY'],
    [(s) => s.lent > 0 && !s.merged, 'EBUSY'],
    [pinned, 'EBUSY'],
  ),
  let_go: first([(s) => s.refs === 0, 'EINVAL']),
  release: first(
    [(s) => s.refs > 0, 'EBUSY'],
    [pinned, 'EBUSY'],
    [(s) => s.lent > 0, 'EBUSY'],
    [hostIsNot('OWNED'), 'EPERM'],
  ),
  pin: first([(s) => s.host === 'NOPAGE', 'EPERM'], [(s) => s.merged, 'EBUSY']),
  unpin: first([(s) => s.pins === 0, 'EINVAL']),
};

export interface ContractResult {
  /** Situations times transitions. */
  readonly asked: number;
  /** The first answer that is not the contract's, described. */
  readonly wrong: string | undefined;
  /** Preconditions ('transition/need') without which some answer is another, with the situation that shows it. */
  readonly needed: ReadonlyMap<string, string>;
}

const HOST_STATES = { OWNED, SO: SHARED_OWNED, SB: SHARED_BORROWED, NOPAGE } as const;
const GUEST_STATES = { NOPAGE, POISON, OWNED, SO: SHARED_OWNED, SB: SHARED_BORROWED } as const;
const GFN = 5;
const STATE_SHIFT = 24;

function* situations(): Generator<Situation> {
  const both = [false, true];
  const guests = ['NOPAGE', 'POISON', 'OWNED', 'SO', 'SB'] as const;
  for (const guest of guests)
    for (const elsewhere of guest === 'NOPAGE' || guest === 'POISON' ? [false] : both)
      for (const isProtected of both)
        for (const dying of both)
          for (const owner of ['host', 'hyp', 'guest', 'other guest'] as const)
            for (const host of ['OWNED', 'SO', 'SB', 'NOPAGE'] as const)
              for (let bits = 0; bits < 32; bits++)
                for (const lent of [0, 1])
                  for (const refs of [0, 1, 2])
                    for (const pins of [0, 1, 2])
                      yield {
                        guest,
                        elsewhere,
                        protected: isProtected,
                        dying,
                        owner,
                        host,
                        lent,
                        refs,
                        pins,
                        tagged: (bits & 1) !== 0,
                        merged: (bits & 2) !== 0,
                        ffa: (bits & 4) !== 0,
                        donated: (bits & 8) !== 0,
                        stands: (bits & 16) !== 0,
                      };
}

/** Every transition in every situation. `every` takes only each n-th situation, for a quick look. */
export function checkContract(every = 1): ContractResult {
  const frames = new FrameTable(2);
  const frame = frameNumber(0);
  const guests = [new Guest(0x1000, false), new Guest(0x1000, true)];
  const needed = new Map<string, string>();
  let asked = 0;
  let n = 0;
  for (const situation of situations()) {
    if (n++ % every !== 0) continue;
    const guest = guests[situation.protected ? 1 : 0];
    enter(situation, frames, guest);
    const site = { frames, frame, guest, gfn: GFN };
    for (const transition of TRANSITIONS) {
      asked++;
      const want = CONTRACTS[transition.name]?.(situation);
      const failing = transition.needs.filter((need) => !need.holds(site));
      if (failing[0]?.errno !== want) return { asked, wrong: describe(transition, situation, want), needed };
      if (failing.length === 0 || failing[1]?.errno === want) continue;
      const name = `${transition.name}/${failing[0].id}`;
      if (!needed.has(name)) needed.set(name, describe(transition, situation, want));
    }
  }
  return { asked, wrong: undefined, needed };
}

function enter(s: Situation, frames: FrameTable, guest: Guest): void {
  frames.owner[0] =
    s.owner === 'host' ? HOST : s.owner === 'hyp' ? HYP : s.owner === 'guest' ? 0x1000 : 0x1001;
  frames.state[0] = HOST_STATES[s.host];
  frames.lent[0] = s.lent;
  frames.refs[0] = s.refs;
  frames.pins[0] = s.pins;
  frames.flags[0] =
    (s.tagged ? FRAME_TAGGED : 0) |
    (s.merged ? FRAME_MERGED : 0) |
    (s.ffa ? FRAME_FFA : 0) |
    (s.donated ? FRAME_DONATED : 0);
  frames.gfn[0] = s.stands ? GFN : NONE;
  guest.isDying = s.dying;
  const state = GUEST_STATES[s.guest];
  const present = s.guest === 'NOPAGE' || s.guest === 'POISON' ? 0 : ENTRY_PRESENT | (s.elsewhere ? 1 : 0);
  guest.table.set(GFN, s.guest === 'NOPAGE' ? 0 : present | (state << STATE_SHIFT));
}

function describe({ name }: Transition, s: Situation, want: ErrnoName | undefined): string {
  const flags = (['tagged', 'merged', 'ffa', 'donated', 'stands', 'dying', 'elsewhere'] as const).filter(
    (f) => s[f],
  );
  return (
    `${name} by the sources ${want === undefined ? 'succeeds' : `is ${want}`}: frame of the ${s.owner}, host ${s.host}, ` +
    `guest ${s.guest} (${s.protected ? 'protected' : 'ordinary'}), lent ${s.lent}, held ${s.refs}, pinned ${s.pins}` +
    (flags.length > 0 ? `, ${flags.join(', ')}` : '')
  );
}
