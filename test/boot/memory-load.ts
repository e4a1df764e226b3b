// Work that keeps a JIT busy with code that comes and goes: what the memory test and the memory commands have a guest do,
// in Node and in browsers.

import type { Machine } from '../../src/vmm/index.ts';
import { drive, type Guest } from './guest.ts';

export interface Load {
  readonly name: string;
  readonly title: string;
  /** One unit of it, some seconds long: a command for the guest's shell, by how often it ran before. */
  command(n: number): string;
  /** What the command prints when all went well. */
  readonly prints: RegExp;
}

const MODULES = ['squashfs', 'overlay', 'virtio_rng', 'virtio_balloon', 'virtio_input'];
/** Ways in which jit-user may write and execute its code. */
export const POOLS = ['rwx', 'mprotect', 'twice'];

/** Scripts in the guest's root, by name. */
export const SCRIPTS = {
  'load-modules': `
folder=/lib/modules/$(uname -r)
# The initramfs loads some itself.
for module in ${MODULES.join(' ')}; do rmmod $module 2>/dev/null; done
i=0
while [ $i -lt $1 ]; do
  for module in ${MODULES.join(' ')}; do insmod $folder/$module.ko && rmmod $module || exit 1; done
  i=$((i+1))
done
echo done`,
  'load-mixed': `
gzip -c /bin/busybox | gunzip | sha256sum
i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done
i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done
seq 20000 | sort -r | awk '{ s += $1 * 3 } END { print s }'
tar c /lib /etc 2>/dev/null | md5sum
find / -xdev | sed 's/[aeiou]/x/g' | grep -c xx
echo done`,
};

export const LOADS: readonly Load[] = [
  {
    name: 'jit',
    title: 'a program that makes code and runs it (jit-user.c)',
    command: (n) => `/jit-user ${POOLS[n % POOLS.length]} 20000 5000`,
    prints: /^20000 functions, 0 wrong\n$/,
  },
  {
    name: 'modules',
    title: `modules loaded and unloaded: ${MODULES.join(', ')}`,
    command: () => '/load-modules 20',
    prints: /^done\n$/,
  },
  {
    name: 'mixed',
    title: 'gzip, sha256sum, shell loops, fork and exec, sort, awk, tar, find',
    command: () => '/load-mixed',
    prints: /\ndone\n$/,
  },
];

/** What its memory should be. */
export const GUEST_MEMORY = '256M';

/** Boots the guest of memory-guest.ts to its shell. */
export async function bootToShell(machine: Machine): Promise<Guest> {
  const guest = drive(machine);
  await guest.prompt();
  // The kernel's remarks about modules would come in between.
  await guest.command('dmesg -n 1');
  return guest;
}

/** One unit of a load. Throws where the guest did not do it. */
export async function runUnit(guest: Guest, load: Load, n: number): Promise<void> {
  const printed = await guest.command(load.command(n));
  if (!load.prints.test(printed))
    throw new Error(`${load.name}: the guest printed ${JSON.stringify(printed)}`);
}
