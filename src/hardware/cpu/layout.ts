// Where each register of one vCPU lives in linear memory, relative to its state's base. The engine's generated
// code and the TypeScript slow paths use these offsets and nothing else. Generated from the list below, so
// that no constant is kept in sync by hand.

class Layout {
  size = 0;
  private take(bytes: number, align: number): number {
    const at = (this.size + align - 1) & -align;
    this.size = at + bytes;
    return at;
  }
  u32 = (): number => this.take(4, 4);
  u64 = (): number => this.take(8, 8);
  v128 = (count = 1): number => this.take(16 * count, 16);
  u64s = (count: number): number => this.take(8 * count, 8);
}

const l = new Layout();

/** Calls that compiled code waits for at a time. */
export const RETURNS = 32;

/** Index into X of the slot that always reads zero (XZR), and of the current stack pointer. */
export const XZR = 31;
export const SP = 32;

/** Byte offsets in a vCPU's state. Fields of u32 unless said otherwise. */
export const STATE = {
  /** i64[33]: X0..X30, zero, current SP. Whoever writes slot 31 writes zero after it. */
  x: l.u64s(33),
  /** v128[32] */
  v: l.v128(32),

  /** i64: address of the next instruction; exact whenever generated code is not running. */
  pc: l.u64(),
  /** i64: pc minus hpc for the code page that is running. */
  pcDelta: l.u64(),
  /** Host offset of the instruction that is executing; generated code stores it before it calls a service. */
  hpc: l.u32(),
  /** Instructions still to run before control returns; stored before each service call. */
  budget: l.u32(),
  /** budget at entry, so that instructions run so far = budgetStart - budget. */
  budgetStart: l.u32(),

  // PSTATE, one word a field. nzcv is 4 bits, N in bit 3. daif is 4 bits, D in bit 3.
  nzcv: l.u32(),
  /** Nonzero inside generated code: NZCV is not in nzcv but to be computed from flagsA and flagsB (engine/jit/flags.ts). */
  flagsKind: l.u32(),
  el: l.u32(),
  spsel: l.u32(),
  daif: l.u32(),
  pan: l.u32(),
  uao: l.u32(),
  dit: l.u32(),
  ssbs: l.u32(),
  tco: l.u32(),
  btype: l.u32(),
  il: l.u32(),
  ss: l.u32(),

  /** Nonzero while CPACR_EL1.FPEN traps FP and SIMD at the current EL; kept by whoever changes EL or CPACR_EL1. */
  fpTrapped: l.u32(),
  /** 15 while SCTLR_EL1.SA(0) checks the stack pointer's alignment at the current EL, else 0; kept likewise. */
  spAlignMask: l.u32(),
  fpcr: l.u32(),
  fpsr: l.u32(),

  /** Nonzero: an interrupt line is up (bit 0 IRQ, bit 1 FIQ); unmasking it must leave generated code. */
  interrupts: l.u32(),

  /** Base offsets of the soft TLB of the current EL and PAN, and the one that LDTR/STTR use. */
  tlb: l.u32(),
  tlbUnprivileged: l.u32(),

  /** i64 each: operands that NZCV is to be computed from, see flagsKind. */
  flagsA: l.u64(),
  flagsB: l.u64(),

  // Arguments and results of service calls that do not fit in i32.
  /** i64: the address of a slow access. */
  slowVa: l.u64(),
  /** v128: data of a slow access, little-endian from its lowest byte. */
  slowData: l.v128(),
  /** v128[3]: operands of a floating-point or other service; the result comes back in the first. */
  args: l.v128(3),

  /**
   * Local exclusive monitor: nonzero while set, with its i64 virtual address and bytes. Cleared by CLREX, by
   * exception return and whenever a vCPU is entered, so that no other agent's store can have come in between.
   */
  exclusive: l.u32(),
  exclusiveSize: l.u32(),
  exclusiveVa: l.u64(),
  /** Nonzero while the page that is running is guarded (stage-1 GP); kept by every change of page. */
  pageGuarded: l.u32(),

  /**
   * Pointer authentication, kept by every change of TCR_EL1 or SCTLR_EL1: i64[4], the bits of a pointer that hold
   * its PAC, by 2 * (data key) + bit 55; and which keys PAC* and AUT* use (bit 0 IA, 1 IB, 2 DA, 3 DB).
   */
  pacMask: l.u64s(4),
  pacEnabled: l.u32(),
  /** The interpreter's own: the host offset at which the budget is used up if no branch is taken. */
  budgetEnd: l.u32(),

  /** Compiled code's own: how many calls it waits for, and i64[RETURNS], where the last of them will return to. */
  returnDepth: l.u32(),
  returns: l.u64s(RETURNS),

  /** i64[SYSTEM_REGISTERS]: storage of the system registers, assigned by the system register table. */
  sysregs: l.u64s(256),
} as const;

/** Bytes of one vCPU's state. */
export const STATE_BYTES = (l.size + 63) & -64;

/**
 * One soft-TLB entry. An access of n bytes at va hits where ((va + n - 1) ^ tag) & ~0xfff, shifted left by
 * (info & 63), is zero: the shift is 8 where the top byte is ignored for that page, else 0. host = va + addend mod 2^32.
 * The entry's index is tlbIndex() of va's page, never that of the page after it, so a page-crossing access never hits. execTag compares without the shift:
 * a PC with a tag byte goes to fetch(), which strips it (Arm ARM, AArch64.BranchAddr).
 * Bits 11:0 of readTag and writeTag are zero but for the marks below, so that most hits are known by one compare, which
 * takes the top byte along. On a tag-checked page, readTag and writeTag have in it what accesses may have that need no
 * look at tags: the tag that all of the page's granules have, or the one that matches all (TCMA).
 */
export const TLB = {
  /** i64 each; INVALID_TAG where that access must take the slow path. */
  readTag: 0,
  writeTag: 8,
  execTag: 16,
  addend: 24,
  /** See TLB_INFO_*. */
  info: 28,
  /** u8: what code that knows of no tag checks shifts by; 0 on a tag-checked page, of which it may not ignore the top byte. */
  plainShift: 29,
  entryBytes: 32,
  entries: 16384,
} as const;
/** Where the address bits above the index's own are, which take part so that equal distances do not all collide. */
export const TLB_INDEX_FOLD = 22;

/** Index of the entry for an address, by its low word. A sum: neighbours differ by 1 or 2. */
export const tlbIndex = (low: number): number =>
  ((low >>> 12) + (low >>> TLB_INDEX_FOLD)) & (TLB.entries - 1);

/** In readTag and writeTag: no access is known by its top byte to pass the tag check. */
export const TLB_TAG_CHECKED = 1;
/** In readTag and writeTag: the page's tags are being stored; the next access by data must ask, which tags it has now. */
export const TLB_TAG_STORED = 2;

/** In info: bits 5:0 are the shift, and bits 13:8 (plainShift) that for code without tag checks. */
export const TLB_INFO_PLAIN_SHIFT = 8;
/**
 * The access is allowed inline only where VA[59:56] equals the granule's allocation tag, or is exempt, or STATE.tco is set;
 * otherwise load() or store() decides (asynchronous modes).
 */
export const TLB_INFO_CHECKED = 1 << 6;
/** A guarded page (FEAT_BTI, stage-1 GP). */
export const TLB_INFO_GUARDED = 1 << 7;
/** The page has allocation tags that instructions at this privilege may reach (MTE). */
export const TLB_INFO_TAGS = 1 << 14;
/** Bits 31:16: the logical tags that match every allocation tag, bit 16 + t for t: all where nothing is checked, else TCMA's. */
export const TLB_INFO_EXEMPT_SHIFT = 16;

/**
 * The tag of an empty entry: bits 55 and 54 differ, and it survives the shift by 8. A guest may still use that very
 * address, so the page bits of entry i's own invalid tag name another entry: INVALID_TAG | (i ^ 512) << 12.
 */
export const INVALID_TAG = 0x0080_0000_0000_0000n;

/** Each vCPU has three soft TLBs: EL0, EL1 with PAN set, EL1 with PAN clear. */
export const TLB_EL0 = 0;
export const TLB_EL1_PAN = 1;
export const TLB_EL1 = 2;
export const TLB_COUNT = 3;
