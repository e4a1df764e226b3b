import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, type GuestMemfd } from '../../../src/hypervisor/slots/index.ts';
import { MEMORY_FAULT_PRIVATE } from '../../../src/hypervisor/stage2/index.ts';
import { hva } from '../../../src/lib/index.ts';
import {
  FILE,
  inFile,
  type Kit,
  type KitOptions,
  kit,
  outcome,
  PAGE,
  type running,
  word,
} from '../stage2/kit.ts';

const MMAP = 1;
const INIT_SHARED = 2;
const KEEP_SIZE = 1;
const PUNCH = 3;

const slot = (memfd: GuestMemfd, pages = 4, page = 0, at = FILE, id = 1) => ({
  slot: id,
  flags: 4,
  gpa: at,
  size: pages * PAGE,
  hva: 0,
  memfd,
  offset: page * PAGE,
});

function withFile(
  flags: number,
  options: KitOptions = {},
): Kit & { memfd: GuestMemfd; vcpu: ReturnType<typeof running>['vcpu'] } {
  const made = kit(options);
  const memfd = made.memory.createGuestMemfd(4 * PAGE, flags);
  made.memory.setUserMemoryRegion2(slot(memfd));
  return { ...made, memfd, vcpu: made.memory.createVcpuPort(0) };
}

describe('KVM_CREATE_GUEST_MEMFD and binding (FACTS C)', () => {
  it.each([
    ['a page', PAGE, 3, 0],
    ['flags it does not know', PAGE, 4, 'EINVAL'],
    ['no size', 0, 0, 'EINVAL'],
    ['a negative size', -PAGE, 0, 'EINVAL'],
    ['an unaligned size', PAGE + 1, 0, 'EINVAL'],
    ['2^63 bytes', 1n << 63n, 0, 'EINVAL'],
  ] as const)('%s', (_, size, flags, expected) => {
    const { memory } = kit();
    expect(outcome(() => void memory.createGuestMemfd(size, flags))).toBe(expected);
  });

  it('bind: closed EBADF, another VM’s EINVAL, beyond its end EINVAL, bound already EEXIST', () => {
    const { memory, host } = kit();
    const other = kit({ on: host }).memory;
    const memfd = memory.createGuestMemfd(4 * PAGE, MMAP);
    const closed = memory.createGuestMemfd(4 * PAGE, MMAP);
    closed.close();
    expect(outcome(() => memory.setUserMemoryRegion2(slot(closed)))).toBe('EBADF');
    expect(outcome(() => other.setUserMemoryRegion2(slot(memfd)))).toBe('EINVAL');
    expect(outcome(() => memory.setUserMemoryRegion2(slot(memfd, 4, 1)))).toBe('EINVAL');
    expect(outcome(() => memory.setUserMemoryRegion2(slot(memfd, 2, 1)))).toBe(0);
    expect(outcome(() => memory.setUserMemoryRegion2(slot(memfd, 2, 2, FILE + 64 * PAGE, 2)))).toBe('EEXIST');
    expect(outcome(() => memory.setUserMemoryRegion2(slot(memfd, 1, 3, FILE + 64 * PAGE, 2)))).toBe(0);
  });

  it('a file without the MMAP flag has no slot on arm64, and stays unbound', () => {
    const { memory } = kit();
    const memfd = memory.createGuestMemfd(4 * PAGE, 0);
    expect(outcome(() => memory.setUserMemoryRegion2(slot(memfd)))).toBe('EINVAL');
    expect(memfd.gfnOf(0)).toBe(-1);
  });

  it('with MTE: EINVAL either way round; differs (memfdMte): both at once', () => {
    const before = kit().memory;
    before.enableMte();
    expect(outcome(() => before.setUserMemoryRegion2(slot(before.createGuestMemfd(4 * PAGE, MMAP))))).toBe(
      'EINVAL',
    );
    const after = kit().memory;
    after.setUserMemoryRegion2(slot(after.createGuestMemfd(4 * PAGE, MMAP)));
    expect(outcome(() => after.enableMte())).toBe('EINVAL');
    const { memory } = kit({ extensions: EVERYTHING });
    memory.enableMte();
    memory.setUserMemoryRegion2(slot(memory.createGuestMemfd(4 * PAGE, MMAP)));
    const vcpu = memory.createVcpuPort(0);
    vcpu.setTag(inFile(0), 5);
    const tags = new Uint8Array(256);
    const copy = { ipa: FILE, length: PAGE, flags: 1, tags };
    // The page is private: the VMM's call does not reach it, nor see what it has for tags.
    expect(outcome(() => memory.copyTags(copy))).toBe('EPERM');
    expect(outcome(() => memory.copyTags({ ...copy, flags: 0 }))).toBe('EPERM');
    expect(tags[0]).toBe(0);
  });

  it('the VMM copies tags of pages that are shared', () => {
    const { memory } = kit({ extensions: EVERYTHING });
    memory.enableMte();
    memory.setUserMemoryRegion2(slot(memory.createGuestMemfd(4 * PAGE, MMAP | INIT_SHARED)));
    memory.createVcpuPort(0).setTag(inFile(0), 5);
    const tags = new Uint8Array(256);
    expect(memory.copyTags({ ipa: FILE, length: PAGE, flags: 1, tags })).toBe(PAGE);
    expect(tags[0]).toBe(5);
  });
});

describe('fallocate (FACTS C)', () => {
  it.each([
    ['without KEEP_SIZE', 0, 0, PAGE, 'EOPNOTSUPP'],
    ['another mode', 2, 0, PAGE, 'EOPNOTSUPP'],
    ['unaligned', KEEP_SIZE, 8, PAGE, 'EINVAL'],
    ['allocate past the end', KEEP_SIZE, 3 * PAGE, 2 * PAGE, 'EINVAL'],
    ['punch past the end', PUNCH, 3 * PAGE, 8 * PAGE, 0],
    ['a negative offset', PUNCH, -PAGE, PAGE, 'EINVAL'],
    ['no length', KEEP_SIZE, 0, 0, 'EINVAL'],
  ] as const)('%s', (_, mode, offset, length, expected) => {
    const { memfd } = withFile(MMAP);
    expect(outcome(() => memfd.fallocate(mode, offset, length))).toBe(expected);
  });

  it('punching takes the page out of stage 2, and the next fault gets a new zero page', () => {
    const { memfd, vcpu, host } = withFile(MMAP);
    vcpu.store(inFile(1), 9n);
    const free = host.freeFrames;
    memfd.fallocate(PUNCH, PAGE, PAGE);
    expect(host.freeFrames).toBe(free + 1);
    expect(vcpu.load(inFile(1))).toEqual({ kind: 'done', value: 0n });
  });

  it('allocating does not zero what is there', () => {
    const { memfd, vcpu } = withFile(MMAP);
    vcpu.store(inFile(0), 9n);
    memfd.fallocate(KEEP_SIZE, 0, 4 * PAGE);
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 9n });
  });
});

describe('mmap of a guest_memfd (FACTS C)', () => {
  it('ENODEV without the MMAP flag, EINVAL for a private mapping, EBADF once closed', () => {
    const { memory, vmm } = kit();
    expect(outcome(() => vmm.mmapMemfd(memory.createGuestMemfd(PAGE, 0), 0, PAGE))).toBe('ENODEV');
    const memfd = memory.createGuestMemfd(PAGE, MMAP);
    expect(outcome(() => vmm.mmapMemfd(memfd, 0, PAGE, false))).toBe('EINVAL');
    memfd.close();
    expect(outcome(() => vmm.mmapMemfd(memfd, 0, PAGE))).toBe('EBADF');
  });

  it('a mapping that is too long is allowed; SIGBUS beyond the end, and everywhere without INIT_SHARED', () => {
    const { memory, vmm } = kit();
    const shared = vmm.mmapMemfd(memory.createGuestMemfd(PAGE, MMAP | INIT_SHARED), 0, 2 * PAGE);
    expect(vmm.port.write(shared, word(1))).toBeUndefined();
    expect(vmm.port.read(shared + PAGE, word(0))).toMatchObject({ rule: 'unmapped', signal: 'SIGBUS' });
    const secret = vmm.mmapMemfd(memory.createGuestMemfd(PAGE, MMAP), 0, PAGE);
    expect(vmm.port.read(secret, word(0))).toMatchObject({ rule: 'sealed', signal: 'SIGBUS' });
  });

  it('guest and VMM see the same shared page', () => {
    const { memfd, vmm, vcpu } = withFile(MMAP | INIT_SHARED);
    const at = vmm.mmapMemfd(memfd, 0, 4 * PAGE);
    vmm.port.write(at + 2 * PAGE, word(7));
    expect(vcpu.load(inFile(2))).toEqual({ kind: 'done', value: 7n });
  });
});

describe('closing and deleting (FACTS C)', () => {
  const fault = { reason: 'memory-fault', flags: 0, gpa: FILE, size: PAGE, errno: 'EFAULT' };

  it('closing with a live slot zaps stage 2; the next access is a memory fault', () => {
    const { memfd, vcpu, host } = withFile(MMAP);
    const free = host.freeFrames;
    vcpu.store(inFile(0), 1n);
    memfd.close();
    expect(host.freeFrames).toBe(free);
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'exit', exit: fault });
    expect(outcome(() => memfd.close())).toBe('EBADF');
    expect(outcome(() => memfd.fallocate(KEEP_SIZE, 0, PAGE))).toBe('EBADF');
  });

  it('a mapping keeps the file until it goes', () => {
    const { memfd, vmm, vcpu, host } = withFile(MMAP | INIT_SHARED);
    const at = vmm.mmapMemfd(memfd, 0, 2 * PAGE);
    vmm.port.write(at, word(5));
    memfd.close();
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 5n });
    vmm.munmap(at, PAGE);
    expect(memfd.isGone).toBe(false);
    vmm.munmap(hva(at + PAGE), PAGE);
    expect(memfd.isGone).toBe(true);
    expect(host.freeFrames).toBe(64);
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'exit', exit: fault });
  });

  it('deleting the slot keeps content, which another GFN may show then (hole: FACTS G)', () => {
    const { memory, memfd, vcpu } = withFile(MMAP);
    vcpu.store(inFile(1), 3n);
    memory.setUserMemoryRegion2({ ...slot(memfd), flags: 0, size: 0 });
    expect(vcpu.load(inFile(1))).toEqual({ kind: 'mmio' });
    memory.setUserMemoryRegion2(slot(memfd, 4, 0, FILE + 16 * PAGE));
    expect(vcpu.load(inFile(17))).toEqual({ kind: 'done', value: 3n });
  });

  it('ends with its VM: private pages are scrubbed and free, shared ones stay while mapped', () => {
    const { memory, memfd, vmm, vcpu, host } = withFile(MMAP | INIT_SHARED);
    const secret = memory.createGuestMemfd(PAGE, MMAP);
    memory.setUserMemoryRegion2(slot(secret, 1, 0, FILE + 16 * PAGE, 2));
    const at = vmm.mmapMemfd(memfd, 0, PAGE);
    vcpu.store(inFile(0), 1n);
    vcpu.store(inFile(16), 2n);
    memory.destroy();
    const bytes = word(0);
    expect(vmm.port.read(at, bytes)).toBeUndefined();
    expect(bytes[0]).toBe(1);
    expect(audit(host.ledger)).toEqual([]);
    vmm.destroy();
    expect(host.freeFrames).toBe(64);
  });
});

describe('conversion in place and attributes (differs: conversion)', () => {
  it('upstream has neither', () => {
    const { memory, memfd } = withFile(MMAP);
    expect(outcome(() => memfd.convert(0, PAGE, 'shared'))).toBe('EOPNOTSUPP');
    expect(outcome(() => memory.setMemoryAttributes({ address: FILE, size: PAGE, attributes: 8 }))).toBe(
      'EINVAL',
    );
  });

  const converting = () => {
    const made = withFile(MMAP, { extensions: EVERYTHING });
    return { ...made, view: made.vmm.mmapMemfd(made.memfd, 0, 4 * PAGE) };
  };

  it('shared to private keeps content, and the VMM’s view and devices lose it at once', () => {
    const { memory, memfd, vmm, vcpu, view } = converting();
    memfd.convert(0, PAGE, 'shared');
    const device = memory.devicePort(8);
    vmm.port.write(view, word(6));
    expect(device.read(FILE, word(0))).toBeUndefined();
    memfd.convert(0, PAGE, 'private');
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 6n });
    expect(vmm.port.read(view, word(0))).toMatchObject({ rule: 'sealed', signal: 'SIGBUS' });
    expect(device.read(FILE, word(0))).toMatchObject({ rule: 'sealed' });
  });

  it('private to shared shows content only where the guest asked', () => {
    const { memfd, vmm, vcpu, view } = converting();
    vcpu.store(inFile(0), 4n);
    vcpu.store(inFile(1), 4n);
    memfd.convert(0, PAGE, 'shared');
    memfd.convert(PAGE, PAGE, 'shared', true);
    const bytes = [word(9), word(9)];
    expect([0, 1].map((n) => vmm.port.read(view + n * PAGE, bytes[n]))).toEqual([undefined, undefined]);
    expect(bytes.map(([first]) => first)).toEqual([0, 4]);
    expect(vcpu.load(inFile(1))).toEqual({ kind: 'done', value: 4n });
  });

  it.each([
    ['flags', { flags: 1 }],
    ['an unknown attribute', { attributes: 1 }],
    ['no size', { size: 0 }],
    ['a range that wraps', { address: 0xffff_ffff_ffff_f000n, size: 2 * PAGE }],
    ['an unaligned range', { address: FILE + 8 }],
  ])('attributes: %s is EINVAL', (_, change) => {
    const { memory } = converting();
    const request = { address: FILE, size: PAGE, attributes: 8, ...change };
    expect(outcome(() => memory.setMemoryAttributes(request))).toBe('EINVAL');
  });

  it('a page that is not as its attribute says faults to the VMM, with the flag of what is wanted', () => {
    const { memory, memfd, vcpu } = converting();
    vcpu.store(inFile(0), 1n);
    memory.setMemoryAttributes({ address: FILE, size: PAGE, attributes: 8 });
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 1n });
    memfd.convert(0, PAGE, 'shared', true);
    expect(vcpu.load(inFile(0))).toMatchObject({
      kind: 'exit',
      exit: { flags: MEMORY_FAULT_PRIVATE, gpa: FILE },
    });
    memory.setMemoryAttributes({ address: FILE, size: PAGE, attributes: 0 });
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 1n });
    memfd.convert(0, PAGE, 'private');
    expect(vcpu.load(inFile(0))).toMatchObject({ kind: 'exit', exit: { flags: 0 } });
  });

  it('every step leaves a state in which the audit finds nothing', () => {
    const { memfd, vcpu, host, vmm, view } = converting();
    host.ledger.watchful = true;
    for (let round = 0; round < 3; round++) {
      vcpu.store(inFile(round), 1n);
      memfd.convert(0, 4 * PAGE, 'shared');
      vmm.port.write(view + round * PAGE, word(1));
      expect(audit(host.ledger)).toEqual([]);
      memfd.convert(0, 4 * PAGE, 'private');
      expect(audit(host.ledger)).toEqual([]);
    }
  });
});

describe('a large file', () => {
  const GIB = 2 ** 30;
  const pages = GIB / PAGE;
  const { memory, host, vmm } = kit({ extensions: EVERYTHING, frames: pages + 8 });
  const memfd = memory.createGuestMemfd(GIB, MMAP);
  memory.setUserMemoryRegion2({ slot: 0, flags: 4, gpa: FILE, size: GIB, hva: 0, memfd, offset: 0 });
  memfd.fallocate(KEEP_SIZE, 0, GIB);
  const vcpu = memory.createVcpuPort(0);
  for (let page = 0; page < pages; page++) vcpu.load(inFile(page));
  const owners = (): number =>
    host.ledger.frames.owner.reduce((sum, owner) => sum + (owner === memory.guest.handle ? 1 : 0), 0);

  it('of 1 GiB becomes shared and private again, and nothing is lost', () => {
    vcpu.store(inFile(pages - 1), 7n);
    expect(owners()).toBe(pages);
    memfd.convert(0, GIB, 'shared', true);
    expect(owners()).toBe(0);
    memfd.convert(0, GIB, 'private', true);
    expect(owners()).toBe(pages);
    expect(vcpu.load(inFile(pages - 1))).toEqual({ kind: 'done', value: 7n });
    expect(vmm.isAlive).toBe(true);
    expect(audit(host.ledger)).toEqual([]);
  });
});
