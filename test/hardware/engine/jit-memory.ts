// A guest that makes code, runs it until it is compiled, and makes other code in its place, without end: what the
// process's memory does meanwhile. `node scripts/run.js test/hardware/engine/jit-memory.ts [rounds]` prints a line for
// each round of 16,384 new functions, which is twice as many as the code cache holds. Garbage is collected before each
// line, so that what grows is held by somebody: V8, the engine, or the C library, which keeps what V8's compiler freed.
// test/boot/memory.ts is the same for Linux, with a verdict. Needs Linux (proc(5)).

import { assemble } from '../../../src/hardware/a64/index.ts';
import { jitEngine } from '../../../src/hypervisor/index.ts';
import { Machine } from '../../../src/vmm/index.ts';
import { LiveInstances } from '../../boot/live-instances.ts';
import { resident } from '../../boot/resident.ts';

const BASE = 0x4000_0000;
const TABLE = 0x1000;
const IMAGE_BYTES = 0x2000;

const rounds = Number(process.argv[2] ?? '4');
const [ADD, SUBS, BACK, RET] = [...assemble('again: add x0, x0, x1\nsubs x2, x2, #1\nb.ne again\nret')] as [
  number,
  number,
  number,
  number,
];
const [MOVZ] = assemble('movz x1, #0') as unknown as [number];

const constant = (register: string, word: number): string =>
  `movz ${register}, #${word & 0xffff}\nmovk ${register}, #${word >>> 16}, lsl #16`;

const PROGRAM = `
  ${constant('x0', BASE + TABLE)}
  msr ttbr0_el1, x0
  movz x0, #0xff
  msr mair_el1, x0
  movz x0, #0x3519
  movk x0, #0x0080, lsl #16
  movk x0, #2, lsl #32
  msr tcr_el1, x0
  isb
  mrs x0, sctlr_el1
  orr x0, x0, #1
  msr sctlr_el1, x0
  isb
  ${constant('w3', MOVZ)}
  ${constant('w4', ADD)}
  ${constant('w5', SUBS)}
  ${constant('w6', BACK)}
  ${constant('w7', RET)}
  movz x28, #${rounds}
round:
  movz x10, #0x4100, lsl #16
  movz x11, #16384
one:
  add w8, w3, w28, lsl #5
  stp w8, w4, [x10]
  stp w5, w6, [x10, #8]
  str w7, [x10, #16]
  dc cvau, x10
  dsb ish
  ic ivau, x10
  dsb ish
  isb
  movz x2, #100
  blr x10
  add x10, x10, #512
  sub x11, x11, #1
  cbnz x11, one
  sub x28, x28, #1
  movz x12, #0x0900, lsl #16
  movz w13, #0x2e
  str w13, [x12]
  cbnz x28, round
  movz x0, #0x8400, lsl #16
  movk x0, #8
  hvc #0
`;

function image(): Uint8Array {
  const words = assemble(`b start\n${'nop\n'.repeat(15)}start: ${PROGRAM}`, BASE);
  const bytes = new Uint8Array(IMAGE_BYTES);
  const view = new DataView(bytes.buffer);
  words.forEach((word, n) => {
    view.setUint32(4 * n, word, true);
  });
  view.setBigUint64(8, 0n, true);
  view.setBigUint64(16, BigInt(IMAGE_BYTES), true);
  view.setBigUint64(24, 0xan, true);
  view.setUint32(56, 0x644d_5241, true);
  // 1 GiB of Normal memory, and the devices below it.
  view.setBigUint64(TABLE, 0x0000_0405n, true);
  view.setBigUint64(TABLE + 8, 0x4000_0701n, true);
  return bytes;
}

const instances = new LiveInstances();
const machine = await Machine.create({
  kernel: image(),
  memory: '64M',
  engine: jitEngine({ hot: 20, now: () => performance.now() }),
});
const mib = (bytes: number): string => `${Math.round(bytes / (1 << 20))} MiB`;
machine.console.onOutput(async () => {
  const live = await instances.live();
  const { total, guest, code } = resident();
  const { heapUsed } = process.memoryUsage();
  const { regionsCompiled, wasmBytes } = machine.stats().counters;
  console.log(
    `RSS ${mib(total)} with ${mib(guest)} of the guest and ${mib(code)} of code, heap ${mib(heapUsed)}; ` +
      `${regionsCompiled} regions compiled, ${mib(wasmBytes ?? 0)}; ${live} of ${instances.count} modules left`,
  );
});
machine.console.endInput();
const { message } = await machine.run();
const { user } = process.cpuUsage();
console.log(`${message}; ${(user / 1e6).toFixed(1)} CPU seconds`);
machine.dispose();
instances[Symbol.dispose]();
