// The one place that decides. Every slow path (a stage-2 fault, a port's miss, an IOMMU map) describes the way it
// walked and asks decide(); what people read in an explanation is this same answer. Rules are tried in order and
// the first that speaks wins.

import { type FrameNumber, frameNumber } from '../../lib/index.ts';
import { FRAME_MERGED, type FrameTable } from './frames.ts';
import { ENTRY_PRESENT, entryFrame } from './guest.ts';
import type { Ledger } from './ledger.ts';
import type { Route } from './route.ts';
import {
  HOST,
  HYP,
  NONE,
  NOPAGE,
  type Owner,
  ownerName,
  POISON,
  SHARED_BORROWED,
  STATE_NAMES,
} from './states.ts';

export type ActorKind =
  | 'vcpu'
  | 'vmm'
  | 'host-kernel'
  | 'hypervisor'
  | 'device'
  | 'assigned-device'
  | 'migration'
  | 'debugger'
  | 'other-vm';

export interface Actor {
  readonly kind: ActorKind;
  /** The VM whose memory it means to reach; for a vCPU (and 'other-vm') the VM that it belongs to. */
  readonly vm: Owner;
  /** vCPU number or requester id. */
  readonly id?: number;
}

/** 'emulate': to be shown a vCPU's access that found no memory, and answer it as a device. */
export type Operation =
  | 'read'
  | 'write'
  | 'execute'
  | 'map'
  | 'dma'
  | 'tag'
  | 'migrate'
  | 'debug'
  | 'emulate';

export interface Query {
  readonly actor: Actor;
  readonly operation: Operation;
  readonly route: Route;
  readonly frames: FrameTable;
  /** The frame at the end of the route, or NONE. */
  readonly frame: number;
  /** Whose private page it is, or HOST. */
  readonly privateTo: Owner;
  /** What the VM's owner allows a debugger. */
  readonly debugPolicy: boolean;
}

export interface Verdict {
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
}

export interface Rule {
  readonly id: string;
  readonly says: string;
  readonly source: string;
  /** True: allowed. False: refused. Undefined: the rule does not speak about this. */
  judge(query: Query): boolean | undefined;
}

const writes = (operation: Operation): boolean => operation === 'write' || operation === 'dma';

/** Actors that reach memory as software on the host does. */
const HOST_SIDE: ReadonlySet<ActorKind> = new Set([
  'vmm',
  'host-kernel',
  'hypervisor',
  'device',
  'assigned-device',
  'debugger',
]);

/** What each actor can do at all; a page has nothing to do with it. */
const ABILITIES: Readonly<Record<ActorKind, ReadonlySet<Operation>>> = {
  vcpu: new Set(['read', 'write', 'execute', 'tag']),
  vmm: new Set(['read', 'write', 'map', 'tag', 'emulate']),
  'host-kernel': new Set(['read', 'write', 'map']),
  hypervisor: new Set(['read', 'write']),
  device: new Set(['read', 'write', 'dma']),
  'assigned-device': new Set(['read', 'write', 'dma', 'map']),
  migration: new Set(['read', 'write', 'tag', 'migrate']),
  debugger: new Set(['read', 'write', 'debug']),
  'other-vm': new Set(['read', 'write', 'execute', 'tag']),
};

export const ACTORS = Object.keys(ABILITIES) as readonly ActorKind[];
/** What can be done with a page; emulating is about where there is none. */
export const OPERATIONS: readonly Operation[] = [
  'read',
  'write',
  'execute',
  'map',
  'dma',
  'tag',
  'migrate',
  'debug',
];

/** How often the guest of a route borrows a frame itself: merged pages of one guest are one frame. */
function loansTo({ guest }: Route, frame: number): number {
  let loans = 0;
  guest?.table.each((_, entry) => {
    if ((entry & ENTRY_PRESENT) !== 0 && entryFrame(entry) === frame) loans++;
  });
  return loans;
}

export const RULES: readonly Rule[] = [
  {
    id: 'unable',
    says: 'an actor of this kind has no such operation',
    source: 'docs/TRUST.md',
    judge: ({ actor, operation }) => (ABILITIES[actor.kind].has(operation) ? undefined : false),
  },
  {
    id: 'guarded',
    says: 'a guarded VM has nothing emulated outside its guarded regions: the guest takes an external abort',
    source: 'docs/TRUST.md; FACTS D, MMIO guard',
    judge: ({ operation, route }) =>
      operation === 'emulate' && route.guard?.permits(route.gfn) === false ? false : undefined,
  },
  {
    id: 'emulated',
    says: 'what is no memory for an access is a device of the VMM',
    source: 'Linux 7.2 arch/arm64/kvm/mmio.c',
    judge: ({ operation }) => (operation === 'emulate' ? true : undefined),
  },
  {
    id: 'unmapped',
    says: 'an address behind which nothing stands reaches no memory',
    source: 'docs/TRUST.md; a device: contained',
    judge: ({ route }) => (route.hole === undefined ? undefined : false),
  },
  {
    id: 'read-only',
    says: 'a mapping on the way permits no writing; the shared half of a realm gives it no instructions',
    source: 'Linux 7.2 KVM_MEM_READONLY; RMM specification 1.0, A5.2',
    judge: ({ operation, route }) =>
      (writes(operation) && !route.writable) || (operation === 'execute' && !route.executable)
        ? false
        : undefined,
  },
  {
    id: 'poisoned',
    says: 'a page that the host took back by force is dead until its VM is',
    source: 'Linux 7.2 arch/arm64/kvm/hyp/nvhe/mem_protect.c',
    judge: ({ actor, route }) =>
      actor.kind === 'vcpu' && route.guest?.stateAt(route.gfn) === POISON ? false : undefined,
  },
  {
    id: 'debug-policy',
    says: "the VM's owner lets a debugger see private memory",
    source: 'docs/TRUST.md',
    judge: ({ actor, privateTo, debugPolicy }) =>
      actor.kind === 'debugger' && privateTo !== HOST && privateTo === actor.vm && debugPolicy
        ? true
        : undefined,
  },
  {
    id: 'sealed',
    says: 'no VMM, host-kernel, debugger or device path resolves to a private page',
    source: 'docs/TRUST.md; Linux 7.2 guest_memfd.c and mem_protect.c',
    judge: ({ actor, privateTo }) => (privateTo !== HOST && HOST_SIDE.has(actor.kind) ? false : undefined),
  },
  {
    id: 'exclusive',
    says: 'a private page belongs to exactly one VM',
    source: 'docs/TRUST.md; Linux 7.2 mem_protect.c',
    judge: ({ actor, privateTo }) => (privateTo !== HOST && actor.vm !== privateTo ? false : undefined),
  },
  {
    id: 'owner',
    says: 'a VM may use its own private page, and its migration stream may carry it sealed',
    source: 'docs/TRUST.md',
    judge: ({ actor, privateTo }) => (privateTo !== HOST && actor.vm === privateTo ? true : undefined),
  },
  {
    id: 'elsewhere',
    says: 'another VM reaches a page only where its own slot leads to the same memory',
    source: 'FACTS G, one VM: same HVA in two VMs',
    judge: ({ actor, frames, frame, route }) =>
      actor.kind === 'other-vm' && (frame === NONE || frames.lent[frame] <= loansTo(route, frame))
        ? false
        : undefined,
  },
  {
    id: 'borrowed',
    says: "the page is the guest's, which shares it with the host",
    source: 'Linux 7.2 mem_protect.c, guest_share_host',
    judge: ({ frames, frame }) =>
      frame !== NONE && frames.state[frame] === SHARED_BORROWED ? true : undefined,
  },
  {
    id: 'host-memory',
    says: "the page is the host's, and the walk that reached it permits this",
    source: 'Linux 7.2 mm/memory.c, virt/kvm/kvm_main.c',
    judge: ({ frames, frame }) => (frame === NONE || frames.state[frame] !== NOPAGE ? true : undefined),
  },
];

/** What no rule allows is refused. */
const NOT_OTHERWISE: Rule = {
  id: 'not-allowed',
  says: 'no rule allows it',
  source: 'docs/TRUST.md',
  judge: () => false,
};

/** Whose private page stands at the end of a route: the frame's record knows, or before there is one the holder. */
export function privateOwner(frames: FrameTable, route: Route, frame: number): Owner {
  if (frame === NONE) return route.holder ? route.holder.privateTo(route.holderPage) : HOST;
  return frames.state[frame] === NOPAGE ? frames.owner[frame] : HOST;
}

/** The frame that a route leads to now, or NONE. A guest keeps what its stage 2 maps until it is unmapped there. */
export function frameOf(route: Route): number {
  if (route.frame !== NONE) return route.frame;
  const entry = route.guest?.table.get(route.gfn) ?? 0;
  if ((entry & ENTRY_PRESENT) !== 0) return entryFrame(entry);
  return route.holder ? route.holder.frameAt(route.holderPage) : NONE;
}

/** The frame that a route leads to where the actor may go there now, or NONE. */
export function allowedFrame(
  frames: FrameTable,
  actor: Actor,
  operation: Operation,
  route: Route,
  debugPolicy = false,
): number {
  return decide(frames, actor, operation, route, debugPolicy).allowed ? frameOf(route) : NONE;
}

/** The frame of a route that has been allowed, made present where it was not and for a write its own. */
export function present(ledger: Ledger, route: Route, write: boolean): FrameNumber {
  const frame = frameOf(route);
  if (frame !== NONE && !(write && (ledger.frames.flags[frame] & FRAME_MERGED) !== 0))
    return frameNumber(frame);
  return route.holder!.populate(route.holderPage, write);
}

export function decide(
  frames: FrameTable,
  actor: Actor,
  operation: Operation,
  route: Route,
  debugPolicy = false,
  rules = RULES,
): Verdict {
  const frame = route.hole === undefined ? frameOf(route) : NONE;
  const privateTo = privateOwner(frames, route, frame);
  const query = { actor, operation, route, frames, frame, privateTo, debugPolicy };
  for (const rule of rules) {
    const allowed = rule.judge(query);
    if (allowed === undefined) continue;
    return { allowed, rule: rule.id, reason: allowed ? rule.says : reasonOf(rule, query) };
  }
  return { allowed: false, rule: NOT_OTHERWISE.id, reason: reasonOf(NOT_OTHERWISE, query) };
}

function reasonOf(rule: Rule, { route, frame, frames }: Query): string {
  if (route.hole !== undefined) return `${rule.says} (${route.hole})`;
  if (frame === NONE) return rule.says;
  const owner = frames.owner[frame];
  const whose =
    owner === HOST || owner === HYP ? ownerName(owner) : `${ownerName(owner)} (${owner.toString(16)})`;
  return `${rule.says} (frame ${frame} of ${whose}, host state ${STATE_NAMES[frames.state[frame]]})`;
}
