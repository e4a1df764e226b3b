// The bare-metal program around the cases: page tables, vectors, a PL011, and a line for each case. A case prints its
// number, then either '=' and X0, or the vector, ESR, FAR where it has a meaning, the return address relative to the
// case's first instruction, SPSR, and what PSTATE is in the handler.

import { PAGES, type Page, systemCases } from './cases.ts';

/** Hardware management of access flag and dirty state, on and off. */
export const VARIANTS = { managed: 0x1b5_b510_3510n, unmanaged: 0x035_b510_3510n } as const;
export type Variant = keyof typeof VARIANTS;

const HEAD = `
  .arch armv8.5-a+memtag+rng+lse
  .section .text
  .global _start
_start:
  msr daifset, #15
  ldr x1, =vectors
  msr vbar_el1, x1
  ldr x1, =stack_top
  mov sp, x1
  msr spsel, #0
  ldr x1, =stack0_top
  mov sp, x1
  msr spsel, #1
  mov x1, #(3 << 20)
  msr cpacr_el1, x1
  ldr x1, =0xf00000ff  // Normal, Device, Device, Normal Tagged
  msr mair_el1, x1
  ldr x1, =TCR
  msr tcr_el1, x1
  ldr x1, =l0
  msr ttbr0_el1, x1
  msr ttbr1_el1, x1
  tlbi vmalle1
  dsb nsh
  isb
  ldr x1, =0x34d5da1d  // M C SA SA0 UMA I DZE UCT nTWI nTWE SPAN UCI and RES1
  msr sctlr_el1, x1
  isb
  msr oslar_el1, xzr
  msr mdscr_el1, xzr
  msr cntkctl_el1, xzr
  msr pmuserenr_el0, xzr
  b body

putc:
  ldr x9, =0x09000000
  str w0, [x9]
  ret
newline:
  mov w0, #10
  ldr x9, =0x09000000
  str w0, [x9]
  ret
print_hex:  // x0 without leading zeros, and a space
  ldr x9, =0x09000000
  mov x10, #60
  mov x12, #0
1: lsr x11, x0, x10
  and x11, x11, #15
  orr x12, x12, x11
  cbz x12, 3f
  cmp x11, #10
  add x13, x11, #'0'
  add x14, x11, #('a' - 10)
  csel x11, x13, x14, lo
  str w11, [x9]
3: subs x10, x10, #4
  b.ge 1b
  cbnz x12, 4f
  mov w11, #'0'
  str w11, [x9]
4: mov w11, #' '
  str w11, [x9]
  ret
ok:
  mov x20, x0
  mov x21, x30
  mov x0, x27
  bl print_hex
  mov w0, #'='
  bl putc
  mov x0, x20
  bl print_hex
  mov x30, x21
  ret

  .balign 2048
vectors:
  .irp offset, 0, 0x80, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400, 0x480, 0x500, 0x580
  .balign 128
  mov x25, #\\offset
  b handler
  .endr
  .balign 128
handler:
  mov x20, x0
  mrs x23, daif
  mrs x22, pan
  mrs x21, S3_3_C4_C2_7  // TCO
  mrs x19, S3_3_C4_C2_6  // SSBS
  mrs x17, S3_0_C4_C2_4  // UAO
  msr pan, #0
  msr spsel, #1
  ldr x1, =stack_top
  mov sp, x1
  mrs x0, esr_el1
  ldr x1, =0x5600ffff  // the SVC that ends a case at EL0
  cmp x0, x1
  b.ne 1f
  mov x0, x27
  bl print_hex
  mov w0, #'='
  bl putc
  mov x0, x20
  bl print_hex
  b 2f
1: mov x0, x27
  bl print_hex
  mov x0, x25
  bl print_hex
  mrs x0, esr_el1
  bl print_hex
  mrs x0, esr_el1
  lsr x0, x0, #26
  sub x0, x0, #0x20
  cmp x0, #5
  b.hi 4f
  mrs x0, far_el1
  bl print_hex
4: mrs x0, elr_el1
  sub x0, x0, x26
  bl print_hex
  mrs x0, spsr_el1
  and x0, x0, #0x0fffffff  // without NZCV
  bl print_hex
  orr x0, x23, x22
  orr x0, x0, x21
  orr x0, x0, x19
  orr x0, x0, x17
  bl print_hex
2: mov x0, #0x3c5
  msr spsr_el1, x0
  msr elr_el1, x28
  eret
  .ltorg
  .balign 8
body:
`;

/** Attributes of each page beyond Normal memory with the access flag. */
const NORMAL = '(3 << 8) + (1 << 10)';
const UXN = '(1 << 54)';
const PXN = '(1 << 53)';
const ENTRIES: Record<Page, string> = {
  KRW: `page0 + ${NORMAL} + 3 + ${UXN}`,
  KRO: `page1 + ${NORMAL} + 3 + (2 << 6) + ${UXN}`,
  URW: `page2 + ${NORMAL} + 3 + (1 << 6)`,
  URO: `page3 + ${NORMAL} + 3 + (3 << 6)`,
  DEV: '0x09000000 + (1 << 2) + (1 << 10) + 3 + (1 << 6)',
  INVALID: '0',
  NOAF: 'page6 + (3 << 8) + 3 + (1 << 6)',
  URWUXN: `page7 + ${NORMAL} + 3 + (1 << 6) + ${UXN}`,
  KRWPXN: `page8 + ${NORMAL} + 3 + ${PXN}`,
  TAGGED: `page9 + ${NORMAL} + 3 + (3 << 2) + ${UXN}`,
  UTAGGED: `page10 + ${NORMAL} + 3 + (3 << 2) + (1 << 6)`,
  DBMCLEAN: `page11 + ${NORMAL} + 3 + (3 << 6) + (1 << 51)`,
  GUARDED: `page12 + ${NORMAL} + 3 + (3 << 6) + (1 << 50)`,
  XO: `page13 + ${NORMAL} + 3 + (2 << 6)`,
};

/** A page of data with code at 0x100: a return, and one behind each kind of landing pad. */
const dataPage = (n: number): string => `
page${n}: .space 0x100
  ret
  .space 12
  .irp landing, 34, 36, 38
  hint #\\landing
  ret
  .space 8
  .endr
  hint #25
  hint #29
  ret
  .space 4096 - 0x14c`;

const TAIL = `
  ldr x0, =0x84000008  // PSCI SYSTEM_OFF
  hvc #0
1: b 1b
  .ltorg
  .data
  .balign 4096
l0: .quad l1 + 3
  .space 4088
l1: .quad l2_devices + 3, l2_ram + 3, l2_data + 3
  .space 4096 - 24
l2_devices: .space 72 * 8
  .quad 0x09000000 + (1 << 2) + (1 << 10) + 1 + ${UXN} + ${PXN}
  .space 4096 - 73 * 8
l2_ram: .quad 0x40000000 + ${NORMAL} + 1 + (2 << 6) + ${UXN}
  .quad 0x40200000 + ${NORMAL} + 1 + ${UXN}
  .quad 0x40400000 + ${NORMAL} + 1 + (3 << 6) + ${PXN}
  .space 4096 - 24
l2_data: .quad l3_data + 3
  .space 4088
l3_data:
${PAGES.map((page) => `  .quad ${ENTRIES[page]}`).join('\n')}
  .space 4096 - ${PAGES.length} * 8
${PAGES.map((_, n) => dataPage(n)).join('')}
  .space 4096
stack_top: .space 4096
stack0_top: .space 16
`;

function caseText(n: number): string {
  const { at, setup, body, cleanup } = systemCases[n] as (typeof systemCases)[number];
  const head = `\n  mov x27, #${n}\n  adr x28, 99f\n  mov x0, #0x77\n  mov x2, #0\n  ${setup}\n`;
  const end = `99: ${cleanup}\n  bl newline\n  b 97f\n  .ltorg\n97:\n`;
  const returnTo = (spsr: string): string =>
    `  msr elr_el1, x26\n  msr spsr_el1, ${spsr}\n  mov x0, #0x77\n  eret\n`;
  if (at === 'el1')
    return `${head}  adr x26, 1f\n  mov x0, #0x77\n1: ${body}\n  msr daifset, #15\n  bl ok\n${end}`;
  if (at === 'eret-el1') return `${head}  adr x26, 1f\n${returnTo('x9')}1: ${body}\n${end}`;
  const code = `  .pushsection .utext, "ax"\nuser${n}: ${body}\n  svc #0xffff\n  .ltorg\n  .popsection\n`;
  return `${head}  ldr x26, =user${n}\n${returnTo(at === 'el0' ? 'xzr' : 'x9')}${end}${code}`;
}

/** Assembly text of the whole program. */
export function payloadText(variant: Variant): string {
  const tcr = `  .set TCR, 0x${VARIANTS[variant].toString(16)}\n`;
  return tcr + HEAD + systemCases.map((_, n) => caseText(n)).join('') + TAIL;
}

/** EL1's text (mapped read-only), tables and data, and EL0's text, in 2 MiB each. */
export const LINKER_SCRIPT = `ENTRY(_start)
SECTIONS {
  . = 0x40080000; .text : { *(.text) }
  . = 0x40200000; .data : { *(.data) }
  . = 0x40400000; .utext : { *(.utext) }
}
`;
