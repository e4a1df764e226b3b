import { describe, expect, it } from 'vitest';
import { audit, encode } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, HostKernel } from '../../../src/hypervisor/slots/index.ts';
import {
  exportPage,
  IommuDomain,
  importPage,
  type MigratedPage,
} from '../../../src/hypervisor/stage2/index.ts';
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

  it('a page that comes again follows its source: shared, unshared, and taken by force', () => {
    const source = vm(true);
    const there = vm(true);
    const follow = (): void => {
      importPage(there.memory, exportPage(source.memory, GFN)!);
      expect(exportPage(there.memory, GFN)).toEqual(exportPage(source.memory, GFN));
      expect(audit(there.host.ledger)).toEqual([]);
    };
    source.vcpu.store(at(0), 1n);
    source.vcpu.setTag(at(0), 5);
    follow();
    source.memory.shareWithHost(at(0), 0);
    follow();
    source.vcpu.store(at(0), 2n);
    follow();
    source.memory.unshareFromHost(at(0));
    follow();
    new HostKernel(source.host).getUserPage(source.vmm, source.ram);
    follow();
    expect(there.vcpu.load(at(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
  });

  it('an untagged page clears the tags of the one before it', () => {
    const source = running({ extensions: EVERYTHING });
    const there = vm(false);
    there.vcpu.setTag(at(0), 5);
    source.vcpu.store(at(0), 1n);
    importPage(there.memory, exportPage(source.memory, GFN)!);
    expect(exportPage(there.memory, GFN)?.tags).toEqual(new Uint8Array(256));
  });

  it('an arriving page is in the dirty log of a destination that is logged itself', () => {
    const there = running({ extensions: EVERYTHING });
    const data = new Uint8Array(PAGE);
    there.vcpu.store(at(1), 1n);
    there.memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 16 * PAGE, hva: there.ram });
    there.memory.getDirtyLog(0);
    for (const page of [1, 2])
      importPage(there.memory, { gfn: GFN + page, custody: 'plain', data, tags: undefined });
    expect(there.memory.getDirtyLog(0)[0]).toBe(0b110);
  });

  const data = new Uint8Array(PAGE).fill(1);
  const tags = new Uint8Array(256);
  const inSlot = (made: ReturnType<typeof vm>, flags = 1) => {
    const memfd = made.memory.createGuestMemfd(PAGE, flags);
    made.memory.setUserMemoryRegion2({
      slot: 1,
      flags: 4,
      gpa: FILE,
      size: PAGE,
      hva: 0,
      memfd,
      offset: 0,
    });
    return memfd;
  };
  const fill = ({ host }: ReturnType<typeof vm>): void => {
    const greedy = host.createAddressSpace();
    const at = greedy.mmapAnonymous(host.freeFrames * PAGE);
    for (let page = 0; host.freeFrames > 0; page++) greedy.port.write(at + page * PAGE, word(1));
  };
  const hogged = (made: ReturnType<typeof vm>): void => {
    made.vmm.port.write(made.ram, word(1));
    const domain = new IommuDomain(made.host);
    domain.mapHva(0, made.vmm, made.ram, PAGE, true);
  };

  it.each<[string, boolean, Partial<MigratedPage>, (made: ReturnType<typeof vm>) => unknown, string]>([
    ['private, with no frame left', true, { custody: 'private' }, fill, 'ENOMEM'],
    ['plain, with no frame left', false, { custody: 'plain' }, fill, 'ENOMEM'],
    [
      "a file's, that would be converted, with no frame left",
      false,
      { gfn: FILE / PAGE, custody: 'plain' },
      (made) => [inSlot(made), fill(made)],
      'ENOMEM',
    ],
    ['private, where a DMA map pins the place', true, { custody: 'private' }, hogged, 'EBUSY'],
    [
      'private, where the guest shares it and a DMA map pins it',
      true,
      { custody: 'private' },
      (made) => {
        made.vcpu.store(at(0), 1n);
        made.memory.shareWithHost(at(0), 0);
        new IommuDomain(made.host).mapGpa(0, made.memory, RAM, PAGE, true);
      },
      'EBUSY',
    ],
    [
      'poisoned, where the guest shares it and a DMA map pins it',
      true,
      { custody: 'poisoned', data: new Uint8Array(0) },
      (made) => {
        made.vcpu.store(at(0), 1n);
        made.memory.shareWithHost(at(0), 0);
        new IommuDomain(made.host).mapGpa(0, made.memory, RAM, PAGE, true);
      },
      'EBUSY',
    ],
    ['private, for an ordinary VM without a file there', false, { custody: 'private' }, () => 0, 'EINVAL'],
    ['lent, for an ordinary VM', false, { custody: 'lent' }, () => 0, 'EINVAL'],
    ['plain, where the guest has its own', true, {}, ({ vcpu }) => vcpu.store(at(0), 1n), 'EEXIST'],
    [
      'on a page that is dead here',
      true,
      { custody: 'private' },
      (made) => {
        made.vcpu.store(at(0), 1n);
        new HostKernel(made.host).getUserPage(made.vmm, made.ram);
      },
      'EFAULT',
    ],
    [
      'for a read-only slot',
      false,
      { gfn: FILE / PAGE },
      (made) => made.memory.setUserMemoryRegion({ slot: 1, flags: 2, gpa: FILE, size: PAGE, hva: made.ram }),
      'EFAULT',
    ],
    [
      'other than its attribute says',
      false,
      { gfn: FILE / PAGE, custody: 'plain' },
      (made) => {
        inSlot(made);
        made.memory.setMemoryAttributes({ address: FILE, size: PAGE, attributes: 8 });
      },
      'EFAULT',
    ],
  ])('a page that is %s is refused, and nothing has changed', (_, isProtected, change, prepare, expected) => {
    const made = vm(isProtected);
    prepare(made);
    const before = encode(made.host.ledger);
    const page: MigratedPage = { gfn: GFN, custody: 'plain', data, tags, ...change };
    expect(outcome(() => importPage(made.memory, page))).toBe(expected);
    expect(encode(made.host.ledger)).toBe(before);
    expect(audit(made.host.ledger)).toEqual([]);
  });
});
