import { describe, expect, it } from 'vitest';
import { audit } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { exportPage, importPage } from '../../../src/hypervisor/stage2/index.ts';
import { at, outcome, PAGE, RAM, running, word } from './kit.ts';

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

  it('a poisoned page stays poisoned', () => {
    const source = vm(true);
    const there = vm(true);
    source.vcpu.store(at(0), 1n);
    new HostKernel(source.host).getUserPage(source.vmm, source.ram);
    importPage(there.memory, exportPage(source.memory, GFN)!);
    expect(there.vcpu.load(at(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
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
