// One design with the guest: a VM whose disk reaches memory through the VMM's mapping, run to its end.

import { Host, PhysicalMemory, Vm } from '../../hypervisor/index.ts';
import { FRAME_TAGGED } from '../../hypervisor/ledger/index.ts';
import { PAGE_SIZE, TAG_GRANULE } from '../../lib/index.ts';
import { memoryBlock, VirtioBlk, VirtioMmio } from '../../vmm/index.ts';
import { type Design, MappedPort } from './design.ts';
import { BUFFER_BYTES, COUNTS, DISK, programBytes, RAM, RAM_BYTES, REQUESTS } from './program.ts';

const FRAMES = 128;
const SYSTEM_BYTES = 8 << 20;
const BUDGET = 100_000;
/** Turns of the guest without its end after which it counts as stuck. */
const TURNS = 10_000;
export const GRANULES = (REQUESTS * BUFFER_BYTES) / TAG_GRANULE;
/** Two tags a byte. */
const bytesOf = (tags: number): number => tags / 2;

export interface Outcome {
  readonly design: Design;
  readonly requests: number;
  readonly completed: number;
  /** SIGSEGVs of the VMM that no bug of anybody's caused. */
  readonly vmmFaults: number;
  /** Granules whose tag the guest set and no longer finds. */
  readonly lostTags: number;
  readonly guestFaults: number;
  /** Granules of the disk's data that the guest could read. */
  readonly granulesRead: number;
  /** Bytes of tag storage: made when pages were mapped; read and written by the VMM's accesses. */
  readonly initialised: number;
  readonly tagsRead: number;
  readonly tagsWritten: number;
}

export function runDesign(design: Design): Outcome {
  const memory = new PhysicalMemory({ frames: FRAMES, systemBytes: SYSTEM_BYTES });
  const host = new Host(memory, { pkvm: false });
  const space = host.createAddressSpace();
  const vm = new Vm(host, space, {
    vcpus: 1,
    gic: 3,
    engine: 'interpreter',
    clock: { now: () => 0, virtual: true },
    random: () => false,
    log: () => {},
    features: { mte: true },
  });
  const base = space.mmapAnonymous(RAM_BYTES);
  space.port.write(base, programBytes());
  vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM, size: RAM_BYTES, hva: base });
  const port = new MappedPort(vm, space, design, base, RAM);
  const image = new Uint8Array(REQUESTS * BUFFER_BYTES).fill(0xd1);
  const disk = new VirtioBlk({ backend: memoryBlock(image) }, { dma: port, log: () => {} });
  const registers = runToTheEnd(vm, new VirtioMmio(disk, { set() {} }));
  const { traffic } = port;
  const { flags } = host.ledger.frames;
  const outcome = {
    design,
    requests: REQUESTS,
    completed: registers.completed,
    vmmFaults: traffic.faults,
    lostTags: GRANULES - registers.tagged,
    guestFaults: registers.faults,
    granulesRead: registers.read,
    initialised:
      flags.filter((flag) => (flag & FRAME_TAGGED) !== 0).length * bytesOf(PAGE_SIZE / TAG_GRANULE),
    tagsRead: bytesOf(traffic.tagsRead),
    tagsWritten: bytesOf(traffic.tagsWritten),
  };
  vm.dispose();
  return outcome;
}

function runToTheEnd(vm: Vm, transport: VirtioMmio): Record<keyof typeof COUNTS, number> {
  const [vcpu] = vm.vcpus as [Vm['vcpus'][number]];
  vcpu.setRegister('pc', BigInt(RAM));
  for (let turn = 0; turn < TURNS; turn++) {
    const exit = vcpu.run(BUDGET);
    if (exit.reason === 'system-event') {
      const [face] = vm.debugger.vcpus as [(typeof vm.debugger.vcpus)[number]];
      const count = (name: keyof typeof COUNTS): number => Number(face.readRegister(COUNTS[name]));
      return {
        completed: count('completed'),
        read: count('read'),
        faults: count('faults'),
        tagged: count('tagged'),
      };
    }
    if (exit.reason === 'error') throw new Error(`the guest cannot run: ${exit.errno}`);
    if (exit.reason !== 'mmio') continue;
    const offset = exit.gpa - DISK;
    const known = offset >= 0 && offset < transport.size;
    if (!exit.write) vcpu.completeMmio(known ? BigInt(transport.read(offset, 4)) : 0n);
    else if (known) transport.write(offset, 4, Number(BigInt.asUintN(32, exit.data)));
  }
  throw new Error('the guest does not end');
}
