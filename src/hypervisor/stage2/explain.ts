// Who may do what with one page, and why: decide() asked for every actor and operation, with the way that was
// walked. What a person reads here is what the machine does.

import { frameNumber, PAGE_SIZE } from '../../lib/index.ts';
import {
  ACTORS,
  type Actor,
  type ActorKind,
  decide,
  frameOf,
  type HistoryEntry,
  HOST,
  NONE,
  OPERATIONS,
  type Operation,
  ownerName,
  Route,
  STATE_NAMES,
  stations,
} from '../ledger/index.ts';
import { RIPAS_NAMES } from '../realm/index.ts';
import type { VmMemory } from './vm-memory.ts';

export interface ExplainedAccess {
  readonly actor: ActorKind;
  readonly operation: Operation;
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
}

export interface Explanation {
  readonly gpa: number;
  /** The stations of the walk. */
  readonly path: readonly string[];
  readonly frame: number | undefined;
  readonly owner: string | undefined;
  readonly hostState: string | undefined;
  readonly guestState: string;
  /** Of a realm: its state of the page, and which half of its address space was asked about. */
  readonly realm?: { readonly ripas: string; readonly half: 'protected' | 'shared' };
  readonly pins: number;
  readonly accesses: readonly ExplainedAccess[];
  readonly history: readonly HistoryEntry[];
}

/** Actors whose answer depends on what the guest's own stage 2 maps. */
const THROUGH_STAGE2: ReadonlySet<ActorKind> = new Set(['vcpu', 'migration', 'other-vm']);

/** The page of a guest-physical address. */
export function explain(memory: VmMemory, address: number): Explanation {
  const { ledger, guest } = memory;
  const { frames } = ledger;
  const gfn = Math.floor(address / PAGE_SIZE);
  const route = memory.mapper.route(gfn, true);
  const frame = route.hole === undefined ? frameOf(route) : NONE;
  const accesses: ExplainedAccess[] = [];
  for (const kind of ACTORS) {
    const direct = memory.mapper.route(gfn, THROUGH_STAGE2.has(kind));
    for (const operation of OPERATIONS) {
      // Mapping goes by the page; what is mapped is then reached by its I/O virtual address and in no other way.
      const way =
        kind === 'assigned-device' && operation !== 'map' ? throughIommu(memory, gfn, frame) : direct;
      const verdict = decide(frames, actorFor(kind, memory), operation, way, memory.extensions.debugPrivate);
      accesses.push({ actor: kind, operation, ...verdict });
    }
  }
  const known = frame !== NONE;
  return {
    gpa: gfn * PAGE_SIZE,
    path: stations(route),
    frame: known ? frame : undefined,
    owner: known ? ownerName(frames.owner[frame]) : undefined,
    hostState: known ? STATE_NAMES[frames.state[frame]] : undefined,
    guestState: STATE_NAMES[guest.stateAt(memory.mapper.canonical(gfn))],
    ...realmPage(memory, gfn),
    pins: known ? frames.pins[frame] : 0,
    accesses,
    history: (known && ledger.history?.of(frameNumber(frame))) || [],
  };
}

function realmPage({ mapper }: VmMemory, page: number): Pick<Explanation, 'realm'> {
  const { realm } = mapper;
  if (!realm) return {};
  const half = realm.isShared(page) ? 'shared' : 'protected';
  return { realm: { ripas: RIPAS_NAMES[realm.ripas(realm.canonical(page))], half } };
}

/** The way of a device whose domain maps the frame, if any domain does. */
function throughIommu({ ledger }: VmMemory, gfn: number, frame: number): Route {
  const route = new Route('iova', gfn);
  let mapped = false;
  for (const pinner of ledger.pinners) pinner.eachPin((pinned) => (mapped ||= pinned === frame));
  if (mapped) route.frame = frame;
  else route.hole = 'no-iommu-map';
  return route;
}

const actorFor = (kind: ActorKind, memory: VmMemory): Actor => {
  if (kind === 'other-vm') return { kind, vm: NONE };
  return { kind, vm: kind === 'vmm' || kind === 'host-kernel' ? HOST : memory.guest.handle };
};

/** A table of actors and operations: yes or the rule that says no; then the way and the record. */
export function formatExplanation(explanation: Explanation): string {
  const { path, frame, owner, hostState, guestState, realm, pins, accesses, history } = explanation;
  const out = [path.join(' -> ')];
  out.push(
    frame === undefined
      ? `no frame yet; the guest has ${guestState}`
      : `frame ${frame} of ${owner}; the host has ${hostState}, the guest ${guestState}; pins ${pins}`,
  );
  if (realm) out.push(`RIPAS ${realm.ripas}; an address of the ${realm.half} half`);
  const cell = (access: ExplainedAccess): string =>
    access.allowed ? 'yes' : access.rule === 'unable' ? '-' : `no: ${access.rule}`;
  const rows = [
    ['', ...OPERATIONS],
    ...ACTORS.map((actor) => [actor, ...accesses.filter((access) => access.actor === actor).map(cell)]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows)
    out.push(
      row
        .map((text, column) => text.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
  const rules = new Map(
    accesses.filter(({ rule }) => rule !== 'unable').map(({ rule, reason }) => [rule, reason]),
  );
  for (const [rule, reason] of rules) out.push(`${rule}: ${reason}`);
  for (const { step, transition, guest, gfn } of history) {
    const who = guest === undefined ? '' : ` ${ownerName(guest)}`;
    out.push(`#${step} ${transition}${who}${gfn === undefined ? '' : ` gfn 0x${gfn.toString(16)}`}`);
  }
  return out.join('\n');
}
