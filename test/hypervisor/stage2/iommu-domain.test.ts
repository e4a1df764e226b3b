import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { type ConversionPolicy, IommuDomain } from '../../../src/hypervisor/stage2/index.ts';
import { at, FILE, inFile, kit, outcome, PAGE, RAM, running, word } from './kit.ts';

const IOVA = 0x10_0000;

function withFile(policy: ConversionPolicy) {
  const made = kit({ extensions: EVERYTHING });
  const memfd = made.memory.createGuestMemfd(4 * PAGE, 1);
  made.memory.setUserMemoryRegion2({
    slot: 1,
    flags: 4,
    gpa: FILE,
    size: 4 * PAGE,
    hva: 0,
    memfd,
    offset: 0,
  });
  const domain = new IommuDomain(made.host, policy);
  return { ...made, memfd, domain, port: domain.port(5), vcpu: made.memory.createVcpuPort(0) };
}

describe('an IOMMU domain of an assigned device', () => {
  it('reaches what it maps by GPA and by HVA, and nothing else', () => {
    const { host, memory, vmm, ram, vcpu } = running();
    const domain = new IommuDomain(host);
    const port = domain.port(5);
    domain.mapGpa(IOVA, memory, RAM, 2 * PAGE, true);
    domain.mapHva(IOVA + 2 * PAGE, vmm, ram + 8 * PAGE, PAGE, false);
    expect(port.write(IOVA + PAGE - 4, word(3))).toBeUndefined();
    expect(vcpu.load(at(0, 4088))).toEqual({ kind: 'done', value: 3n << 32n });
    expect(port.write(IOVA + 2 * PAGE, word(3))).toMatchObject({ rule: 'read-only' });
    expect(port.read(IOVA + 3 * PAGE, word(3))).toMatchObject({
      rule: 'contained',
      address: IOVA + 3 * PAGE,
    });
    expect(port.read(IOVA - 4, word(3))).toMatchObject({ rule: 'contained', address: IOVA - 4 });
    domain.unmap(IOVA, 2 * PAGE);
    expect(port.read(IOVA, word(3))).toMatchObject({ rule: 'contained' });
    expect(audit(host.ledger)).toEqual([]);
  });

  it('maps a file’s shared pages, which no process need have mapped; private ones are EPERM', () => {
    const { domain, port, memfd, vcpu, host } = withFile('refuse');
    expect(outcome(() => domain.mapMemfd(IOVA, memfd, 0, PAGE, true))).toBe('EPERM');
    memfd.convert(0, PAGE, 'shared');
    domain.mapMemfd(IOVA, memfd, 0, PAGE, true);
    expect(port.write(IOVA, word(6))).toBeUndefined();
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 6n });
    expect(audit(host.ledger)).toEqual([]);
  });

  it('a map that fails midway leaves nothing behind', () => {
    const { domain, memfd, host } = withFile('refuse');
    memfd.convert(0, PAGE, 'shared');
    expect(outcome(() => domain.mapMemfd(IOVA, memfd, 0, 2 * PAGE, true))).toBe('EPERM');
    expect(host.ledger.frames.pins.every((pins) => pins === 0)).toBe(true);
    expect(outcome(() => domain.mapMemfd(IOVA, memfd, 0, PAGE, true))).toBe(0);
  });

  it.each([
    ['unaligned', IOVA + 8, PAGE, 'EINVAL'],
    ['no size', IOVA, 0, 'EINVAL'],
    ['a negative size', IOVA, -PAGE, 'EINVAL'],
    ['beyond the address space', 2 ** 52, PAGE, 'EINVAL'],
    ['mapped already', 0, PAGE, 'EEXIST'],
    ['no memory there', IOVA, 32 * PAGE, 'EFAULT'],
  ])('map: %s', (_, iova, bytes, expected) => {
    const { host, memory } = running();
    const domain = new IommuDomain(host);
    domain.mapGpa(0, memory, RAM, PAGE, true);
    expect(outcome(() => domain.mapGpa(iova, memory, RAM, bytes, true))).toBe(expected);
    expect(audit(host.ledger)).toEqual([]);
  });

  it('unmap of half a map: EINVAL', () => {
    const { host, memory } = running();
    const domain = new IommuDomain(host);
    domain.mapGpa(0, memory, RAM, 2 * PAGE, true);
    expect(outcome(() => domain.unmap(0, PAGE))).toBe('EINVAL');
  });

  it('conversion of a mapped page is refused, or unmaps it first, by policy', () => {
    for (const policy of ['refuse', 'unmap'] as const) {
      const { domain, port, memfd, host } = withFile(policy);
      memfd.convert(0, 2 * PAGE, 'shared');
      domain.mapMemfd(IOVA, memfd, 0, PAGE, true);
      port.write(IOVA, word(1));
      expect(outcome(() => memfd.convert(0, 2 * PAGE, 'private'))).toBe(policy === 'refuse' ? 'EBUSY' : 0);
      expect([memfd.isShared(0), memfd.isShared(1)]).toEqual(
        policy === 'refuse' ? [true, true] : [false, false],
      );
      expect(port.read(IOVA, word(0)) === undefined).toBe(policy === 'refuse');
      expect(audit(host.ledger)).toEqual([]);
    }
  });

  it('no map outlives its page: hole punched, page dropped, mapping replaced, slot moved, VM ended', () => {
    const { host, memory, vmm, ram, vcpu } = running({ extensions: EVERYTHING });
    const memfd = memory.createGuestMemfd(PAGE, 3);
    const file = vmm.mmapFile(host.createSharedFile(PAGE), 0, PAGE);
    const domain = new IommuDomain(host, 'unmap');
    const port = domain.port(5);
    domain.mapMemfd(0, memfd, 0, PAGE, true);
    domain.mapHva(PAGE, vmm, ram, PAGE, true);
    domain.mapHva(2 * PAGE, vmm, file, PAGE, true);
    domain.mapGpa(3 * PAGE, memory, RAM + PAGE, PAGE, true);
    const reaches = () => [0, 1, 2, 3].map((n) => port.write(n * PAGE, word(1)) === undefined);
    expect(reaches()).toEqual([true, true, true, true]);
    memfd.fallocate(3, 0, PAGE);
    expect(reaches()).toEqual([false, true, true, true]);
    vmm.madviseDontneed(ram, PAGE);
    expect(reaches()).toEqual([false, false, true, true]);
    vmm.mmapAnonymous(PAGE, { at: file });
    expect(reaches()).toEqual([false, false, false, true]);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM + 16 * PAGE, size: 16 * PAGE, hva: ram });
    expect(reaches()).toEqual([false, false, false, false]);
    domain.mapGpa(8 * PAGE, memory, RAM + 16 * PAGE, PAGE, true);
    expect(vcpu.load(at(16)).kind).toBe('done');
    memory.destroy();
    expect(port.read(8 * PAGE, word(0))).toMatchObject({ rule: 'contained' });
    expect(audit(host.ledger)).toEqual([]);
  });

  it('a page that is mapped for DMA is not donated, swapped or merged', () => {
    const { host, memory, vmm, ram, vcpu } = running({ protected: true });
    const domain = new IommuDomain(host);
    domain.mapGpa(0, memory, RAM, PAGE, true);
    expect(vcpu.load(at(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
    expect(outcome(() => new HostKernel(host).swapOut(vmm, ram))).toBe('EBUSY');
    domain.unmap(0, PAGE);
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 0n });
  });

  it('its writes are in the dirty set, however they were mapped (differs: logForeignWrites)', () => {
    const { host, memory, vmm, ram } = running({ extensions: EVERYTHING });
    const domain = new IommuDomain(host);
    const port = domain.port(5);
    domain.mapGpa(0, memory, RAM + PAGE, PAGE, true);
    domain.mapHva(PAGE, vmm, ram + 2 * PAGE, PAGE, true);
    memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 16 * PAGE, hva: ram });
    for (let round = 0; round < 2; round++) {
      port.write(0, word(1));
      port.write(PAGE, word(1));
      expect(memory.getDirtyLog(0)[0]).toBe(0b110);
    }
  });
});
