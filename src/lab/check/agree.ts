// Asks decide() for every actor, operation and page of a world, and holds the answers against what the records and
// stage 2 say by themselves: nothing here looks at the rules. Leaving out one rule must show, or the rule is idle.

import {
  type Actor,
  type ActorKind,
  decide,
  ENTRY_PRESENT,
  entryFrame,
  FIRST_HANDLE,
  frameOf,
  HOST,
  NONE,
  NOPAGE,
  OPERATIONS,
  type Operation,
  POISON,
  type Route,
  RULES,
  SHARED_BORROWED,
  type Verdict,
} from '../../hypervisor/ledger/index.ts';
import { PAGE_SIZE } from '../../lib/index.ts';
import { DEVICE_GFNS, gfnsOf } from './scenes.ts';
import type { Vm, World } from './world.ts';

export interface Finding {
  readonly invariant: string;
  readonly found: string;
}

/** Who can do what at all (docs/TRUST.md, the actors). */
const ONLY: Readonly<Partial<Record<Operation, readonly ActorKind[]>>> = {
  execute: ['vcpu', 'other-vm'],
  map: ['vmm', 'host-kernel', 'assigned-device'],
  dma: ['device', 'assigned-device'],
  tag: ['vcpu', 'other-vm', 'vmm', 'migration'],
  migrate: ['migration'],
  debug: ['debugger'],
};

const HOST_SIDE: readonly ActorKind[] = [
  'vmm',
  'host-kernel',
  'hypervisor',
  'device',
  'assigned-device',
  'debugger',
];

type Rules = typeof RULES;

interface Asked {
  readonly world: World;
  readonly actor: Actor;
  readonly route: Route;
  readonly policy: boolean;
  /** The VM through which the address is meant, where there is one. */
  readonly vm: Vm | undefined;
}

/** Answers that do not agree with the records. `rules`: the machine's, or those with one left out. */
export function disagreements(world: World, rules: Rules = RULES, first = false): Finding[] {
  const found: Finding[] = [];
  const ask = (actor: Actor, route: Route, vm?: Vm, policy = false): void => {
    if (first && found.length > 0) return;
    const asked: Asked = { world, actor, route, policy, vm };
    for (const operation of OPERATIONS) judge(asked, operation, rules, found);
  };
  for (const { space, ram, pages } of world.processes) {
    for (let page = 0; page < pages; page++) {
      const route = space.route(ram / PAGE_SIZE + page);
      ask({ kind: 'vmm', vm: HOST }, route);
      ask({ kind: 'host-kernel', vm: HOST }, route);
    }
  }
  world.vms.forEach((vm, n) => {
    if (vm.assigned) {
      const { domain } = vm.assigned;
      ask({ kind: 'assigned-device', vm: domain.ownerOf(0) }, domain.route(0));
    }
    if (!vm.alive) return;
    if (!first || found.length === 0) judgeEmulation(vm, world, rules, found);
    const { mapper, guest } = vm.memory;
    const other = world.vms[1 - n];
    // One GFN beyond, where nothing stands.
    for (const gfn of [...gfnsOf(vm.plan), DEVICE_GFNS[0]]) {
      const through = mapper.route(gfn, true);
      const around = mapper.route(gfn, false);
      for (const kind of ['vcpu', 'migration'] as const) ask({ kind, vm: guest.handle }, through, vm);
      for (const kind of ['device', 'debugger', 'hypervisor'] as const)
        ask({ kind, vm: guest.handle }, around, vm);
      for (const kind of ['vmm', 'host-kernel'] as const) ask({ kind, vm: HOST }, around, vm);
      ask({ kind: 'debugger', vm: guest.handle }, around, vm, true);
      if (other?.alive) ask({ kind: 'other-vm', vm: other.memory.guest.handle }, through, vm);
    }
  });
  return found;
}

/** May the VMM emulate devices exactly where the guest lets it? The notes are of who told the guard. */
function judgeEmulation(
  { memory, plan, guards, guarded }: Vm,
  world: World,
  rules: Rules,
  found: Finding[],
): void {
  for (const gfn of [...gfnsOf(plan), ...DEVICE_GFNS]) {
    const route = memory.mapper.route(gfn, false);
    route.guard = memory.mmioGuard;
    const { allowed } = decide(
      world.ledger.frames,
      { kind: 'vmm', vm: HOST },
      'emulate',
      route,
      false,
      rules,
    );
    if (allowed === (!guards || guarded.has(gfn))) continue;
    found.push({
      invariant: 'guarded',
      found: `the VMM ${allowed ? 'may' : 'may not'} emulate ${memory.guest.handle.toString(16)} GFN ${gfn}`,
    });
  }
}

function judge(asked: Asked, operation: Operation, rules: Rules, found: Finding[]): void {
  const { world, actor, route, policy } = asked;
  const { frames } = world.ledger;
  const verdict = decide(frames, actor, operation, route, policy, rules);
  const complain = (invariant: string, why: string): void => {
    const answer = verdict.allowed ? 'may' : 'may not';
    found.push({
      invariant,
      found: `${actor.kind} ${answer} ${operation} ${route.space} page ${route.page} (rule ${verdict.rule}): ${why}`,
    });
  };
  if (verdict.allowed) checkYes(asked, operation, verdict, complain);
  else checkNo(asked, operation, verdict, complain);
  if (verdict.allowed && (operation === 'write' || operation === 'dma') && route.writable) {
    route.writable = false;
    if (
      decide(frames, actor, operation, route, policy, rules).allowed &&
      frames.owner[frameOf(route)] === HOST
    )
      complain('convertible', 'a read-only mapping lies on the way');
    route.writable = true;
  }
}

type Complain = (invariant: string, why: string) => void;

/** The VM whose private page ends the route; HOST for none. */
function privateTo({ world, route }: Asked, frame: number): number {
  const { frames } = world.ledger;
  if (frame === NONE) return route.holder?.privateTo(route.holderPage) ?? HOST;
  return frames.state[frame] === NOPAGE ? frames.owner[frame] : HOST;
}

function checkYes(asked: Asked, operation: Operation, verdict: Verdict, complain: Complain): void {
  const { world, actor, route, policy, vm } = asked;
  const { frames } = world.ledger;
  if (ONLY[operation] !== undefined && !ONLY[operation].includes(actor.kind))
    complain('contained', 'no such actor can');
  if (route.hole !== undefined) {
    complain(actor.kind.endsWith('device') ? 'contained' : 'conserved', `nothing is there (${route.hole})`);
    return;
  }
  const frame = frameOf(route);
  const owner = privateTo(asked, frame);
  const poisoned = actor.kind === 'vcpu' && vm?.memory.guest.stateAt(route.gfn) === POISON;
  if (poisoned) complain('frozen', 'the page was taken back by force');
  if (owner !== HOST) {
    const excepted = actor.kind === 'debugger' && policy && owner >= FIRST_HANDLE;
    if (HOST_SIDE.includes(actor.kind) && !excepted) complain('sealed', `frame ${frame} is private`);
    else if (!excepted && actor.vm !== owner) complain('exclusive', `frame ${frame} is another VM's`);
  }
  if (actor.kind === 'other-vm' && !mappedBy(world, actor.vm, frame))
    complain('exclusive', 'its own stage 2 does not lead there');
  if (actor.kind === 'assigned-device' && (frame === NONE || frames.pins[frame] === 0))
    complain('contained', 'the frame is not pinned');
  const lentByGuest = frame !== NONE && frames.state[frame] === SHARED_BORROWED;
  if (lentByGuest && HOST_SIDE.includes(actor.kind) && verdict.rule !== 'borrowed')
    complain('sealed', "the guest's sharing is the reason, and is not named");
}

function checkNo(asked: Asked, operation: Operation, verdict: Verdict, complain: Complain): void {
  const { actor, route, policy, vm } = asked;
  if (route.hole !== undefined || (operation !== 'read' && operation !== 'debug')) return;
  const able = ONLY[operation] === undefined || ONLY[operation].includes(actor.kind);
  if (!able) return;
  const frame = frameOf(route);
  const owner = privateTo(asked, frame);
  const own = vm !== undefined && owner === vm.memory.guest.handle;
  const poisoned = vm?.memory.guest.stateAt(route.gfn) === POISON;
  if (own && (actor.kind === 'vcpu' || actor.kind === 'migration') && !poisoned)
    complain('exclusive', 'the page is its own');
  if (own && actor.kind === 'debugger' && policy) complain('sealed', "the VM's owner allows it");
  const hostMemory = owner === HOST && actor.kind !== 'other-vm';
  if (hostMemory && !(actor.kind === 'vcpu' && poisoned)) complain('exclusive', "the page is nobody's own");
  const foreign = owner !== HOST && owner !== actor.vm;
  const named = ['sealed', 'exclusive', 'poisoned'].includes(verdict.rule);
  if (foreign && !named) complain('exclusive', 'the page is private to somebody else, and that is not named');
}

function mappedBy({ ledger }: World, handle: number, frame: number): boolean {
  let mapped = false;
  ledger.guests.get(handle)?.table.each((_, entry) => {
    if ((entry & ENTRY_PRESENT) !== 0 && entryFrame(entry) === frame) mapped = true;
  });
  return mapped;
}
