// The guest's own page tables, which it builds by its own stores before it switches its MMU on.

import { PAGE_SIZE } from '../../lib/index.ts';
import type { Answer, LiveGuest } from './guest.ts';
import { TABLES } from './layout.ts';
import type { Mode } from './modes.ts';

/**
 * Identity in blocks of 1 GiB, from address 0 and from the shared half on: the first block is devices, the others are
 * tagged memory. TCR_EL1 has addresses of 48 bits, EL1's upper half off, and output addresses of 42.
 */
const TCR = 16n | (1n << 8n) | (1n << 10n) | (3n << 12n) | (1n << 23n) | (3n << 32n) | (1n << 37n);
const MAIR = 0xf000n;
const TABLE = 3n;
const DEVICE_BLOCK = 0x401n | (3n << 53n);
const MEMORY_BLOCK = 0x701n | (1n << 2n);
const BLOCKS = 4;
/** SCTLR_EL1: ATA, I, C, M. */
const SCTLR = (1n << 43n) | (1n << 12n) | (1n << 2n) | 1n;

/** The answers of the stores, each to be looked at. */
export function* buildTables(guest: LiveGuest, mode: Mode): Generator<Answer> {
  const set = (table: number, n: number, entry: bigint): Answer =>
    guest.call(0, 'store', BigInt(TABLES + table * PAGE_SIZE + 8 * n), entry);
  const halves = new Set([0n, mode.lent(0)]);
  for (const [n, half] of [...halves].entries()) {
    yield set(0, Number(half >> 39n), BigInt(TABLES + (1 + n) * PAGE_SIZE) | TABLE);
    for (let block = 0; block < BLOCKS; block++)
      yield set(1 + n, block, half | (BigInt(block) << 30n) | (block === 0 ? DEVICE_BLOCK : MEMORY_BLOCK));
  }
}

/** A vCPU goes by them from now on. */
export const enable = (guest: LiveGuest, vcpu: number): Answer =>
  guest.call(vcpu, 'mmu', BigInt(TABLES), TCR, MAIR, SCTLR);
