// What each transition must make caches forget, seen from outside: a small ledger, one frame that a guest's TLB and
// a view hold, one transition. Whoever could reach the frame before and could not be sure of it afterwards has to be
// told. The exploration shows the same in whole worlds; this covers transitions that always come after another drop.

import { PhysicalMemory } from '../../hypervisor/index.ts';
import {
  ENTRY_PRESENT,
  ENTRY_WRITE,
  entryFrame,
  FRAME_DONATED,
  FRAME_FFA,
  FRAME_MERGED,
  FRAME_VIEWED,
  type Guest,
  HOST,
  HYP,
  Ledger,
  NONE,
  NOPAGE,
  OWNED,
  type PageState,
  SHARED_BORROWED,
  SHARED_OWNED,
  type Site,
  TRANSITIONS,
  type Transition,
} from '../../hypervisor/ledger/index.ts';
import { type FrameNumber, frameNumber } from '../../lib/index.ts';

export interface DropsResult {
  /** Transitions that leave a stale answer behind. */
  readonly wrong: readonly string[];
  /** Drops ('transition!kind') without which one is left behind, and where. */
  readonly needed: ReadonlyMap<string, string>;
}

const GFN = 5;
const STATE_SHIFT = 24;

export function checkDrops(): DropsResult {
  const memory = new PhysicalMemory({ frames: 1, systemBytes: 1 << 16 });
  const wrong: string[] = [];
  const needed = new Map<string, string>();
  for (const transition of TRANSITIONS) {
    const before = arrange(memory, transition);
    if (before === undefined) {
      wrong.push(`${transition.name}: no situation permits it`);
      continue;
    }
    wrong.push(...staleAfter(before, transition, new Set()));
    for (const kind of transition.drops) {
      const mutant = `${transition.name}!${kind}`;
      const again = arrange(memory, transition)!;
      const stale = staleAfter(again, transition, new Set([mutant]));
      if (stale.length > 0) needed.set(mutant, stale[0]);
    }
  }
  return { wrong, needed };
}

interface Arranged {
  readonly ledger: Ledger;
  readonly site: Site;
  readonly guest: Guest;
}

/** A ledger whose only frame is as the transition needs it. */
function arrange(memory: PhysicalMemory, transition: Transition): Arranged | undefined {
  const frame = frameNumber(0);
  const states: readonly PageState[] = [OWNED, SHARED_OWNED, SHARED_BORROWED, NOPAGE];
  for (const isProtected of [false, true])
    for (const entry of [NOPAGE, ...states.slice(0, 3)])
      for (const state of states)
        for (const owner of [HOST, HYP, 0x1000])
          for (const flags of [0, FRAME_DONATED, FRAME_FFA])
            for (const counts of [0, 1, 2, 3]) {
              const ledger = new Ledger(memory);
              const guest = ledger.createGuest(isProtected);
              const { frames } = ledger;
              frames.take(1, 0);
              frames.owner[frame] = owner;
              frames.state[frame] = state;
              frames.flags[frame] = flags | FRAME_VIEWED;
              frames.refs[frame] = counts & 1;
              frames.pins[frame] = (counts >>> 1) & 1;
              frames.lent[frame] = entry === SHARED_BORROWED ? 1 : 0;
              frames.gfn[frame] = entry === OWNED ? GFN : NONE;
              guest.isDying = transition.name === 'reclaim';
              if (entry !== NOPAGE)
                guest.table.set(GFN, frame | ENTRY_PRESENT | ENTRY_WRITE | (entry << STATE_SHIFT));
              const site = { frames, frame, guest, gfn: GFN };
              if (transition.needs.every((need) => need.holds(site))) return { ledger, site, guest };
            }
  return undefined;
}

/** Runs the transition; whose cached answer about the frame outlives its truth. */
function staleAfter(
  { ledger, site, guest }: Arranged,
  transition: Transition,
  mutants: Set<string>,
): string[] {
  const { frame } = site;
  const told = { guest: false, views: false };
  const cache = (who: keyof typeof told) => ({
    dropFrame: () => {
      told[who] = true;
    },
    dropAll: () => {
      told[who] = true;
    },
  });
  ledger.caches.views.add(cache('views'));
  guest.tlbs.add(cache('guest'));
  const was = look(ledger, guest, frame);
  ledger.mutants = mutants;
  ledger.run(transition, site);
  const is = look(ledger, guest, frame);
  const stale: string[] = [];
  const lost =
    (was.hostReaches && !is.hostReaches) ||
    is.refs < was.refs ||
    is.free > was.free ||
    (is.merged && !was.merged);
  if (lost && !told.views) stale.push(`${transition.name}: a view keeps its answer about frame ${frame}`);
  if (was.mapped && !is.mapped && !told.guest)
    stale.push(`${transition.name}: a TLB keeps its answer about frame ${frame}`);
  return stale;
}

function look({ frames }: Ledger, guest: Guest, frame: FrameNumber) {
  const entry = guest.table.get(GFN);
  return {
    hostReaches: frames.state[frame] !== NOPAGE,
    refs: frames.refs[frame],
    free: frames.free,
    merged: (frames.flags[frame] & FRAME_MERGED) !== 0,
    mapped: (entry & ENTRY_PRESENT) !== 0 && entryFrame(entry) === frame,
  };
}
