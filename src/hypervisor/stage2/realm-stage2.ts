// Stage 2 of a realm's vCPU (RMM specification 1.0, A5.2 and A4.3): a protected address leads to the realm's own page, the
// same address in the upper half to a page that it shares or to a device of the host's, and never both.

import {
  ACCESS_EXECUTE,
  ACCESS_WRITE,
  type Access,
  STAGE2_ABORT,
  STAGE2_MEMORY,
  STAGE2_MMIO,
  type Stage2Outcome,
  type Stage2Page,
} from '../../hardware/index.ts';
import { type Gpa, gpa, PAGE_SIZE } from '../../lib/index.ts';
import { ENTRY_EXECUTE, ENTRY_PRESENT, ENTRY_WRITE, entryState, OWNED } from '../ledger/index.ts';
import type { RealmSpace } from '../realm/index.ts';
import { MEMORY_FAULT_PRIVATE, memoryFault } from './outcome.ts';
import { VcpuStage2 } from './vcpu-stage2.ts';
import type { VmMemory } from './vm-memory.ts';

export class RealmStage2 extends VcpuStage2 {
  private readonly realm: RealmSpace;

  constructor(vm: VmMemory, vcpu: number, realm: RealmSpace) {
    super(vm, vcpu);
    this.realm = realm;
  }

  override translate(ipa: Gpa, access: Access, inWalk: boolean, out: Stage2Page): Stage2Outcome {
    const page = Math.floor(ipa / PAGE_SIZE);
    const shared = page >= this.realm.half;
    const gfn = shared ? page - this.realm.half : page;
    // The realm's instructions come from its own memory only.
    if (shared && access === ACCESS_EXECUTE) return STAGE2_ABORT;
    const needed =
      access === ACCESS_WRITE
        ? ENTRY_PRESENT | ENTRY_WRITE
        : access === ACCESS_EXECUTE
          ? ENTRY_PRESENT | ENTRY_EXECUTE
          : ENTRY_PRESENT;
    let entry = this.table.get(gfn);
    if ((entry & needed) !== needed || (entryState(entry) === OWNED) === shared) {
      const outcome = this.miss(ipa, page, access, inWalk);
      if (outcome !== STAGE2_MEMORY) return outcome;
      entry = this.table.get(gfn);
      if ((entryState(entry) === OWNED) === shared)
        throw new Error(`realm: page ${page} stands in the other half`);
    }
    this.answer(entry, out);
    if (shared) out.executable = false;
    return STAGE2_MEMORY;
  }

  private miss(ipa: Gpa, page: number, access: Access, inWalk: boolean): Stage2Outcome {
    const { vm, realm } = this;
    const early = this.before(ipa);
    if (early !== undefined) return early;
    const hole = realm.holeAt(page);
    if (hole === 'ripas-destroyed')
      return this.exit(memoryFault(gpa(page * PAGE_SIZE), PAGE_SIZE, MEMORY_FAULT_PRIVATE));
    if (hole === undefined) {
      const miss = vm.mapper.fault(page, access, this.actor);
      if (miss === undefined) return STAGE2_MEMORY;
      if (miss.kind === 'exit') return this.exit(miss.exit);
    }
    if (inWalk || access === ACCESS_EXECUTE) return STAGE2_ABORT;
    if (vm.emulation(page).allowed) return STAGE2_MMIO;
    realm.deny(page);
    return STAGE2_ABORT;
  }
}
