// The host's kernel reaches for private pages with what it has: copies, dumps, swap, merging, and taking by force.

import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack, Attempt } from '../attack.ts';
import { FRESH, SECRET, SPARE } from '../layout.ts';
import { type Scene, toHex } from '../scene.ts';

const FORGED = 0x5a5a_5a5a_5a5a_5a5an;

/** get_user_pages on a page, and a look at what is in it by the kernel's own mapping. */
function take(scene: Scene, page = SECRET): Attempt {
  const { kernel, space, host } = scene;
  let seen = new Uint8Array(0);
  const denied = scene.denied(
    'the kernel takes the page',
    () => {
      seen = host.memory.data(kernel.getUserPage(space, scene.at(page))).slice();
    },
    { EFAULT: 'sealed' },
  );
  if (!denied) scene.say(`and sees ${toHex(seen.subarray(0, 32))}`);
  return denied ?? { seen, rule: 'scrubbed' };
}

export const hostKernelAttacks: readonly Attack[] = [
  {
    name: 'kernel-copy',
    who: 'host kernel',
    what: 'copies from the page on behalf of the VMM (copy_from_user)',
    unprotected: 'leaks',
    run: (scene) => scene.read('the kernel', scene.kernel.userPort(scene.space), scene.at(SECRET)),
  },
  {
    name: 'kernel-core-dump',
    who: 'host kernel',
    what: "writes a core dump of the VMM's process",
    unprotected: 'leaks',
    run(scene) {
      let size = 0;
      const found: number[] = [];
      for (const { address, data } of scene.kernel.coreDump(scene.space)) {
        if (data) size += data.length;
        if (data && address === scene.at(SECRET)) found.push(...data);
      }
      scene.say(`the dump has ${size} bytes; of the page ${found.length}`);
      return { seen: Uint8Array.from(found), rule: 'sealed' };
    },
  },
  {
    name: 'kernel-swap',
    who: 'host kernel',
    what: 'writes the page out to swap and reads the disk',
    unprotected: 'leaks',
    run(scene) {
      const { kernel, space, host } = scene;
      const denied = scene.denied(
        'the kernel swaps the page out',
        () => kernel.swapOut(space, scene.at(SECRET)),
        {
          EBUSY: 'sealed',
          ENOENT: 'sealed',
        },
      );
      const seen = Uint8Array.from([...host.swap.disk()].flatMap((page) => [...page]));
      scene.say(`the disk has ${seen.length} bytes`);
      return { seen, ...denied };
    },
  },
  {
    name: 'kernel-merge',
    // Pages with tags are not merged at all.
    withoutMte: true,
    who: 'host kernel',
    what: 'guesses a page with few possible contents, and lets page merging say which guess is right',
    unprotected: 'leaks',
    run(scene) {
      const { kernel, guest, host } = scene;
      const pin = 11n;
      scene.must(guest.call(0, 'store', BigInt(FRESH), pin));
      scene.say('the guest keeps a number below 16 in a page');
      const attacker = host.createAddressSpace();
      const mine = attacker.mmapAnonymous(PAGE_SIZE);
      const guess = new Uint8Array(PAGE_SIZE);
      for (let n = 0; n < 16; n++) {
        guess[0] = n;
        attacker.port.write(mine, guess);
        const spaces = [scene.space, attacker];
        // What merges of its own accord has done so before: the second pass is about the guess.
        if (n === 0) kernel.merge(spaces);
        if (n > 0 && kernel.merge(spaces) > 0) return { gained: `learned that the page holds ${n}` };
      }
      attacker.destroy();
      scene.say('no guess was merged');
      return { rule: 'sealed' };
    },
  },
  {
    name: 'kernel-take',
    who: 'host kernel',
    what: 'takes the page by force (get_user_pages) and reads it',
    unprotected: 'leaks',
    fate: 'loses a page',
    run: (scene) => take(scene),
  },
  {
    name: 'kernel-take-running',
    who: 'host kernel',
    what: 'takes a page by force from under a vCPU that has just used it, and writes to it',
    unprotected: 'leaks',
    fate: 'loses a page',
    run(scene) {
      const { guest, kernel, space } = scene;
      scene.must(guest.call(1, 'load', BigInt(SPARE)));
      const { rule } = take(scene, SPARE);
      if (rule === 'sealed') return { rule };
      const bytes = new Uint8Array(8).fill(0x5a);
      scene.write('the kernel', kernel.userPort(space), scene.at(SPARE), bytes);
      const answer = scene.guestDoes('loads on vCPU 1', guest.call(1, 'load', BigInt(SPARE)));
      if (answer.kind !== 'done') return { rule: 'poisoned' };
      return answer.x[0] === FORGED ? { gained: 'gave the guest another page' } : {};
    },
  },
  {
    name: 'kernel-take-twice',
    who: 'host kernel',
    what: 'takes the page by force twice, then has it reclaimed once more when the VM ends',
    unprotected: 'leaks',
    fate: 'torn down',
    run(scene) {
      const first = take(scene);
      const second = take(scene);
      scene.vm.dispose();
      scene.say('the VM ends');
      const last = scene.read('the VMM', scene.space.port, scene.at(SECRET));
      const seen = [first, second, last].flatMap((attempt) => [...(attempt.seen ?? [])]);
      return { seen: Uint8Array.from(seen), rule: 'scrubbed' };
    },
  },
];
