// The guest that does the work of memory-load.ts: Debian with the program and the scripts in its initramfs.

import { Machine, type MachineOptions } from '../../src/vmm/index.ts';
import type { Guest } from './guest.ts';
import { type BootFiles, pulled } from './kernels.ts';
import { bootToShell, GUEST_MEMORY, SCRIPTS } from './memory-load.ts';
import { canCompile, program, script, withFiles } from './programs.ts';

/** What a system lacks that has none. */
export const NEEDS_GUEST = './ringfence pull debian-13 and aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu)';

/** Its files as they were pulled; undefined where they were not, or nothing compiles the program. */
export async function memoryGuest(): Promise<BootFiles | undefined> {
  const files = await pulled('debian-13');
  return files?.initrd !== undefined && canCompile() ? files : undefined;
}

/** Its initramfs with what the loads need. */
export function memoryInitrd({ initrd }: BootFiles): Uint8Array {
  const scripts = Object.entries(SCRIPTS).map(([name, text]) => script(name, text));
  return withFiles(initrd as string, program('jit-user'), ...scripts);
}

/** Boots it to its shell. The caller disposes of the machine. */
export async function bootMemoryGuest(
  files: BootFiles,
  more: Partial<MachineOptions> = {},
): Promise<{ machine: Machine; guest: Guest }> {
  const { kernel, append } = files;
  const initrd = memoryInitrd(files);
  const machine = await Machine.create({ kernel, append, initrd, memory: GUEST_MEMORY, ...more });
  return { machine, guest: await bootToShell(machine) };
}
