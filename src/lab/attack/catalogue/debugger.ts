// A debugger outside the guest, whom the VM's owner has not let in.

import { NO_DEBUG } from '../../../hypervisor/index.ts';
import { COPY_TAGS_FROM_GUEST } from '../../../hypervisor/mte/index.ts';
import { PAGE_SIZE } from '../../../lib/index.ts';
import type { Attack } from '../attack.ts';
import { SECRET, SPARE } from '../layout.ts';
import { bytesOf } from '../words.ts';

export const debuggerAttacks: readonly Attack[] = [
  {
    name: 'debugger-memory',
    who: 'debugger',
    what: 'reads the private page by guest-physical address',
    unprotected: 'leaks',
    run: (scene) => scene.read('the debugger', scene.vm.debugger.physical, SECRET),
  },
  {
    name: 'debugger-virtual',
    who: 'debugger',
    what: 'reads the private page by virtual address, through the page tables of the guest',
    unprotected: 'leaks',
    run(scene) {
      const seen = new Uint8Array(32);
      const outcome = scene.vm.debugger.vcpus[0].readVirtual(BigInt(SECRET), seen);
      if (typeof outcome === 'object') return scene.refused('the debugger reads', outcome);
      return { seen };
    },
  },
  {
    name: 'debugger-write',
    who: 'debugger',
    what: 'writes to the private page by virtual address',
    unprotected: 'leaks',
    run(scene) {
      const refusal = scene.vm.debugger.vcpus[0].writeVirtual(BigInt(SECRET), new Uint8Array(32).fill(0x5a));
      if (refusal) return scene.refused('the debugger writes', refusal);
      scene.say('the debugger writes');
      return {};
    },
  },
  {
    name: 'debugger-registers',
    who: 'debugger',
    what: "reads the secret from a vCPU's registers",
    unprotected: 'leaks',
    run(scene) {
      const [vcpu] = scene.vm.debugger.vcpus;
      let seen = new Uint8Array(0);
      const denied = scene.denied(
        'the debugger reads x21 to x24',
        () => {
          seen = bytesOf([21, 22, 23, 24].map((n) => vcpu.readRegister(`x${n}`)));
        },
        { EPERM: 'debug-policy' },
      );
      return denied ?? { seen };
    },
  },
  {
    name: 'debugger-set-register',
    who: 'debugger',
    what: "points the guest's check of its page at another page",
    unprotected: 'leaks',
    run(scene) {
      const [vcpu] = scene.vm.debugger.vcpus;
      return (
        scene.denied('the debugger sets x25', () => vcpu.writeRegister('x25', BigInt(SPARE)), {
          EPERM: 'debug-policy',
        }) ?? {}
      );
    },
  },
  {
    name: 'debugger-watch',
    who: 'debugger',
    what: 'sets a watchpoint on the secret, and so sees when and where the guest uses it',
    unprotected: 'leaks',
    run(scene) {
      const { guest, vm } = scene;
      const [vcpu] = vm.debugger.vcpus;
      const watch = { address: BigInt(SECRET), bytes: 8, read: true, write: false };
      const denied = scene.denied(
        'the debugger sets a watchpoint',
        () => vcpu.setDebug({ ...NO_DEBUG, watchpoints: [watch] }),
        { EPERM: 'debug-policy' },
      );
      if (denied) return denied;
      const hit = guest.vm.vcpus[0].run(100);
      vcpu.setDebug(NO_DEBUG);
      return hit.reason === 'debug'
        ? { gained: 'saw the guest use its secret' }
        : { gained: 'set a watchpoint' };
    },
  },
  {
    name: 'tags-read',
    who: 'VMM',
    what: 'reads the allocation tags of the private page by the tag-copy call',
    unprotected: 'leaks',
    run(scene) {
      const { guest, vm } = scene;
      for (let n = 0; n < 8; n++) {
        const granule = BigInt(SECRET + 0x100 + 16 * n);
        scene.must(guest.call(0, 'tag', (BigInt(secretTag(n)) << 56n) | granule));
      }
      scene.say('the guest gives granules of its page tags');
      const tags = new Uint8Array(256);
      const copy = { ipa: SECRET, length: PAGE_SIZE, flags: COPY_TAGS_FROM_GUEST, tags };
      const denied = scene.denied('the VMM copies tags out', () => vm.memory.copyTags(copy), {
        EFAULT: 'sealed',
        EPERM: 'sealed',
        EINVAL: 'sealed',
      });
      const eight = Array.from({ length: 8 }, (_, n) => tags[16 + n]);
      if (eight.every((tag, n) => tag === secretTag(n))) return { gained: `saw the tags ${eight.join(' ')}` };
      return denied ?? {};
    },
  },
  {
    name: 'tags-write',
    who: 'VMM',
    what: 'changes allocation tags of the private page by the tag-copy call',
    unprotected: 'leaks',
    run(scene) {
      const { guest, vm } = scene;
      const address = BigInt(SECRET + 0x100);
      scene.must(guest.call(0, 'tag', (5n << 56n) | address));
      const tags = new Uint8Array(256).fill(9);
      const denied = scene.denied(
        'the VMM copies tags in',
        () => vm.memory.copyTags({ ipa: SECRET, length: PAGE_SIZE, flags: 0, tags }),
        { EFAULT: 'sealed', EPERM: 'sealed', EINVAL: 'sealed' },
      );
      const [read] = scene.must(guest.call(0, 'loadtag', address));
      if (((read >> 56n) & 15n) === 5n) return denied ?? {};
      return { gained: `gave the guest's page the tag ${(read >> 56n) & 15n}` };
    },
  },
];

const secretTag = (n: number): number => (n * 5 + 3) & 15;
