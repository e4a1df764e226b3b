// What generated code calls when it cannot go on alone. All arguments are i32; wider ones go through STATE
// (slowVa, slowData, args). The engine imports these; the Cpu implements them. Before any call the generated
// code has stored hpc and budget, so that pc and the instruction count are exact: budget is what remains after this
// instruction. A service that leaves so that the same instruction runs again (MMIO, a stage-2 exit) gives it back.

/** The instruction may complete. */
export const DONE = 0;
/** Generated code must return at once without completing the instruction: an exception was taken or an exit waits. */
export const LEAVE = 1;

/** Descriptor of a memory access: log2 of its bytes (0..4) in bits 2:0, and flags. */
export const MEM_SIZE_MASK = 7;
/** LDTR and friends: checked as if at EL0 unless UAO. */
export const MEM_UNPRIVILEGED = 1 << 3;
/** Exclusive, atomic or ordered: must lie within 16 aligned bytes whatever SCTLR.A says (FEAT_LSE2). */
export const MEM_ALIGNED = 1 << 4;
/** No tag check (SP plus immediate, or a tag instruction). */
export const MEM_UNCHECKED = 1 << 5;
/** An LSE read-modify-write: a fault is reported as a write where a read would not fault; MMIO aborts with DFSC 0x35. */
export const MEM_ATOMIC = 1 << 6;
/** A pair or structure element: its syndrome has ISV = 0. */
export const MEM_NO_SYNDROME = 1 << 7;
/** Bits 12:8 the transfer register for the syndrome, bit 13 sign extension (SSE), bit 14 64-bit register (SF), bit 15 acquire/release (AR). */
export const MEM_SRT_SHIFT = 8;
export const MEM_SSE = 1 << 13;
export const MEM_SF = 1 << 14;
export const MEM_AR = 1 << 15;
/** With MEM_ALIGNED: ordered and nothing else, so that SCTLR.nAA lifts the limit. */
export const MEM_ORDERED = 1 << 16;

/**
 * The access is to allocation tags (FEAT_MTE2): of 16, 32 or 64 bytes (size field 4 to 6) at a multiple of 16, for
 * which low 4 bits of slowData are the one tag. Loads of untagged memory give 0 and stores to it do nothing.
 */
export const MEM_TAG = 1 << 17;
/** With MEM_TAG and store(): the data bytes become zero too (STZG, ST2ZG, and STZGM with 64 bytes). */
export const MEM_TAG_ZERO = 1 << 18;
/** With MEM_TAG and size field 7: LDGM and STGM, 16 tags of 256 aligned bytes in the low 64 bits of slowData. */
export const MEM_TAG_BLOCK = 1 << 19;
/** Bits 25:20: bytes behind these that the instruction stores next. Nothing is stored unless all of it can be. */
export const MEM_FOLLOWING_SHIFT = 20;
export const MEM_FOLLOWING_MASK = 63;

/** Kinds for Services.exception; `imm` is the instruction's immediate where it has one. */
export const EXCEPTION = {
  undefined: 0,
  svc: 1,
  hvc: 2,
  smc: 3,
  brk: 4,
  hlt: 5,
  eret: 6,
  wfi: 7,
  wfe: 8,
  /** PC not a multiple of 4; pc is the bad address. */
  pcAlignment: 9,
  /** SP not a multiple of 16 as a base register, with SCTLR.SA. */
  spAlignment: 10,
  /** FP or SIMD while CPACR_EL1.FPEN traps it. */
  fpTrap: 11,
  /** Branch target exception; imm is BTYPE. */
  branchTarget: 12,
  /** FPAC failure; imm is the syndrome's low bits. */
  pacFail: 13,
  illegalState: 14,
  /** WFIT and WFET: the timeout, an i64 CNTVCT value, is in slowData. */
  wfit: 15,
  wfet: 16,
} as const;

export interface Services {
  /** Loads from slowVa into slowData. May have filled the soft TLB. Returns DONE or LEAVE. */
  load(descriptor: number): number;
  /** Stores slowData at slowVa. Returns DONE or LEAVE; on LEAVE no byte was written. */
  store(descriptor: number): number;
  /**
   * Checks that slowVa is writable memory (not MMIO), naturally aligned per the descriptor and inside one page.
   * Returns its host offset, or 0 for LEAVE. Used by read-modify-writes, exclusives and DC ZVA.
   */
  probeWrite(descriptor: number): number;
  /** Finds the code page of pc: sets pcDelta, returns the host offset of the instruction, or 0 for LEAVE. */
  fetch(): number;
  /**
   * Executes a system instruction that generated code does not do inline: MRS and MSR (register and immediate),
   * SYS and SYSL (AT, DC, IC, TLBI ...). `insn` is the encoding; X registers are read and written in STATE.
   * The caller advances the PC when DONE; when something that the code in flight relies on has changed, the
   * result is LEAVE with pc already advanced.
   */
  system(insn: number): number;
  /** Takes an exception, or performs ERET, WFI, WFE, HVC, SMC. Always LEAVE, except WFE and WFI with a wake-up pending: DONE. */
  exception(kind: number, imm: number): number;
}
