import { describe, expect, it } from 'vitest';
import { FRAME_TAGGED } from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING, HostKernel } from '../../../src/hypervisor/slots/index.ts';
import { importPage } from '../../../src/hypervisor/stage2/index.ts';
import { at, FILE, kit, outcome, PAGE, RAM, running, word } from '../stage2/kit.ts';

const tagged = () => running({}, true);
const buffer = (fill = 0, pages = 1) => new Uint8Array(pages * 256).fill(fill);

describe('KVM_CAP_ARM_MTE (FACTS A)', () => {
  it('EINVAL with flags, after a vCPU, with a guest_memfd slot, and on a pKVM host for every VM', () => {
    expect(outcome(() => kit().memory.enableMte(1))).toBe('EINVAL');
    expect(outcome(() => running().memory.enableMte())).toBe('EINVAL');
    expect(outcome(() => kit({ pkvm: true }).memory.enableMte())).toBe('EINVAL');
    expect(outcome(() => kit({ pkvm: true, extensions: EVERYTHING }).memory.enableMte())).toBe(0);
  });

  it('is idempotent; a file without a slot does not matter; existing slots are not looked at again', () => {
    const { memory, vmm, host } = kit();
    memory.createGuestMemfd(PAGE, 1);
    const disk = vmm.mmapFile(host.createSharedFile(PAGE, 'disk'), 0, PAGE);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: PAGE, hva: disk });
    expect([outcome(() => memory.enableMte()), outcome(() => memory.enableMte())]).toEqual([0, 0]);
    expect(memory.createVcpuPort(0).load(at(0))).toEqual({
      kind: 'exit',
      exit: { reason: 'error', errno: 'EFAULT' },
    });
  });

  it('a mapping replaced by one that cannot carry tags fails at the fault, with no exit reason', () => {
    const { vmm, vcpu, ram, host } = tagged();
    vcpu.store(at(0), 1n);
    vmm.mmapFile(host.createSharedFile(PAGE, 'disk'), 0, PAGE, { at: ram });
    expect(vcpu.load(at(0))).toEqual({ kind: 'exit', exit: { reason: 'error', errno: 'EFAULT' } });
  });
});

describe('KVM_ARM_MTE_COPY_TAGS (FACTS A)', () => {
  const good = { ipa: RAM, length: PAGE, flags: 1, tags: buffer() };
  it.each([
    ['2: MTE off', false, {}, 'EINVAL'],
    ['a good call', true, {}, PAGE],
    ['3: reserved words', true, { reserved: [0, 1] as const }, 'EINVAL'],
    ['3: unknown flags', true, { flags: 2 }, 'EINVAL'],
    ['3: address unaligned', true, { ipa: RAM + 16 }, 'EINVAL'],
    ['3: length unaligned', true, { length: 16 }, 'EINVAL'],
    ['3: length beyond INT_MAX', true, { length: 2 ** 31 }, 'EINVAL'],
    ['3: a length of 2^64 - 4096', true, { length: -PAGE }, 'EINVAL'],
    ['nothing to do', true, { length: 0 }, 0],
    ['5: no slot', true, { ipa: FILE }, 'EFAULT'],
  ] as const)('%s', (_, mte, change, expected) => {
    const { memory } = running({}, mte);
    expect(outcome(() => memory.copyTags({ ...good, ...change }))).toBe(expected);
  });

  it('4: EBUSY into the guest while any slot is logged; out of it is allowed', () => {
    const { memory, ram } = tagged();
    memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 16 * PAGE, hva: ram });
    expect(outcome(() => memory.copyTags({ ...good, flags: 0, ipa: FILE }))).toBe('EBUSY');
    expect(outcome(() => memory.copyTags(good))).toBe(PAGE);
  });

  it('5: a read-only slot is EFAULT into the guest only', () => {
    const { memory, ram } = kit();
    memory.enableMte();
    memory.setUserMemoryRegion({ slot: 0, flags: 2, gpa: RAM, size: PAGE, hva: ram });
    expect(outcome(() => memory.copyTags({ ...good, flags: 0 }))).toBe('EFAULT');
    expect(outcome(() => memory.copyTags(good))).toBe(PAGE);
  });

  it('counts whole pages that were done before an error', () => {
    const { memory } = tagged();
    const into = { ipa: RAM + 14 * PAGE, length: 4 * PAGE, flags: 0, tags: buffer(3, 4) };
    expect(memory.copyTags(into)).toBe(2 * PAGE);
  });

  it('writes the low nibble, reads 0 to 15, and zero for a page without tags', () => {
    const { memory, vmm, ram } = tagged();
    vmm.port.write(ram + PAGE, word(1));
    const tags = buffer(0xff);
    expect(memory.copyTags({ ...good, ipa: RAM + PAGE, tags })).toBe(PAGE);
    expect([tags[0], tags[255]]).toEqual([0, 0]);
    memory.copyTags({ ...good, flags: 0, tags: buffer(0xab) });
    memory.copyTags({ ...good, tags });
    expect([tags[0], tags[255]]).toEqual([11, 11]);
  });

  it('a buffer that ends midway zeroes that page’s tags and does not count it', () => {
    const { memory, host } = tagged();
    memory.copyTags({ ...good, flags: 0, length: 2 * PAGE, tags: buffer(7, 2) });
    expect(memory.copyTags({ ...good, flags: 0, length: 2 * PAGE, tags: new Uint8Array(300).fill(9) })).toBe(
      PAGE,
    );
    const tags = buffer(1, 2);
    memory.copyTags({ ...good, length: 2 * PAGE, tags });
    expect([tags[0], tags[255], tags[256], tags[511]]).toEqual([9, 9, 0, 0]);
    expect(
      outcome(() => memory.copyTags({ ...good, flags: 0, ipa: RAM + 4 * PAGE, tags: new Uint8Array(3) })),
    ).toBe('EFAULT');
    const frame = memory.frameForTags(RAM / PAGE + 4, false);
    expect(host.ledger.frames.flags[frame] & FRAME_TAGGED).toBe(FRAME_TAGGED);
  });
});

describe('whoever knows a frame by one tag (AllocationTags) hears before its tags change', () => {
  const full = { ipa: RAM, length: PAGE, flags: 0, tags: buffer(7) };
  it.each([
    ['the tag-copy call', ({ memory }) => void memory.copyTags(full)],
    ['a page that a migration brings', ({ memory }) => importPage(memory, { ...page, tags: buffer(7) })],
    ['one that it brings without tags', ({ memory }) => importPage(memory, { ...page, tags: undefined })],
    ['a store of the guest through a port', ({ vcpu }) => void vcpu.setTag(at(0), 7)],
    ['the page going back to the host', ({ vmm, ram }) => vmm.madviseDontneed(ram, PAGE)],
  ] as readonly [string, (where: ReturnType<typeof tagged>) => void][])('%s', (_, change) => {
    const where = tagged();
    const { memory, vcpu, host } = where;
    vcpu.store(at(0), 1n);
    const frame = host.memory.offsetOf(memory.frameForTags(RAM / PAGE, true));
    const { allocationTags } = host.memory;
    const heard: number[] = [];
    allocationTags.addCache({ tagsChanging: (changed) => heard.push(changed) });
    expect(allocationTags.share(frame)).toBe(0);
    change(where);
    expect(heard).toEqual([frame]);
  });
  const page = { gfn: RAM / PAGE, custody: 'plain', data: new Uint8Array(PAGE) } as const;
});

describe('where tags come from and go (FACTS A)', () => {
  it('the first cacheable map initialises them, once; data is not touched', () => {
    const { vmm, vcpu, ram, memory, host } = tagged();
    vmm.port.write(ram, word(42));
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 42n });
    const frame = memory.frameForTags(RAM / PAGE, false);
    expect(host.ledger.frames.flags[frame] & FRAME_TAGGED).toBe(FRAME_TAGGED);
    vcpu.setTag(at(0), 6);
    vcpu.load(at(0));
    expect(host.memory.tags(frame)[0]).toBe(6);
  });

  it('stores of the VMM and of devices leave them', () => {
    const { vmm, vcpu, ram, memory, host } = tagged();
    vcpu.setTag(at(0), 6);
    vmm.port.write(ram, new Uint8Array(PAGE).fill(1));
    memory.devicePort(8).write(RAM, new Uint8Array(PAGE).fill(2));
    expect(host.memory.tags(memory.frameForTags(RAM / PAGE, false))[0]).toBe(6);
  });

  it('MADV_DONTNEED drops page and tags', () => {
    const { vmm, vcpu, ram, memory } = tagged();
    vcpu.setTag(at(0), 6);
    vmm.madviseDontneed(ram, PAGE);
    const tags = buffer(1);
    memory.copyTags({ ipa: RAM, length: PAGE, flags: 1, tags });
    expect(tags[0]).toBe(0);
  });

  it('swap keeps them, two to a byte, and gives them back before the page is mapped again', () => {
    const { vcpu, ram, memory, vmm, host } = tagged();
    vcpu.setTag(at(0), 6);
    vcpu.setTag(at(0, 4080), 11);
    vcpu.store(at(0, 8), 5n);
    new HostKernel(host).swapOut(vmm, ram);
    expect(host.swap.used).toBe(1);
    expect(vcpu.load(at(0, 8))).toEqual({ kind: 'done', value: 5n });
    const tags = buffer();
    memory.copyTags({ ipa: RAM, length: PAGE, flags: 1, tags });
    expect([tags[0], tags[1], tags[255]]).toEqual([6, 0, 11]);
    expect(host.swap.used).toBe(0);
  });

  it('merging never takes a tagged page', () => {
    const { vcpu, ram, vmm, host } = tagged();
    vcpu.store(at(0), 5n);
    vmm.port.write(ram + PAGE, word(5));
    vmm.port.write(ram + 2 * PAGE, word(5));
    expect(new HostKernel(host).merge([vmm])).toBe(1);
    expect(vmm.frameAt(ram / PAGE + 1)).toBe(vmm.frameAt(ram / PAGE + 2));
    expect(vmm.frameAt(ram / PAGE)).not.toBe(vmm.frameAt(ram / PAGE + 1));
    expect(vcpu.load(at(1))).toEqual({ kind: 'done', value: 5n });
    expect(vmm.frameAt(ram / PAGE + 1)).not.toBe(vmm.frameAt(ram / PAGE + 2));
  });
});
