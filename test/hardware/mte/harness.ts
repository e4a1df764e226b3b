// The suite's program: for each case of a table it fills memory, tags and registers, sets the controls, runs the
// form at EL1 or EL0 up to its SVC, and writes down what happened. It prints nothing: results stay in memory.

import { GRANULES, WINDOW } from './scenarios.ts';

/** What stands where in physical memory; image.ts puts it there. The first 2 MiB are the reference's device tree. */
export const LAYOUT = {
  base: 0x4020_0000,
  code: 0x4020_0000,
  tables: 0x4021_0000,
  saved: 0x4022_0000,
  patterns: 0x4022_8000,
  data: 0x4023_0000,
  forms: 0x4024_0000,
  cases: 0x4030_0000,
  results: 0x4090_0000,
  end: 0x4100_0000,
} as const;

/** The code's view of its forms, which EL0 may execute too. */
export const FORMS_VA = 0x8020_0000;
export const FORM_BYTES = 32;
export const CASE_BYTES = 72;
export const RESULT_BYTES = 96;
/** What the window holds before each case, and X10 and X11. */
export const MEMORY_PATTERN = 0x0102_0304_0506_0708n;
/** A word that the test sets: each case touches its pages first, so that the soft TLB knows them. */
export const WARM = LAYOUT.patterns + 0xff8;
/** SCTLR_EL1 of the harness: M C UMA I DZE UCT SPAN UCI, ATA, ATA0 and RES1; no stack alignment checks. */
export const SCTLR = 0x0c00_34d5_da05n;

export const HARNESS = `
_start:
  msr daifset, #15
  msr spsel, #1
  ldr x1, =vectors
  msr vbar_el1, x1
  ldr x1, =0x${LAYOUT.saved.toString(16)}
  mov sp, x1
  mov x1, #(3 << 20)
  msr cpacr_el1, x1
  ldr x1, =0xf000ff  // Normal, Device, Normal Tagged
  msr mair_el1, x1
  ldr x1, =0x${LAYOUT.tables.toString(16)}
  msr ttbr0_el1, x1
  msr ttbr1_el1, x1
  ldr x1, =0x${LAYOUT.cases.toString(16)}
  msr tpidr_el1, x1
  ldr x1, [x1, #48]
  msr tcr_el1, x1
  tlbi vmalle1
  dsb nsh
  isb
  ldr x1, =0x${SCTLR.toString(16)}
  msr sctlr_el1, x1
  isb
  msr tco, #1
  ldr x27, =0x${LAYOUT.results.toString(16)}

next_case:
  ldr x9, =0x${SCTLR.toString(16)}
  msr sctlr_el1, x9
  isb
  mrs x28, tpidr_el1
  ldr x0, [x28]
  cbz x0, finished
  ldr x1, [x28, #24]  // the window
  ldr x2, =0x${MEMORY_PATTERN.toString(16)}
  ldr x3, [x28, #32]  // its tags
  mov x4, #${GRANULES}
1: stp x2, x2, [x1]
  and x5, x3, #15
  orr x5, x1, x5, lsl #56
  stg x5, [x1], #16
  lsr x3, x3, #4
  subs x4, x4, #1
  b.ne 1b
  ldr x1, =0x${LAYOUT.patterns.toString(16)}
  ldr x2, [x28, #8]
  str x2, [x1, #8]
  ldr x2, [x28, #16]
  str x2, [x1, #(13 * 8)]
  add x2, x1, #256
${Array.from({ length: 16 }, (_, n) => `  ldp q${2 * n}, q${2 * n + 1}, [x2, #${32 * n}]`).join('\n')}
  ldr x2, [x28, #40]
  ldr x3, [x28, #48]
  msr tcr_el1, x3
  msr sctlr_el1, x2
  isb
  tlbi vmalle1
  dsb nsh
  isb
  ldr x4, =0x${WARM.toString(16)}
  ldr x4, [x4]
  cbz x4, 3f
  ldr x2, [x28, #64]  // where to touch first, or 0
  cbz x2, 3f
  mov x3, #2
2: ldrb w4, [x2]
  strb w4, [x2]
  ldtrb w4, [x2]
  sttrb w4, [x2]
  add x2, x2, #16
  subs x3, x3, #1
  b.ne 2b
3: msr elr_el1, x0
  ldr x2, [x28, #56]
  msr spsr_el1, x2
  ldr x2, [x28, #8]
  msr sp_el0, x2
  msr far_el1, xzr
  msr S3_0_C5_C6_0, xzr  // TFSR_EL1
  msr S3_0_C5_C6_1, xzr  // TFSRE0_EL1
  str x27, [sp, #1024]
  msr nzcv, xzr
${Array.from({ length: 14 }, (_, n) => `  ldp x${2 * n + 2}, x${2 * n + 3}, [x1, #${16 * n + 16}]`).join('\n')}
  ldr x30, [x1, #240]
  ldp x0, x1, [x1]
  eret

finished:
  ldr x0, =0x84000008  // PSCI SYSTEM_OFF
  hvc #0
  b .

  .balign 2048
vectors:
  b handler
  .balign 128
  b .
  .balign 128
  b .
  .balign 128
  b .
  .balign 128
  b .
  .balign 128
  b .
  .balign 128
  b .
  .balign 128
  b .
  .balign 128
handler:
${Array.from({ length: 15 }, (_, n) => `  stp x${2 * n}, x${2 * n + 1}, [sp, #${16 * n}]`).join('\n')}
  str x30, [sp, #240]
  add x0, sp, #256
${Array.from({ length: 16 }, (_, n) => `  stp q${2 * n}, q${2 * n + 1}, [x0, #${32 * n}]`).join('\n')}
  mrs x20, S3_0_C5_C6_0
  mrs x21, S3_0_C5_C6_1
  ldr x9, =0x${SCTLR.toString(16)}
  msr sctlr_el1, x9
  isb
  mrs x28, tpidr_el1
  ldr x27, [sp, #1024]
  mrs x0, esr_el1
  str x0, [x27]
  mrs x0, far_el1
  str x0, [x27, #8]
  mrs x0, elr_el1
  ldr x1, [x28]
  sub x0, x0, x1
  orr x0, x0, x20, lsl #8
  orr x0, x0, x21, lsl #16
  mrs x1, spsr_el1
  orr x0, x0, x1, lsl #32
  str x0, [x27, #16]
  ldr x0, [sp, #8]
  str x0, [x27, #24]
  mrs x0, sp_el0
  str x0, [x27, #32]
  // X registers that changed, and a hash of all
  mov x1, sp
  ldr x2, =0x${LAYOUT.patterns.toString(16)}
  mov x3, #0
  mov x4, #0
  mov x5, #0
1: ldr x6, [x1], #8
  ldr x7, [x2], #8
  cmp x6, x7
  cset x8, ne
  lsl x8, x8, x5
  orr x3, x3, x8
  ror x4, x4, #7
  eor x4, x4, x6
  add x5, x5, #1
  cmp x5, #31
  b.ne 1b
  str x4, [x27, #40]
  // vector registers: the same
  add x1, sp, #256
  ldr x2, =0x${(LAYOUT.patterns + 256).toString(16)}
  mov x4, #0
  mov x5, #32
1: ldp x6, x7, [x1], #16
  ldp x9, x10, [x2], #16
  ror x4, x4, #7
  eor x4, x4, x6
  ror x4, x4, #7
  eor x4, x4, x7
  cmp x6, x9
  ccmp x7, x10, #0, eq
  cset x8, ne
  lsl x8, x8, x5
  orr x3, x3, x8
  add x5, x5, #1
  cmp x5, #64
  b.ne 1b
  str x3, [x27, #48]
  str x4, [x27, #56]
  // bytes of the window that changed, and a hash
  ldr x1, [x28, #24]
  ldr x2, =0x${MEMORY_PATTERN.toString(16)}
  mov x4, #0
  add x12, x27, #64
  mov x11, #${WINDOW / 64}
4: mov x3, #0
  mov x5, #0
1: ldr x6, [x1], #8
  ror x4, x4, #7
  eor x4, x4, x6
  eor x6, x6, x2
  cbnz x6, 2f
  add x5, x5, #8
  b 3f
2: tst x6, #255
  cset x8, ne
  lsl x8, x8, x5
  orr x3, x3, x8
  lsr x6, x6, #8
  add x5, x5, #1
  tst x5, #7
  b.ne 2b
3: cmp x5, #64
  b.ne 1b
  str x3, [x12], #8
  subs x11, x11, #1
  b.ne 4b
  // tags of the window, below 16 bits of the hash of its bytes
  eor x4, x4, x4, lsr #32
  eor x4, x4, x4, lsr #16
  and x4, x4, #0xffff
  ldr x1, [x28, #24]
  mov x3, #0
  mov x5, #0
1: ldg x6, [x1]
  ubfx x6, x6, #56, #4
  lsl x6, x6, x5
  orr x3, x3, x6
  add x1, x1, #16
  add x5, x5, #4
  cmp x5, #${4 * GRANULES}
  b.ne 1b
  orr x3, x3, x4, lsl #48
  str x3, [x27, #88]
  add x27, x27, #${RESULT_BYTES}
  add x28, x28, #${CASE_BYTES}
  msr tpidr_el1, x28
  b next_case
  .ltorg
`;
