// Random operations by every actor on a small host, audited after each: nothing is lost, nothing leaks, and at the
// end every frame is free again.

import { describe, expect, it } from 'vitest';
import {
  type Auditor,
  audit,
  ENTRY_PRESENT,
  ENTRY_WRITE,
  encode,
  entryFrame,
  type MemoryPort,
  type Report,
  type TlbInvalidator,
} from '../../../src/hypervisor/ledger/index.ts';
import {
  type AddressSpace,
  EVERYTHING,
  type GuestMemfd,
  Host,
  HostKernel,
} from '../../../src/hypervisor/slots/index.ts';
import { IommuDomain, type VcpuPort, VmMemory } from '../../../src/hypervisor/stage2/index.ts';
import { Errno, gpa, type Hva, hva, PAGE_SIZE } from '../../../src/lib/index.ts';

const PAGES = 6;
const ANONYMOUS = 0x4000_0000;
const FILE = 0x5000_0000;

/** xorshift32: the same run for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** A TLB that has everything stage 2 permits, and must never have more. */
class FullTlb implements TlbInvalidator, Auditor {
  private readonly known = new Map<number, { offset: number; writable: boolean }>();
  private readonly memory: VmMemory;

  constructor(memory: VmMemory) {
    this.memory = memory;
    memory.addTlb(this);
    memory.ledger.auditors.add(this);
  }

  fill(): void {
    const { guest, ledger } = this.memory;
    guest.table.each((gfn, entry) => {
      if ((entry & ENTRY_PRESENT) === 0) return;
      this.known.set(gfn, {
        offset: ledger.offsetOf(entryFrame(entry)),
        writable: (entry & ENTRY_WRITE) !== 0,
      });
    });
  }

  dropFrame(frame: number): void {
    for (const [gfn, { offset }] of this.known) if (offset === frame) this.known.delete(gfn);
  }

  dropAll(): void {
    this.known.clear();
  }

  dropWrites(): void {
    for (const entry of this.known.values()) entry.writable = false;
  }

  audit(report: Report): void {
    const { guest, ledger } = this.memory;
    for (const [gfn, { offset, writable }] of this.known) {
      const entry = guest.table.get(gfn);
      if ((entry & ENTRY_PRESENT) === 0 || ledger.offsetOf(entryFrame(entry)) !== offset) {
        report('convertible', `the TLB still has GFN ${gfn}`);
      } else if (writable && (entry & ENTRY_WRITE) === 0) report('logged', `the TLB may write to GFN ${gfn}`);
    }
  }
}

interface World {
  readonly host: Host;
  readonly vms: {
    readonly memory: VmMemory;
    readonly space: AddressSpace;
    readonly ram: Hva;
    readonly memfd: GuestMemfd;
    readonly vcpu: VcpuPort;
    readonly device: MemoryPort;
    readonly domain: IommuDomain;
    readonly tlb: FullTlb;
    readonly assigned: MemoryPort;
  }[];
}

function build(frames: number): World {
  const host = Host.create(frames, { pkvm: true, swapPages: 8 });
  host.ledger.watchful = true;
  const vms = [false, true].map((isProtected) => {
    const space = host.createAddressSpace();
    const memory = new VmMemory(host, space, { protected: isProtected, extensions: EVERYTHING });
    memory.enableMte();
    const ram = space.mmapAnonymous(PAGES * PAGE_SIZE);
    memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: ANONYMOUS, size: PAGES * PAGE_SIZE, hva: ram });
    const memfd = memory.createGuestMemfd(PAGES * PAGE_SIZE, 1);
    memory.setUserMemoryRegion2({
      slot: 1,
      flags: 4,
      gpa: FILE,
      size: PAGES * PAGE_SIZE,
      hva: 0,
      memfd,
      offset: 0,
    });
    const domain = new IommuDomain(host, isProtected ? 'unmap' : 'refuse');
    return {
      memory,
      space,
      ram,
      memfd,
      vcpu: memory.createVcpuPort(0),
      device: memory.devicePort(8),
      domain,
      assigned: domain.port(9),
      tlb: new FullTlb(memory),
    };
  });
  return { host, vms };
}

function step({ host, vms }: World, random: (below: number) => number): string {
  const which = random(vms.length);
  const { memory, space, ram, memfd, vcpu, device, domain, assigned } = vms[which];
  const page = random(PAGES);
  const base = random(2) ? ANONYMOUS : FILE;
  const address = gpa(base + page * PAGE_SIZE);
  const at = hva(ram + page * PAGE_SIZE);
  const bytes = Uint8Array.of(1 + random(255), 2, 3, 4, 5, 6, 7, 8);
  const iova = random(3) * PAGE_SIZE;
  const kernel = new HostKernel(host);
  const operations: [string, () => unknown][] = [
    ['guest load', () => vcpu.load(address)],
    ['guest store', () => vcpu.store(address, BigInt(random(1000)))],
    ['guest tag', () => vcpu.setTag(address, random(16))],
    ['vmm store', () => space.port.write(at, bytes)],
    ['vmm load', () => space.port.read(at, bytes)],
    ['device store', () => device.write(address, bytes)],
    ['device load', () => device.read(address, bytes)],
    ['dontneed', () => space.madviseDontneed(at, PAGE_SIZE)],
    ['map over', () => space.mmapAnonymous(PAGE_SIZE, { at })],
    ['share', () => memory.shareWithHost(address, 0)],
    ['unshare', () => memory.unshareFromHost(address)],
    ['gup', () => kernel.getUserPage(space, at)],
    ['swap out', () => kernel.swapOut(space, at)],
    ['merge', () => kernel.merge(vms.map((vm) => vm.space))],
    ['punch', () => memfd.fallocate(3, page * PAGE_SIZE, PAGE_SIZE)],
    ['to shared', () => memfd.convert(page * PAGE_SIZE, 2 * PAGE_SIZE, 'shared')],
    ['to private', () => memfd.convert(page * PAGE_SIZE, PAGE_SIZE, 'private')],
    ['map gpa', () => domain.mapGpa(iova, memory, address, PAGE_SIZE, random(2) > 0)],
    ['map hva', () => domain.mapHva(iova, space, at, PAGE_SIZE, true)],
    ['map file', () => domain.mapMemfd(iova, memfd, page * PAGE_SIZE, PAGE_SIZE, true)],
    ['unmap', () => domain.unmap(iova, PAGE_SIZE)],
    ['assigned store', () => assigned.write(iova, bytes)],
    [
      'log on',
      () =>
        memory.setUserMemoryRegion({ slot: 0, flags: 1, gpa: ANONYMOUS, size: PAGES * PAGE_SIZE, hva: ram }),
    ],
    [
      'log off',
      () =>
        memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: ANONYMOUS, size: PAGES * PAGE_SIZE, hva: ram }),
    ],
    ['get log', () => memory.getDirtyLog(0)],
    [
      'copy tags',
      () => memory.copyTags({ ipa: address, length: PAGE_SIZE, flags: random(2), tags: new Uint8Array(256) }),
    ],
    ['delete', () => memory.setUserMemoryRegion2({ slot: 1, flags: 0, gpa: 0, size: 0, hva: 0 })],
    [
      'create',
      () =>
        memory.setUserMemoryRegion2({
          slot: 1,
          flags: 4,
          gpa: FILE,
          size: PAGES * PAGE_SIZE,
          hva: 0,
          memfd,
          offset: 0,
        }),
    ],
  ];
  for (const { tlb } of vms) tlb.fill();
  const [name, operation] = operations[random(operations.length)];
  try {
    operation();
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
  }
  return `${name} vm${which} page ${page} of ${base.toString(16)} iova ${iova}`;
}

function end({ host, vms }: World): void {
  for (const { memory, space, domain } of vms) {
    memory.destroy();
    domain.dispose();
    space.destroy();
  }
  expect(audit(host.ledger)).toEqual([]);
}

describe('random operations by every actor', () => {
  it('leave a state in which the audit finds nothing, and give every frame back', () => {
    for (let seed = 1; seed <= 25; seed++) {
      const frames = 8 + (seed % 3) * 12;
      const world = build(frames);
      const random = generator(seed * 7919);
      const trace: string[] = [];
      for (let n = 0; n < 150; n++) {
        trace.push(step(world, random));
        const violations = audit(world.host.ledger);
        expect(violations, `seed ${seed}\n${trace.slice(-25).join('\n')}`).toEqual([]);
      }
      expect(encode(world.host.ledger)).toContain(';');
      end(world);
      expect(world.host.freeFrames, `seed ${seed}\n${trace.slice(-25).join('\n')}`).toBe(frames);
    }
  });

  it('a hundred thousand of them lose nothing', () => {
    const world = build(40);
    const random = generator(20261120);
    for (let n = 1; n <= 100_000; n++) {
      step(world, random);
      if (n % 500 === 0) expect(audit(world.host.ledger), `after ${n}`).toEqual([]);
    }
    end(world);
    expect(world.host.freeFrames).toBe(40);
  }, 120_000);
});
