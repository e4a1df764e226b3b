// A second VM on the same host, whose VMM works for the attacker.

import type { Vm } from '../../../hypervisor/index.ts';
import { decide } from '../../../hypervisor/ledger/index.ts';
import { MEM_GUEST_MEMFD } from '../../../hypervisor/slots/index.ts';
import { gpa, PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack, Attempt } from '../attack.ts';
import { describe, LiveGuest } from '../guest.ts';
import { IN_MEMFD, SECRET } from '../layout.ts';
import { MODES, type Mode } from '../modes.ts';
import type { Scene } from '../scene.ts';
import { bytesOf } from '../words.ts';

const RAM = gpa(0x8000_0000);

interface Neighbour {
  readonly vm: Vm;
  readonly guest: LiveGuest;
  readonly mode: Mode;
}

/** A VM by the same VMM that waits for its first call: of the same kind, or for a realm an ordinary one. */
function neighbour(scene: Scene): Neighbour {
  const mode = scene.mode.inFiles ? MODES[0] : scene.mode;
  const vm = scene.createVm(scene.space, mode, (into) => {
    into.fill(1);
    return true;
  });
  scene.loadProgram(vm, scene.space, mode);
  const guest = new LiveGuest(vm);
  guest.powerOn(mode);
  return { vm, guest, mode };
}

/** Memory of the neighbour at RAM: the page that holds the first one's secret. */
function addSlot(scene: Scene, { vm }: Neighbour): void {
  vm.memory.setUserMemoryRegion({ slot: 1, flags: 0, gpa: RAM, size: PAGE_SIZE, hva: scene.at(SECRET) });
  scene.say('the VMM gives it to the second VM');
}

/** The rule by which the neighbour's vCPU is refused its page. */
function refusalOf(scene: Scene, { vm }: Neighbour): Attempt {
  const { guest, mapper } = vm.memory;
  const vcpu = { kind: 'vcpu', vm: guest.handle } as const;
  const { allowed, rule } = decide(
    scene.host.ledger.frames,
    vcpu,
    'read',
    mapper.route(RAM / PAGE_SIZE, true),
  );
  return allowed ? {} : { rule };
}

/** Four words that the neighbour loads from its page. */
function readBy(scene: Scene, other: Neighbour): Attempt {
  const words: bigint[] = [];
  for (let n = 0; n < 4; n++) {
    const answer = other.guest.call(0, 'load', BigInt(RAM + 8 * n));
    if (answer.kind !== 'done') {
      scene.say(`the second VM ${describe(answer)}`);
      return refusalOf(scene, other);
    }
    words.push(answer.x[0]);
  }
  scene.say(`the second VM loads ${words.map((word) => word.toString(16)).join(' ')}`);
  return { seen: bytesOf(words) };
}

export const secondVmAttacks: readonly Attack[] = [
  {
    name: 'second-vm-same-memory',
    who: 'second VM',
    what: 'has a slot that leads to the same memory, and reads the page',
    unprotected: 'leaks',
    withoutMte: true,
    run(scene) {
      const other = neighbour(scene);
      addSlot(scene, other);
      const attempt = readBy(scene, other);
      other.vm.dispose();
      return attempt;
    },
  },
  {
    name: 'second-vm-share',
    who: 'second VM',
    what: 'has a slot that leads to the page, and lends it to the host in its own name',
    unprotected: 'leaks',
    withoutMte: true,
    run(scene) {
      const other = neighbour(scene);
      addSlot(scene, other);
      const shared = other.mode.share(other.guest, RAM);
      scene.say(`the second VM lends the page: ${shared ? 'done' : 'refused'}`);
      const sight = scene.read('the VMM', scene.space.port, scene.at(SECRET));
      const refusal = refusalOf(scene, other);
      other.vm.dispose();
      return sight.rule === undefined ? sight : refusal;
    },
  },
  {
    name: 'second-vm-memfd',
    who: 'second VM',
    what: "binds a slot to the first one's guest_memfd",
    unprotected: { stoppedBy: 'exclusive' },
    run(scene) {
      scene.moveSecret(IN_MEMFD);
      const other = neighbour(scene);
      const denied = scene.denied(
        'the VMM adds a slot',
        () =>
          other.vm.memory.setUserMemoryRegion2({
            slot: 1,
            flags: MEM_GUEST_MEMFD,
            gpa: RAM,
            size: PAGE_SIZE,
            hva: 0,
            memfd: scene.memfd,
            offset: 0,
          }),
        { EINVAL: 'exclusive' },
      );
      const attempt = denied ?? readBy(scene, other);
      other.vm.dispose();
      return attempt;
    },
  },
  {
    name: 'second-vm-reuse',
    who: 'second VM',
    what: 'gets the frames that the first one left behind, and looks into them',
    unprotected: { stoppedBy: 'scrubbed' },
    fate: 'torn down',
    run(scene) {
      const { vm, space, host } = scene;
      vm.dispose();
      space.destroy();
      scene.say(`the first VM and its VMM end; ${host.freeFrames} frames are free`);
      const process = host.createAddressSpace();
      const all = process.mmapAnonymous(host.freeFrames * PAGE_SIZE);
      const seen = new Uint8Array(host.freeFrames * PAGE_SIZE);
      const refusal = process.port.read(all, seen);
      process.destroy();
      if (refusal) return scene.refused('the second VMM reads', refusal);
      return { seen, rule: 'scrubbed' };
    },
  },
  {
    name: 'second-vm-stale-code',
    who: 'second VM',
    what: 'runs code from a frame in which the first one left code of its own',
    unprotected: { stoppedBy: 'convertible' },
    fate: 'torn down',
    run(scene) {
      const { guest, vm } = scene;
      const page = BigInt(SECRET + 0x800);
      // mov x0, #1; ret
      scene.must(guest.call(0, 'store', page, 0xd65f03c0_d2800020n));
      scene.must(guest.call(0, 'refetch', page));
      scene.guestDoes('runs its own code', guest.call(0, page));
      const frame = scene.frameAt(SECRET);
      vm.dispose();
      scene.space.madviseDontneed(scene.at(SECRET), PAGE_SIZE);
      const other = neighbour(scene);
      const pages = 8;
      const hva = scene.space.mmapAnonymous(pages * PAGE_SIZE);
      const region = { slot: 1, flags: 0, gpa: RAM, size: pages * PAGE_SIZE, hva };
      other.vm.memory.setUserMemoryRegion(region);
      let ran = 0;
      for (let n = 0; n < pages; n++) {
        const at = BigInt(RAM + n * PAGE_SIZE + 0x800);
        // mov x0, #2; ret
        const stored = other.guest.call(0, 'store', at, 0xd65f03c0_d2800040n);
        if (stored.kind !== 'done') break;
        const answer = other.guest.call(0, at);
        if (answer.kind === 'done' && answer.x[0] === 1n) return { gained: "ran the first guest's code" };
        if (answer.kind === 'done' && answer.x[0] === 2n) ran++;
      }
      scene.say(`the second VM ran its own code in ${ran} pages; frame ${frame} was the first one's`);
      other.vm.dispose();
      return ran === pages ? { rule: 'convertible' } : {};
    },
  },
];
