import { describe, expect, it } from 'vitest';
import {
  audit,
  encode,
  FRAME_TAGGED,
  HOST,
  INVARIANTS,
  OWNED,
  RULES,
  SHARED_OWNED,
} from '../../../src/hypervisor/ledger/index.ts';
import { EVERYTHING } from '../../../src/hypervisor/slots/index.ts';
import { IommuDomain } from '../../../src/hypervisor/stage2/index.ts';
import { frameNumber } from '../../../src/lib/index.ts';
import { at, PAGE, RAM, running, word } from '../stage2/kit.ts';

/** A protected VM with a page of its own, one that it shares, and one that nobody has touched as a guest. */
function world() {
  const made = running({ protected: true, extensions: EVERYTHING }, true);
  made.vcpu.store(at(0), 1n);
  made.vcpu.store(at(1), 1n);
  made.memory.shareWithHost(at(1), 0);
  made.vmm.port.write(made.ram + 2 * PAGE, word(1));
  const { frames } = made.host.ledger;
  const frameOf = (page: number) => frameNumber(made.vmm.frameAt(made.ram / PAGE + page));
  return { ...made, frames, own: frameOf(0), shared: frameOf(1), plain: frameOf(2) };
}

type World = ReturnType<typeof world>;

describe('the audit', () => {
  it('finds nothing wrong in a sound state', () => {
    expect(audit(world().host.ledger)).toEqual([]);
  });

  const corruptions: [string, string, (world: World) => void][] = [
    [
      'a private frame of another owner',
      'mapped',
      ({ frames, own }) => frames.owner.fill(HOST, own, own + 1),
    ],
    [
      'a private frame that says OWNED for the host',
      'mapped',
      ({ frames, own }) => frames.state.fill(OWNED, own, own + 1),
    ],
    ['a wrong GFN', 'mapped', ({ frames, own }) => frames.gfn.fill(77, own, own + 1)],
    ['a private frame that is lent', 'exclusive', ({ frames, own }) => frames.lent.fill(1, own, own + 1)],
    ['a private frame held twice', 'exclusive', ({ frames, own }) => frames.refs.fill(2, own, own + 1)],
    ['a GFN that vanished', 'mapped', ({ memory }) => memory.guest.table.set(RAM / PAGE, 0)],
    [
      'a second GFN for the same frame',
      'mapped',
      ({ memory }) => memory.guest.table.set(99, memory.guest.table.get(RAM / PAGE)),
    ],
    ['a lost reference', 'conserved', ({ frames, plain }) => frames.refs.fill(0, plain, plain + 1)],
    [
      'a state that goes with no owner',
      'conserved',
      ({ frames, plain }) => frames.state.fill(SHARED_OWNED + 2, plain, plain + 1),
    ],
    ['a pin that nobody has', 'contained', ({ frames, own }) => frames.pins.fill(0, own, own + 1)],
    ['tags without the flag', 'tagged', ({ host, plain }) => host.memory.tags(plain).fill(3)],
    [
      'a page of an MTE guest without tags',
      'tagged',
      ({ frames, own }) => {
        frames.flags[own] &= ~FRAME_TAGGED;
      },
    ],
    [
      'data in a free frame',
      'scrubbed',
      ({ vmm, ram, host, plain }) => {
        vmm.madviseDontneed((ram + 2 * PAGE) as typeof ram, PAGE);
        host.memory.data(plain)[9] = 1;
      },
    ],
    [
      'a view of a private frame',
      'sealed',
      ({ vmm, ram, host }) => {
        host.ledger.mutants = new Set(['guest_unshare_host!views']);
        return void vmm.port.read(ram + PAGE, word(0));
      },
    ],
  ];

  it.each(corruptions)('finds %s (%s)', (_, invariant, corrupt) => {
    const made = world();
    corrupt(made);
    if (invariant === 'sealed') made.memory.unshareFromHost(at(1));
    expect(audit(made.host.ledger).map((violation) => violation.invariant)).toContain(invariant);
  });

  it('finds a write that a log does not see', () => {
    const { memory, vcpu, host, ram } = running();
    vcpu.store(at(0), 1n);
    host.ledger.caches.dropWrites = () => {};
    memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: RAM, size: 16 * PAGE, hva: ram });
    memory.guest.table.set(RAM / PAGE, memory.guest.table.get(RAM / PAGE) | (1 << 21));
    expect(audit(host.ledger).map(({ invariant }) => invariant)).toContain('logged');
  });

  it('finds an IOMMU map that outlived its page', () => {
    const { host, vmm, ram } = running();
    const domain = new IommuDomain(host);
    domain.mapHva(0, vmm, ram, PAGE, true);
    domain.withdraw = () => {};
    vmm.madviseDontneed(ram, PAGE);
    expect(audit(host.ledger).map(({ invariant }) => invariant)).toContain('contained');
  });

  it('notices a scrub that was left out, at the moment it happens', () => {
    const { host, memory, vmm, ram } = world();
    host.ledger.watchful = true;
    host.ledger.mutants = new Set(['reclaim~scrub']);
    memory.destroy();
    expect(audit(host.ledger)[0]).toMatchObject({ invariant: 'scrubbed' });
    expect(vmm.port.read(ram, word(0))).toBeUndefined();
  });

  it('costs at most 32 bytes a frame', () => {
    expect(world().frames.bytesPerFrame).toBeLessThanOrEqual(32);
  });

  it('has a sentence and a source for each invariant and rule', () => {
    for (const { id, says, source } of [...INVARIANTS, ...RULES]) {
      expect(id).toMatch(/^[a-z-]+$/);
      expect(says.length).toBeGreaterThan(10);
      expect(source.length).toBeGreaterThan(5);
    }
  });
});

describe('the canonical encoding', () => {
  it('is equal for states that differ only in which frame is which, and different for others', () => {
    const make = (order: readonly number[]) => {
      const made = running();
      for (const page of order) made.vcpu.store(at(page), 1n);
      return encode(made.host.ledger);
    };
    expect(make([0, 1, 2])).toBe(make([2, 0, 1]));
    expect(make([0, 1, 2])).not.toBe(make([0, 1, 3]));
  });
});
