// A vCPU's loads and stores by guest-physical address, with stage 1 off: what a few instructions of a guest would
// do, for callers that have no CPU (the model checker, replays). It goes the whole way each time, as a CPU does
// whose TLB is empty.

import {
  ACCESS_EXECUTE,
  ACCESS_READ,
  ACCESS_WRITE,
  type Access,
  STAGE2_EXIT,
  STAGE2_MEMORY,
  STAGE2_MMIO,
  type Stage2Page,
} from '../../hardware/index.ts';
import { type Gpa, gpa, hostOffset, PAGE_SIZE, TAG_GRANULE } from '../../lib/index.ts';
import type { FaultExit } from './outcome.ts';
import type { VcpuStage2 } from './vcpu-stage2.ts';
import type { VmMemory } from './vm-memory.ts';

export type VcpuAccess =
  | { readonly kind: 'done'; readonly value: bigint }
  /** The VMM emulates it. */
  | { readonly kind: 'mmio' }
  /** The guest takes a synchronous external abort. */
  | { readonly kind: 'abort' }
  | { readonly kind: 'exit'; readonly exit: FaultExit };

export class VcpuPort {
  private readonly vm: VmMemory;
  private readonly stage2: VcpuStage2;
  private readonly page: Stage2Page = {
    frame: hostOffset(0),
    writable: false,
    executable: false,
    tagged: false,
  };

  constructor(vm: VmMemory, vcpu: number) {
    this.vm = vm;
    this.stage2 = vm.createVcpuStage2(vcpu);
  }

  /** Loads 8 bytes from an address that is a multiple of 8. */
  load(address: Gpa): VcpuAccess {
    return this.access(address, ACCESS_READ, (word) => word[0]);
  }

  /** Stores 8 bytes. */
  store(address: Gpa, value: bigint): VcpuAccess {
    return this.access(address, ACCESS_WRITE, (word) => {
      word[0] = value;
      return value;
    });
  }

  /** Fetches an instruction's page. */
  fetch(address: Gpa): VcpuAccess {
    return this.access(address, ACCESS_EXECUTE, (word) => word[0]);
  }

  /** Sets the tag of a granule, where the VM has MTE; done with the tag that the granule has then. */
  setTag(address: Gpa, tag: number): VcpuAccess {
    return this.access(address, ACCESS_WRITE, (word) => {
      if (!this.page.tagged) return 0n;
      const granule = Math.floor((word.byteOffset - this.page.frame) / TAG_GRANULE);
      this.vm.host.memory.allocationTags.write(this.page.frame)[granule] = tag & 15;
      return BigInt(tag & 15);
    });
  }

  private access(address: Gpa, access: Access, act: (word: BigUint64Array) => bigint): VcpuAccess {
    const within = address % PAGE_SIZE;
    if (within % 8) throw new RangeError('a vCPU port moves aligned words of 8 bytes');
    const outcome = this.stage2.translate(gpa(address - within), access, false, this.page);
    if (outcome === STAGE2_MEMORY) {
      const word = new BigUint64Array(this.vm.host.memory.memory.buffer, this.page.frame + within, 1);
      return { kind: 'done', value: act(word) };
    }
    if (outcome === STAGE2_MMIO) return { kind: 'mmio' };
    if (outcome !== STAGE2_EXIT) return { kind: 'abort' };
    return { kind: 'exit', exit: this.stage2.takeExit()! };
  }
}
