// The VMM invents devices and memory where its guest has none.

import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack } from '../attack.ts';
import { deviceOf } from '../guest.ts';
import { bytesOf } from '../words.ts';

/** What the attacker would have the guest take for its own. */
const FORGED = new Uint8Array(32).fill(0x5a);

/** The architected answer to an access that nobody may see. */
const isAbort = (answer: { readonly kind: string; readonly esr?: bigint }): boolean =>
  answer.kind === 'fault' && (answer.esr === 0x9600_0010n || answer.esr === 0x9600_0050n);

export const mmioAttacks: readonly Attack[] = [
  {
    name: 'mmio-forged',
    who: 'VMM',
    what: 'answers a load from an address that the guest never took for a device',
    unprotected: 'leaks',
    run(scene) {
      const { guest } = scene;
      const forged = 0x5a5a_5a5an;
      guest.emulate = () => forged;
      const answer = scene.guestDoes('loads from 0x20000000', guest.call(0, 'load', 0x2000_0000n));
      if (answer.kind === 'done' && answer.x[0] === forged)
        return { gained: `the guest took ${forged.toString(16)} from it` };
      return guest.seenByVmm.length === 0 && isAbort(answer) ? { rule: 'guarded' } : {};
    },
  },
  {
    name: 'mmio-eavesdrop',
    who: 'VMM',
    what: 'waits for a store of the guest beyond its memory to see the value',
    unprotected: 'leaks',
    run(scene) {
      const { guest } = scene;
      const value = new DataView(scene.secret.buffer).getBigUint64(0, true);
      const answer = scene.guestDoes('stores to 0x20000000', guest.call(0, 'store', 0x2000_0000n, value));
      const [exit] = guest.seenByVmm;
      if (exit) return { seen: bytesOf([exit.data]) };
      return isAbort(answer) ? { rule: 'guarded' } : {};
    },
  },
  {
    name: 'mmio-fake-ram',
    who: 'VMM',
    what: 'puts memory behind an address that the guest takes for a hole',
    unprotected: 'leaks',
    run(scene) {
      const { space, vm, guest } = scene;
      const fake = space.mmapAnonymous(PAGE_SIZE);
      scene.write('the VMM', space.port, fake, FORGED);
      const denied = scene.denied(
        'the VMM adds a slot at 0x20000000',
        () =>
          vm.memory.setUserMemoryRegion({ slot: 5, flags: 0, gpa: 0x2000_0000, size: PAGE_SIZE, hva: fake }),
        { EPERM: 'guarded' },
      );
      const answer = scene.guestDoes('loads from 0x20000000', guest.call(0, 'load', 0x2000_0000n));
      if (answer.kind === 'done') return { gained: `the guest took ${answer.x[0].toString(16)} from it` };
      return denied ?? {};
    },
  },
  {
    name: 'mmio-fake-device-ram',
    who: 'VMM',
    what: "puts memory behind a device's page that the guest has announced, to collect what it stores there",
    unprotected: 'leaks',
    run(scene) {
      const { space, vm, guest } = scene;
      const fake = space.mmapAnonymous(PAGE_SIZE);
      const at = deviceOf(2);
      scene.mode.guard(guest, at);
      const denied = scene.denied(
        `the VMM adds a slot at 0x${at.toString(16)}`,
        () => vm.memory.setUserMemoryRegion({ slot: 5, flags: 0, gpa: at, size: PAGE_SIZE, hva: fake }),
        { EPERM: 'guarded' },
      );
      if (denied) return denied;
      const value = new DataView(scene.secret.buffer).getBigUint64(0, true);
      scene.guestDoes('stores a word for its device', guest.call(0, 'store', scene.mode.lent(at), value));
      return scene.read('the VMM', space.port, fake);
    },
  },
];
