import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { hva } from '../../../src/lib/index.ts';
import { at, kit, outcome, PAGE, running, word } from '../stage2/kit.ts';

const read = ({ vmm }: ReturnType<typeof kit>, address: number): number | string => {
  const bytes = word(0);
  const refused = vmm.port.read(address, bytes);
  return refused ? `${refused.signal}` : bytes[0];
};

describe('the memory of a process', () => {
  it('anonymous memory is zero, private to it, and comes page by page', () => {
    const made = kit();
    const other = kit({ on: made.host });
    const free = made.host.freeFrames;
    made.vmm.port.write(made.ram, word(7));
    expect(made.host.freeFrames).toBe(free - 1);
    expect([read(made, made.ram), read(made, made.ram + PAGE), read(other, other.ram)]).toEqual([7, 0, 0]);
    expect(read(made, other.ram + 2 ** 30)).toBe('SIGSEGV');
  });

  it('addresses are never used twice, and there is a gap between mappings', () => {
    const { vmm } = kit();
    const first = vmm.mmapAnonymous(PAGE);
    vmm.munmap(first, PAGE);
    const second = vmm.mmapAnonymous(PAGE);
    expect(second).toBeGreaterThan(first + PAGE);
  });

  it('unmapping the middle of a mapping leaves its ends', () => {
    const made = kit();
    for (const page of [0, 1, 2]) made.vmm.port.write(made.ram + page * PAGE, word(page + 1));
    made.vmm.munmap(hva(made.ram + PAGE), PAGE);
    expect([0, 1, 2].map((page) => read(made, made.ram + page * PAGE))).toEqual([1, 'SIGSEGV', 3]);
  });

  it('MAP_FIXED puts a new mapping in place of what was there', () => {
    const made = kit();
    made.vmm.port.write(made.ram + PAGE, word(9));
    made.vmm.mmapAnonymous(PAGE, { at: hva(made.ram + PAGE) });
    expect(read(made, made.ram + PAGE)).toBe(0);
  });

  it('a shared file shows the same pages to two processes, and keeps them over MADV_DONTNEED', () => {
    const made = kit();
    const other = kit({ on: made.host });
    const file = made.host.createSharedFile(2 * PAGE);
    const here = made.vmm.mmapFile(file, 0, 4 * PAGE);
    const there = other.vmm.mmapFile(file, PAGE, PAGE);
    made.vmm.port.write(here + PAGE, word(5));
    made.vmm.madviseDontneed(here, 2 * PAGE);
    expect([read(made, here + PAGE), read(other, there), read(made, here + 2 * PAGE)]).toEqual([
      5,
      5,
      'SIGBUS',
    ]);
    file.punchHole(1, 1);
    expect([read(made, here + PAGE), read(other, there)]).toEqual([0, 0]);
    expect(audit(made.host.ledger)).toEqual([]);
  });

  it('a hole in a shared file reaches the guest that maps it', () => {
    const { vmm, memory, host } = kit();
    const file = host.createSharedFile(PAGE);
    const here = vmm.mmapFile(file, 0, PAGE);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: at(0), size: PAGE, hva: here });
    const vcpu = memory.createVcpuPort(0);
    vcpu.store(at(0), 5n);
    file.punchHole(0, 1);
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 0n });
    file.destroy();
    expect(audit(host.ledger)).toEqual([]);
  });
});

describe('swapping', () => {
  it('frees the frame, and the page comes back as it was for whoever touches it', () => {
    const { vmm, ram, vcpu, host, memory } = running();
    vcpu.store(at(0), 5n);
    vcpu.store(at(1), 6n);
    const kernel = new HostKernel(host);
    const free = host.freeFrames;
    kernel.swapOut(vmm, ram);
    kernel.swapOut(vmm, hva(ram + PAGE));
    expect([host.freeFrames, host.swap.used]).toEqual([free + 2, 2]);
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 5n });
    const bytes = word(0);
    memory.devicePort(1).read(at(1), bytes);
    expect([bytes[0], host.swap.used]).toEqual([6, 0]);
    expect(audit(host.ledger)).toEqual([]);
  });

  it('ENOENT for what is not present; dropping a page frees its slot', () => {
    const { vmm, ram, host } = kit();
    const kernel = new HostKernel(host);
    expect(outcome(() => kernel.swapOut(vmm, ram))).toBe('ENOENT');
    vmm.port.write(ram, word(1));
    kernel.swapOut(vmm, ram);
    vmm.madviseDontneed(ram, PAGE);
    expect(host.swap.used).toBe(0);
  });
});

describe('merging equal pages', () => {
  it('leaves one frame, write-protected for all, until somebody writes', () => {
    const { vmm, vcpu, host, memory } = running();
    const kernel = new HostKernel(host);
    for (const page of [0, 1, 2]) vcpu.store(at(page), 5n);
    const free = host.freeFrames;
    expect(kernel.merge([vmm])).toBe(2);
    expect(host.freeFrames).toBe(free + 2);
    expect([0, 1, 2].map((page) => vcpu.load(at(page)))).toEqual(Array(3).fill({ kind: 'done', value: 5n }));
    expect(audit(host.ledger)).toEqual([]);
    vcpu.store(at(1), 6n);
    memory.devicePort(1).write(at(2), word(7));
    expect([0, 1, 2].map((page) => vcpu.load(at(page)))).toEqual(
      [5n, 6n, 7n].map((value) => ({ kind: 'done', value })),
    );
    vcpu.store(at(0), 8n);
    expect(host.freeFrames).toBe(free);
    expect(audit(host.ledger)).toEqual([]);
  });

  it('works across processes, and neither sees the other’s writes', () => {
    const made = kit();
    const other = kit({ on: made.host });
    made.vmm.port.write(made.ram, word(5));
    other.vmm.port.write(other.ram, word(5));
    expect(new HostKernel(made.host).merge([made.vmm, other.vmm])).toBe(1);
    other.vmm.port.write(other.ram, word(6));
    expect([read(made, made.ram), read(other, other.ram)]).toEqual([5, 6]);
    other.vmm.destroy();
    expect(audit(made.host.ledger)).toEqual([]);
  });
});
