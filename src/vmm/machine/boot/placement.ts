// Where the device tree and the initrd go beside the kernel (Linux Documentation/arch/arm64/booting.rst,
// sections 2 and 4): the tree within a 2 MiB block of its own, both inside RAM, nothing overlapping.

import { UserError } from '../errors.ts';
import type { KernelImage, RamRange } from './kernel-image.ts';

const BLOCK = 2 << 20;
/** Room below an ELF program that suffices for the tree of any board of ours. */
const TREE_ROOM = 64 << 10;

export interface Placement {
  readonly tree: number;
  /** How many bytes may stand at `tree`. */
  readonly treeRoom: number;
  readonly initrd: { readonly start: number; readonly end: number } | undefined;
}

const blockUp = (n: number): number => Math.ceil(n / BLOCK) * BLOCK;

/** Throws UserError where RAM is too small. */
export function placeBootFiles(
  ram: RamRange,
  kernel: Pick<KernelImage, 'format' | 'start' | 'end'>,
  initrd: { readonly name: string; readonly bytes: number } | undefined,
): Placement {
  const ramEnd = ram.base + ram.size;
  // A bare-metal program finds the tree at the start of RAM, where QEMU's `virt` puts it for ELF files.
  const below = kernel.format === 'elf' && kernel.start - ram.base >= TREE_ROOM;
  const tree = below ? ram.base : blockUp(kernel.end);
  const free = below ? blockUp(kernel.end) : tree + BLOCK;
  const treeRoom = Math.min(BLOCK, below ? kernel.start - ram.base : ramEnd - tree);
  if (treeRoom < TREE_ROOM) {
    throw new UserError(
      `memory: no room for the device tree after the kernel, which ends ${mib(kernel.end - ram.base)} into RAM; give the machine more memory`,
    );
  }
  if (!initrd) return { tree, treeRoom, initrd: undefined };
  const end = free + initrd.bytes;
  if (end > ramEnd) {
    throw new UserError(
      `initrd ${initrd.name}: its ${mib(initrd.bytes)} do not fit after the kernel in ${mib(ram.size)} of RAM; give the machine at least ${mib(blockUp(end - ram.base))}`,
    );
  }
  return { tree, treeRoom, initrd: { start: free, end } };
}

const mib = (bytes: number): string => `${Math.ceil(bytes / (1 << 20))} MiB`;
