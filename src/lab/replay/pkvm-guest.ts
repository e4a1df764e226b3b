// The guest of a pKVM recording on a vCPU of ours: a program that takes commands from a device at DEVICE, performs each
// with the instruction that it names, and writes its registers back. The VMM sees a protected guest's registers in no
// other way. Stage 1 is off; the vectors report synchronous exceptions.

import type { Vcpu, VcpuExit } from '../../hypervisor/index.ts';
import { type Gpa, gpa } from '../../lib/index.ts';

export const CODE = gpa(0x4000_0000);
const DEVICE = gpa(0x5000_0000);

/** The device: what the guest reads, 8 bytes each. */
const COMMAND = 0x00;
const ARGUMENT = 0x08;
const ADDRESS = 0x28;
/** And what it writes. */
const RESULT = 0x40;
const DONE = 0x60;
const ESR = 0x68;
const FAR = 0x70;
const DEVICE_SIZE = 0x78;

/** Values of COMMAND. */
const HVC = 0;
const LOAD = 1;
const STORE = 2;

const VECTORS = 0x800;
/** A synchronous exception of the current level, with its own stack pointer. */
const SYNCHRONOUS = VECTORS + 0x200;

/** The program, with its text for the test that assembles it. */
export const PROGRAM: readonly (readonly [number, string])[] = [
  [0xd2aa0014, 'movz x20, #0x5000, lsl #16'],
  [0xd2a80006, 'movz x6, #0x4000, lsl #16'],
  [0x912000c6, 'add x6, x6, #0x800'],
  [0xd518c006, 'msr vbar_el1, x6'],
  [0xd5033fdf, 'isb'],
  [0xf9400285, 'ldr x5, [x20]'],
  [0xf9400680, 'ldr x0, [x20, #0x8]'],
  [0xf9400a81, 'ldr x1, [x20, #0x10]'],
  [0xf9400e82, 'ldr x2, [x20, #0x18]'],
  [0xf9401283, 'ldr x3, [x20, #0x20]'],
  [0xf9401684, 'ldr x4, [x20, #0x28]'],
  [0xb4000085, 'cbz x5, .+0x10'],
  [0x360000a5, 'tbz w5, #0, .+0x14'],
  [0xf9400080, 'ldr x0, [x4]'],
  [0x14000004, 'b .+0x10'],
  [0xd4000002, 'hvc #0'],
  [0x14000002, 'b .+0x8'],
  [0xf9000081, 'str x1, [x4]'],
  [0xf9002280, 'str x0, [x20, #0x40]'],
  [0xf9002681, 'str x1, [x20, #0x48]'],
  [0xf9002a82, 'str x2, [x20, #0x50]'],
  [0xf9002e83, 'str x3, [x20, #0x58]'],
  [0xf900329f, 'str xzr, [x20, #0x60]'],
  [0x17ffffee, 'b .-0x48'],
];

/** At SYNCHRONOUS; ends in the program's loop. */
export const HANDLER: readonly (readonly [number, string])[] = [
  [0xd5385200, 'mrs x0, esr_el1'],
  [0xd5386001, 'mrs x1, far_el1'],
  [0xf9003680, 'str x0, [x20, #0x68]'],
  [0xf9003a81, 'str x1, [x20, #0x70]'],
  [0xf900329f, 'str xzr, [x20, #0x60]'],
  [0x17fffd80, 'b .-0xa00'],
];

/** The page to be put at CODE. */
export function programPage(): Uint8Array {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  PROGRAM.forEach(([word], n) => {
    view.setUint32(4 * n, word, true);
  });
  HANDLER.forEach(([word], n) => {
    view.setUint32(SYNCHRONOUS + 4 * n, word, true);
  });
  return page;
}

export type GuestCommand =
  /** HVC #0 with X0 to X3. */
  | { readonly kind: 'hvc'; readonly x: readonly bigint[] }
  | { readonly kind: 'load'; readonly address: bigint }
  | { readonly kind: 'store'; readonly address: bigint; readonly value: bigint };

export interface GuestAnswer {
  /** X0 to X3 after the command. */
  readonly x?: readonly bigint[];
  /** The exception that the command took instead. */
  readonly fault?: { readonly esr: bigint; readonly far: bigint };
  /** The access that was left to the VMM on the way. */
  readonly mmio?: { readonly gpa: Gpa; readonly write: boolean };
  /** KVM_RUN failed. */
  readonly failed?: VcpuExit;
}

/** More than any command takes; the guest never waits. */
const BUDGET = 10_000;

/** Runs one command to its end. `mmioLoad` answers a load that is left to the VMM. */
export function runCommand(vcpu: Vcpu, command: GuestCommand, mmioLoad: bigint): GuestAnswer {
  const inputs = inputsOf(command);
  const outputs = new Map<number, bigint>();
  let mmio: GuestAnswer['mmio'];
  for (;;) {
    const exit = vcpu.run(BUDGET);
    if (exit.reason !== 'mmio') return { failed: exit };
    const offset = exit.gpa - DEVICE;
    if (offset < 0 || offset >= DEVICE_SIZE) {
      mmio = { gpa: exit.gpa, write: exit.write };
      if (!exit.write) vcpu.completeMmio(mmioLoad);
    } else if (exit.write) {
      outputs.set(offset, exit.data);
      if (offset === DONE) break;
    } else vcpu.completeMmio(inputs.get(offset) ?? 0n);
  }
  const esr = outputs.get(ESR);
  const result =
    esr === undefined
      ? { x: [0, 1, 2, 3].map((n) => outputs.get(RESULT + 8 * n) ?? 0n) }
      : { fault: { esr, far: outputs.get(FAR) ?? 0n } };
  return mmio ? { ...result, mmio } : result;
}

function inputsOf(command: GuestCommand): Map<number, bigint> {
  switch (command.kind) {
    case 'hvc':
      return new Map([
        [COMMAND, BigInt(HVC)],
        ...command.x.map((value, n): [number, bigint] => [ARGUMENT + 8 * n, value]),
      ]);
    case 'load':
      return new Map([
        [COMMAND, BigInt(LOAD)],
        [ADDRESS, command.address],
      ]);
    case 'store':
      return new Map([
        [COMMAND, BigInt(STORE)],
        [ARGUMENT + 8, command.value],
        [ADDRESS, command.address],
      ]);
  }
}
