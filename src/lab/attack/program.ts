// The guest under attack: its program. Each vCPU takes calls from a device of its own (device.ts says how), branches to
// the routine that the call names, and writes back what it returned or which exception it took. `keep` draws a secret
// from the CPU's random source, holds one copy in registers and one in a page; `beat` says whether the page still has
// what was last written there. The test assembles the text and compares.

import { type Gpa, gpa } from '../../lib/index.ts';

export const CODE: Gpa = gpa(0x4000_0000);

export const SOURCE = `
  mov x20, x0
  adr x6, vectors
  msr vbar_el1, x6
  isb
  cbz x1, loop
  mov x0, x1
  mov x1, x20
  mov x2, xzr
  mov x3, xzr
  hvc #0
loop:
  ldr x9, [x20]
  ldr x0, [x20, #0x8]
  ldr x1, [x20, #0x10]
  ldr x2, [x20, #0x18]
  ldr x3, [x20, #0x20]
  ldr x4, [x20, #0x28]
  ldr x5, [x20, #0x30]
  ldr x6, [x20, #0x38]
  ldr x7, [x20, #0x40]
  blr x9
  str x0, [x20, #0x80]
  str x1, [x20, #0x88]
  str x2, [x20, #0x90]
  str x3, [x20, #0x98]
  str xzr, [x20, #0xa0]
  b loop
load:
  ldr x0, [x0]
  ret
store:
  str x1, [x0]
  ret
store32:
  str w1, [x0]
  ret
pair:
  ldp x0, x1, [x0]
  ret
hvc:
  hvc #0
  ret
smc:
  smc #0
  ret
flood:
  mov x10, x0
  mov x11, x1
  mov x12, x2
  mov x13, x3
again:
  mov x0, x10
  mov x1, x11
  mov x2, xzr
  mov x3, xzr
  hvc #0
  add x11, x11, x12
  sub x13, x13, #1
  cbnz x13, again
  ret
enroll:
  movz x0, #0xc600, lsl #16
  movk x0, #6
  hvc #0
  movz x0, #0xc600, lsl #16
  movk x0, #7
  mov x1, x20
  mov x2, xzr
  hvc #0
  ret
keep:
  mrs x21, rndr
  mrs x22, rndr
  mrs x23, rndr
  mrs x24, rndr
move:
  mov x25, x0
  mov x26, xzr
  stp x21, x22, [x25]
  stp x23, x24, [x25, #0x10]
  str x26, [x25, #0x20]
  ret
beat:
  ldp x9, x10, [x25]
  ldp x11, x12, [x25, #0x10]
  ldr x13, [x25, #0x20]
  eor x9, x9, x21
  eor x10, x10, x22
  eor x11, x11, x23
  eor x12, x12, x24
  eor x13, x13, x26
  orr x0, x9, x10
  orr x1, x11, x12
  orr x0, x0, x1
  orr x0, x0, x13
  add x26, x26, #1
  str x26, [x25, #0x20]
  mov x1, x26
  ret
tag:
  stg x0, [x0]
  ret
loadtag:
  ldg x0, [x0]
  ret
refetch:
  dc cvau, x0
  dsb sy
  ic ivau, x0
  dsb sy
  isb
  ret
mmu:
  msr ttbr0_el1, x0
  msr tcr_el1, x1
  msr mair_el1, x2
  isb
  tlbi vmalle1
  dsb sy
  isb
  mrs x9, sctlr_el1
  orr x9, x9, x3
  msr sctlr_el1, x9
  isb
  ret
  .balign 2048
vectors:
  .space 0x200
  mrs x0, esr_el1
  mrs x1, far_el1
  str x0, [x20, #0xa8]
  str x1, [x20, #0xb0]
  str xzr, [x20, #0xa0]
  b loop
`;

/** Offsets of the routines. Arguments are in X0 to X7, results in X0 to X3. */
export const ROUTINES = {
  load: 0x68,
  store: 0x70,
  store32: 0x78,
  pair: 0x80,
  hvc: 0x88,
  smc: 0x90,
  flood: 0x98,
  enroll: 0xcc,
  keep: 0xf0,
  move: 0x100,
  beat: 0x118,
  tag: 0x158,
  loadtag: 0x160,
  refetch: 0x168,
  mmu: 0x180,
} as const;

export type Routine = keyof typeof ROUTINES;

/** The program from its start on, and what stands at the vector of a synchronous exception at EL1. */
const START: readonly number[] = [
  0xaa0003f4, 0x10003fe6, 0xd518c006, 0xd5033fdf, 0xb40000c1, 0xaa0103e0, 0xaa1403e1, 0xaa1f03e2, 0xaa1f03e3,
  0xd4000002, 0xf9400289, 0xf9400680, 0xf9400a81, 0xf9400e82, 0xf9401283, 0xf9401684, 0xf9401a85, 0xf9401e86,
  0xf9402287, 0xd63f0120, 0xf9004280, 0xf9004681, 0xf9004a82, 0xf9004e83, 0xf900529f, 0x17fffff1, 0xf9400000,
  0xd65f03c0, 0xf9000001, 0xd65f03c0, 0xb9000001, 0xd65f03c0, 0xa9400400, 0xd65f03c0, 0xd4000002, 0xd65f03c0,
  0xd4000003, 0xd65f03c0, 0xaa0003ea, 0xaa0103eb, 0xaa0203ec, 0xaa0303ed, 0xaa0a03e0, 0xaa0b03e1, 0xaa1f03e2,
  0xaa1f03e3, 0xd4000002, 0x8b0c016b, 0xd10005ad, 0xb5ffff2d, 0xd65f03c0, 0xd2b8c000, 0xf28000c0, 0xd4000002,
  0xd2b8c000, 0xf28000e0, 0xaa1403e1, 0xaa1f03e2, 0xd4000002, 0xd65f03c0, 0xd53b2415, 0xd53b2416, 0xd53b2417,
  0xd53b2418, 0xaa0003f9, 0xaa1f03fa, 0xa9005b35, 0xa9016337, 0xf900133a, 0xd65f03c0, 0xa9402b29, 0xa941332b,
  0xf940132d, 0xca150129, 0xca16014a, 0xca17016b, 0xca18018c, 0xca1a01ad, 0xaa0a0120, 0xaa0c0161, 0xaa010000,
  0xaa0d0000, 0x9100075a, 0xf900133a, 0xaa1a03e1, 0xd65f03c0, 0xd9200800, 0xd65f03c0, 0xd9600000, 0xd65f03c0,
  0xd50b7b20, 0xd5033f9f, 0xd50b7520, 0xd5033f9f, 0xd5033fdf, 0xd65f03c0, 0xd5182000, 0xd5182041, 0xd518a202,
  0xd5033fdf, 0xd508871f, 0xd5033f9f, 0xd5033fdf, 0xd5381009, 0xaa030129, 0xd5181009, 0xd5033fdf, 0xd65f03c0,
];
const SYNCHRONOUS = 0xa00;
const HANDLER: readonly number[] = [0xd5385200, 0xd5386001, 0xf9005680, 0xf9005a81, 0xf900529f, 0x17fffd85];

/** The page to be put at CODE. */
export function programPage(): Uint8Array {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  START.forEach((word, n) => {
    view.setUint32(4 * n, word, true);
  });
  HANDLER.forEach((word, n) => {
    view.setUint32(SYNCHRONOUS + 4 * n, word, true);
  });
  return page;
}
