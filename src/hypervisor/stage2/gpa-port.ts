// Ports by guest-physical address: a device without an IOMMU, the hypervisor's own reads and writes (interrupt
// tables), the debugger, and the migration stream. They differ in who asks; the way is the same, except that
// devices go the way that the VMM would go for them.

import { PAGE_SIZE } from '../../lib/index.ts';
import { type Actor, allowedFrame, decide, NONE, ownerName, View } from '../ledger/index.ts';
import type { VmMemory } from './vm-memory.ts';

export class GpaPort extends View {
  private readonly vm: VmMemory;
  private readonly actor: Actor;
  /** Writes are in the dirty set whatever the VM's extensions say: upstream logs KVM's own. */
  private readonly alwaysLogs: boolean;

  constructor(vm: VmMemory, actor: Actor, alwaysLogs: boolean) {
    super(vm.ledger);
    this.vm = vm;
    this.actor = actor;
    this.alwaysLogs = alwaysLogs;
  }

  get label(): string {
    const { kind, id } = this.actor;
    return `${kind}${id === undefined ? '' : ` ${id}`} of ${ownerName(this.vm.guest.handle)}`;
  }

  private get logs(): boolean {
    return this.alwaysLogs || this.vm.extensions.logForeignWrites;
  }

  protected lookup(page: number, write: boolean): number {
    const { vm, ledger, actor } = this;
    const route = vm.mapper.route(page, false);
    return allowedFrame(ledger.frames, actor, write ? 'write' : 'read', route, vm.extensions.debugPrivate);
  }

  protected mustAskForWrites(page: number): boolean {
    return this.logs && this.vm.isUnloggedGfn(this.vm.mapper.canonical(page));
  }

  protected resolve(page: number, write: boolean): number {
    const { vm, ledger } = this;
    const route = vm.mapper.route(page, false);
    const verdict = decide(
      ledger.frames,
      this.actor,
      write ? 'write' : 'read',
      route,
      vm.extensions.debugPrivate,
    );
    if (!verdict.allowed) {
      this.refusal = { rule: verdict.rule, reason: verdict.reason, address: page * PAGE_SIZE };
      return NONE;
    }
    const frame = this.bring(route, write);
    if (frame !== NONE && write && this.logs) vm.markDirty(vm.mapper.canonical(page));
    return frame;
  }
}
