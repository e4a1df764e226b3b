import { describe, expect, it } from 'vitest';
import {
  MEM_GUEST_MEMFD,
  MEM_LOG_DIRTY_PAGES,
  MEM_READONLY,
  type MemoryRegion2,
} from '../../../src/hypervisor/slots/index.ts';
import { hva } from '../../../src/lib/index.ts';
import { at, FILE, type Kit, kit, outcome, PAGE, RAM } from '../stage2/kit.ts';

/** A region that is accepted as it stands. */
const good = ({ ram }: Kit): MemoryRegion2 => ({ slot: 0, flags: 0, gpa: RAM, size: 4 * PAGE, hva: ram });

type Change = (region: MemoryRegion2, made: Kit) => MemoryRegion2;
type Row = readonly [name: string, change: Change, expected: unknown];

const with_ =
  (some: Partial<MemoryRegion2>): Change =>
  (region) => ({ ...region, ...some });

describe('KVM_SET_USER_MEMORY_REGION2, sound arguments (FACTS B, checks 1 to 8)', () => {
  const rows: Row[] = [
    ['a good region', with_({}), 0],
    ['2: slot 32766 is the last', with_({ slot: 32766 }), 0],
    ['2: slot 32767', with_({ slot: 32767 }), 'EINVAL'],
    ['1: unknown flags', with_({ flags: 8 }), 'EINVAL'],
    ['3: GUEST_MEMFD with LOG_DIRTY', with_({ flags: MEM_GUEST_MEMFD | MEM_LOG_DIRTY_PAGES }), 'EINVAL'],
    [
      '3: GUEST_MEMFD with READONLY, even to delete',
      with_({ flags: MEM_GUEST_MEMFD | MEM_READONLY, size: 0 }),
      'EINVAL',
    ],
    ['4: size unaligned', with_({ size: PAGE + 8 }), 'EINVAL'],
    ['4: GPA unaligned', with_({ gpa: RAM + 0x800 }), 'EINVAL'],
    ['4: HVA unaligned', (region, { ram }) => ({ ...region, hva: ram + 1 }), 'EINVAL'],
    ['4: HVA tagged', (region, { ram }) => ({ ...region, hva: BigInt(ram) | (1n << 56n) }), 'EINVAL'],
    ['4: HVA of the kernel', with_({ hva: 0xffff_0000_0000_0000n }), 'EINVAL'],
    ['4: a size of 2^64 - 4096', with_({ size: 0xffff_ffff_ffff_f000n }), 'EINVAL'],
    ['4: a negative size', with_({ size: -PAGE }), 'EINVAL'],
    ['4: a size that is no integer', with_({ size: 0.5 }), 'EINVAL'],
    ['5: file offset unaligned', with_({ flags: MEM_GUEST_MEMFD, offset: 8 }), 'EINVAL'],
    [
      '5: file offset that overflows',
      with_({ flags: MEM_GUEST_MEMFD, offset: 0xffff_ffff_ffff_f000n }),
      'EINVAL',
    ],
    ['5: the offset is not looked at without the flag', with_({ offset: 8 }), 0],
    ['6: address space 1', with_({ slot: 0x10000 }), 'EINVAL'],
    ['7: GPA wraps', with_({ gpa: 0xffff_ffff_ffff_e000n }), 'EINVAL'],
    ['8: more than 2^31 - 1 pages', with_({ size: 2 ** 43 }), 'EINVAL'],
    ['9: deleting what does not exist', with_({ size: 0 }), 'EINVAL'],
  ];
  it.each(rows)('%s', (_, change, expected) => {
    const made = kit();
    expect(outcome(() => made.memory.setUserMemoryRegion2(change(good(made), made)))).toBe(expected);
  });

  it('1: version 1 of the call knows LOG_DIRTY and READONLY only', () => {
    const made = kit();
    expect(outcome(() => made.memory.setUserMemoryRegion({ ...good(made), flags: MEM_GUEST_MEMFD }))).toBe(
      'EINVAL',
    );
    expect(outcome(() => made.memory.setUserMemoryRegion({ ...good(made), flags: 3 }))).toBe(0);
  });
});

describe('KVM_SET_USER_MEMORY_REGION2, against what exists (FACTS B, checks 9 to 13)', () => {
  const rows: Row[] = [
    ['10: identical', with_({}), 0],
    ['10: HVA changed', (region, { ram }) => ({ ...region, hva: ram + PAGE }), 'EINVAL'],
    ['10: size changed', with_({ size: 2 * PAGE }), 'EINVAL'],
    ['10: READONLY toggled', with_({ flags: MEM_READONLY }), 'EINVAL'],
    ['10: GUEST_MEMFD, whatever the file', with_({ flags: MEM_GUEST_MEMFD }), 'EINVAL'],
    ['10: MOVE', with_({ gpa: RAM + 16 * PAGE }), 0],
    ['10: a move onto itself by a page', with_({ gpa: RAM + PAGE }), 0],
    ['10: FLAGS_ONLY', with_({ flags: MEM_LOG_DIRTY_PAGES }), 0],
    ['9: DELETE', with_({ size: 0 }), 0],
    ['11: CREATE that overlaps', with_({ slot: 1, gpa: RAM + 3 * PAGE }), 'EEXIST'],
    ['11: CREATE beside it', with_({ slot: 1, gpa: RAM + 4 * PAGE }), 0],
    [
      '11: overlap comes before a file that does not exist',
      with_({ slot: 1, flags: MEM_GUEST_MEMFD }),
      'EEXIST',
    ],
    ['12: no such file', with_({ slot: 1, flags: MEM_GUEST_MEMFD, gpa: FILE }), 'EBADF'],
    ['13: beyond the IPA size', with_({ slot: 1, gpa: 2 ** 40 }), 'EFAULT'],
    ['13: up to the IPA size', with_({ slot: 1, gpa: 2 ** 40 - 4 * PAGE }), 0],
    ['13: a move beyond the IPA size', with_({ gpa: 2 ** 40 }), 'EFAULT'],
    ['13: holes in the process are allowed', with_({ slot: 1, gpa: FILE, hva: 0x1000 }), 0],
  ];
  it.each(rows)('%s', (_, change, expected) => {
    const made = kit();
    made.memory.setUserMemoryRegion2(good(made));
    expect(outcome(() => made.memory.setUserMemoryRegion2(change(good(made), made)))).toBe(expected);
  });

  it('changes nothing where it fails', () => {
    const made = kit();
    made.memory.setUserMemoryRegion2(good(made));
    const vcpu = made.memory.createVcpuPort(0);
    vcpu.store(at(0), 7n);
    expect(outcome(() => made.memory.setUserMemoryRegion2({ ...good(made), gpa: 2 ** 40, flags: 1 }))).toBe(
      'EFAULT',
    );
    expect(vcpu.load(at(0))).toEqual({ kind: 'done', value: 7n });
    expect(outcome(() => made.memory.getDirtyLog(0))).toBe('ENOENT');
  });

  it('13: with MTE, every mapping in the range can carry tags', () => {
    const made = kit();
    made.memory.enableMte();
    const disk = made.vmm.mmapFile(made.host.createSharedFile(4 * PAGE, 'disk'), 0, 4 * PAGE);
    const memory = made.vmm.mmapFile(made.host.createSharedFile(4 * PAGE), 0, 4 * PAGE);
    const region = good(made);
    expect(outcome(() => made.memory.setUserMemoryRegion({ ...region, hva: disk }))).toBe('EINVAL');
    expect(outcome(() => made.memory.setUserMemoryRegion({ ...region, hva: memory }))).toBe(0);
    expect(
      outcome(() => made.memory.setUserMemoryRegion({ ...region, slot: 1, gpa: FILE, hva: hva(0x1000) })),
    ).toBe(0);
  });

  it("13: a protected VM's slots: EPERM to log, to be read-only, and once it has run to delete or move", () => {
    const made = kit({ protected: true });
    const set = (change: Partial<MemoryRegion2>) =>
      outcome(() => made.memory.setUserMemoryRegion2({ ...good(made), ...change }));
    expect(set({ flags: MEM_LOG_DIRTY_PAGES })).toBe('EPERM');
    expect(set({ flags: MEM_READONLY })).toBe('EPERM');
    expect(set({})).toBe(0);
    expect(set({ gpa: FILE })).toBe(0);
    expect(set({ gpa: RAM })).toBe(0);
    made.memory.createVcpuPort(0).load(at(0));
    expect(set({ gpa: FILE })).toBe('EPERM');
    expect(set({ size: 0 })).toBe('EPERM');
    expect(set({})).toBe(0);
  });
});
