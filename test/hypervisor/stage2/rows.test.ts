// Rows of FACTS B, C, D and G that belong to no one file of their own: orders between checks, capabilities, and what
// follows from several parts at once.

import { describe, expect, it } from 'vitest';
import { audit, FIRST_HANDLE, MAX_VMS } from '../../../src/hypervisor/ledger/index.ts';
import {
  EVERYTHING,
  Host,
  HostKernel,
  MEM_GUEST_MEMFD,
  MEM_LOG_DIRTY_PAGES,
  type MemoryRegion2,
} from '../../../src/hypervisor/slots/index.ts';
import {
  checkMemoryExtension,
  IommuDomain,
  KVM_CAP_ARM_MTE,
  KVM_CAP_ARM_VM_IPA_SIZE,
  KVM_CAP_DIRTY_LOG_RING,
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_GUEST_MEMFD,
  KVM_CAP_GUEST_MEMFD_FLAGS,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
  KVM_CAP_MEMORY_ATTRIBUTES,
  KVM_CAP_NR_MEMSLOTS,
  VmMemory,
} from '../../../src/hypervisor/stage2/index.ts';
import { hva } from '../../../src/lib/index.ts';
import { at, FILE, inFile, kit, outcome, PAGE, RAM, running, word } from './kit.ts';

describe('capabilities (FACTS A, B, C)', () => {
  it.each([
    ['B: NR_MEMSLOTS', KVM_CAP_NR_MEMSLOTS, 32767],
    ['B: MANUAL_DIRTY_LOG_PROTECT2', KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 3],
    ['B: the ring of x86 is not there', KVM_CAP_DIRTY_LOG_RING, 0],
    ['B: the ring with acquire and release', KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 1 << 20],
    ['C: guest_memfd', KVM_CAP_GUEST_MEMFD, 1],
    ['C: its flags', KVM_CAP_GUEST_MEMFD_FLAGS, 3],
    ['C: no attributes on arm64', KVM_CAP_MEMORY_ATTRIBUTES, 0],
    ['A: MTE', KVM_CAP_ARM_MTE, 1],
    ['the host’s IPA size', KVM_CAP_ARM_VM_IPA_SIZE, 52],
    ['one that nobody knows', 9999, 0],
  ])('%s', (_, capability, value) => {
    expect(checkMemoryExtension(capability)).toBe(value);
  });
});

describe('which check wins (FACTS B)', () => {
  const rows: [string, Partial<MemoryRegion2>, string][] = [
    ['3 before 9: GUEST_MEMFD with READONLY, deleting', { flags: 6, size: 0, slot: 9 }, 'EINVAL'],
    ['6 before 9: address space 1, deleting what exists', { slot: 0x10000, size: 0 }, 'EINVAL'],
    ['10 before 11: size changed, and over another slot', { size: 12 * PAGE }, 'EINVAL'],
    ['11 before 12: over another slot, and no such file', { slot: 2, flags: MEM_GUEST_MEMFD }, 'EEXIST'],
    [
      '12 before 13: no such file, and beyond the IPA size',
      { slot: 2, flags: MEM_GUEST_MEMFD, gpa: 2 ** 41 },
      'EBADF',
    ],
    ['11 before 13: a move over another slot', { gpa: RAM + 9 * PAGE }, 'EEXIST'],
  ];
  it.each(rows)('%s', (_, change, expected) => {
    const { memory, ram, host } = kit();
    const first = { slot: 0, flags: 0, gpa: RAM, size: 4 * PAGE, hva: ram };
    memory.setUserMemoryRegion2(first);
    memory.setUserMemoryRegion2({ ...first, slot: 1, gpa: RAM + 8 * PAGE });
    expect(outcome(() => memory.setUserMemoryRegion2({ ...first, ...change }))).toBe(expected);
    expect(memory.mapper.slots.all().map(({ gfn, pages }) => [gfn, pages])).toEqual([
      [RAM / PAGE, 4],
      [RAM / PAGE + 8, 4],
    ]);
    expect(audit(host.ledger)).toEqual([]);
  });

  it('13: a protected VM’s EPERM comes before EFAULT', () => {
    const { memory, ram } = kit({ protected: true });
    const region = { slot: 0, flags: MEM_LOG_DIRTY_PAGES, gpa: 2 ** 41, size: PAGE, hva: ram };
    expect(outcome(() => memory.setUserMemoryRegion(region))).toBe('EPERM');
  });
});

describe('what becomes of slots (FACTS B)', () => {
  it('DELETE unmaps stage 2 and frees the bitmap; a new slot begins clean', () => {
    const { memory, ram, vcpu, host } = running();
    const region = { slot: 0, flags: MEM_LOG_DIRTY_PAGES, gpa: RAM, size: 16 * PAGE, hva: ram };
    memory.setUserMemoryRegion(region);
    vcpu.store(at(3), 1n);
    memory.setUserMemoryRegion({ ...region, size: 0 });
    expect(vcpu.load(at(3))).toEqual({ kind: 'mmio' });
    expect(outcome(() => memory.getDirtyLog(0))).toBe('ENOENT');
    memory.setUserMemoryRegion(region);
    expect(memory.getDirtyLog(0).every((bits) => bits === 0)).toBe(true);
    expect(vcpu.load(at(3))).toEqual({ kind: 'done', value: 1n });
    expect(audit(host.ledger)).toEqual([]);
  });

  it('MOVE unmaps the old place and shows the same memory at the new one', () => {
    const { memory, ram, vcpu } = running();
    vcpu.store(at(0), 7n);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM + 32 * PAGE, size: 16 * PAGE, hva: ram });
    expect(vcpu.load(at(0))).toEqual({ kind: 'mmio' });
    expect(vcpu.load(at(32))).toEqual({ kind: 'done', value: 7n });
  });
});

describe('guest_memfd (FACTS C)', () => {
  const withFile = () => {
    const made = kit();
    const memfd = made.memory.createGuestMemfd(2 * PAGE, 3);
    const region = { slot: 0, flags: MEM_GUEST_MEMFD, gpa: FILE, size: 2 * PAGE, hva: made.ram, memfd };
    made.memory.setUserMemoryRegion2({ ...region, offset: 0 });
    return { ...made, memfd, vcpu: made.memory.createVcpuPort(0) };
  };

  it('the guest’s pages come from the file, whatever userspace_addr shows', () => {
    const { vmm, ram, vcpu } = withFile();
    vmm.port.write(ram, word(9));
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 0n });
  });

  it('MEMORY_FAULT: flags 0, one page, aligned; other failures are a bare EFAULT', () => {
    const { memfd, vcpu, memory } = withFile();
    memfd.close();
    expect(vcpu.load(at(0, FILE - RAM + PAGE + 8))).toMatchObject({
      exit: { reason: 'memory-fault', flags: 0, gpa: FILE + PAGE, size: PAGE, errno: 'EFAULT' },
    });
    memory.setUserMemoryRegion({ slot: 1, flags: 0, gpa: RAM, size: PAGE, hva: hva(0x1000) });
    expect(vcpu.load(at(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
  });

  it('its pages are neither swapped nor merged', () => {
    const { vmm, memfd, vcpu, host } = withFile();
    vcpu.store(inFile(0), 1n);
    vcpu.store(inFile(1), 1n);
    const view = vmm.mmapMemfd(memfd, 0, 2 * PAGE);
    vmm.port.read(view, word(0));
    const kernel = new HostKernel(host);
    expect(outcome(() => kernel.swapOut(vmm, view))).toBe('ENOENT');
    expect(kernel.merge([vmm])).toBe(0);
  });

  it('attributes: setting what is set already takes nothing out of stage 2', () => {
    const { memory } = kit({ extensions: EVERYTHING });
    const memfd = memory.createGuestMemfd(PAGE, 1);
    memory.setUserMemoryRegion2({ slot: 0, flags: 4, gpa: FILE, size: PAGE, hva: 0, memfd, offset: 0 });
    const set = () => memory.setMemoryAttributes({ address: FILE, size: PAGE, attributes: 8 });
    set();
    memory.createVcpuPort(0).load(inFile(0));
    const entry = memory.guest.table.get(FILE / PAGE);
    set();
    expect(memory.guest.table.get(FILE / PAGE)).toBe(entry);
    expect(entry).not.toBe(0);
  });
});

describe('pKVM (FACTS D)', () => {
  it('handles count from 0x1000, and there are 255', () => {
    const host = Host.create(8, { pkvm: true });
    const space = host.createAddressSpace();
    const vms = Array.from({ length: MAX_VMS }, () => new VmMemory(host, space, { protected: true }));
    expect([vms[0].guest.handle, vms.length]).toEqual([FIRST_HANDLE, 255]);
    expect(outcome(() => new VmMemory(host, space, { protected: true }))).toBe('ENOMEM');
    vms[7].destroy();
    expect(new VmMemory(host, space).guest.handle).toBe(FIRST_HANDLE + 7);
  });

  it('MEM_SHARE and MEM_UNSHARE of a page taken by force are refused, and the address stays dead', () => {
    const { memory, vmm, ram, vcpu, host } = running({ protected: true });
    vcpu.store(at(0), 1n);
    new HostKernel(host).getUserPage(vmm, ram);
    expect(memory.shareWithHost(RAM, 0)).toEqual({ kind: 'refused' });
    expect(memory.unshareFromHost(RAM)).toEqual({ kind: 'refused' });
    expect(vcpu.store(at(0), 2n)).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
    expect(memory.shareWithHost(RAM, 0)).toEqual({ kind: 'refused' });
  });
});

describe('holes that are closed here (FACTS G)', () => {
  it('hole closed (differs): DMA reaches what a domain maps and nothing else; a private page is not mapped', () => {
    const { memory, vcpu, host } = running({ protected: true });
    vcpu.store(at(0), 1n);
    const domain = new IommuDomain(host);
    expect(outcome(() => domain.mapGpa(0, memory, RAM, PAGE, true))).toBe('EPERM');
    expect(domain.port(1).read(0, word(0))).toMatchObject({ rule: 'contained' });
  });
});
