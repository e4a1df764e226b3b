import { describe, expect, it } from 'vitest';
import { audit, encode } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { IommuDomain } from '../../../src/hypervisor/stage2/index.ts';
import { hva } from '../../../src/lib/index.ts';
import { at, kit, outcome, PAGE, RAM, running, word } from './kit.ts';

describe('misuse from outside', () => {
  it('every call on a dead VM, or of a process that is gone: EIO', () => {
    for (const end of ['vm', 'process'] as const) {
      const { memory, vmm, ram } = running();
      if (end === 'vm') memory.destroy();
      else vmm.destroy();
      const calls: (() => unknown)[] = [
        () => memory.setUserMemoryRegion({ slot: 1, flags: 0, gpa: 0, size: PAGE, hva: ram }),
        () => memory.createGuestMemfd(PAGE),
        () => memory.enableMte(),
        () => memory.enableManualDirtyLog(0),
        () => memory.enableDirtyRing(4096),
        () => memory.getDirtyLog(0),
        () => memory.clearDirtyLog(0, 0, 0, word(0)),
        () => memory.resetDirtyRings(),
        () => memory.copyTags({ ipa: 0, length: 0, flags: 0, tags: word(0) }),
        () => memory.setMemoryAttributes({ address: 0, size: PAGE, attributes: 0 }),
        () => memory.createVcpuStage2(0),
        () => memory.devicePort(1),
      ];
      expect(calls.map(outcome)).toEqual(calls.map(() => 'EIO'));
      expect(outcome(() => memory.destroy())).toBe(0);
    }
  });

  it('a port of a dead VM refuses; so does the port of a process that is gone', () => {
    const { memory, vmm, ram } = running();
    const ports = [memory.devicePort(1), memory.debuggerPort(), memory.hypervisorPort()];
    for (const port of ports) expect(port.write(RAM, word(1))).toBeUndefined();
    memory.destroy();
    for (const port of ports) expect(port.write(RAM, word(1))).toMatchObject({ rule: 'unmapped' });
    vmm.port.write(ram, word(1));
    vmm.destroy();
    expect(vmm.port.read(ram, word(1))).toMatchObject({ rule: 'unmapped' });
    expect(outcome(() => vmm.mmapAnonymous(PAGE))).toBe('EIO');
  });

  it.each([
    ['negative', -8, 8],
    ['negative, to beyond zero', -8, 2 * PAGE],
    ['a fraction', 0.5, 2 * PAGE],
    ['not a number', Number.NaN, 8],
    ['infinite', Number.POSITIVE_INFINITY, 8],
    ['2^53', 2 ** 53, 2 * PAGE],
  ])('an address that is %s is refused, not followed', (_, address, length) => {
    const { memory, vmm } = running();
    expect(memory.devicePort(1).read(address, new Uint8Array(length))).toMatchObject({ rule: 'unmapped' });
    expect(vmm.port.write(address, new Uint8Array(length))).toMatchObject({ rule: 'unmapped' });
  });

  it.each([
    ['no size', 0, undefined, 'EINVAL'],
    ['a negative size', -PAGE, undefined, 'EINVAL'],
    ['2^64 bytes', 2 ** 64, undefined, 'EINVAL'],
    ['more than there are addresses', 2 ** 50, undefined, 'ENOMEM'],
    ['MAP_FIXED unaligned', PAGE, 8, 'EINVAL'],
    ['MAP_FIXED at a negative address', PAGE, -PAGE, 'EINVAL'],
    ['MAP_FIXED beyond the end', PAGE, 2 ** 44, 'ENOMEM'],
  ] as const)('mmap: %s', (_, bytes, fixed, expected) => {
    const { vmm } = kit();
    const options = fixed === undefined ? {} : { at: hva(fixed) };
    expect(outcome(() => vmm.mmapAnonymous(bytes, options))).toBe(expected);
  });

  it('munmap and madvise: EINVAL for what is no range, nothing for what is not mapped', () => {
    const { vmm, ram } = kit();
    expect(outcome(() => vmm.munmap(hva(ram + 8), PAGE))).toBe('EINVAL');
    expect(outcome(() => vmm.madviseDontneed(ram, -1))).toBe('EINVAL');
    expect(outcome(() => vmm.munmap(hva(0), PAGE))).toBe(0);
  });

  it('a cache that calls back while it is being told: EBUSY, and nothing is lost', () => {
    const { memory, vmm, ram, vcpu, host } = running();
    const seen: unknown[] = [];
    memory.addTlb({
      dropFrame: () => {
        seen.push(
          outcome(() => memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: 0, hva: 0 })),
        );
        seen.push(outcome(() => memory.createGuestMemfd(PAGE)));
      },
      dropAll: () => {},
    });
    vcpu.store(at(0), 1n);
    vmm.madviseDontneed(ram, PAGE);
    expect(seen).toEqual(['EBUSY', 'EBUSY']);
    expect(audit(host.ledger)).toEqual([]);
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 0n });
  });

  it('all frames in use: ENOMEM for calls, EFAULT for the vCPU, and the state stays sound', () => {
    const { memory, vmm, ram, vcpu, host } = running({ frames: 3 });
    for (let page = 0; page < 3; page++) vcpu.store(at(page), 1n);
    expect(vcpu.store(at(3), 1n)).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
    const memfd = memory.createGuestMemfd(PAGE, 3);
    expect(outcome(() => memfd.fallocate(1, 0, PAGE))).toBe('ENOMEM');
    expect(audit(host.ledger)).toEqual([]);
    vmm.madviseDontneed(ram, PAGE);
    expect(outcome(() => memfd.fallocate(1, 0, PAGE))).toBe(0);
  });
});

describe('a host without a free frame', () => {
  const full = (options: Parameters<typeof running>[0]) => {
    const made = running({ ...options, frames: 8 });
    const greedy = made.host.createAddressSpace();
    const at = greedy.mmapAnonymous(8 * PAGE);
    for (let page = 0; page < 8; page++) greedy.port.write(at + page * PAGE, word(1));
    return made;
  };

  it('refuses an access through a port by the rule no-memory, with nothing logged and nothing changed', () => {
    const { host, vmm, ram, memory } = full({ extensions: EVERYTHING });
    memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 16 * PAGE, hva: ram });
    const kernel = new HostKernel(host).userPort(vmm);
    const [device, gdb, kvm] = [memory.devicePort(1), memory.debuggerPort(), memory.hypervisorPort()];
    const before = encode(host.ledger);
    const refusals = [
      vmm.port.write(ram, word(1)),
      vmm.port.read(ram, word(1)),
      kernel.write(ram, word(1)),
      device.write(RAM, word(1)),
      gdb.write(RAM, word(1)),
      kvm.write(RAM, word(1)),
      device.write(RAM + PAGE - 4, word(1)),
    ];
    expect(refusals.map((refusal) => refusal?.rule)).toEqual(refusals.map(() => 'no-memory'));
    expect(refusals[0]).toMatchObject({ address: ram, signal: 'SIGBUS' });
    expect(memory.getDirtyLog(0)[0]).toBe(0);
    expect(encode(host.ledger)).toBe(before);
    expect(audit(host.ledger)).toEqual([]);
  });

  it('fails KVM_RUN with EFAULT, calls that make pages present with ENOMEM, and changes nothing', () => {
    const { host, memory, vcpu, vmm, ram } = full({ extensions: EVERYTHING });
    const memfd = memory.createGuestMemfd(PAGE, 1);
    const before = encode(host.ledger);
    expect(vcpu.store(at(0), 1n)).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
    expect(outcome(() => memfd.fallocate(1, 0, PAGE))).toBe('ENOMEM');
    expect(outcome(() => new HostKernel(host).getUserPage(vmm, ram))).toBe('ENOMEM');
    expect(outcome(() => new IommuDomain(host).mapGpa(0, memory, RAM, PAGE, true))).toBe('ENOMEM');
    expect(encode(host.ledger)).toBe(before);
    expect(audit(host.ledger)).toEqual([]);
  });
});
