// The state of a world as a short string: equal strings behave alike. Frames are renamed in the order in which a
// fixed walk meets them, and where a scene's VMs are furnished alike, the walk that gives the smaller string counts,
// so that states that differ only in which frame or which VM is which are one state. What is cached and what is
// written is not in it (worst-case.ts).

import { ENTRY_PRESENT, FIRST_HANDLE, FRAME_MERGED, FRAME_VIEWED } from '../../hypervisor/ledger/index.ts';
import { PAGE_SIZE } from '../../lib/index.ts';
import { gfnsOf, MEMFD_GFN, type Scene } from './scenes.ts';
import type { Process, Vm, World } from './world.ts';

/** Orders of a scene's VMs that the state does not tell apart. */
export function symmetriesOf({ vms, oneProcess }: Scene): readonly (readonly number[])[] {
  const [first, second] = vms;
  const alike = !oneProcess && JSON.stringify(first) === JSON.stringify(second);
  return alike
    ? [
        [0, 1],
        [1, 0],
      ]
    : [[0, 1]];
}

export function canonical(world: World, orders: readonly (readonly number[])[]): string {
  let least = inOrder(world, orders[0]);
  for (let n = 1; n < orders.length; n++) {
    const other = inOrder(world, orders[n]);
    if (other < least) least = other;
  }
  return least;
}

/**
 * The same without names and orders, as numbers: equal in two moments of one world exactly where nothing changed
 * between them. Most steps change nothing, and this is far cheaper than a string.
 */
export function recordsOf(world: World): number[] {
  const { frames } = world.ledger;
  const out: number[] = [];
  for (let frame = 0; frame < world.scene.frames; frame++) {
    out.push(
      frames.owner[frame],
      frames.state[frame],
      frames.flags[frame] & ~FRAME_VIEWED,
      frames.lent[frame],
    );
    out.push(
      frames.refs[frame],
      frames.pins[frame],
      frames.gfn[frame],
      frames.holder[frame],
      frames.page[frame],
    );
  }
  for (const { space, ram, pages, swapped } of world.processes) {
    for (let page = 0; page < pages; page++) out.push(space.frameAt(ram / PAGE_SIZE + page));
    out.push(swapped.size);
  }
  for (const { plan, memory, memfd, assigned, alive } of world.vms) {
    out.push(alive ? 1 : 0);
    for (let n = 0; n < plan.anonymous; n++) out.push(memory.guest.table.get(n));
    for (let n = 0; n < plan.memfd; n++) out.push(memory.guest.table.get(MEMFD_GFN + n));
    for (let page = 0; memfd !== undefined && page < plan.memfd; page++)
      out.push(memfd.frameAt(page), memfd.isShared(page) ? 1 : 0);
    for (const { id, dirty, pages } of memory.mapper.slots.all()) {
      out.push(id);
      for (let page = 0; dirty !== undefined && page < pages; page++) out.push(dirty.has(page) ? 1 : 0);
    }
    if (assigned) out.push(assigned.domain.route(0).frame, assigned.mapped?.length ?? -1);
    if (plan.guard)
      out.push(memory.mmioGuard.isEnforced ? 1 : 0, ...memory.mmioGuard.list().map(({ gfn }) => gfn));
  }
  return out;
}

function inOrder(world: World, order: readonly number[]): string {
  const { frames } = world.ledger;
  const names: number[] = [];
  const name = (frame: number): number => {
    const known = names.indexOf(frame);
    return known >= 0 ? known : names.push(frame) - 1;
  };
  const vms = order.map((n) => world.vms[n]);
  const processes = new Set(vms.map(({ process }) => process));
  let out = '';
  for (const process of processes) out += `P${processState(process, name)}`;
  vms.forEach((vm) => {
    out += `${vm.alive ? 'V' : 'X'}${vmState(vm, name)}`;
  });
  for (const frame of world.frames) {
    if (frames.refs[frame] + frames.pins[frame] + frames.lent[frame] + frames.owner[frame] > 0) name(frame);
  }
  const holders = [...processes].map(({ space }) => space.id);
  for (const frame of names) {
    const owner = frames.owner[frame];
    const whose = owner < FIRST_HANDLE ? owner : 2 + vms.findIndex((vm) => vm.memory.guest.handle === owner);
    const merged = (frames.flags[frame] & FRAME_MERGED) !== 0;
    // Who took a merged frame last decides who is unmapped when the next page joins.
    const last = merged ? `,${holders.indexOf(frames.holder[frame])},${frames.page[frame]}` : '';
    out += `|${whose},${frames.state[frame]},${frames.flags[frame] & ~FRAME_VIEWED},${frames.lent[frame]},${frames.refs[frame]},${frames.pins[frame]},${frames.gfn[frame]}${last}`;
  }
  return out;
}

function processState({ space, ram, pages, swapped }: Process, name: (frame: number) => number): string {
  let out = '';
  for (let page = 0; page < pages; page++) {
    const frame = space.frameAt(ram / PAGE_SIZE + page);
    if (frame >= 0) {
      swapped.delete(page);
      out += name(frame);
    } else out += swapped.has(page) ? (swapped.get(page) ? 's' : 't') : '-';
    out += ',';
  }
  return out;
}

function vmState({ plan, memory, memfd, assigned }: Vm, name: (frame: number) => number): string {
  let out = '';
  for (let page = 0; memfd !== undefined && page < plan.memfd; page++) {
    const frame = memfd.frameAt(page);
    out += `${memfd.isShared(page) ? 'h' : 'p'}${frame < 0 ? '-' : name(frame)},`;
  }
  for (const gfn of gfnsOf(plan)) {
    const entry = memory.guest.table.get(gfn);
    // Bits 19:0 are the frame, which has a name here.
    out += `${entry >>> 20}${(entry & ENTRY_PRESENT) !== 0 ? `@${name(entry & 0xf_ffff)}` : ''},`;
  }
  for (const slot of memory.mapper.slots.all()) {
    out += `s${slot.id}`;
    for (let page = 0; slot.dirty !== undefined && page < slot.pages; page++)
      out += slot.dirty.has(page) ? 'd' : 'c';
  }
  if (plan.guard) {
    const { enforced, pages } = memory.mmioGuard.save();
    out += `g${enforced ? 1 : 0}${pages.map(({ gfn }) => gfn)}`;
  }
  if (assigned) {
    const { frame } = assigned.domain.route(0);
    out += `;${assigned.mapped ?? ''}${frame < 0 ? '' : `@${name(frame)}`}`;
  }
  return out;
}
