// The guest: it turns memory tagging on, reads a disk into buffers that it has tagged, and reads those back by tagged
// pointers, as a kernel with hardware tags does. It counts what came of that, in registers, and powers off.

export const RAM = 0x4000_0000;
export const DISK = 0x0a00_0000;
export const REQUESTS = 8;
export const BUFFER_BYTES = 4096;
/** What lies where in RAM. */
const TABLE = RAM + 0x8000;
const RINGS = RAM + 0x1_0000;
const BUFFERS = RAM + 0x2_0000;
export const RAM_BYTES = 0x2_0000 + (REQUESTS + 8) * BUFFER_BYTES;

/** Registers that hold the counts when the guest has powered off. */
export const COUNTS = {
  /** Requests that the device completed with status 0. */
  completed: 'x21',
  /** Granules whose content arrived and could be read by the pointer that tagged them. */
  read: 'x22',
  /** Tag check faults that the guest took. */
  faults: 'x23',
  /** Granules that have the guest's tag at the end. */
  tagged: 'x24',
} as const;

const hex = (n: number | bigint): string => `0x${n.toString(16)}`;
const write32 = (offset: number, value: number): string => `
  mov w1, #${hex(value)}
  str w1, [x10, #${hex(offset)}]`;
const write32From = (offset: number, address: number): string => `
  ldr w1, =${hex(address)}
  str w1, [x10, #${hex(offset)}]`;

/** 39-bit addresses, 4 KiB pages, TBI0; one table: devices in its first GiB, tagged memory in its second. */
const TCR = 25n | 0x3500n | (1n << 23n) | (2n << 32n) | (1n << 37n);
/** M, C, I, TCF sync, ATA and RES1. */
const SCTLR = 0x30d0_0980n | 0x1005n | (1n << 40n) | (1n << 43n);

/** As assembly; the test compares it with the words. */
export const SOURCE = `
  ldr x0, =${hex(TABLE)}
  ldr x1, =0x60000000000401
  str x1, [x0]
  ldr x1, =${hex(RAM | 0x701 | (1 << 2))}
  str x1, [x0, #8]
  msr ttbr0_el1, x0
  ldr x1, =0xf000  // Device, Normal Tagged
  msr mair_el1, x1
  ldr x1, =${hex(TCR)}
  msr tcr_el1, x1
  adr x1, vectors
  msr vbar_el1, x1
  isb
  ldr x1, =${hex(SCTLR)}
  msr sctlr_el1, x1
  isb
  msr tco, #0
  ldr x10, =${hex(DISK)}
  ldr x11, =${hex(RINGS)}
  mov x21, #0
  mov x22, #0
  mov x23, #0
  mov x24, #0
  // virtio 1.3, 3.1.1: reset, driver, VERSION_1 and ACCESS_PLATFORM, one queue of 8
${write32(0x70, 0)}${write32(0x70, 3)}${write32(0x24, 1)}${write32(0x20, 3)}${write32(0x70, 11)}
${write32(0x30, 0)}${write32(0x38, 8)}
${write32From(0x80, RINGS)}${write32From(0x90, RINGS + 0x100)}${write32From(0xa0, RINGS + 0x200)}
${write32(0x44, 1)}${write32(0x70, 15)}
  mov x19, #0
request:
  ldr x12, =${hex(BUFFERS)}
  add x12, x12, x19, lsl #12
  add x1, x19, #1
  bfi x12, x1, #56, #4
  mov x13, x12
  mov x2, #${BUFFER_BYTES / 16}
1: stg x13, [x13], #16
  subs x2, x2, #1
  b.ne 1b
  // descriptors: header, buffer, status
  add x1, x11, #0x400
  stp x1, xzr, [x11]
  ldr x2, =0x0001000100000010
  str x2, [x11, #8]
  and x1, x12, #0x00ffffffffffffff
  str x1, [x11, #16]
  ldr x2, =0x0002000300001000
  str x2, [x11, #24]
  add x1, x11, #0x500
  str x1, [x11, #32]
  ldr x2, =0x0000000200000001
  str x2, [x11, #40]
  str xzr, [x11, #0x400]
  lsl x1, x19, #3
  str x1, [x11, #0x408]
  mov w1, #0xff
  strb w1, [x11, #0x500]
  and w1, w19, #7
  add x2, x11, #0x104
  strh wzr, [x2, x1, lsl #1]
  add w1, w19, #1
  strh w1, [x11, #0x102]
  str wzr, [x10, #0x50]
2: ldrh w1, [x11, #0x202]
  sub w1, w1, #1
  and w1, w1, #0xffff
  cmp w1, w19
  b.ne 2b
  ldrb w1, [x11, #0x500]
  cbnz w1, 4f
  add x21, x21, #1
  mov x13, x12
  mov x2, #${BUFFER_BYTES / 16}
3: mov x0, #0
  ldr x0, [x13]
  cmp x0, #0
  cinc x22, x22, ne
  add x13, x13, #16
  subs x2, x2, #1
  b.ne 3b
4: mov x13, x12
  mov x2, #${BUFFER_BYTES / 16}
5: ldg x13, [x13]
  eor x1, x13, x12
  lsr x1, x1, #56
  cmp x1, #0
  cinc x24, x24, eq
  add x13, x13, #16
  subs x2, x2, #1
  b.ne 5b
  add x19, x19, #1
  cmp x19, #${REQUESTS}
  b.ne request
  ldr x0, =0x84000008
  hvc #0
  b .
  .ltorg
  .balign 2048
vectors:
  .space 0x200
  // Skips the access that a tag check refused.
  add x23, x23, #1
  mrs x1, elr_el1
  add x1, x1, #4
  msr elr_el1, x1
  eret
`;

const MAIN = `
  58000e40 58000e61 f9000001 58000e61 f9000401 d5182000 58000e41 d518a201 58000e41 d5182041 10003ec1 d518c001
  d5033fdf 58000de1 d5181001 d5033fdf d503409f 58000daa 58000dcb d2800015 d2800016 d2800017 d2800018 52800001
  b9007141 52800061 b9007141 52800021 b9002541 52800061 b9002141 52800161 b9007141 52800001 b9003141 52800101
  b9003941 18000ba1 b9008141 18000b81 b9009141 18000b61 b900a141 52800021 b9004541 528001e1 b9007141 d2800013
  58000acc 8b13318c 91000661 b3480c2c aa0c03ed d2802002 d92015ad f1000442 54ffffc1 91100161 a9007d61 580009a2
  f9000562 9240dd81 f9000961 58000962 f9000d62 91140161 f9001161 58000922 f9001562 f902017f d37df261 f9020561
  52801fe1 39140161 12000a61 91041162 7821785f 11000661 79020561 b900515f 79440561 51000421 12003c21 6b13003f
  54ffff81 39540161 35000161 910006b5 aa0c03ed d2802002 d2800000 f94001a0 f100001f 9a9606d6 910041ad f1000442
  54ffff41 aa0c03ed d2802002 d96001ad ca0c01a1 d378fc21 f100003f 9a981718 910041ad f1000442 54ffff21 91000673
  f100227f 54fff861 58000400 d4000002 14000000 00000000 40008000 00000000 00000401 00600000 40000705 00000000
  0000f000 00000000 00803519 00000022 30d01985 00000900 0a000000 00000000 40010000 00000000 40010000 40010100
  40010200 00000000 40020000 00000000 00000010 00010001 00001000 00020003 00000001 00000002 84000008
`;
/** The handler of synchronous exceptions of EL1 with its own stack pointer. */
const HANDLER = `
  910006f7 d5384021 91001021 d5184021 d69f03e0
`;
const HANDLER_AT = 0xa00;

const words = (text: string): number[] =>
  text
    .trim()
    .split(/\s+/)
    .map((word) => Number.parseInt(word, 16));

/** The program, for RAM. */
export function programBytes(): Uint8Array {
  const handler = words(HANDLER);
  const bytes = new Uint8Array(HANDLER_AT + 4 * handler.length);
  const view = new DataView(bytes.buffer);
  for (const [n, word] of words(MAIN).entries()) view.setUint32(4 * n, word, true);
  for (const [n, word] of handler.entries()) view.setUint32(HANDLER_AT + 4 * n, word, true);
  return bytes;
}
