// What a VMM may no longer do to the addresses of a protected guest that has run.

import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import {
  EVERYTHING,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  GUEST_MEMFD_MMAP,
  UPSTREAM,
} from '../../../src/hypervisor/slots/index.ts';
import { importPage } from '../../../src/hypervisor/stage2/index.ts';
import { at, FILE, inFile, outcome, PAGE, RAM, running } from './kit.ts';

const DEAD = { kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } };

function withFile(isProtected: boolean) {
  const made = running({ protected: isProtected, extensions: EVERYTHING });
  const memfd = made.memory.createGuestMemfd(4 * PAGE, GUEST_MEMFD_MMAP);
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
}

describe("a private page that its guest loses by its VMM's doing", () => {
  const ways: readonly [string, (memfd: ReturnType<typeof withFile>['memfd']) => void][] = [
    ['a hole', (memfd) => memfd.fallocate(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE, 0, PAGE)],
    ['a conversion', (memfd) => memfd.convert(0, PAGE, 'shared')],
  ];

  it.each(ways)('is dead to a protected guest after %s, and nothing else is', (_, take) => {
    const { memory, memfd, vcpu, host } = withFile(true);
    vcpu.store(inFile(0), 7n);
    vcpu.store(inFile(1), 8n);
    take(memfd);
    expect(vcpu.load(inFile(0))).toEqual(DEAD);
    expect(vcpu.load(inFile(1))).toEqual({ kind: 'done', value: 8n });
    const page = {
      gfn: FILE / PAGE,
      custody: 'private',
      data: new Uint8Array(PAGE),
      tags: undefined,
    } as const;
    expect(outcome(() => importPage(memory, page))).toBe('EFAULT');
    expect(audit(host.ledger)).toEqual([]);
    memory.destroy();
    expect(audit(host.ledger)).toEqual([]);
  });

  it.each(ways)('is empty to an ordinary guest after %s', (_, take) => {
    const { memfd, vcpu } = withFile(false);
    vcpu.store(inFile(0), 7n);
    take(memfd);
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 0n });
  });

  it('is not lost where its guest asked, nor before it has run', () => {
    const { memfd, vcpu } = withFile(true);
    memfd.fallocate(FALLOC_KEEP_SIZE, 0, PAGE);
    memfd.convert(0, PAGE, 'shared');
    memfd.convert(0, PAGE, 'private');
    expect(vcpu.load(inFile(0))).toEqual({ kind: 'done', value: 0n });
    memfd.convert(0, PAGE, 'shared', true);
    expect(vcpu.load(inFile(0)).kind).toBe('done');
  });
});

describe('a new slot', () => {
  const add = (options: Parameters<typeof running>[0], hasRun: boolean): unknown => {
    const { memory, vcpu, vmm } = running(options);
    if (hasRun) vcpu.load(at(0));
    const hva = vmm.mmapAnonymous(PAGE);
    return outcome(() =>
      memory.setUserMemoryRegion({ slot: 5, flags: 0, gpa: RAM + 64 * PAGE, size: PAGE, hva }),
    );
  };

  it('is EPERM for a guarded VM that has run; upstream and other VMs take it', () => {
    const extensions = EVERYTHING;
    expect(add({ protected: true, extensions }, true)).toBe('EPERM');
    expect(add({ protected: true, extensions }, false)).toBe(0);
    expect(add({ protected: false, extensions }, true)).toBe(0);
    expect(add({ protected: true, extensions: UPSTREAM }, true)).toBe(0);
  });
});
