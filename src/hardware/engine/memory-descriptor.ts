// Packs what a service must know of a memory access into its descriptor (cpu/services.ts).

import type { Insn, MemoryOptions } from '../a64/index.ts';
import {
  MEM_ALIGNED,
  MEM_AR,
  MEM_ATOMIC,
  MEM_NO_SYNDROME,
  MEM_SF,
  MEM_SRT_SHIFT,
  MEM_SSE,
  MEM_UNCHECKED,
  MEM_UNPRIVILEGED,
} from '../cpu/index.ts';
import type { Value } from '../wasm/index.ts';

export function memoryDescriptor(i: Insn, bytes: 1 | 2 | 4 | 8 | 16, options: MemoryOptions): Value {
  const { syndrome } = options;
  let flags = Math.log2(bytes);
  if (options.unprivileged) flags |= MEM_UNPRIVILEGED;
  if (options.aligned) flags |= MEM_ALIGNED;
  if (options.unchecked) flags |= MEM_UNCHECKED;
  if (options.atomic) flags |= MEM_ATOMIC;
  if (!syndrome) return i.i32(flags | MEM_NO_SYNDROME);
  if (syndrome.sf) flags |= MEM_SF;
  if (syndrome.signed) flags |= MEM_SSE;
  if (syndrome.acquire) flags |= MEM_AR;
  return i.field(syndrome.rt).shl(MEM_SRT_SHIFT).or(flags);
}
