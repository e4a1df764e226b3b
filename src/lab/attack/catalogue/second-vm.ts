// A second VM on the same host, whose VMM works for the attacker.

import type { Vm } from '../../../hypervisor/index.ts';
import { MEM_GUEST_MEMFD } from '../../../hypervisor/slots/index.ts';
import { gpa, PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack, Attempt } from '../attack.ts';
import { LiveGuest } from '../guest.ts';
import { MODES } from '../modes.ts';
import { IN_MEMFD, type Scene, SECRET } from '../scene.ts';
import { bytesOf } from '../words.ts';

const RAM = gpa(0x8000_0000);

interface Neighbour {
  readonly vm: Vm;
  readonly guest: LiveGuest;
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
  return { vm, guest };
}

/** Four words that the neighbour loads from its page. */
function readBy(scene: Scene, { guest }: Neighbour): Attempt {
  const words: bigint[] = [];
  for (let n = 0; n < 4; n++) {
    const answer = guest.call(0, 'load', BigInt(RAM + 8 * n));
    if (answer.kind !== 'done') {
      scene.say(`the second VM cannot load: ${answer.kind === 'failed' ? answer.why : answer.kind}`);
      return {};
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
    run(scene) {
      const other = neighbour(scene);
      const region = { slot: 1, flags: 0, gpa: RAM, size: PAGE_SIZE, hva: scene.at(SECRET) };
      const denied = scene.denied('the VMM adds a slot', () => other.vm.memory.setUserMemoryRegion(region), {
        EINVAL: 'exclusive',
      });
      const attempt = denied ?? readBy(scene, other);
      other.vm.dispose();
      return { rule: 'exclusive', ...attempt };
    },
  },
  {
    name: 'second-vm-share',
    who: 'second VM',
    what: 'has a slot that leads to the page, and lends it to the host in its own name',
    unprotected: 'leaks',
    run(scene) {
      const other = neighbour(scene);
      const region = { slot: 1, flags: 0, gpa: RAM, size: PAGE_SIZE, hva: scene.at(SECRET) };
      const denied = scene.denied('the VMM adds a slot', () => other.vm.memory.setUserMemoryRegion(region), {
        EINVAL: 'exclusive',
      });
      if (!denied) {
        const shared = scene.mode.share(other.guest, RAM);
        scene.say(`the second VM lends the page: ${shared ? 'done' : 'refused'}`);
      }
      const sight = scene.read('the VMM', scene.space.port, scene.at(SECRET));
      other.vm.dispose();
      return sight.rule === undefined ? sight : { rule: 'exclusive' };
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
