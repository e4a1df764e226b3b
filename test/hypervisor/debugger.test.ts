import { describe, expect, it } from 'vitest';
import { EVERYTHING, type Extensions, Host, PhysicalMemory, Vm } from '../../src/hypervisor/index.ts';
import { gpa, PAGE_SIZE } from '../../src/lib/index.ts';

const RAM = 0x4000_0000;
const PAGES = 16;
const L1 = RAM;
const L2 = RAM + PAGE_SIZE;
const L3 = RAM + 2 * PAGE_SIZE;
/** Virtual page n of this window is what the third table's entry n says. */
const WINDOW = 0x0100_0000n;

const TABLE = 3n;
const AF = 1n << 10n;
const INNER = 3n << 8n;
const READ_ONLY = 1n << 7n;
/** MAIR: 0 is tagged write-back, 1 plain write-back. */
const MAIR = 0xfff0n;
const tagged = (page: number): bigint => BigInt(page) | AF | INNER | TABLE;
const plain = (page: number): bigint => tagged(page) | (1n << 2n);

/** A VM whose vCPU translates with three levels of tables (Arm ARM D8.3), and has run nothing. */
function start(options: { protect?: boolean; extensions?: Extensions } = {}) {
  const protect = options.protect ?? false;
  const memory = new PhysicalMemory({ frames: 64, systemBytes: 16 << 20 });
  const host = new Host(memory, { pkvm: protect });
  const space = host.createAddressSpace();
  const vm = new Vm(host, space, {
    vcpus: 1,
    gic: 3,
    clock: { now: () => 0, virtual: true },
    features: { mte: !protect },
    protected: protect,
    engine: 'interpreter',
    extensions: options.extensions ?? EVERYTHING,
  });
  const hva = space.mmapAnonymous(PAGES * PAGE_SIZE);
  vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: PAGES * PAGE_SIZE, hva });
  const put = (address: number, value: bigint): void => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    expect(space.port.write(hva + address - RAM, bytes)).toBeUndefined();
  };
  put(L1, BigInt(L2) | TABLE);
  put(L2 + 8 * 8, BigInt(L3) | TABLE);
  put(L3, tagged(RAM + 8 * PAGE_SIZE));
  put(L3 + 8, plain(RAM + 4 * PAGE_SIZE) | READ_ONLY);
  put(L3 + 24, tagged(RAM + 6 * PAGE_SIZE));
  put(L3 + 32, tagged(RAM + 7 * PAGE_SIZE));
  const { debugger: face } = vm;
  const [vcpu] = face.vcpus;
  if (face.isOpen) {
    vcpu.writeRegister('MAIR_EL1', MAIR);
    vcpu.writeRegister('TTBR0_EL1', BigInt(L1));
    // T0SZ 25, inner shareable write-back walks, EPD1, 40 bits of physical addresses.
    vcpu.writeRegister('TCR_EL1', 25n | (0x35n << 8n) | (1n << 23n) | (2n << 32n));
    vcpu.writeRegister('SCTLR_EL1', vcpu.readRegister('SCTLR_EL1') | 1n);
  }
  return { vm, face, vcpu };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('registers of a stopped vCPU', () => {
  it('are there by name, and keep what is written', () => {
    const { vcpu } = start();
    const names = ['x0', 'x30', 'sp', 'pc', 'ELR_EL1'];
    for (const [n, name] of names.entries()) {
      vcpu.writeRegister(name, 0x1000n + BigInt(n) * 4n);
      expect([name, vcpu.readRegister(name)]).toEqual([name, 0x1000n + BigInt(n) * 4n]);
    }
    vcpu.writeRegister('v31', (1n << 127n) | 5n);
    expect(vcpu.readRegister('v31')).toBe((1n << 127n) | 5n);
    vcpu.writeRegister('fpcr', 0xffff_ffffn);
    expect(vcpu.readRegister('fpcr')).toBe(0x07c8_0000n);
    expect(vcpu.readRegister('cpsr')).toBe(0x3c5n);
    vcpu.writeRegister('cpsr', 0x8000_0000n);
    expect(vcpu.readRegister('cpsr')).toBe(0x8000_0000n);
  });

  it('are refused where there is no such register or value', () => {
    const { vcpu } = start();
    expect(() => vcpu.readRegister('x31')).toThrow(/EINVAL/);
    expect(() => vcpu.readRegister('v32')).toThrow(/EINVAL/);
    expect(() => vcpu.writeRegister('nothing', 0n)).toThrow(/EINVAL/);
    expect(() => vcpu.writeRegister('x0', -1n)).toThrow(/EINVAL/);
    expect(() => vcpu.writeRegister('cpsr', 0x3c9n)).toThrow(/EINVAL/);
  });
});

describe('memory by virtual address (Arm ARM D8)', () => {
  it('is found through the tables, across pages that are not neighbours', () => {
    const { vcpu, face } = start();
    const at = WINDOW + 0xffen;
    expect(vcpu.writeVirtual(at, Uint8Array.of(1, 2, 3, 4))).toBeUndefined();
    const bytes = new Uint8Array(4);
    expect(vcpu.readVirtual(at, bytes)).toBe(4);
    expect(hex(bytes)).toBe('01020304');
    expect(face.physical.read(RAM + 4 * PAGE_SIZE, bytes)).toBeUndefined();
    expect(hex(bytes)).toBe('03040000');
  });

  it('ends where nothing is mapped: a read is cut short, a write does nothing', () => {
    const { vcpu } = start();
    const at = WINDOW + 0x1ffen;
    expect(vcpu.readVirtual(at, new Uint8Array(8))).toBe(2);
    expect(vcpu.readVirtual(at + 2n, new Uint8Array(8))).toMatchObject({ rule: 'unmapped' });
    expect(vcpu.writeVirtual(at, Uint8Array.of(9, 9, 9))).toMatchObject({ rule: 'unmapped' });
    const bytes = new Uint8Array(2);
    vcpu.readVirtual(at, bytes);
    expect(hex(bytes)).toBe('0000');
    expect(vcpu.readVirtual(0xffff_0000_0000_0000n, bytes)).toMatchObject({ rule: 'unmapped' });
  });

  it('changes no access flag, and no register that the guest sees', () => {
    const { vcpu, vm } = start();
    const before = vm.vcpus[0].cpu.save();
    vcpu.readVirtual(WINDOW, new Uint8Array(8));
    vcpu.readVirtual(0x7000n, new Uint8Array(8));
    expect(vm.vcpus[0].cpu.save()).toEqual(before);
    expect(vm.vcpus[0].locate(WINDOW + 5n)).toBe(gpa(RAM + 8 * PAGE_SIZE + 5));
  });
});

describe('allocation tags by virtual address (Arm ARM D10)', () => {
  it('are read and written, also across pages, and repeat where they are few', () => {
    const { vcpu } = start();
    const at = WINDOW + 0x3fe0n;
    expect(vcpu.isTagged(at)).toBe(true);
    expect(vcpu.writeTags(at, 64, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(hex(vcpu.readTags(at, 64) ?? Uint8Array.of())).toBe('01020301');
    expect(hex(vcpu.readTags(at + 8n, 16) ?? Uint8Array.of())).toBe('0102');
    expect(hex(vcpu.readTags(at - 16n, 32) ?? Uint8Array.of())).toBe('0001');
  });

  it('are nowhere but on pages that are mapped Tagged', () => {
    const { vcpu } = start();
    expect(vcpu.isTagged(WINDOW + 0x1000n)).toBe(false);
    expect(vcpu.isTagged(WINDOW + 0x2000n)).toBe(false);
    expect(vcpu.readTags(WINDOW + 0xff0n, 32)).toBeUndefined();
    expect(vcpu.writeTags(WINDOW + 0xff0n, 32, Uint8Array.of(7))).toBe(false);
    expect(hex(vcpu.readTags(WINDOW + 0xff0n, 16) ?? Uint8Array.of())).toBe('00');
  });
});

describe('a vCPU that is held', () => {
  it('runs nothing and wakes nobody', () => {
    const { vcpu, vm } = start();
    vcpu.hold(true);
    expect(vm.vcpus[0].runnable).toBe(false);
    expect(vm.vcpus[0].run(1000)).toEqual({ reason: 'wfi' });
    expect(vm.vcpus[0].nextDeadline()).toBe(Infinity);
    vcpu.hold(false);
    expect(vm.vcpus[0].runnable).toBe(true);
  });
});

describe('a single step', () => {
  it('ends at once on WFI, which others would wait in', () => {
    const { vcpu, vm } = start();
    const wfi = Uint8Array.of(0x7f, 0x20, 0x03, 0xd5);
    expect(vcpu.writeVirtual(WINDOW + 0x3000n, wfi)).toBeUndefined();
    vcpu.writeRegister('pc', WINDOW + 0x3000n);
    vcpu.setDebug({ softwareBreakpoints: false, step: true, breakpoints: [], watchpoints: [] });
    expect(vm.vcpus[0].run(1000)).toEqual({ reason: 'wfi' });
    expect(vm.vcpus[0].runnable).toBe(true);
    expect(vm.vcpus[0].run(1000)).toEqual({ reason: 'debug', kind: 'step', address: WINDOW + 0x3004n });
  });
});

describe('a protected guest', () => {
  it('lets no debugger in', () => {
    const { vcpu, face } = start({ protect: true });
    expect(face.isOpen).toBe(false);
    expect(() => vcpu.readRegister('x0')).toThrow(/EPERM/);
    expect(() => vcpu.writeRegister('x0', 0n)).toThrow(/EPERM/);
    const debug = { softwareBreakpoints: false, step: true, breakpoints: [], watchpoints: [] };
    expect(() => vcpu.setDebug(debug)).toThrow(/EPERM/);
  });

  it('does so where its owner wants it', () => {
    const { vcpu, face } = start({ protect: true, extensions: { ...EVERYTHING, debugPrivate: true } });
    expect(face.isOpen).toBe(true);
    vcpu.writeRegister('x0', 7n);
    expect(vcpu.readRegister('x0')).toBe(7n);
  });
});
