// The VMM reaches for private pages by its own mappings.

import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../../../hypervisor/slots/index.ts';
import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack } from '../attack.ts';
import { ALIAS, FRESH, IN_FILE, IN_MEMFD, SECRET, SHARED, SPARE } from '../layout.ts';
import { CODE } from '../program.ts';
import { bytesOf } from '../words.ts';

/** What the attacker would have the guest take for its own. */
const FORGED = new Uint8Array(32).fill(0x5a);

export const vmmAttacks: readonly Attack[] = [
  {
    name: 'vmm-read',
    who: 'VMM',
    what: 'reads the private page through its own mapping',
    unprotected: 'leaks',
    run(scene) {
      scene.walk(SECRET);
      return scene.read('the VMM', scene.space.port, scene.at(SECRET));
    },
  },
  {
    name: 'vmm-write',
    who: 'VMM',
    what: 'writes to the private page through its own mapping',
    unprotected: 'leaks',
    run: (scene) => scene.write('the VMM', scene.space.port, scene.at(SECRET), FORGED),
  },
  {
    name: 'vmm-inject-code',
    who: 'VMM',
    what: "overwrites the guest's code with a program that sends out the registers",
    unprotected: 'leaks',
    run(scene) {
      const { guest, space } = scene;
      // ldp x0, x1, [x25]; ret
      const code = Uint8Array.from([0x20, 0x03, 0x40, 0xa9, 0xc0, 0x03, 0x5f, 0xd6]);
      const { rule } = scene.write('the VMM', space.port, scene.codeAt + 0x600, code);
      if (rule !== undefined) return { rule };
      guest.call(0, 'refetch', BigInt(CODE + 0x600));
      const answer = scene.guestDoes('runs it', guest.call(0, BigInt(CODE + 0x600)));
      return { seen: answer.kind === 'done' ? bytesOf(answer.x) : new Uint8Array(0) };
    },
  },
  {
    name: 'vmm-early-mapping',
    who: 'VMM',
    what: 'touches a page before the guest does, and reads it by the same mapping afterwards',
    unprotected: 'leaks',
    run(scene) {
      scene.read('the VMM', scene.space.port, scene.at(FRESH));
      scene.moveSecret(FRESH);
      return scene.read('the VMM', scene.space.port, scene.at(FRESH));
    },
  },
  {
    name: 'vmm-after-unshare',
    who: 'VMM',
    what: 'reads a shared page, and again after the guest took it back and put its secret there',
    unprotected: 'leaks',
    run(scene) {
      scene.read('the VMM', scene.space.port, scene.at(SHARED));
      if (!scene.mode.unshare(scene.guest, SHARED)) throw new Error('the guest cannot take its page back');
      scene.moveSecret(SHARED);
      return scene.read('the VMM', scene.space.port, scene.at(SHARED));
    },
  },
  {
    name: 'vmm-second-mapping',
    who: 'VMM',
    what: "maps the shared file behind the guest's memory once more and reads by that",
    unprotected: 'leaks',
    run(scene) {
      const { space, file } = scene;
      scene.moveSecret(IN_FILE);
      return scene.read('the VMM', space.port, file.map());
    },
  },
  {
    name: 'vmm-memfd-mmap',
    who: 'VMM',
    what: 'maps the guest_memfd and reads the private page',
    unprotected: 'leaks',
    run(scene) {
      const { space, memfd } = scene;
      scene.moveSecret(IN_MEMFD);
      scene.walk(IN_MEMFD);
      return scene.read('the VMM', space.port, space.mmapMemfd(memfd, 0, PAGE_SIZE));
    },
  },
  {
    name: 'vmm-memfd-convert',
    who: 'VMM',
    what: 'converts the page of the guest_memfd to shared behind the guest, and reads it',
    unprotected: 'leaks',
    fate: 'loses a page',
    run(scene) {
      const { space, memfd } = scene;
      scene.moveSecret(IN_MEMFD);
      const at = space.mmapMemfd(memfd, 0, PAGE_SIZE);
      const convert = (): void => memfd.convert(0, PAGE_SIZE, 'shared');
      const denied = scene.denied('the VMM converts the page to shared', convert, { EPERM: 'frozen' });
      return denied ?? { rule: 'scrubbed', ...scene.read('the VMM', space.port, at) };
    },
  },
  {
    name: 'vmm-memfd-punch',
    who: 'VMM',
    what: 'punches a hole into the guest_memfd, so that the guest finds an empty page at its address',
    unprotected: 'leaks',
    fate: 'loses a page',
    run(scene) {
      scene.moveSecret(IN_MEMFD);
      return scene.disturb(IN_MEMFD, 'the VMM punches a hole', () =>
        scene.memfd.fallocate(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, 0, PAGE_SIZE),
      );
    },
  },
  {
    name: 'vmm-file-punch',
    who: 'VMM',
    what: "punches a hole into the shared file behind the guest's memory",
    unprotected: 'leaks',
    fate: 'loses a page',
    run(scene) {
      scene.moveSecret(IN_FILE);
      return scene.disturb(IN_FILE, 'the VMM punches a hole', () => scene.file.punch());
    },
  },
  {
    name: 'vmm-map-fixed',
    who: 'VMM',
    what: "maps memory of its own over the guest's (MAP_FIXED), with content of its choice",
    unprotected: 'leaks',
    run(scene) {
      const { space } = scene;
      return scene.disturb(SECRET, 'the VMM maps its own memory there', () => {
        space.mmapAnonymous(PAGE_SIZE, { at: scene.at(SECRET) });
        scene.write('the VMM', space.port, scene.at(SECRET), FORGED);
      });
    },
  },
  {
    name: 'vmm-madvise',
    who: 'VMM',
    what: "drops the guest's page (MADV_DONTNEED), so that the guest finds an empty one",
    unprotected: 'leaks',
    run: (scene) =>
      scene.disturb(SECRET, 'the VMM drops the page', () =>
        scene.space.madviseDontneed(scene.at(SECRET), PAGE_SIZE),
      ),
  },
  {
    name: 'vmm-old-page',
    who: 'VMM',
    what: 'keeps a copy of the page and puts the old content back later',
    unprotected: 'leaks',
    run(scene) {
      const { space, guest } = scene;
      const old = scene.read('the VMM', space.port, scene.at(SECRET), PAGE_SIZE);
      scene.must(guest.beat(0));
      scene.say('the guest goes on');
      return scene.write('the VMM', space.port, scene.at(SECRET), old.seen ?? new Uint8Array(PAGE_SIZE));
    },
  },
  {
    name: 'vmm-after-teardown',
    who: 'VMM',
    what: 'reads the memory after the VM has ended',
    unprotected: 'leaks',
    fate: 'torn down',
    run(scene) {
      scene.vm.dispose();
      scene.say('the VM ends');
      return { rule: 'scrubbed', ...scene.read('the VMM', scene.space.port, scene.at(SECRET)) };
    },
  },
  {
    name: 'slot-move',
    who: 'VMM',
    what: 'moves the memory slot to another address under the guest, and answers in its place',
    unprotected: 'leaks',
    run(scene) {
      const region = { slot: 1, flags: 0, gpa: 0xd000_0000, size: 16 * PAGE_SIZE, hva: scene.at(SECRET) };
      return (
        scene.denied('the VMM moves the slot', () => scene.vm.memory.setUserMemoryRegion(region), {
          EPERM: 'frozen',
          // A slot of a guest_memfd never moves.
          EINVAL: 'frozen',
        }) ?? {}
      );
    },
  },
  {
    name: 'slot-rebind',
    who: 'VMM',
    what: 'deletes the slot and binds the address to memory with content of its choice',
    unprotected: 'leaks',
    run(scene) {
      const { space, vm } = scene;
      const size = 16 * PAGE_SIZE;
      const other = space.mmapAnonymous(size);
      scene.write('the VMM', space.port, other, FORGED);
      const bind = (bytes: number): void =>
        vm.memory.setUserMemoryRegion({ slot: 1, flags: 0, gpa: SECRET, size: bytes, hva: other });
      const denied = scene.denied('the VMM deletes the slot', () => bind(0), { EPERM: 'frozen' });
      if (!denied) bind(size);
      return denied ?? {};
    },
  },
  {
    name: 'slot-twice',
    who: 'VMM',
    what: 'gave the page a second address before the start, so that a store of the guest to one changes the other',
    unprotected: 'leaks',
    fate: 'loses a page',
    run(scene) {
      const { guest, aliasRefusal } = scene;
      if (aliasRefusal !== undefined) {
        scene.say(`the VMM gives the page a second address: ${aliasRefusal}`);
        return { rule: 'mapped' };
      }
      const answer = scene.guestDoes(
        'stores at the second address',
        guest.call(1, 'store', BigInt(ALIAS), 0x5a5an),
      );
      return answer.kind === 'failed' && answer.why === 'EPERM' ? { rule: 'mapped' } : {};
    },
  },
  {
    name: 'register-poke',
    who: 'VMM',
    what: "points the guest's own check of its page at another page",
    unprotected: 'leaks',
    run(scene) {
      return (
        scene.denied('the VMM sets x25', () => scene.vm.vcpus[0].setRegister('x25', BigInt(SPARE)), {
          EPERM: 'registers',
        }) ?? {}
      );
    },
  },
];
