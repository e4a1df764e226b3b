// Where things are in the address space of the guest under attack.

import { gpa } from '../../lib/index.ts';

const RAM = 0x8000_0000;
export const RAM_PAGES = 16;
export const FILE_PAGES = 4;
/** An address at which nothing stands, and which the guest never announced. */
export const HOLE = gpa(0x2000_0000);
/** A device's window that the guest announces, for attacks that need one. */
export const DISK = gpa(0xa00_0000);

/** Pages of RAM by what the guest does with them. */
export const SECRET = gpa(RAM);
/** The second vCPU's own secret. */
export const SECOND = gpa(RAM + 0x1000);
/** Lent to the host. */
export const SHARED = gpa(RAM + 0x2000);
/** Written by the guest, and otherwise idle. */
export const SPARE = gpa(RAM + 0x4000);
/** Never touched. */
export const FRESH = gpa(RAM + 0x5000);
/** Lent to the host: rings and buffers of the disk, two pages. */
export const RINGS = gpa(RAM + 0x6000);
/** Stage 1: a table of level 0 and two of level 1. */
export const TABLES = gpa(RAM + 0xa000);
/** A second address at which the VMM put the secret's page before the guest ran. */
export const ALIAS = gpa(0xc000_0000);
/** Never touched: a guest_memfd, and a shared file that the VMM can map. */
export const IN_MEMFD = gpa(0x9000_0000);
export const IN_FILE = gpa(0xa000_0000);
