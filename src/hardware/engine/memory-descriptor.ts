// Packs what a service must know of a memory access into its descriptor (cpu/services.ts).

import type { Insn, MemoryOptions } from '../a64/index.ts';
import {
  MEM_ALIGNED,
  MEM_AR,
  MEM_ATOMIC,
  MEM_FOLLOWING_SHIFT,
  MEM_NO_SYNDROME,
  MEM_ORDERED,
  MEM_SF,
  MEM_SRT_SHIFT,
  MEM_SSE,
  MEM_TAG,
  MEM_TAG_BLOCK,
  MEM_TAG_ZERO,
  MEM_UNCHECKED,
  MEM_UNPRIVILEGED,
} from '../cpu/index.ts';
import type { Value } from '../wasm/index.ts';

export function memoryDescriptor(i: Insn, bytes: 1 | 2 | 4 | 8 | 16, options: MemoryOptions): Value {
  const { syndrome } = options;
  let flags = Math.log2(bytes);
  if (options.unprivileged) flags |= MEM_UNPRIVILEGED;
  if (options.aligned) flags |= MEM_ALIGNED;
  if (options.aligned === 'ordered') flags |= MEM_ORDERED;
  if (options.unchecked === true) flags |= MEM_UNCHECKED;
  if (options.atomic) flags |= MEM_ATOMIC;
  if (options.following) flags |= options.following << MEM_FOLLOWING_SHIFT;
  if (!syndrome) return withExemption(i.i32(flags | MEM_NO_SYNDROME), options);
  if (syndrome.sf) flags |= MEM_SF;
  if (syndrome.signed) flags |= MEM_SSE;
  if (syndrome.acquire) flags |= MEM_AR;
  return withExemption(i.field(syndrome.rt).shl(MEM_SRT_SHIFT).or(flags), options);
}

/** An exemption from tag checks that only the instruction word tells. */
function withExemption(descriptor: Value, { unchecked }: MemoryOptions): Value {
  return typeof unchecked === 'object' ? descriptor.or(unchecked.shl(Math.log2(MEM_UNCHECKED))) : descriptor;
}

/** The same for an access to allocation tags. */
export function tagDescriptor(i: Insn, bytes: 16 | 32 | 64 | 256, zero: boolean): Value {
  if (bytes === 256) return i.i32(7 | MEM_TAG | MEM_TAG_BLOCK | MEM_NO_SYNDROME);
  return i.i32(Math.log2(bytes) | MEM_TAG | MEM_NO_SYNDROME | (zero ? MEM_TAG_ZERO : 0));
}
