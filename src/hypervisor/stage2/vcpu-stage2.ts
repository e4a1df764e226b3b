// Stage 2 as one vCPU's MMU asks for it: an entry that permits the access is the answer, anything else is a fault
// for the mapper. A hit allocates nothing.

import {
  ACCESS_EXECUTE,
  ACCESS_WRITE,
  type Access,
  STAGE2_ABORT,
  STAGE2_BEYOND,
  STAGE2_EXIT,
  STAGE2_MEMORY,
  STAGE2_MMIO,
  STAGE2_SIZE_FAULT,
  type Stage2,
  type Stage2Outcome,
  type Stage2Page,
} from '../../hardware/index.ts';
import { type Gpa, hostOffset, PAGE_SIZE } from '../../lib/index.ts';
import {
  type Actor,
  ENTRY_EXECUTE,
  ENTRY_PRESENT,
  ENTRY_WRITE,
  entryFrame,
  type PageTable,
} from '../ledger/index.ts';
import type { FaultExit } from './outcome.ts';
import type { VmMemory } from './vm-memory.ts';

/** Output addresses of the host's own stage 2: beyond, an IPA is no address at all. */
const HOST_IPA_BITS = 52;

export class VcpuStage2 implements Stage2 {
  protected readonly vm: VmMemory;
  protected readonly actor: Actor;
  protected readonly table: PageTable;
  private readonly framesBase: number;
  private pending: FaultExit | undefined;

  constructor(vm: VmMemory, vcpu: number) {
    this.vm = vm;
    this.actor = { kind: 'vcpu', vm: vm.guest.handle, id: vcpu };
    this.table = vm.guest.table;
    this.framesBase = vm.host.memory.framesBase;
  }

  translate(ipa: Gpa, access: Access, inWalk: boolean, out: Stage2Page): Stage2Outcome {
    const gfn = Math.floor(ipa / PAGE_SIZE);
    const needed =
      access === ACCESS_WRITE
        ? ENTRY_PRESENT | ENTRY_WRITE
        : access === ACCESS_EXECUTE
          ? ENTRY_PRESENT | ENTRY_EXECUTE
          : ENTRY_PRESENT;
    let entry = this.table.get(gfn);
    if ((entry & needed) !== needed) {
      const outcome = this.fault(ipa, gfn, access, inWalk);
      if (outcome !== STAGE2_MEMORY) return outcome;
      entry = this.table.get(gfn);
    }
    this.answer(entry, out);
    return STAGE2_MEMORY;
  }

  protected answer(entry: number, out: Stage2Page): void {
    out.frame = hostOffset(this.framesBase + entryFrame(entry) * PAGE_SIZE);
    out.writable = (entry & ENTRY_WRITE) !== 0;
    out.executable = (entry & ENTRY_EXECUTE) !== 0;
    out.tagged = this.vm.hasMte;
  }

  private fault(ipa: Gpa, gfn: number, access: Access, inWalk: boolean): Stage2Outcome {
    const { vm } = this;
    const early = this.before(ipa);
    if (early !== undefined) return early;
    const miss = vm.mapper.fault(gfn, access, this.actor);
    if (miss === undefined) return STAGE2_MEMORY;
    if (miss.kind === 'exit') return this.exit(miss.exit);
    if (inWalk || access === ACCESS_EXECUTE) return STAGE2_ABORT;
    if (vm.emulation(gfn).allowed) return STAGE2_MMIO;
    vm.mmioGuard.countDenial(gfn);
    return STAGE2_ABORT;
  }

  /** What comes before any look at slots. */
  protected before(ipa: Gpa): Stage2Outcome | undefined {
    const { vm } = this;
    if (ipa >= 2 ** vm.ipaBits) return ipa >= 2 ** HOST_IPA_BITS ? STAGE2_SIZE_FAULT : STAGE2_BEYOND;
    vm.markCreated();
    if (vm.dirtyLog.usesRings && vm.dirtyLog.ring(this.actor.id!).isSoftFull) {
      return this.exit({ reason: 'dirty-ring-full' });
    }
    return undefined;
  }

  protected exit(exit: FaultExit): Stage2Outcome {
    this.pending = exit;
    return STAGE2_EXIT;
  }

  /** The exit behind the last STAGE2_EXIT, once. */
  takeExit(): FaultExit | undefined {
    const { pending } = this;
    this.pending = undefined;
    return pending;
  }
}
