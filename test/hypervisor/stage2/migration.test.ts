import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { exportPage, importPage } from '../../../src/hypervisor/stage2/index.ts';
import { at, FILE, inFile, outcome, PAGE, RAM, running, word } from './kit.ts';

const GFN = RAM / PAGE;
const vm = (isProtected: boolean) => running({ protected: isProtected, extensions: EVERYTHING }, true);

describe('a page on its way to another host', () => {
  it.each([false, true])('arrives with data, tags and custody (protected: %s)', (isProtected) => {
    const source = vm(isProtected);
    const there = vm(isProtected);
    for (const page of [0, 1, 2]) source.vcpu.store(at(page), BigInt(page + 5));
    source.vcpu.setTag(at(1), 9);
    if (isProtected) source.memory.shareWithHost(at(2), 0);
    for (const page of [0, 1, 2]) importPage(there.memory, exportPage(source.memory, GFN + page)!);
    for (const page of [0, 1, 2]) {
      expect(there.vcpu.load(at(page))).toEqual({ kind: 'done', value: BigInt(page + 5) });
      expect(exportPage(there.memory, GFN + page)).toEqual(exportPage(source.memory, GFN + page));
      const reads = there.vmm.port.read(there.ram + page * PAGE, word(0)) === undefined;
      expect(reads).toBe(!isProtected || page === 2);
    }
    expect(audit(there.host.ledger)).toEqual([]);
  });

  it('private and shared pages of a guest_memfd arrive as they were', () => {
    const make = () => {
      const made = vm(false);
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
      return { ...made, memfd };
    };
    const [source, there] = [make(), make()];
    source.memfd.convert(PAGE, PAGE, 'shared');
    for (const page of [0, 1]) {
      source.vcpu.store(inFile(page), 7n);
      importPage(there.memory, exportPage(source.memory, FILE / PAGE + page)!);
      expect(there.vcpu.load(inFile(page))).toEqual({ kind: 'done', value: 7n });
    }
    expect(source.memfd.convertedPages()).toEqual([1]);
    expect(there.memfd.convertedPages()).toEqual([1]);
    expect(there.memory.devicePort(1).read(FILE, word(0))).toMatchObject({ rule: 'sealed' });
    expect(there.memory.devicePort(1).read(FILE + PAGE, word(0))).toBeUndefined();
    expect(audit(there.host.ledger)).toEqual([]);
  });

  it('a poisoned page stays poisoned', () => {
    const source = vm(true);
    const there = vm(true);
    source.vcpu.store(at(0), 1n);
    new HostKernel(source.host).getUserPage(source.vmm, source.ram);
    importPage(there.memory, exportPage(source.memory, GFN)!);
    expect(there.vcpu.load(at(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
  });

  it("a protected VM's page that only its process has touched is the host's on the other side too", () => {
    const [source, there] = [vm(true), vm(true)];
    source.vmm.port.write(source.ram, word(9));
    importPage(there.memory, exportPage(source.memory, GFN)!);
    const bytes = word(0);
    expect(there.vmm.port.read(there.ram, bytes)).toBeUndefined();
    expect(bytes[0]).toBe(9);
    expect(there.vcpu.load(at(0))).toEqual({ kind: 'done', value: 9n });
  });

  it('an untouched page is none; reading it for the stream makes nothing present', () => {
    const { memory, host } = vm(false);
    const free = host.freeFrames;
    expect(exportPage(memory, GFN + 3)).toBeUndefined();
    expect(host.freeFrames).toBe(free);
  });

  it.each([
    ['too short', { data: new Uint8Array(8) }, 'EINVAL'],
    ['with half its tags', { tags: new Uint8Array(128) }, 'EINVAL'],
    ['where no slot is', { gfn: 1 }, 'EFAULT'],
    ['poisoned, for an ordinary VM', { custody: 'poisoned' as const }, 'EINVAL'],
  ])('a page that is %s is refused', (_, change, expected) => {
    const { memory, host } = vm(false);
    const page = {
      gfn: GFN,
      custody: 'plain' as const,
      data: new Uint8Array(PAGE),
      tags: undefined,
      ...change,
    };
    expect(outcome(() => importPage(memory, page))).toBe(expected);
    expect(audit(host.ledger)).toEqual([]);
  });

  it('tags for a VM without MTE are refused', () => {
    const { memory } = running();
    const page = {
      gfn: GFN,
      custody: 'plain' as const,
      data: new Uint8Array(PAGE),
      tags: new Uint8Array(256),
    };
    expect(outcome(() => importPage(memory, page))).toBe('EINVAL');
  });
});
