// What a guest on a vCPU sees of its protection: aborts with their exact syndromes, and no exit to the VMM.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assembleProgram } from '../../../src/hardware/a64/index.ts';
import {
  EVERYTHING,
  type Extensions,
  PhysicalMemory,
  UPSTREAM,
  type VcpuExit,
  Vm,
} from '../../../src/hypervisor/index.ts';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { Host } from '../../../src/hypervisor/slots/index.ts';
import { programPage, runCommand } from '../../../src/lab/replay/pkvm-guest.ts';
import { PAGE_SIZE } from '../../../src/lib/index.ts';

const CODE = 0x4000_0000;
const RAM = 0x8000_0000;
const RAM_PAGES = 4;
/** Not memory, and one page of it is where the program says that it is done. */
const DEVICE = 0x900_0000;
const FINISH = 0xa00_0000;
const GIC = 0x800_0000;
/** x9: ESR_EL1, x10: FAR_EL1, x11: ELR_EL1 of the exception that ended the program. */
const HANDLER = `
  mrs x9, esr_el1
  mrs x10, far_el1
  mrs x11, elr_el1
  wfi
`;

interface Outcome {
  /** MMIO exits and what ended the run. */
  readonly exits: readonly VcpuExit[];
  readonly x: (n: number) => bigint;
  readonly vm: Vm;
}

interface Options {
  readonly isProtected?: boolean;
  readonly extensions?: Extensions;
  /** Guarded before the start. */
  readonly guarded?: readonly number[];
  /** At EL0 instead, with the program's page as the target of an ERET. */
  readonly user?: boolean;
}

/** Runs a program until it waits, fails, or has left 20 times; loads of the VMM's give 0x77. */
function run(source: string, options: Options = {}): Outcome {
  const { isProtected = true, extensions = EVERYTHING, guarded = [], user = false } = options;
  const host = new Host(new PhysicalMemory({ frames: 64, systemBytes: 8 << 20 }), { pkvm: true });
  const space = host.createAddressSpace();
  const vm = new Vm(host, space, {
    vcpus: 1,
    gic: 3,
    protected: isProtected,
    extensions,
    engine: 'interpreter',
    features: { mte: false },
    clock: { now: () => 0, virtual: true },
  });
  const code = space.mmapAnonymous(PAGE_SIZE);
  const start = user ? 'adr x17, go\nmsr elr_el1, x17\nmsr spsr_el1, xzr\neret\ngo:\n' : '';
  const prologue = `movz x16, #0x4000, lsl #16\nadd x16, x16, #0x800\nmsr vbar_el1, x16\nisb\n${start}`;
  space.port.write(code, assembleProgram(`${prologue}${source}\nwfi`, CODE).bytes);
  for (const vector of [0x200, 0x400]) {
    space.port.write(code + 0x800 + vector, assembleProgram(HANDLER, CODE + 0x800 + vector).bytes);
  }
  const ram = space.mmapAnonymous(RAM_PAGES * PAGE_SIZE);
  vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: CODE, size: PAGE_SIZE, hva: code });
  vm.memory.setUserMemoryRegion({ slot: 1, flags: 0, gpa: RAM, size: RAM_PAGES * PAGE_SIZE, hva: ram });
  for (const address of guarded) vm.memory.mmioGuard.map(address / PAGE_SIZE);
  const [vcpu] = vm.vcpus;
  vcpu.setRegister('pc', BigInt(CODE));
  const exits: VcpuExit[] = [];
  while (exits.length < 20) {
    const exit = vcpu.run(1000);
    exits.push(exit);
    if (exit.reason !== 'mmio') break;
    if (!exit.write) vcpu.completeMmio(0x77n);
  }
  return { exits, x: (n) => vcpu.cpu.state.x(n), vm };
}

const hex = (value: bigint): string => value.toString(16);
const abort = ({ x }: Outcome): string[] => [hex(x(9)), hex(x(10))];
const movAddress = (register: string, address: number): string =>
  `movz ${register}, #${address >>> 16}, lsl #16`;
/** HVC #0 with an identifier's low half and arguments in x1.. already. */
const hvc = (id: number): string =>
  `movz x0, #${(id >>> 16) & 0xffff}, lsl #16\nmovk x0, #${id & 0xffff}\nhvc #0`;

const GUARD_ENROLL = 0xc6000006;
const GUARD_MAP = 0xc6000007;
const MEM_SHARE = 0xc6000003;
const MEM_UNSHARE = 0xc6000004;

describe('MMIO guard under a guest', () => {
  it('an access outside the guarded pages is an external abort for the guest, and no exit', () => {
    for (const access of ['ldr w1, [x0, #0x14]', 'str w1, [x0, #0x14]']) {
      const outcome = run(`${movAddress('x0', DEVICE)}\n${access}`);
      expect(outcome.exits.map((exit) => exit.reason)).toEqual(['wfi']);
      expect(abort(outcome)).toEqual(['96000010', '9000014']);
      expect(hex(outcome.x(11))).toBe(hex(BigInt(CODE + 4 * 5)));
      expect(outcome.vm.memory.mmioGuard.lastDenied).toBe(DEVICE / PAGE_SIZE);
    }
  });

  it('from EL0 the abort says so', () => {
    const outcome = run(`${movAddress('x0', DEVICE)}\nldr w1, [x0]`, { user: true });
    expect(abort(outcome)).toEqual(['92000010', '9000000']);
  });

  it("upstream's call opens one page, and the VMM sees accesses there", () => {
    const outcome = run(`
      ${movAddress('x1', DEVICE)}
      ${hvc(GUARD_MAP)}
      mov x5, x0
      ${movAddress('x6', DEVICE)}
      ldr w7, [x6, #8]
      add x6, x6, #0x1000
      ldr w7, [x6]
    `);
    expect(outcome.x(5)).toBe(0n);
    expect(outcome.exits).toMatchObject([
      { reason: 'mmio', gpa: DEVICE + 8, write: false },
      { reason: 'wfi' },
    ]);
    expect(abort(outcome)).toEqual(['96000010', '9001000']);
    expect(outcome.x(7)).toBe(0x77n);
  });

  it("leaves the in-kernel interrupt controller's registers to the hypervisor", () => {
    const outcome = run(`${movAddress('x0', GIC)}\nldr w5, [x0, #4]`);
    expect(outcome.exits.map((exit) => exit.reason)).toEqual(['wfi']);
    expect(outcome.x(9)).toBe(0n);
    expect(outcome.vm.memory.mmioGuard.denials).toBe(0);
  });

  it('an ordinary VM is free until it enrols; then its attributes are on record', () => {
    const outcome = run(
      `
      movz x3, #0xff04
      msr mair_el1, x3
      ${movAddress('x6', DEVICE)}
      ldr w7, [x6]
      ${hvc(GUARD_ENROLL)}
      ${movAddress('x1', DEVICE)}
      movz x2, #1
      ${hvc(GUARD_MAP)}
      ldr w7, [x6, #4]
      ldr w7, [x6, #0x1000]
    `,
      { isProtected: false },
    );
    expect(outcome.exits).toMatchObject([
      { reason: 'mmio', gpa: DEVICE },
      { reason: 'mmio', gpa: DEVICE + 4 },
      { reason: 'wfi' },
    ]);
    expect(abort(outcome)).toEqual(['96000010', '9001000']);
    expect(outcome.vm.memory.mmioGuard.list()).toEqual([{ gfn: DEVICE / PAGE_SIZE, attribute: 0xff }]);
  });

  it('does not exist as in Linux 7.2: every device access of a protected guest leaves, the call fails', () => {
    const outcome = run(
      `${movAddress('x1', DEVICE)}\n${hvc(GUARD_MAP)}\nmov x5, x0\n${movAddress('x6', FINISH)}\nstr w5, [x6]`,
      { extensions: UPSTREAM },
    );
    expect(BigInt.asIntN(64, outcome.x(5))).toBe(-1n);
    expect(outcome.exits[0]).toMatchObject({ reason: 'mmio', gpa: FINISH, write: true });
  });
});

describe('a protected guest (pKVM)', () => {
  it('gets an abort for a device access without a syndrome, also where the page is guarded', () => {
    for (const access of ['ldp x1, x2, [x0]', 'ldr x1, [x0], #8', 'ldr q0, [x0]']) {
      const source = `movz x3, #0x30, lsl #16\nmsr cpacr_el1, x3\nisb\n${movAddress('x0', DEVICE)}\n${access}`;
      const outcome = run(source, { guarded: [DEVICE] });
      expect([access, ...abort(outcome)]).toEqual([access, '96000010', '9000000']);
      expect(outcome.exits.map((exit) => exit.reason)).toEqual(['wfi']);
    }
  });

  // Exclusives, tag accesses and each kind of atomic; x1 is even, for pairs.
  const UNEMULATED = [
    'ldadd x2, x3, [x0]',
    'stset w2, [x0]',
    'swpal x2, x3, [x0]',
    'cas x2, x3, [x0]',
    'casp x2, x3, x4, x5, [x0]',
    'ldxr x2, [x0]',
    'stlxr w2, x3, [x0]',
    'ldxp x2, x3, [x0]',
  ];

  it.each(UNEMULATED)('gets an external abort for %s to a device, guarded or not', (access) => {
    for (const guarded of [[], [DEVICE]]) {
      const outcome = run(`${movAddress('x0', DEVICE)}\n${access}`, { guarded });
      // An exclusive store without a monitor touches nothing.
      const touches = !access.startsWith('stl');
      expect(outcome.exits.map((exit) => exit.reason)).toEqual(['wfi']);
      expect(abort(outcome)).toEqual(touches ? ['96000010', '9000000'] : ['0', '0']);
    }
  });

  it('that enrolled gets the same; an ordinary guest learns that atomics are not supported there', () => {
    const access = `${movAddress('x0', DEVICE)}\nldadd x2, x3, [x0]`;
    const enrolled = `${hvc(GUARD_ENROLL)}\n${movAddress('x1', DEVICE)}\n${hvc(GUARD_MAP)}\n${access}`;
    expect(abort(run(enrolled, { isProtected: false }))).toEqual(['96000010', '9000000']);
    expect(abort(run(access, { isProtected: false }))).toEqual(['96000075', '9000000']);
  });

  it('shares a page that it never touched: the host puts one there first, the call is made again', () => {
    const outcome = run(`${movAddress('x1', RAM)}\n${hvc(MEM_SHARE)}\nmov x5, x0`);
    expect(outcome.x(5)).toBe(0n);
    const { vm } = outcome;
    expect(vm.memory.countPages()).toEqual({ private: 1, shared: 1 });
    expect(vm.memory.devicePort(8).write(RAM, new Uint8Array(8))).toBeUndefined();
    expect(vm.memory.devicePort(8).read(CODE, new Uint8Array(8))).toMatchObject({ rule: 'sealed' });
  });

  it('takes a page back, and the host no longer reaches it', () => {
    const outcome = run(`
      ${movAddress('x1', RAM)}
      ${hvc(MEM_SHARE)}
      ${movAddress('x1', RAM)}
      ${hvc(MEM_UNSHARE)}
      mov x5, x0
      ${movAddress('x1', RAM)}
      ${hvc(MEM_UNSHARE)}
      mov x6, x0
    `);
    expect([outcome.x(5), BigInt.asIntN(64, outcome.x(6))]).toEqual([0n, -3n]);
    expect(outcome.vm.memory.devicePort(8).read(RAM, new Uint8Array(8))).toMatchObject({ rule: 'sealed' });
  });

  it('that shares what is no memory takes the abort at the HVC, with FAR 0', () => {
    const outcome = run(`${movAddress('x1', RAM + 0x10000)}\n${hvc(MEM_SHARE)}`);
    expect(abort(outcome)).toEqual(['96000010', '0']);
    expect(hex(outcome.x(11))).toBe(hex(BigInt(CODE + 4 * 7)));
  });

  it('keeps its registers from the VMM once it has run', () => {
    const { vm } = run('nop');
    expect(() => vm.vcpus[0].setRegister('x0', 1n)).toThrow(/EPERM/);
    const { vm: ordinary } = run('nop', { isProtected: false });
    ordinary.vcpus[0].setRegister('x0', 1n);
  });
});

describe('hostile hypercalls of a protected guest', () => {
  it('any function with any arguments leaves a VM that the audit finds sound', () => {
    const host = new Host(new PhysicalMemory({ frames: 64, systemBytes: 8 << 20 }), { pkvm: true });
    const space = host.createAddressSpace();
    const vm = new Vm(host, space, {
      ...{ vcpus: 1, gic: 3, protected: true, engine: 'interpreter' },
      ...{ features: { mte: false }, clock: { now: () => 0, virtual: true } },
    });
    const code = space.mmapAnonymous(PAGE_SIZE);
    space.port.write(code, programPage());
    const ram = space.mmapAnonymous(RAM_PAGES * PAGE_SIZE);
    vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: CODE, size: PAGE_SIZE, hva: code });
    vm.memory.setUserMemoryRegion({ slot: 1, flags: 0, gpa: RAM, size: RAM_PAGES * PAGE_SIZE, hva: ram });
    vm.memory.mmioGuard.map(0x5000_0000 / PAGE_SIZE);
    const [vcpu] = vm.vcpus;
    vcpu.setRegister('pc', BigInt(CODE));
    const word = fc.oneof(
      fc.constantFrom(0n, 1n, 7n, 8n, 0xfffn, 1n << 39n, 1n << 40n, 1n << 52n, 1n << 63n),
      fc.integer({ min: 1, max: RAM_PAGES }).map((n) => BigInt(RAM + n * PAGE_SIZE)),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    );
    // All but the guard's UNMAP, with which the guest could lose the device that gives it commands.
    const id = fc.integer({ min: 0, max: 31 }).filter((n) => n !== 8);
    const family = fc.constantFrom(0x86000000n, 0xc6000000n);
    const reserved = fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, word);
    const call = fc.tuple(id, family, word, reserved, reserved);
    fc.assert(
      fc.property(call, ([n, first, ...args]) => {
        const answer = runCommand(vcpu, { kind: 'hvc', x: [first + BigInt(n), ...args] }, 0n);
        expect(answer.failed).toBeUndefined();
        expect(audit(vm.memory.ledger)).toEqual([]);
      }),
      { numRuns: 500, seed: 1 },
    );
    expect(vm.memory.guest.stateAt(RAM / PAGE_SIZE + 1)).not.toBe(3);
    vm.dispose();
    space.destroy();
    expect(host.freeFrames).toBe(64);
  });
});
