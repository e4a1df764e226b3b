import { describe, expect, it } from 'vitest';
import { audit, ENTRY_WRITE } from '../../../src/hypervisor/ledger/index.ts';
import {
  DIRTY_GFN_DIRTY,
  DIRTY_GFN_RESET,
  EVERYTHING,
  HostKernel,
  MEM_LOG_DIRTY_PAGES,
} from '../../../src/hypervisor/slots/index.ts';
import { at, kit, outcome, PAGE, RAM, running, word } from '../stage2/kit.ts';

const logged = (options: Parameters<typeof running>[0] = {}) => {
  const made = running(options);
  const set = (flags: number) =>
    made.memory.setUserMemoryRegion({ slot: 0, flags, gpa: RAM, size: 16 * PAGE, hva: made.ram });
  return { ...made, set, log: () => new DataView(made.memory.getDirtyLog(0).buffer).getUint32(0, true) };
};

const ONES = new Uint8Array(16).fill(0xff);

describe('KVM_GET_DIRTY_LOG (FACTS B)', () => {
  it('ENOENT without a slot or its bitmap, EINVAL for no slot number', () => {
    const { memory } = logged();
    expect(outcome(() => memory.getDirtyLog(0))).toBe('ENOENT');
    expect(outcome(() => memory.getDirtyLog(5))).toBe('ENOENT');
    expect(outcome(() => memory.getDirtyLog(32767))).toBe('EINVAL');
    expect(outcome(() => memory.getDirtyLog(0x10000))).toBe('EINVAL');
  });

  it('has ALIGN(pages, 64) / 8 bytes', () => {
    const { memory, set } = logged();
    set(MEM_LOG_DIRTY_PAGES);
    expect(memory.getDirtyLog(0).length).toBe(8);
  });

  it('tells pages written since the last call, and forgets them', () => {
    const { vcpu, set, log } = logged();
    vcpu.store(at(1), 1n);
    set(MEM_LOG_DIRTY_PAGES);
    expect(log()).toBe(0);
    vcpu.store(at(1), 1n);
    vcpu.load(at(2));
    vcpu.store(at(5), 1n);
    vcpu.store(at(5), 2n);
    expect(log()).toBe(0b100010);
    expect(log()).toBe(0);
    vcpu.store(at(5), 3n);
    expect(log()).toBe(0b100000);
  });

  it('keeps the bitmap when the slot moves, and frees it when logging ends', () => {
    const { vcpu, memory, ram, set } = logged();
    set(MEM_LOG_DIRTY_PAGES);
    vcpu.store(at(3), 1n);
    memory.setUserMemoryRegion({
      slot: 0,
      flags: MEM_LOG_DIRTY_PAGES,
      gpa: RAM + 16 * PAGE,
      size: 16 * PAGE,
      hva: ram,
    });
    expect(memory.getDirtyLog(0)[0]).toBe(8);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM + 16 * PAGE, size: 16 * PAGE, hva: ram });
    expect(outcome(() => memory.getDirtyLog(0))).toBe('ENOENT');
  });

  it('hole: stores of the VMM and of devices are not logged, the kernel’s own are', () => {
    const { vmm, ram, memory, set, log } = logged();
    set(MEM_LOG_DIRTY_PAGES);
    vmm.port.write(ram + 2 * PAGE, word(1));
    memory.devicePort(8).write(RAM + 3 * PAGE, word(1));
    memory.hypervisorPort().write(RAM + 4 * PAGE, word(1));
    expect(log()).toBe(0b10000);
  });

  it('differs (logForeignWrites): every store by every actor is logged, each time', () => {
    const { vmm, ram, memory, set, log } = logged({ extensions: EVERYTHING });
    const device = memory.devicePort(8);
    device.write(RAM + 3 * PAGE, word(1));
    vmm.port.write(ram + 2 * PAGE, word(1));
    set(MEM_LOG_DIRTY_PAGES);
    for (let round = 0; round < 2; round++) {
      vmm.port.write(ram + 2 * PAGE, word(1));
      device.write(RAM + 3 * PAGE, word(1));
      device.write(RAM + 3 * PAGE, word(2));
      expect(log()).toBe(0b1100);
    }
  });

  it('differs (memfdDirtyLog): a guest_memfd slot is logged too', () => {
    const { memory } = kit({ extensions: EVERYTHING });
    const memfd = memory.createGuestMemfd(4 * PAGE, 1);
    const region = { slot: 1, flags: 4, gpa: RAM, size: 4 * PAGE, hva: 0, memfd, offset: 0 };
    memory.setUserMemoryRegion2(region);
    const vcpu = memory.createVcpuPort(0);
    vcpu.store(at(1), 1n);
    memory.setUserMemoryRegion2({ ...region, flags: 5 });
    vcpu.store(at(2), 1n);
    expect(memory.getDirtyLog(1)[0]).toBe(4);
    expect(outcome(() => memory.setUserMemoryRegion2({ ...region, flags: 5, offset: PAGE }))).toBe('EINVAL');
  });

  it('differs (protectedDirtyLog): a protected VM is logged too', () => {
    const { vcpu, set, log } = logged({ protected: true, extensions: EVERYTHING });
    vcpu.store(at(0), 1n);
    set(MEM_LOG_DIRTY_PAGES);
    vcpu.load(at(1));
    vcpu.store(at(0), 1n);
    expect(log()).toBe(0b1);
  });
});

describe('KVM_CLEAR_DIRTY_LOG and manual protection (FACTS B)', () => {
  it('takes 0, 1 and 3 as its form; 2 alone and more are EINVAL', () => {
    const { memory } = kit();
    const tried = [0, 1, 2, 3, 4].map((form) => outcome(() => memory.enableManualDirtyLog(form)));
    expect(tried).toEqual([0, 0, 'EINVAL', 0, 'EINVAL']);
  });

  it('GET does not clear; CLEAR clears what is set on both sides, and the page is seen again', () => {
    const { memory, vcpu, set, log } = logged();
    memory.enableManualDirtyLog(1);
    set(MEM_LOG_DIRTY_PAGES);
    vcpu.store(at(1), 1n);
    vcpu.store(at(2), 1n);
    expect([log(), log()]).toEqual([6, 6]);
    memory.clearDirtyLog(0, 0, 16, Uint8Array.of(0b1010, 0));
    expect(log()).toBe(4);
    vcpu.store(at(1), 1n);
    expect(log()).toBe(6);
  });

  it('INITIALLY_SET: a new bitmap is all ones', () => {
    const { memory, set, log } = logged();
    memory.enableManualDirtyLog(3);
    set(MEM_LOG_DIRTY_PAGES);
    expect(log()).toBe(0xffff);
  });

  it.each([
    ['first page not a multiple of 64, before the slot is looked for', 9, 1, 1, 'EINVAL'],
    ['no such slot', 9, 0, 1, 'ENOENT'],
    ['count not a multiple of 64 that ends before the slot', 0, 0, 15, 'EINVAL'],
    ['count that ends with the slot', 0, 0, 16, 0],
    ['count beyond the slot', 0, 0, 64, 'EINVAL'],
    ['first page beyond the slot', 0, 64, 0, 'EINVAL'],
    ['nothing', 0, 0, 0, 0],
    ['a first page of 2^64 - 64', 0, 0xffff_ffff_ffff_ffc0n, 0, 'EINVAL'],
  ] as const)('%s', (_, slot, first, count, expected) => {
    const { memory, set } = logged();
    set(MEM_LOG_DIRTY_PAGES);
    expect(outcome(() => memory.clearDirtyLog(slot, first, count, ONES))).toBe(expected);
  });

  it('does not ask whether protection is manual', () => {
    const { memory, vcpu, set, log } = logged();
    set(MEM_LOG_DIRTY_PAGES);
    vcpu.store(at(0), 1n);
    memory.clearDirtyLog(0, 0, 16, ONES);
    expect(log()).toBe(0);
  });
});

describe('the dirty ring (FACTS B)', () => {
  it.each([
    [4096, 0],
    [2048, 'EINVAL'],
    [5000, 'EINVAL'],
    [0, 'EINVAL'],
    [-4096, 'EINVAL'],
    [1 << 20, 0],
    [1 << 21, 'E2BIG'],
  ] as const)('%i bytes', (bytes, expected) => {
    expect(outcome(() => kit().memory.enableDirtyRing(bytes))).toBe(expected);
  });

  it('is made once, and before vCPUs', () => {
    const { memory } = kit();
    memory.enableDirtyRing(4096);
    expect(outcome(() => memory.enableDirtyRing(4096))).toBe('EINVAL');
    const late = running().memory;
    expect(outcome(() => late.enableDirtyRing(4096))).toBe('EINVAL');
  });

  it('WITH_BITMAP needs rings and comes before slots', () => {
    expect(outcome(() => kit().memory.enableDirtyRingWithBitmap())).toBe('EINVAL');
    const { memory, ram } = kit();
    memory.enableDirtyRing(4096);
    expect(outcome(() => memory.enableDirtyRingWithBitmap())).toBe(0);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: PAGE, hva: ram });
    expect(outcome(() => memory.enableDirtyRingWithBitmap())).toBe('EINVAL');
  });

  it('takes entries in order, frees what was harvested, and protects those pages again', () => {
    const { memory, ram } = kit();
    memory.enableDirtyRing(4096);
    memory.setUserMemoryRegion({ slot: 3, flags: 1, gpa: RAM, size: 16 * PAGE, hva: ram });
    const vcpu = memory.createVcpuPort(0);
    vcpu.store(at(2), 1n);
    vcpu.store(at(2), 2n);
    vcpu.store(at(7), 1n);
    expect(outcome(() => memory.getDirtyLog(3))).toBe('ENXIO');
    const { entries } = memory.dirtyLog.ring(0);
    const entry = (n: number) => [0, 4].map((field) => entries.getUint32(n * 16 + field, true));
    expect([entry(0), entry(1), entry(2)]).toEqual([
      [DIRTY_GFN_DIRTY, 3],
      [DIRTY_GFN_DIRTY, 3],
      [0, 0],
    ]);
    expect([entries.getBigUint64(8, true), entries.getBigUint64(24, true)]).toEqual([2n, 7n]);
    entries.setUint32(0, DIRTY_GFN_RESET, true);
    expect(memory.resetDirtyRings()).toBe(1);
    vcpu.store(at(2), 3n);
    expect(entry(2)).toEqual([DIRTY_GFN_DIRTY, 3]);
    expect(memory.resetDirtyRings()).toBe(0);
  });

  it('stops the vCPU 64 entries before it is full', () => {
    const host = kit({ frames: 512 });
    host.memory.enableDirtyRing(4096);
    const ram = host.vmm.mmapAnonymous(256 * PAGE);
    host.memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 256 * PAGE, hva: ram });
    const vcpu = host.memory.createVcpuPort(0);
    let stored = 0;
    while (vcpu.store(at(stored), 1n).kind === 'done') stored++;
    expect(stored).toBe(256 - 64);
    expect(vcpu.store(at(stored), 1n)).toEqual({ kind: 'exit', exit: { reason: 'dirty-ring-full' } });
  });

  it('stops a guest that fills it by sharing pages it never touched', () => {
    const { memory, vmm } = kit({ protected: true, extensions: EVERYTHING, frames: 512 });
    memory.enableDirtyRing(4096);
    const ram = vmm.mmapAnonymous(300 * PAGE);
    memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 300 * PAGE, hva: ram });
    memory.createVcpuPort(0);
    let shared = 0;
    while (shared < 300 && memory.shareWithHost(at(shared), 0).kind === 'again') shared++;
    expect(shared).toBe(256 - 64);
    expect(memory.shareWithHost(at(shared), 0)).toEqual({
      kind: 'exit',
      exit: { reason: 'dirty-ring-full' },
    });
  });

  it('beyond upstream: what no vCPU writes is in the bitmap beside it, and the audit knows both', () => {
    const { memory, vmm, ram, host } = kit({ extensions: EVERYTHING });
    memory.enableDirtyRing(4096);
    memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 16 * PAGE, hva: ram });
    const vcpu = memory.createVcpuPort(0);
    vcpu.store(at(1), 1n);
    vmm.port.write(ram + 2 * PAGE, word(1));
    memory.devicePort(1).write(RAM + 3 * PAGE, word(1));
    new HostKernel(host).userPort(vmm).write(ram + 4 * PAGE, word(1));
    expect(audit(host.ledger)).toEqual([]);
    expect(memory.dirtyLog.ring(0).used).toBe(1);
    expect(memory.getDirtyLog(0)[0]).toBe(0b11100);
    vmm.port.write(ram + 2 * PAGE, word(2));
    expect(memory.getDirtyLog(0)[0]).toBe(0b100);
    const { entries } = memory.dirtyLog.ring(0);
    entries.setUint32(0, DIRTY_GFN_RESET, true);
    expect(memory.resetDirtyRings()).toBe(1);
    expect(audit(host.ledger)).toEqual([]);
    memory.guest.table.set(RAM / PAGE + 1, memory.guest.table.get(RAM / PAGE + 1) | ENTRY_WRITE);
    expect(audit(host.ledger)).toMatchObject([{ invariant: 'logged' }]);
  });
});
