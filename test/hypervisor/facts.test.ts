// Every numbered check and every hole of the kernel's semantics (FACTS B, C, D and G), with the row that shows it: the
// file and the words of its title. A row that is renamed or lost is missed here. What cannot occur says why.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

type Row = readonly [item: string, file: string, title: string];

const REGION = 'slots/region.test.ts';
const LOG = 'slots/dirty-log.test.ts';
const GMEM = 'slots/guest-memfd.test.ts';
const PKVM = 'ledger/pkvm.test.ts';
const HOLES = 'stage2/holes.test.ts';
const ROWS = 'stage2/rows.test.ts';
const FAULTS = 'stage2/faults.test.ts';
const CALLS = 'calls/pkvm.test.ts';
const GUEST = 'guard/guest.test.ts';

const ITEMS: readonly Row[] = [
  // B: slots
  ['B: EIO for every call on a dead VM', 'stage2/misuse.test.ts', 'every call on a dead VM'],
  ['B1', REGION, '1: version 1 of the call knows LOG_DIRTY and READONLY only'],
  ['B2', REGION, '2: slot 32767'],
  ['B3', REGION, '3: GUEST_MEMFD with LOG_DIRTY'],
  ['B3, deleting', REGION, '3: GUEST_MEMFD with READONLY, even to delete'],
  ['B4, size', REGION, '4: size unaligned'],
  ['B4, GPA', REGION, '4: GPA unaligned'],
  ['B4, HVA', REGION, '4: HVA unaligned'],
  ['B4, tagged', REGION, '4: HVA tagged'],
  ['B4, access_ok', REGION, '4: HVA of the kernel'],
  ['B5, alignment', REGION, '5: file offset unaligned'],
  ['B5, overflow', REGION, '5: file offset that overflows'],
  ['B6', REGION, '6: address space 1'],
  ['B7', REGION, '7: GPA wraps'],
  ['B8', REGION, '8: more than 2^31 - 1 pages'],
  ['B9', REGION, '9: deleting what does not exist'],
  ['B10, file', REGION, '10: GUEST_MEMFD, whatever the file'],
  ['B10, HVA', REGION, '10: HVA changed'],
  ['B10, size', REGION, '10: size changed'],
  ['B10, READONLY', REGION, '10: READONLY toggled'],
  ['B10, MOVE', REGION, '10: MOVE'],
  ['B10, FLAGS_ONLY', REGION, '10: FLAGS_ONLY'],
  ['B10, identical', REGION, '10: identical'],
  ['B11', REGION, '11: CREATE that overlaps'],
  ['B12', REGION, '12: no such file'],
  ['B13, protected', REGION, "13: a protected VM's slots: EPERM to log"],
  ['B13, IPA size', REGION, '13: beyond the IPA size'],
  ['B13, no MMAP flag', GMEM, 'a file without the MMAP flag has no slot on arm64'],
  ['B13, MTE', REGION, '13: with MTE, every mapping in the range can carry tags'],
  ['B, order 10, 11', ROWS, '10 before 11'],
  ['B, order 11, 12', REGION, '11: overlap comes before a file that does not exist'],
  ['B, order 12, 13', ROWS, '12 before 13'],
  ['B, DELETE', ROWS, 'DELETE unmaps stage 2 and frees the bitmap'],
  ['B, MOVE', ROWS, 'MOVE unmaps the old place'],
  ['B, MOVE keeps the bitmap', LOG, 'keeps the bitmap when the slot moves'],
  ['B, failure reverts', REGION, 'changes nothing where it fails'],
  // B: faults
  ['B, no slot', FAULTS, 'no slot: a load is the VMM’s'],
  ['B, read-only slot', FAULTS, 'a read-only slot: a store is the VMM’s'],
  ['B, fetch', FAULTS, 'an instruction fetch: SEA'],
  ['B, stage-1 walk', FAULTS, 'a stage-1 walk outside of slots: SEA on the walk'],
  ['B, CMO', FAULTS, 'cache maintenance outside of slots is skipped'],
  ['B, ISV=0 (differs)', FAULTS, 'ISV=0 differs'],
  ['B, ISV=0, protected', GUEST, 'gets an abort for a device access without a syndrome'],
  ['B, EL0’s ESR', GUEST, 'from EL0 the abort says so'],
  ['B, beyond the VM’s IPA size', FAULTS, 'beyond the VM’s IPA size: SEA, FAR = IPA'],
  ['B, beyond the host’s', 'stage2/vm-memory.test.ts', 'faults where nothing can be'],
  // B: dirty log and ring
  ['B, GET ENXIO', LOG, 'takes entries in order'],
  ['B, GET EINVAL and ENOENT', LOG, 'ENOENT without a slot or its bitmap, EINVAL for no slot number'],
  ['B, GET bytes', LOG, 'has ALIGN(pages, 64) / 8 bytes'],
  ['B, GET fetches and clears', LOG, 'tells pages written since the last call, and forgets them'],
  ['B, manual forms', LOG, 'takes 0, 1 and 3 as its form'],
  ['B, GET with manual', LOG, 'GET does not clear; CLEAR clears what is set on both sides'],
  ['B, INITIALLY_SET', LOG, 'INITIALLY_SET: a new bitmap is all ones'],
  ['B, CLEAR first', LOG, 'first page not a multiple of 64'],
  ['B, CLEAR bounds', LOG, 'count beyond the slot'],
  ['B, CLEAR count', LOG, 'count not a multiple of 64 that ends before the slot'],
  ['B, CLEAR without manual', LOG, 'does not ask whether protection is manual'],
  ['B hole: VMM and devices', LOG, 'hole: stores of the VMM and of devices are not logged'],
  ['B, ring capability', ROWS, 'B: the ring of x86 is not there'],
  ['B, ring sizes', LOG, "[1 << 21, 'E2BIG']"],
  ['B, ring once', LOG, 'is made once, and before vCPUs'],
  ['B, ring exit', LOG, 'stops the vCPU 64 entries before it is full'],
  ['B, ring with bitmap', LOG, 'WITH_BITMAP needs rings and comes before slots'],
  // C: guest_memfd
  ['C, flags', GMEM, 'flags it does not know'],
  ['C, size', GMEM, 'an unaligned size'],
  ['C, capabilities', ROWS, 'C: its flags'],
  ['C, bind', GMEM, 'bind: closed EBADF, another VM’s EINVAL, beyond its end EINVAL, bound already EEXIST'],
  ['C, fallocate modes', GMEM, 'without KEEP_SIZE'],
  ['C, fallocate alignment', GMEM, "['unaligned', KEEP_SIZE"],
  ['C, allocate past the end', GMEM, 'allocate past the end'],
  ['C, punch past the end', GMEM, 'punch past the end'],
  ['C, punch order', GMEM, 'punching takes the page out of stage 2'],
  ['C, mmap', GMEM, 'ENODEV without the MMAP flag, EINVAL for a private mapping'],
  ['C, SIGBUS', GMEM, 'SIGBUS beyond the end, and everywhere without INIT_SHARED'],
  ['C, zeroing', GMEM, 'allocating does not zero what is there'],
  ['C, slot delete', GMEM, 'deleting the slot keeps content'],
  ['C, close', GMEM, 'closing with a live slot zaps stage 2; the next access is a memory fault'],
  ['C, unevictable', ROWS, 'its pages are neither swapped nor merged'],
  ['C, from the file', ROWS, 'the guest’s pages come from the file'],
  ['C, MEMORY_FAULT', ROWS, 'MEMORY_FAULT: flags 0, one page, aligned'],
  ['C, attributes upstream', GMEM, 'upstream has neither'],
  ['C, attributes errors (differs)', GMEM, 'an unknown attribute'],
  ['C, attributes no-op (differs)', ROWS, 'setting what is set already'],
  ['C, PRIVATE flag (differs)', GMEM, 'with the flag of what is wanted'],
  ['C, conversion (differs)', GMEM, 'shared to private keeps content'],
  ['C, MTE', GMEM, 'with MTE: EINVAL either way round'],
  // D: pKVM
  ['D, host_share_hyp, host_unshare_hyp', PKVM, 'host_share_hyp and back'],
  ['D, host_unshare_hyp EBUSY', PKVM, 'host_unshare_hyp: EBUSY'],
  ['D, host_donate_hyp, hyp_donate_host', PKVM, 'host_donate_hyp and hyp_donate_host'],
  ['D, host_share_ffa', PKVM, 'host_share_ffa and back'],
  ['D, host_share_guest, host_unshare_guest', PKVM, 'host_share_guest counts its guests'],
  ['D, host_donate_guest', PKVM, 'host_donate_guest: once, to a protected VM, at one GFN, and never zeroed'],
  ['D, guest_share_host, guest_unshare_host', PKVM, 'guest_share_host and guest_unshare_host, which keep'],
  ['D, force_reclaim', PKVM, 'force_reclaim zeroes, poisons the GFN for good'],
  ['D, reclaim, owned', PKVM, 'a page that it owns is zeroed'],
  ['D, reclaim, shared', PKVM, 'a page that it shared is not'],
  ['D, every errno in its order', '../lab/check/check.test.ts', 'give the errno of FACTS D, in its order'],
  ['D, SIGSEGV and EFAULT', HOLES, 'pKVM: SIGSEGV for the VMM, EFAULT for copies of the kernel'],
  ['D, taken by force', HOLES, 'a page taken by the kernel by force is zero, and dead to the guest'],
  ['D, EIO', HOLES, 'a protected VM on a file of a disk, which cannot be pinned for good: EIO'],
  ['D, MAP_FIXED', HOLES, 'pKVM: MAP_FIXED and MADV_DONTNEED over a page change nothing'],
  ['D, KVM_CREATE_VM', HOLES, 'EINVAL for a protected VM on a host that does not run in protected mode'],
  ['D, handles', ROWS, 'handles count from 0x1000, and there are 255'],
  ['D, teardown', HOLES, 'the VM’s end: what it owned is zero, what it shared is as it was'],
  ['D, MEMINFO', CALLS, 'MEMINFO gives the granule'],
  ['D, FEATURES', CALLS, 'announces features 0, 2, 3 and 4'],
  ['D, MEM_SHARE arguments', CALLS, 'refuses reserved arguments and addresses that no page has'],
  ['D, MEM_SHARE unmapped', CALLS, 'is made again after the host has put a page there'],
  [
    'D, MEM_SHARE outside slots',
    GUEST,
    'that shares what is no memory takes the abort at the HVC, with FAR 0',
  ],
  ['D, MEM_SHARE poisoned', ROWS, 'of a page taken by force are refused'],
  ['D, HVC only', CALLS, 'does not exist for SMC'],
  ['D, guard, upstream', CALLS, "upstream's one call needs no enrolment"],
  ['D, guard, 2021', CALLS, 'the proposal of 2021'],
  ['D, guard, fault', GUEST, 'an access outside the guarded pages is an external abort for the guest'],
  ['D, guard absent in 7.2', GUEST, 'does not exist as in Linux 7.2'],
  // G: requirements and their holes
  ['G, one VM', HOLES, 'pKVM: a page of the process goes to one protected VM only'],
  ['G hole: same HVA in two VMs', HOLES, 'hole: ordinary slots of two VMs show the same page'],
  ['G hole: multi-share', PKVM, 'host_share_guest counts its guests'],
  ['G, no access', HOLES, 'pKVM: SIGSEGV for the VMM'],
  ['G hole: direct map (differs)', HOLES, 'hole closed (differs): the host’s kernel has no direct map'],
  ['G hole: DMA (differs)', ROWS, 'hole closed (differs): DMA reaches what a domain maps and nothing else'],
  ['G hole: registers (differs)', GUEST, 'keeps its registers from the VMM once it has run'],
  ['G hole: slots follow the VMA', HOLES, 'hole: an ordinary slot follows the process’s mapping'],
  ['G, never changes', REGION, 'once it has run to delete or move'],
  ['G hole: rebind', GMEM, 'which another GFN may show then (hole: FACTS G)'],
  ['G hole: punch swaps the frame', HOLES, 'hole: punching a guest_memfd swaps the frame'],
  ['G hole: unshare keeps bytes', HOLES, 'pKVM in place: what the host wrote is there after unsharing'],
];

/** What of FACTS has no row, and why not. */
const CANNOT_OCCUR = {
  'B13, PFNMAP': 'the host has no mapping of device memory',
  'B, GET EFAULT': 'bitmaps are returned, not copied to an address',
  'C, reserved fields': 'the call takes no reserved words',
  'C, read, write, ftruncate': 'a guest_memfd has no such methods',
  'D, straddling, MMIO, NOMAP': 'every frame of the host is memory',
  'D, ENOENT, E2BIG, ENOMEM': 'stage 2 has neither blocks nor a memory cache; what is unmapped is NOPAGE',
};

describe('each check and each hole of the kernel’s semantics has its row', () => {
  it.each(ITEMS)('%s', (_, file, title) => {
    expect(readFileSync(new URL(file, import.meta.url), 'utf8')).toContain(title);
  });

  it('is listed once, and nothing is both listed and impossible', () => {
    const names = [...ITEMS.map(([item]) => item), ...Object.keys(CANNOT_OCCUR)];
    expect(new Set(names).size).toBe(names.length);
  });
});
