// What generated code does with a soft TLB (layout.ts), for tests that have no engine.

import { TLB, tlbIndex } from '../../../src/hardware/cpu/index.ts';
import type { TestMachine } from './machine.ts';

/** The host offset that a context's TLB holds for an access, by the offset of its tag in the entry; or undefined. */
export function softHit(
  m: TestMachine,
  context: number,
  va: bigint,
  bytes: number,
  tag: number,
): number | undefined {
  const { u64, u32 } = m.memory;
  const index = tlbIndex(Number(va & 0xffff_ffffn));
  const at = (m.cpu.mmu.tlb.bases[context] as number) + index * TLB.entryBytes;
  const info = u32[(at + TLB.info) / 4] as number;
  const word = u64[(at + tag) / 8] as bigint;
  const miss = BigInt.asUintN(64, ((va + BigInt(bytes - 1)) ^ word) & ~0xfffn) << BigInt(info & 63);
  if (BigInt.asUintN(64, miss) !== 0n) return undefined;
  return (Number(va & 0xffff_ffffn) + (u32[(at + TLB.addend) / 4] as number)) >>> 0;
}
