// A scene made of production objects: host, processes, VMs, files, IOMMU domains and every actor's port. Nothing
// here decides anything; it holds what the steps act upon, and a few notes of what those objects keep to themselves.

import { PhysicalMemory } from '../../hypervisor/index.ts';
import {
  ENTRY_PRESENT,
  ENTRY_WRITE,
  entryFrame,
  type Guest,
  type Ledger,
  type MemoryPort,
  type Report,
  type TlbInvalidator,
} from '../../hypervisor/ledger/index.ts';
import {
  type AddressSpace,
  EVERYTHING,
  GUEST_MEMFD_MMAP,
  type GuestMemfd,
  Host,
  HostKernel,
  type HostKernelPort,
  MEM_GUEST_MEMFD,
  MEM_LOG_DIRTY_PAGES,
} from '../../hypervisor/slots/index.ts';
import { type DomainPort, IommuDomain, type VcpuPort, VmMemory } from '../../hypervisor/stage2/index.ts';
import { type FrameNumber, frameNumber, type HostOffset, type Hva, PAGE_SIZE } from '../../lib/index.ts';
import { MEMFD_GFN, type Scene, type VmPlan } from './scenes.ts';

/** A process with its VMM's memory. */
export interface Process {
  readonly space: AddressSpace;
  readonly kernelPort: HostKernelPort;
  readonly ram: Hva;
  readonly pages: number;
  /** Where it maps the guest_memfd of a VM, by VM. */
  readonly memfdAt: Map<number, Hva>;
  /** Pages on swap, and whether with tags. */
  readonly swapped: Map<number, boolean>;
}

/** A device behind the IOMMU, and what is mapped for it at I/O address 0. */
export interface Assigned {
  readonly domain: IommuDomain;
  readonly port: DomainPort;
  mapped: string | undefined;
}

export interface Vm {
  readonly plan: VmPlan;
  readonly process: Process;
  readonly memory: VmMemory;
  readonly vcpu: VcpuPort;
  readonly tlb: ModelTlb;
  readonly device: MemoryPort;
  readonly debuggerPort: MemoryPort;
  readonly kvmPort: MemoryPort;
  readonly memfd: GuestMemfd | undefined;
  readonly assigned: Assigned | undefined;
  alive: boolean;
  /** What the guest has told the MMIO guard, noted by who told it. */
  guards: boolean;
  guarded: Set<number>;
}

/** One memory for all worlds of a scene: a WebAssembly memory for each would exhaust the address space. */
export const sceneMemory = (scene: Scene): PhysicalMemory =>
  new PhysicalMemory({ frames: scene.frames, systemBytes: 1 << 16 });

export class World {
  readonly scene: Scene;
  readonly host: Host;
  readonly ledger: Ledger;
  readonly kernel: HostKernel;
  readonly processes: readonly Process[];
  readonly vms: readonly Vm[];

  constructor(scene: Scene, memory: PhysicalMemory) {
    for (let frame = 0; frame < scene.frames; frame++) memory.scrub(frameNumber(frame));
    this.scene = scene;
    this.host = new Host(memory, { pkvm: true });
    this.ledger = this.host.ledger;
    this.ledger.watchful = true;
    this.kernel = new HostKernel(this.host);
    const processes: Process[] = [];
    this.processes = processes;
    this.vms = scene.vms.map((plan, n) => {
      const process = scene.oneProcess && n > 0 ? processes[0] : this.process(Math.max(1, plan.anonymous));
      if (!processes.includes(process)) processes.push(process);
      return this.vm(plan, n, process);
    });
  }

  private process(pages: number): Process {
    const space = this.host.createAddressSpace();
    const kernelPort = this.kernel.userPort(space);
    const ram = space.mmapAnonymous(pages * PAGE_SIZE);
    return { space, kernelPort, ram, pages, memfdAt: new Map(), swapped: new Map() };
  }

  private vm(plan: VmPlan, index: number, process: Process): Vm {
    const memory = new VmMemory(this.host, process.space, {
      protected: plan.isProtected,
      extensions: EVERYTHING,
    });
    if (plan.mte) memory.enableMte();
    const bytes = plan.memfd * PAGE_SIZE;
    const memfd = plan.memfd > 0 ? memory.createGuestMemfd(bytes, GUEST_MEMFD_MMAP) : undefined;
    if (memfd) process.memfdAt.set(index, process.space.mmapMemfd(memfd, 0, bytes));
    const tlb = new ModelTlb(memory.guest);
    memory.addTlb(tlb);
    this.ledger.auditors.add(tlb);
    let assigned: Assigned | undefined;
    if (plan.iommu) {
      const domain = new IommuDomain(this.host, plan.iommu);
      assigned = { domain, port: domain.port(index), mapped: undefined };
    }
    const vm: Vm = {
      plan,
      process,
      memory,
      vcpu: memory.createVcpuPort(0),
      tlb,
      device: memory.devicePort(8 + index),
      debuggerPort: memory.debuggerPort(),
      kvmPort: memory.hypervisorPort(),
      memfd,
      assigned,
      alive: true,
      guards: plan.isProtected,
      guarded: new Set(),
    };
    if (plan.anonymous > 0) addAnonymousSlot(vm);
    if (memfd) addMemfdSlot(vm);
    // A vCPU has run: what the kernel refuses from then on is refused in every state.
    memory.markCreated();
    return vm;
  }

  get frames(): FrameNumber[] {
    return Array.from({ length: this.scene.frames }, (_, frame) => frameNumber(frame));
  }
}

export function addAnonymousSlot({ plan, memory, process }: Vm): void {
  memory.setUserMemoryRegion({
    slot: 0,
    flags: plan.logged ? MEM_LOG_DIRTY_PAGES : 0,
    gpa: 0,
    size: plan.anonymous * PAGE_SIZE,
    hva: process.ram,
  });
}

export function addMemfdSlot({ plan, memory, memfd }: Vm): void {
  memory.setUserMemoryRegion2({
    slot: 1,
    flags: MEM_GUEST_MEMFD,
    gpa: MEMFD_GFN * PAGE_SIZE,
    size: plan.memfd * PAGE_SIZE,
    hva: 0,
    memfd,
    offset: 0,
  });
}

/** A vCPU's TLB that holds everything it may: the worst case for whoever forgets to drop from it. */
export class ModelTlb implements TlbInvalidator {
  private readonly guest: Guest;
  private readonly entries = new Map<number, { frame: FrameNumber; writable: boolean }>();
  private base = 0;

  constructor(guest: Guest) {
    this.guest = guest;
  }

  /** Takes in all that stage 2 permits now. */
  fill(ledger: Ledger): void {
    this.base = ledger.offsetOf(frameNumber(0));
    this.guest.table.each((gfn, entry) => {
      if ((entry & ENTRY_PRESENT) === 0) return;
      this.entries.set(gfn, { frame: entryFrame(entry), writable: (entry & ENTRY_WRITE) !== 0 });
    });
  }

  dropFrame(offset: HostOffset): void {
    for (const [gfn, { frame }] of this.entries) {
      if (this.base + frame * PAGE_SIZE === offset) this.entries.delete(gfn);
    }
  }

  dropAll(): void {
    this.entries.clear();
  }

  dropWrites(): void {
    for (const entry of this.entries.values()) entry.writable = false;
  }

  /** What it would answer without asking is what stage 2 says. */
  audit(report: Report): void {
    for (const [gfn, { frame, writable }] of this.entries) {
      const entry = this.guest.table.get(gfn);
      if ((entry & ENTRY_PRESENT) === 0 || entryFrame(entry) !== frame) {
        report('convertible', `a TLB still leads from GFN ${gfn} to frame ${frame}`);
      } else if (writable && (entry & ENTRY_WRITE) === 0) {
        report('logged', `a TLB still lets the guest write to GFN ${gfn}, frame ${frame}`);
      }
    }
  }
}
