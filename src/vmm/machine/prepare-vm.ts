// A host of its own for one machine, and on it a VM with RAM where the board has it.

import { Host, PhysicalMemory, Vm } from '../../hypervisor/index.ts';
import { PAGE_SIZE } from '../../lib/index.ts';
import type { PreparedVm, VmConfig } from './hypervisor-face.ts';
import { RAM_BASE } from './memory-map.ts';

/** Frames beyond the guest's RAM, so that the host is never short of the last page. */
const SPARE_FRAMES = 1024;
/** CPU states, soft TLBs and the engine's tables. */
const SYSTEM_BYTES = 16 << 20;

export function prepareVm(config: VmConfig): PreparedVm {
  const frames = config.memoryBytes / PAGE_SIZE + SPARE_FRAMES;
  const host = new Host(new PhysicalMemory({ frames, systemBytes: SYSTEM_BYTES }));
  const space = host.createAddressSpace();
  const vm = new Vm(host, space, {
    vcpus: config.vcpus,
    gic: config.gic,
    clock: config.clock,
    features: { mte: false },
  });
  const hva = space.mmapAnonymous(config.memoryBytes);
  vm.memory.setUserMemoryRegion({ slot: 0, flags: 0, gpa: RAM_BASE, size: config.memoryBytes, hva });
  return {
    vm,
    vcpus: vm.vcpus,
    load(address, bytes) {
      const refusal = space.port.write(hva + (address - RAM_BASE), bytes);
      if (refusal) throw new Error(`boot files: ${refusal.reason}`);
    },
  };
}
