// Before each step of the checker everybody has just touched all that they may: caches are full, and frames in use
// hold data and tags. A stale answer or a forgotten scrub then shows at once, and neither what is cached nor what is
// written makes states of its own: for each state the fullest caches stand for all emptier ones.

import {
  type Actor,
  decide,
  FRAME_MERGED,
  FRAME_TAGGED,
  frameOf,
  HOST,
  type MemoryPort,
  NONE,
  type Route,
} from '../../hypervisor/ledger/index.ts';
import { PAGE_SIZE } from '../../lib/index.ts';
import { gfnsOf } from './scenes.ts';
import type { Process, Vm, World } from './world.ts';

const byte = new Uint8Array(1);
const MARK = 0xa5;
const TAG = 7;

export function touchEverything(world: World): void {
  for (const process of world.processes) touchProcess(world, process);
  world.vms.forEach((vm, n) => {
    if (!vm.alive) return;
    vm.tlb.fill(world.ledger);
    for (const gfn of gfnsOf(vm.plan)) touchGfn(world, vm, gfn);
    touchMemfd(world, vm, n);
    if (vm.assigned) {
      const actor: Actor = { kind: 'assigned-device', vm: vm.assigned.domain.ownerOf(0) };
      touch(world, vm.assigned.port, 0, actor, vm.assigned.domain.route(0), !vm.plan.logged);
    }
  });
  fillFrames(world);
}

/** All frames in use hold data, and tags where they have them. */
export function fillFrames({ ledger, frames: all }: World): void {
  const { frames, memory } = ledger;
  for (const frame of all) {
    if (frames.refs[frame] + frames.pins[frame] + frames.lent[frame] + frames.owner[frame] === 0) continue;
    memory.data(frame)[0] = MARK;
    if ((frames.flags[frame] & FRAME_TAGGED) !== 0) memory.writableTags(frame)[0] = TAG;
  }
}

function touchProcess(world: World, { space, kernelPort, ram, pages }: Process): void {
  const mayWrite = !world.scene.vms.some(({ logged }) => logged);
  for (let page = 0; page < pages; page++) {
    const route = space.route(ram / PAGE_SIZE + page);
    const at = ram + page * PAGE_SIZE;
    touch(world, space.port, at, { kind: 'vmm', vm: HOST }, route, mayWrite);
    touch(world, kernelPort, at, { kind: 'host-kernel', vm: HOST }, route, mayWrite);
  }
}

function touchGfn(world: World, vm: Vm, gfn: number): void {
  const route = vm.memory.mapper.route(gfn, false);
  const of = vm.memory.guest.handle;
  const at = gfn * PAGE_SIZE;
  const mayWrite = !vm.plan.logged;
  touch(world, vm.device, at, { kind: 'device', vm: of }, route, mayWrite);
  touch(world, vm.debuggerPort, at, { kind: 'debugger', vm: of }, route, mayWrite);
  touch(world, vm.kvmPort, at, { kind: 'hypervisor', vm: of }, route, mayWrite);
}

function touchMemfd(world: World, vm: Vm, n: number): void {
  const start = vm.process.memfdAt.get(n);
  if (start === undefined) return;
  for (let page = 0; page < vm.plan.memfd; page++) {
    const at = start + page * PAGE_SIZE;
    const route = vm.process.space.route(at / PAGE_SIZE);
    touch(world, vm.process.space.port, at, { kind: 'vmm', vm: HOST }, route, true);
  }
}

/** One access through a port, where it is allowed and changes no record. */
function touch(
  { ledger }: World,
  port: MemoryPort,
  at: number,
  actor: Actor,
  route: Route,
  mayWrite: boolean,
): void {
  const { frames } = ledger;
  const frame = route.hole === undefined ? frameOf(route) : NONE;
  if (frame === NONE || !decide(frames, actor, 'read', route).allowed) return;
  const merged = (frames.flags[frame] & FRAME_MERGED) !== 0;
  if (mayWrite && !merged && decide(frames, actor, 'write', route).allowed) port.write(at, byte.fill(MARK));
  else port.read(at, byte);
}
