import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, Host, HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { VmMemory } from '../../../src/hypervisor/stage2/index.ts';
import { at, FILE, inFile, kit, outcome, PAGE, RAM, running, word } from './kit.ts';

const protectedVm = (on?: Host) => running({ protected: true, pkvm: true, ...(on ? { on } : {}) });

describe('one VM (FACTS G)', () => {
  it('pKVM: a page of the process goes to one protected VM only', () => {
    const first = protectedVm();
    first.vcpu.store(at(0), 1n);
    const second = new VmMemory(first.host, first.vmm, { protected: true });
    second.setUserMemoryRegion({ slot: 0, flags: 0, gpa: FILE, size: PAGE, hva: first.ram });
    const vcpu = second.createVcpuPort(0);
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
    expect(audit(first.host.ledger)).toEqual([]);
  });

  it('hole: ordinary slots of two VMs show the same page of a process', () => {
    const { host, vmm, ram, vcpu } = running();
    const other = new VmMemory(host, vmm);
    other.setUserMemoryRegion({ slot: 0, flags: 0, gpa: FILE, size: PAGE, hva: ram });
    vcpu.store(at(0), 7n);
    expect(other.createVcpuPort(0).load(inFile(0))).toEqual({ kind: 'done', value: 7n });
  });
});

describe('no access by user or kernel (FACTS G)', () => {
  it('pKVM: SIGSEGV for the VMM, EFAULT for copies of the kernel, and a device is refused', () => {
    const { vmm, ram, vcpu, memory, host } = protectedVm();
    const device = memory.devicePort(8);
    vmm.port.write(ram, word(1));
    device.read(RAM, word(0));
    vcpu.store(at(0), 2n);
    expect(vmm.port.read(ram, word(0))).toMatchObject({ rule: 'sealed', signal: 'SIGSEGV', address: ram });
    expect(new HostKernel(host).userPort(vmm).write(ram, word(0))).toMatchObject({ rule: 'sealed' });
    expect(device.read(RAM, word(0))).toMatchObject({ rule: 'sealed' });
    expect(memory.debuggerPort().read(RAM, word(0))).toMatchObject({ rule: 'sealed' });
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 2n });
  });

  it('a refused write over a private page changes no byte of the pages beside it', () => {
    const { vmm, ram, vcpu } = protectedVm();
    vcpu.store(at(1), 2n);
    expect(vmm.port.write(ram, new Uint8Array(3 * PAGE).fill(9))).toMatchObject({ address: ram + PAGE });
    const bytes = word(5);
    vmm.port.read(ram, bytes);
    expect(bytes[0]).toBe(0);
  });

  it('what the guest shares, the host reaches; unshared again, it does not', () => {
    const { vmm, ram, vcpu, memory } = protectedVm();
    vcpu.store(at(0), 2n);
    expect(memory.shareWithHost(at(0), 0)).toEqual({ kind: 'done' });
    expect(vmm.port.write(ram, word(8))).toBeUndefined();
    expect(memory.unshareFromHost(at(0))).toEqual({ kind: 'done' });
    expect(vmm.port.read(ram, word(0))).toMatchObject({ rule: 'sealed' });
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 8n });
  });

  it('hole closed (differs): the host’s kernel has no direct map of guest_memfd pages', () => {
    const { memory, vmm, host } = kit({ extensions: EVERYTHING });
    const memfd = memory.createGuestMemfd(PAGE, 1);
    memory.setUserMemoryRegion2({ slot: 0, flags: 4, gpa: FILE, size: PAGE, hva: 0, memfd, offset: 0 });
    memory.createVcpuPort(0).store(inFile(0), 1n);
    const view = vmm.mmapMemfd(memfd, 0, PAGE);
    const kernel = new HostKernel(host);
    expect(outcome(() => kernel.getUserPage(vmm, view))).toBe('EFAULT');
    const dumped = [...kernel.coreDump(vmm)].find(({ address }) => address === view);
    expect(dumped?.data).toBeUndefined();
  });

  it('a core dump leaves out what is private, and has what is shared', () => {
    const { vmm, ram, vcpu, memory, host } = protectedVm();
    vcpu.store(at(0), 2n);
    vcpu.store(at(1), 3n);
    memory.shareWithHost(at(1), 0);
    const pages = new Map(
      [...new HostKernel(host).coreDump(vmm)].map(({ address, data }) => [address, data]),
    );
    expect(pages.get(ram)).toBeUndefined();
    expect(pages.get(ram + PAGE)?.[0]).toBe(3);
  });

  it('a page taken by the kernel by force is zero, and dead to the guest', () => {
    const { vmm, ram, vcpu, host } = protectedVm();
    vcpu.store(at(0), 2n);
    new HostKernel(host).getUserPage(vmm, ram);
    const bytes = word(5);
    expect(vmm.port.read(ram, bytes)).toBeUndefined();
    expect(bytes[0]).toBe(0);
    expect(vcpu.load(at(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
    expect(audit(host.ledger)).toEqual([]);
  });

  it('a private page is neither swapped nor merged', () => {
    const { vmm, ram, vcpu, host } = protectedVm();
    vcpu.store(at(0), 2n);
    vcpu.store(at(1), 2n);
    expect(outcome(() => new HostKernel(host).swapOut(vmm, ram))).toBe('EBUSY');
    expect(new HostKernel(host).merge([vmm])).toBe(0);
  });
});

describe('explicit map, which never changes (FACTS G)', () => {
  it('hole: an ordinary slot follows the process’s mapping', () => {
    const { vmm, ram, vcpu } = running();
    vcpu.store(at(0), 7n);
    vmm.mmapAnonymous(PAGE, { at: ram });
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 0n });
  });

  it('pKVM: MAP_FIXED and MADV_DONTNEED over a page change nothing for the guest', () => {
    const { vmm, ram, vcpu, host, memory } = protectedVm();
    vcpu.store(at(0), 7n);
    vcpu.store(at(1), 8n);
    vmm.mmapAnonymous(PAGE, { at: ram });
    vmm.madviseDontneed((ram + PAGE) as typeof ram, PAGE);
    expect(vmm.port.write(ram, word(1))).toBeUndefined();
    expect([vcpu.load(at(0)), vcpu.load(at(1))]).toEqual([
      { kind: 'done', value: 7n },
      { kind: 'done', value: 8n },
    ]);
    expect(audit(host.ledger)).toEqual([]);
    memory.destroy();
    vmm.destroy();
    expect(host.freeFrames).toBe(64);
  });

  it('hole: punching a guest_memfd swaps the frame', () => {
    const { memory } = kit();
    const memfd = memory.createGuestMemfd(PAGE, 1);
    memory.setUserMemoryRegion2({ slot: 0, flags: 4, gpa: FILE, size: PAGE, hva: 0, memfd, offset: 0 });
    const vcpu = memory.createVcpuPort(0);
    vcpu.store(inFile(0), 7n);
    memfd.fallocate(3, 0, PAGE);
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 0n });
  });
});

describe('shared and private (FACTS G)', () => {
  it('pKVM in place: what the host wrote is there after unsharing; the first donation is unmeasured', () => {
    const { vmm, ram, vcpu } = protectedVm();
    vmm.port.write(ram, word(9));
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 9n });
  });

  it('sharing: only whole pages that the guest has; an address without memory is an abort', () => {
    const { memory, vcpu } = protectedVm();
    vcpu.store(at(0), 1n);
    expect(memory.shareWithHost(RAM + 8, 0)).toEqual({ kind: 'refused' });
    expect(memory.shareWithHost(2 ** 52, 0)).toEqual({ kind: 'refused' });
    expect(memory.shareWithHost(FILE, 0)).toEqual({ kind: 'abort' });
    expect(memory.shareWithHost(RAM, 0)).toEqual({ kind: 'done' });
    expect(memory.shareWithHost(RAM, 0)).toEqual({ kind: 'refused' });
    expect(memory.unshareFromHost(RAM + 5 * PAGE)).toEqual({ kind: 'refused' });
  });

  it('the VM’s end: what it owned is zero, what it shared is as it was', () => {
    const { vmm, ram, vcpu, memory } = protectedVm();
    vcpu.store(at(0), 7n);
    vcpu.store(at(1), 8n);
    memory.shareWithHost(at(1), 0);
    memory.destroy();
    const bytes = [word(5), word(5)];
    bytes.forEach((into, page) => {
      expect(vmm.port.read(ram + page * PAGE, into)).toBeUndefined();
    });
    expect(bytes.map(([first]) => first)).toEqual([0, 8]);
  });

  it('EINVAL for a protected VM on a host that does not run in protected mode', () => {
    const host = Host.create(8);
    expect(outcome(() => new VmMemory(host, host.createAddressSpace(), { protected: true }))).toBe('EINVAL');
  });

  it('a protected VM on a file of a disk, which cannot be pinned for good: EIO', () => {
    const { memory, vmm, host } = kit({ protected: true });
    const disk = vmm.mmapFile(host.createSharedFile(PAGE, 'disk'), 0, PAGE);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: PAGE, hva: disk });
    expect(memory.createVcpuPort(0).load(at(0))).toEqual({
      kind: 'exit',
      exit: { reason: 'error', errno: 'EIO' },
    });
  });
});
